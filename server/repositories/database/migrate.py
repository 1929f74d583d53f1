"""Brings a database's tables up to date."""

import asyncio
import re
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psycopg2
from psycopg2.extensions import cursor as Cursor  # noqa: N812
from psycopg2.extensions import make_dsn

from server.errors import StartupError
from server.repositories.database.address import Address
from server.repositories.database.applied import applied_in

LOCK_SECONDS = 60
"""For another process to finish its migrations."""

CONNECT_SECONDS = 10

ROLLBACK = ".rollback"
"""How the name of a file ends that takes a migration back."""

_LOCK_KEY = int.from_bytes(b"tailrun", "big")
_OURS = re.compile(r"\d{4}\.")  # others may use the database, and yoyo, too


async def apply(url: str, directory: Path) -> None:
    """Apply the migrations in `directory` that the database does not have yet.

    yoyo's own lock is a row with a pid: left behind by a killed process, it would bar every
    later start. So a PostgreSQL advisory lock, which ends with its connection, is taken around
    it, and its holder may break yoyo's.

    Raises:
        StartupError: the URL is none, the directory holds no migration, the database is not in
            UTF-8, or a newer version has migrated it.
        DatabaseUnavailableError: the server cannot be reached, or another process has been
            migrating it for LOCK_SECONDS.
    """
    await asyncio.to_thread(_apply, Address.parse(url), directory)


def _apply(address: Address, directory: Path) -> None:
    known = names(directory)
    if not known:
        raise StartupError(f"There are no migrations in {directory}. Install Tailrun again.")
    parameters = {"connect_timeout": str(CONNECT_SECONDS), **address.parameters}
    with address.errors(), _advisory_lock(parameters) as cursor:
        cursor.execute("SHOW server_encoding")
        [(encoding,)] = cursor.fetchall()
        if encoding != "UTF8":
            raise StartupError(
                f"{address} has the encoding {encoding}, which lacks characters that output may"
                " have. Use one that was made by CREATE DATABASE … ENCODING 'UTF8' TEMPLATE"
                " template0."
            )
        applied = {*(applied_in(cursor) or ())}
        _check_version(address, applied, known)
        if known - applied:
            # At most starts nothing is missing: yoyo would only take their time and memory.
            from server.repositories.database.applying import apply_missing  # noqa: PLC0415

            apply_missing(parameters, directory)


def _check_version(address: Address, applied: set[str], known: set[str]) -> None:
    """Refuse a database that a newer version has migrated: what it holds is not known here."""
    newer = newest_unknown(applied, known)
    if newer is not None:
        raise StartupError(
            f"{address} was migrated by a newer version of Tailrun: this one does not know the"
            f" migration {newer}. Start that version, or name another database."
        )


def newest_unknown(applied: Iterable[str], known: Iterable[str]) -> str | None:
    """Return the newest migration of ours that was applied and is not known here."""
    return max((name for name in {*applied} - {*known} if _OURS.match(name)), default=None)


def names(directory: Path) -> set[str]:
    """Return the names of the migrations in a directory."""
    return {path.stem for path in directory.glob("*.sql") if not path.stem.endswith(ROLLBACK)}


@contextmanager
def _advisory_lock(parameters: dict[str, str]) -> Iterator[Cursor]:
    """Hold the lock of migrations; the end of its connection, however it comes, releases it."""
    with (
        closing(psycopg2.connect(make_dsn(**parameters))) as connection,
        connection.cursor() as cursor,
    ):
        connection.autocommit = True
        cursor.execute(f"SET lock_timeout = {int(LOCK_SECONDS * 1000)}")
        cursor.execute("SELECT pg_advisory_lock(%s)", [_LOCK_KEY])
        yield cursor
