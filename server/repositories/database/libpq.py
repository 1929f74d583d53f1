"""The libpq that psycopg2 has loaded: functions that psycopg2 does not offer.

psycopg2 sends and reads bytes only as text, two digits each. It documents `connection.pgconn_ptr`
for use with ctypes, and all that is called here are documented functions of libpq
(https://www.postgresql.org/docs/current/libpq.html). None of them waits: the connection is
asynchronous, and the caller does the waiting.
"""

import ctypes
import struct
import sys
from collections.abc import Callable, Mapping, Sequence
from ctypes import POINTER, c_char_p, c_int, c_uint, c_void_p
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg2
import psycopg2.errors
from psycopg2.extensions import libpq_version

from server.errors import StartupError
from server.repositories.database.connections import (
    EARLIEST,
    LATEST,
    TOO_LATE,
    TooLateError,
)
from server.repositories.database.types import Row

SIGNATURES: dict[str, tuple[Any, ...]] = {
    "PQclear": (None, c_void_p),
    "PQconsumeInput": (c_int, c_void_p),
    "PQerrorMessage": (c_char_p, c_void_p),
    "PQflush": (c_int, c_void_p),
    "PQftype": (c_uint, c_void_p, c_int),
    "PQgetlength": (c_int, c_void_p, c_int, c_int),
    "PQgetResult": (c_void_p, c_void_p),
    "PQgetisnull": (c_int, c_void_p, c_int, c_int),
    "PQgetvalue": (c_void_p, c_void_p, c_int, c_int),
    "PQisBusy": (c_int, c_void_p),
    "PQlibVersion": (c_int,),
    "PQnfields": (c_int, c_void_p),
    "PQntuples": (c_int, c_void_p),
    "PQresultErrorField": (c_char_p, c_void_p, c_int),
    "PQresultErrorMessage": (c_char_p, c_void_p),
    "PQresultStatus": (c_int, c_void_p),
    "PQsendPrepare": (c_int, c_void_p, c_char_p, c_char_p, c_int, c_void_p),
    "PQsendQueryPrepared": (
        *(c_int, c_void_p, c_char_p, c_int),
        *(POINTER(c_char_p), POINTER(c_int), POINTER(c_int), c_int),
    ),
}
"""Of each function: what it returns, and what it takes."""

DONE = {1, 2}  # ExecStatusType: PGRES_COMMAND_OK, PGRES_TUPLES_OK
SQLSTATE = ord("C")  # PG_DIAG_SQLSTATE
AS_TEXT, AS_BYTES = 0, 1  # the formats of parameters and of results
BYTEA_OID = 17
YEAR_2000 = datetime(2000, 1, 1, tzinfo=UTC)


def load() -> ctypes.CDLL:
    """Return the very library that psycopg2 uses, its functions ready to be called.

    A name is looked up in psycopg2's extension module and then in what that was linked with
    (dlsym(3)): the system's libpq, or the one in the wheel of psycopg2-binary.

    Raises:
        StartupError: psycopg2 was built in a way that hides it, or there are two.
    """
    extension = sys.modules[libpq_version.__module__].__file__
    library = ctypes.CDLL(extension)
    for name, (returned, *taken) in SIGNATURES.items():
        try:
            function = getattr(library, name)
        except AttributeError as error:
            raise StartupError(
                f"The function {name} of libpq cannot be called: psycopg2 ({extension}) does not"
                " use libpq as a shared library. Install psycopg2-binary."
            ) from error
        function.restype, function.argtypes = returned, taken
    if library.PQlibVersion() != libpq_version():
        raise StartupError(
            f"Two versions of libpq are loaded, {libpq_version()} and {library.PQlibVersion()}."
            f" psycopg2 ({extension}) must find the one that it was linked with."
        )
    return library


def send(
    library: ctypes.CDLL, pgconn: int | None, statement: bytes, values: Sequence[object]
) -> bool:
    """Begin to run a prepared statement; return whether that was possible."""
    sent = [_sent(value) for value in values]
    count = len(sent)
    return bool(
        library.PQsendQueryPrepared(
            pgconn,
            statement,
            count,
            (c_char_p * count)(*(data for data, _ in sent)),
            (c_int * count)(*(len(data or b"") for data, _ in sent)),
            (c_int * count)(*(kind for _, kind in sent)),
            AS_BYTES,
        )
    )


def rows(library: ctypes.CDLL, result: int) -> list[Row]:
    """Return a result's rows, values as Python's; None is NULL.

    Raises:
        psycopg2.Error: it is a failure; of which class, `error` says. Or it has a type that is not
            read here (READERS).
    """
    if library.PQresultStatus(result) not in DONE:
        state = library.PQresultErrorField(result, SQLSTATE)
        raise error(library.PQresultErrorMessage(result), state and state.decode())
    kinds = [library.PQftype(result, field) for field in range(library.PQnfields(result))]
    if unknown := set(kinds) - READERS.keys():
        raise psycopg2.NotSupportedError(f"columns of the types {sorted(unknown)} are not read")
    readers = [READERS[kind] for kind in kinds]
    return [
        tuple(_value(library, result, row, *one) for one in enumerate(readers))
        for row in range(library.PQntuples(result))
    ]


def _value(
    library: ctypes.CDLL, result: int, row: int, field: int, read: Callable[[bytes], object]
) -> object:
    if library.PQgetisnull(result, row, field):
        return None
    length = library.PQgetlength(result, row, field)
    return read(ctypes.string_at(library.PQgetvalue(result, row, field), length))


def _read_moment(data: bytes) -> datetime:
    """Read a time: microseconds since 2000, in UTC; one that Python cannot hold as TIMESTAMP."""
    since = int.from_bytes(data, signed=True)
    try:
        return YEAR_2000 + timedelta(microseconds=since)
    except OverflowError:
        return EARLIEST if since < 0 else LATEST


def _read_whole(data: bytes) -> int:
    return int.from_bytes(data, signed=True)


READERS: Mapping[int, Callable[[bytes], object]] = {
    16: lambda data: data != b"\0",  # bool
    BYTEA_OID: bytes,
    **dict.fromkeys((20, 21, 23), _read_whole),  # bigint, smallint, integer
    **dict.fromkeys((25, 1043), bytes.decode),  # text, varchar
    701: lambda data: struct.unpack("!d", data)[0],  # double precision
    1184: _read_moment,  # timestamptz
    2278: lambda _: None,  # void
    2950: lambda data: UUID(bytes=data),
}
"""What reads a value as PostgreSQL sends it, by the OID of its type (pg_type.dat)."""


def error(message: bytes, state: str | None = None) -> psycopg2.Error:
    """Return the exception for an SQLSTATE, mostly psycopg2's own; without, it is lost."""
    text = message.decode(errors="replace")
    if state is None:
        return psycopg2.OperationalError(text)
    if state == TOO_LATE:
        return TooLateError(text)
    # A code of a user's own, or of a newer server, counts as its class.
    for known in (state, f"{state[:2]}000"):
        try:
            return psycopg2.errors.lookup(known)(text)
        except KeyError:
            continue
    return psycopg2.InternalError(text)


def _sent(value: object) -> tuple[bytes | None, int]:
    """Return a parameter as it is sent, and how."""
    match value:
        case None:
            return None, AS_TEXT
        case str() if "\0" not in value:
            return value.encode(), AS_TEXT
        case int() | UUID():
            return str(value).encode(), AS_TEXT
        case datetime():
            return value.isoformat().encode(), AS_TEXT
        case list():
            # bytea[], as array_recv takes it (src/backend/utils/adt/arrayfuncs.c)
            parts = [struct.pack("!iiI", 1 if value else 0, 0, BYTEA_OID)]
            if value:
                parts.append(struct.pack("!ii", len(value), 1))
            for item in value:
                parts += struct.pack("!i", len(item)), item
            return b"".join(parts), AS_BYTES
        case _:
            raise psycopg2.DataError(f"{type(value).__name__} cannot be sent, nor text with NUL")
