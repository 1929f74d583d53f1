"""A real PostgreSQL for tests: one server for the session, a fresh database for each test."""

import asyncio
import itertools
import os
import signal
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg2
import pytest

from server.repositories.database import migrate
from server.repositories.database.database import Database
from server.repositories.embedded.server import EmbeddedDatabase
from server.resources import migrations_directory

TEMPLATE = "tailrun_template"

# Nothing of a test's database need outlive a crash of the machine.
FAST = ("fsync = off", "synchronous_commit = off", "full_page_writes = off")

_numbers = itertools.count(1)


def with_name(url: str, name: str) -> str:
    """Return the URL of another database of the same server."""
    return urlsplit(url)._replace(path=f"/{name}").geturl()


def execute(url: str, *statements: str) -> None:
    """Run statements, each in a transaction of its own."""
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        connection.autocommit = True
        for statement in statements:
            cursor.execute(statement)


def query(url: str, sql: str) -> list[tuple[Any, ...]]:
    """Return the rows of a statement."""
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchall()


async def until_a_statement_waits(database: Database) -> None:
    """Return when a statement in this database waits for another's lock."""
    waiting = "SELECT FROM pg_stat_activity WHERE datname = current_database() AND"
    while not await database.fetch_all(f"{waiting} wait_event_type = 'Lock'"):
        pass


async def until_a_statement_sleeps(database: Database) -> None:
    """Return when a statement in this database has come to its pg_sleep."""
    sleeping = "SELECT FROM pg_stat_activity WHERE datname = current_database() AND"
    while not await database.fetch_all(f"{sleeping} wait_event = 'PgSleep'"):
        pass


@contextmanager
def hurried(database: Database, seconds: float = 0.3) -> Iterator[None]:
    """Have calls given up so soon: those that are to be, as others may take longer."""

    def set_timeouts(seconds: float) -> None:
        database.statement_timeout_seconds = seconds
        for pool in (database._pool, database._binary_pool):
            pool._timeout_seconds = seconds

    before = database.statement_timeout_seconds
    set_timeouts(seconds)
    try:
        yield
    finally:
        set_timeouts(before)


@asynccontextmanager
async def frozen(pid: int, database: Database) -> AsyncIterator[None]:
    """Freeze a server process, and return when, woken again, it has seen its client go."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)
    while await database.fetch_all("SELECT FROM pg_stat_activity WHERE pid = %(n)s", {"n": pid}):
        pass


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """Start the session's server, with a template database that has the tables."""
    with tempfile.TemporaryDirectory(prefix="tailrun-postgres-") as directory:
        server = EmbeddedDatabase(Path(directory) / "database")
        url = asyncio.run(server.start())
        try:
            settings = [f"ALTER SYSTEM SET {setting}" for setting in FAST]
            execute(url, *settings, "SELECT pg_reload_conf()", f"CREATE DATABASE {TEMPLATE}")
            asyncio.run(migrate.apply(with_name(url, TEMPLATE), migrations_directory()))
            yield url
        finally:
            asyncio.run(server.stop())


@pytest.fixture
def empty_database_url(postgres_url: str) -> Iterator[str]:
    """Make a fresh database without tables."""
    yield from _fresh(postgres_url, "template1")


@pytest.fixture
def database_url(postgres_url: str) -> Iterator[str]:
    """Make a fresh database with the tables."""
    yield from _fresh(postgres_url, TEMPLATE)


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """Open a pool on a fresh database with the tables."""
    database = Database(database_url, max_connections=4)
    await database.open()
    yield database
    await database.close()


def _fresh(url: str, template: str) -> Iterator[str]:
    name = f"test_{next(_numbers)}"
    execute(url, f"CREATE DATABASE {name} TEMPLATE {template}")
    yield with_name(url, name)
    execute(url, f"DROP DATABASE {name} WITH (FORCE)")
