"""Applies migrations by yoyo; imported where one is missing, which is at few starts."""

import glob
import os
import socket
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from yoyo import read_migrations
from yoyo.backends.core.postgresql import PostgresqlBackend
from yoyo.connections import DatabaseURI

from server.repositories.database.applied import YOYO_TABLE


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


def apply_missing(parameters: Mapping[str, str], directory: Path) -> None:
    """Apply the migrations in `directory` that the database does not have yet.

    Whoever calls this keeps all others away: a lock of yoyo's that is there is broken.
    """
    migrations = read_migrations(glob.escape(str(directory)))
    with _Backend(parameters) as backend:
        # Not init_database: that tries out whether tables can be made in a transaction, by one that
        # must fail. PostgreSQL can do that, and its log is for faults alone.
        backend.create_lock_table()
        backend.break_lock()
        with backend.lock():
            backend.apply_migrations(backend.to_apply(migrations))
