"""Brings a database's tables up to date."""

import asyncio
import glob
import os
import re
import socket
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg2
from psycopg2.extensions import cursor as Cursor  # noqa: N812
from psycopg2.extensions import make_dsn
from yoyo import read_migrations
from yoyo.backends.core.postgresql import PostgresqlBackend
from yoyo.connections import DatabaseURI

from server.errors import StartupError
from server.repositories.database.address import Address

LOCK_SECONDS = 60
"""For another process to finish its migrations."""

CONNECT_SECONDS = 10

YOYO_TABLE = "_yoyo_migration"
"""Where yoyo notes what it has applied."""

_LOCK_KEY = int.from_bytes(b"tailrun", "big")
_OURS = re.compile(r"\d{4}\.")  # others may use the database, and yoyo, too


class _Backend(PostgresqlBackend):  # type: ignore[misc]
    """yoyo on a libpq URL of any form; its record of who migrated asks no name service."""

    # yoyo makes the table in any case, and lets the statement fail where it is there.
    create_lock_table_sql = PostgresqlBackend.create_lock_table_sql.replace(
        "CREATE TABLE", "CREATE TABLE IF NOT EXISTS", 1
    )

    def __init__(self, parameters: Mapping[str, str]) -> None:
        rest = dict(parameters)
        name = rest.pop("dbname", None)
        super().__init__(DatabaseURI("postgresql", *[None] * 4, name, rest), YOYO_TABLE)

    def copy(self) -> "_Backend":
        return _Backend({**self.uri.args, "dbname": self.uri.database})

    def get_log_data(self, migration: Any = None, operation: str = "apply") -> dict[str, Any]:
        """Return yoyo's log record, without asking for names.

        A container's user may have none, and the host's full one may take the name service's
        time-out.
        """
        return {
            "id": str(uuid.uuid4()),
            "migration_id": migration.id if migration else None,
            "migration_hash": migration.hash if migration else None,
            "username": f"uid {os.geteuid()}",
            "hostname": socket.gethostname(),
            "created_at_utc": datetime.now(UTC).replace(tzinfo=None),
            "operation": operation,
        }


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
    migrations = read_migrations(glob.escape(str(directory)))
    if not migrations:
        raise StartupError(f"There are no migrations in {directory}. Install Tailrun again.")
    parameters = {"connect_timeout": str(CONNECT_SECONDS), **address.parameters}
    with address.errors(), _advisory_lock(parameters) as cursor, _Backend(parameters) as backend:
        cursor.execute("SHOW server_encoding")
        [(encoding,)] = cursor.fetchall()
        if encoding != "UTF8":
            raise StartupError(
                f"{address} has the encoding {encoding}, which lacks characters that output may"
                " have. Use one that was made by CREATE DATABASE … ENCODING 'UTF8' TEMPLATE"
                " template0."
            )
        # Not init_database: that tries out whether tables can be made in a transaction, by one that
        # must fail. PostgreSQL can do that, and its log is for faults alone.
        backend.create_lock_table()
        backend.break_lock()
        with backend.lock():
            missing = backend.to_apply(migrations)
            _check_version(address, backend, {migration.id for migration in migrations})
            backend.apply_migrations(missing)


def _check_version(address: Address, backend: _Backend, known: set[str]) -> None:
    """Refuse a database that a newer version has migrated: what it holds is not known here."""
    applied = {row[0] for row in backend.execute(f"SELECT migration_id FROM {YOYO_TABLE}")}  # noqa: S608
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
    return {migration.id for migration in read_migrations(glob.escape(str(directory)))}


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
