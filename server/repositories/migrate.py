"""Brings a database's tables up to date."""

import asyncio
import glob
import os
import socket
import uuid
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg2
from psycopg2.extensions import make_dsn
from yoyo import read_migrations
from yoyo.backends.core.postgresql import PostgresqlBackend
from yoyo.connections import DatabaseURI

from server.errors import StartupError
from server.repositories.address import Address

LOCK_SECONDS = 60
"""For another process to finish its migrations."""

CONNECT_SECONDS = 10

_LOCK_KEY = int.from_bytes(b"tailrun", "big")
_YOYO_TABLE = "_yoyo_migration"


class _Backend(PostgresqlBackend):  # type: ignore[misc]
    """yoyo on a libpq URL of any form; its record of who migrated asks no name service."""

    # yoyo makes the table in any case, and lets the statement fail where it is there.
    create_lock_table_sql = PostgresqlBackend.create_lock_table_sql.replace(
        "CREATE TABLE", "CREATE TABLE IF NOT EXISTS", 1
    )

    def __init__(self, parameters: Mapping[str, str]) -> None:
        rest = dict(parameters)
        name = rest.pop("dbname", None)
        super().__init__(DatabaseURI("postgresql", *[None] * 4, name, rest), _YOYO_TABLE)

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
    it; whoever holds that may break yoyo's.

    Raises:
        StartupError: the URL is none, or the directory holds no migration.
        DatabaseUnavailableError: the server cannot be reached, or another process has been
            migrating it for LOCK_SECONDS.
    """
    await asyncio.to_thread(_apply, Address.parse(url), directory)


def _apply(address: Address, directory: Path) -> None:
    migrations = read_migrations(glob.escape(str(directory)))
    if not migrations:
        raise StartupError(f"There are no migrations in {directory}. Install Tailrun again.")
    parameters = {"connect_timeout": str(CONNECT_SECONDS), **address.parameters}
    with address.errors(), _advisory_lock(parameters), _Backend(parameters) as backend:
        # Not init_database: that tries out whether tables can be made in a transaction, by one that
        # must fail. PostgreSQL can do that, and its log shall tell of faults alone.
        backend.create_lock_table()
        backend.break_lock()
        with backend.lock():
            backend.apply_migrations(backend.to_apply(migrations))


@contextmanager
def _advisory_lock(parameters: dict[str, str]) -> Iterator[None]:
    """Hold the lock of migrations; the end of its connection, however it comes, releases it."""
    with (
        closing(psycopg2.connect(make_dsn(**parameters))) as connection,
        connection.cursor() as cursor,
    ):
        connection.autocommit = True
        cursor.execute(f"SET lock_timeout = {int(LOCK_SECONDS * 1000)}")
        cursor.execute("SELECT pg_advisory_lock(%s)", [_LOCK_KEY])
        yield
