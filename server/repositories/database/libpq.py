"""The libpq that psycopg2 has loaded: functions that psycopg2 does not offer.

psycopg2 sends bytes only as text within a statement. It documents `connection.pgconn_ptr` for
use with ctypes, and all that is called here are documented functions of libpq
(https://www.postgresql.org/docs/current/libpq.html). None of them waits: the connection is
asynchronous, and the caller does the waiting.
"""

import ctypes
import struct
import sys
from collections.abc import Sequence
from ctypes import POINTER, c_char_p, c_int, c_void_p
from datetime import datetime
from typing import Any

import psycopg2
import psycopg2.errors
from psycopg2.extensions import libpq_version

from server.errors import StartupError
from server.repositories.database.connections import TOO_LATE, TooLateError

SIGNATURES: dict[str, tuple[Any, ...]] = {
    "PQclear": (None, c_void_p),
    "PQconsumeInput": (c_int, c_void_p),
    "PQerrorMessage": (c_char_p, c_void_p),
    "PQflush": (c_int, c_void_p),
    "PQgetResult": (c_void_p, c_void_p),
    "PQgetisnull": (c_int, c_void_p, c_int, c_int),
    "PQgetvalue": (c_char_p, c_void_p, c_int, c_int),
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
AS_TEXT, AS_BYTES = 0, 1  # the formats of a parameter
BYTEA_OID = 17


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
            AS_TEXT,
        )
    )


def rows(library: ctypes.CDLL, result: int) -> list[tuple[str | None, ...]]:
    """Return a result's rows, values as PostgreSQL writes them; None is NULL.

    Raises:
        psycopg2.Error: it is a failure; of which class, `error` says.
    """
    if library.PQresultStatus(result) not in DONE:
        state = library.PQresultErrorField(result, SQLSTATE)
        raise error(library.PQresultErrorMessage(result), state and state.decode())
    found = []
    for row in range(library.PQntuples(result)):
        values: list[str | None] = []
        for field in range(library.PQnfields(result)):
            is_null = library.PQgetisnull(result, row, field)
            values.append(None if is_null else library.PQgetvalue(result, row, field).decode())
        found.append(tuple(values))
    return found


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
