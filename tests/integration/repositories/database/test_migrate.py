"""Migrations: applied once, by one at a time, whoever was killed before."""

import asyncio
import os
import shutil
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import psycopg2
import pytest
from psycopg2.extensions import make_dsn, parse_dsn
from yoyo import read_migrations

from server import resources
from server.errors import DatabaseUnavailableError, StartupError
from server.repositories.commands import CommandRepository
from server.repositories.database import migrate
from server.repositories.database.database import Database
from server.resources import migrations_directory, static_directory
from tests.support.access import BY
from tests.support.postgres import execute, with_name
from tests.support.service import ROOT

MIGRATIONS = migrations_directory()
TABLES = {
    "commands",
    "commands_info",
    "commands_info_output",
    "commands_info_deleted",
    "commands_requests",
    "commands_info_ends",
    "commands_hooks",
    "commands_hooks_bodies",
}
PARTITIONS = 32


def tables(url: str) -> set[str]:
    """Return the tables; the partitions of one must be whole."""
    query = """
        SELECT relname, (SELECT count(*) FROM pg_inherits WHERE inhparent = c.oid)
        FROM pg_class c
        WHERE relname ~ '^commands' AND relkind IN ('r', 'p') AND NOT relispartition
    """
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute(query)
        found = dict(cursor.fetchall())
    assert found.get("commands_info_output", PARTITIONS) == PARTITIONS
    return set(found)


async def test_migrations_make_the_tables_once(empty_database_url: str) -> None:
    await migrate.apply(empty_database_url, MIGRATIONS)
    assert tables(empty_database_url) == TABLES
    database = Database(empty_database_url)
    await database.open()
    command = await CommandRepository(database).add("name", None, "true", by=BY)
    await migrate.apply(empty_database_url, MIGRATIONS)
    assert await CommandRepository(database).get(command.id) == command
    await database.close()


def test_what_applies_migrations_is_imported_where_one_is_missing(empty_database_url: str) -> None:
    """It takes a twentieth of the memory of a server, and of the time of its start."""
    program = (
        "import asyncio, sys\n"
        "from server.repositories.database import migrate\n"
        "from server.resources import migrations_directory\n"
        "asyncio.run(migrate.apply(sys.argv[1], migrations_directory()))\n"
        "print(*sorted({'sqlparse', 'yoyo'} & {*sys.modules}))"
    )
    starting = [sys.executable, "-c", program, empty_database_url]
    first, second = (
        subprocess.run(starting, cwd=ROOT, capture_output=True, text=True, check=True).stdout
        for _ in range(2)
    )
    assert (first, second) == ("sqlparse yoyo\n", "\n")


def test_a_migration_has_the_name_that_yoyo_gives_it(tmp_path: Path) -> None:
    shutil.copytree(MIGRATIONS, tmp_path, dirs_exist_ok=True)
    (tmp_path / "notes.txt").touch()
    known = migrate.names(tmp_path)
    assert known == {migration.id for migration in read_migrations(str(tmp_path))}
    assert "0001.tables" in known


async def test_several_processes_may_migrate_at_once(empty_database_url: str) -> None:
    await asyncio.gather(*(migrate.apply(empty_database_url, MIGRATIONS) for _ in range(4)))
    with closing(psycopg2.connect(empty_database_url)) as connection:
        cursor = connection.cursor()
        cursor.execute("SELECT count(*) FROM _yoyo_log")
        assert cursor.fetchone() == (len([*MIGRATIONS.glob("*.sql")]) // 2,)


async def test_a_lock_that_a_killed_process_left_does_not_bar_the_start(
    empty_database_url: str,
) -> None:
    await migrate.apply(empty_database_url, MIGRATIONS)
    lock = f"INSERT INTO yoyo_lock (locked, ctime, pid) VALUES (1, now(), {os.getpid()})"  # noqa: S608
    execute(empty_database_url, lock)
    await migrate.apply(empty_database_url, MIGRATIONS)


async def test_a_migration_that_was_applied_but_not_recorded_is_applied_again(
    empty_database_url: str,
) -> None:
    await migrate.apply(empty_database_url, MIGRATIONS)
    execute(empty_database_url, "DELETE FROM _yoyo_migration")
    await migrate.apply(empty_database_url, MIGRATIONS)
    assert tables(empty_database_url) == TABLES


async def test_another_process_that_migrates_for_too_long_is_named(
    empty_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migrate, "LOCK_SECONDS", 0.1)
    with closing(psycopg2.connect(empty_database_url)) as other:
        other.cursor().execute("SELECT pg_advisory_lock(%s)", [migrate._LOCK_KEY])
        with pytest.raises(DatabaseUnavailableError, match="lock timeout"):
            await migrate.apply(empty_database_url, MIGRATIONS)
    await migrate.apply(empty_database_url, MIGRATIONS)


async def test_a_connection_string_will_do_for_a_url(empty_database_url: str) -> None:
    await migrate.apply(make_dsn(**parse_dsn(empty_database_url)), MIGRATIONS)
    assert tables(empty_database_url) == TABLES


async def test_a_server_that_is_not_there_is_named() -> None:
    with pytest.raises(DatabaseUnavailableError, match="name at /nowhere"):
        await migrate.apply("postgresql:///name?host=/nowhere", MIGRATIONS)


async def test_a_directory_without_migrations_is_named(
    empty_database_url: str, tmp_path: Path
) -> None:
    with pytest.raises(StartupError, match=str(tmp_path)):
        await migrate.apply(empty_database_url, tmp_path)


async def test_the_migrations_may_be_anywhere(empty_database_url: str, tmp_path: Path) -> None:
    directory = tmp_path / "with [brackets]*"
    shutil.copytree(MIGRATIONS, directory)
    await migrate.apply(empty_database_url, directory)
    assert tables(empty_database_url) == TABLES


async def test_the_rollbacks_remove_what_the_migrations_made(database_url: str) -> None:
    for path in sorted(MIGRATIONS.glob("*.rollback.sql"), reverse=True):
        execute(database_url, path.read_text())
    assert tables(database_url) == set()


async def test_a_database_that_a_newer_version_has_migrated_is_refused(
    empty_database_url: str, tmp_path: Path
) -> None:
    """What its rows hold may be unknown here. It is refused before anything is changed."""
    newer = tmp_path / "newer"
    shutil.copytree(MIGRATIONS, newer)
    (newer / "0999.later.sql").write_text("SELECT 1")
    await migrate.apply(empty_database_url, newer)
    with pytest.raises(StartupError, match=r"newer version of Tailrun.*0999\.later"):
        await migrate.apply(empty_database_url, MIGRATIONS)
    await migrate.apply(empty_database_url, newer)


async def test_a_database_that_lacks_characters_is_refused(postgres_url: str) -> None:
    """Its first output with one of them could not be stored."""
    name = "in_latin1"
    made = f"CREATE DATABASE {name} ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0"
    execute(postgres_url, made)
    with pytest.raises(StartupError, match="has the encoding LATIN1"):
        await migrate.apply(with_name(postgres_url, name), MIGRATIONS)
    execute(postgres_url, f"DROP DATABASE {name}")


def test_files_are_found_in_a_checkout_and_in_a_wheel(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert [*migrations_directory().glob("*.sql")]
    assert static_directory().is_dir()
    package = tmp_path / "server"
    (package / "static").mkdir(parents=True)
    monkeypatch.setattr(resources, "_PACKAGE", package)
    assert static_directory() == package / "static"
    assert migrations_directory() == tmp_path / "migrations"
