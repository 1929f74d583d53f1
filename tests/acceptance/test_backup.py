"""`tailrun backup` and `tailrun restore`: all comes back, or nothing is left of the attempt."""

import hashlib
import json
import os
import signal
import stat
import subprocess
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from zipfile import ZipFile

import aiohttp
import psycopg2
import pytest

from server.errors import BackupError
from server.repositories import backup
from server.repositories.embedded import programs
from server.repositories.embedded.server import EmbeddedDatabase
from server.state import HOST_FILE
from tests.acceptance.conftest import ended
from tests.support.client import Client, Start
from tests.support.service import Service
from tests.support.waiting import patience, until

SCRIPT = "seq 100000; head -c 300000 /dev/urandom; printf 'привет, no newline'"


async def done(service: Service, *arguments: str) -> str:
    """Have a word do its work; return what it says."""
    code, said = await service.refused(*arguments)
    assert code == 0, said
    return said


async def refusal(service: Service, *arguments: str) -> str:
    """Return what a word says that refuses to do its work."""
    code, said = await service.refused(*arguments)
    assert code == os.EX_CONFIG, said
    assert said.startswith("tailrun: "), said
    assert said.count("\n") == 1, said
    return said


async def digest(client: Client, run_id: str) -> str:
    return hashlib.sha256(await client.output(run_id)).hexdigest()


@asynccontextmanager
async def served(service: Service) -> AsyncIterator[Client]:
    """Run a service on what was restored; be a client of it."""
    async with ended(service), aiohttp.ClientSession() as session:
        yield Client(session, await service.start())


@pytest.fixture
async def elsewhere(tmp_path: Path) -> AsyncIterator[Service]:
    """Be another host, on which nothing was yet, with an embedded database."""
    state_dir = tmp_path / "elsewhere" / "state"
    state_dir.parent.mkdir()
    yield Service(state_dir, None)
    await EmbeddedDatabase(state_dir / "database").stop()


async def test_what_was_backed_up_under_a_running_server_comes_back_elsewhere(
    embedded: Client, elsewhere: Service, tmp_path: Path
) -> None:
    """The embedded database, to the byte; what was active is lost, also what only waited."""
    await embedded.service.terminate()
    embedded.service.set(max_concurrent_runs="2")
    await embedded.service.start()
    finished = await embedded.run(SCRIPT)
    before = await embedded.finished(finished)
    active = [await embedded.run("echo begun; sleep 1000") for _ in range(3)]
    told = await digest(embedded, finished)
    written = await embedded.call("GET", f"runs/{finished}/marks")
    states = [(await embedded.get_run(run_id))["state"] for run_id in active]
    assert states == ["running", "running", "queued"]
    pooled = await embedded.create("true", pool="build")
    active.append(pooled["run"]["id"])
    file = tmp_path / "tailrun.backup"

    assert str(file) in await done(embedded.service, "backup", str(file))
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    await done(elsewhere, "restore", str(file))

    async with served(elsewhere) as client:
        assert await digest(client, finished) == told
        assert await client.call("GET", f"runs/{finished}/marks") == written
        after = await client.get_run(finished)
        assert after == before
        for run_id in active:
            assert (await client.finished(run_id))["state"] == "lost"
        again = await client.run("echo it goes on")
        assert (await client.finished(again))["state"] == "succeeded"
    identities = [service.state_dir / HOST_FILE for service in (embedded.service, elsewhere)]
    assert identities[0].read_text() == identities[1].read_text()


async def test_the_embedded_database_is_backed_up_without_a_server_too(
    embedded: Client, elsewhere: Service, tmp_path: Path
) -> None:
    run_id = await embedded.run("echo kept")
    await embedded.finished(run_id)
    await embedded.service.terminate()
    await done(embedded.service, "backup", str(tmp_path / "backup"))
    await done(elsewhere, "restore", str(tmp_path / "backup"))
    async with served(elsewhere) as client:
        assert await client.output(run_id) == b"kept\n"


async def test_a_database_of_ones_own_is_restored_beside_a_state_directory_that_is_there(
    start: Start, empty_database_url: str, tmp_path: Path
) -> None:
    """The runs that go on are taken up by their spools: the database alone was lost."""
    client = await start()
    run_id = await client.run("echo before; until [ -e go ]; do sleep 0.05; done; echo after")
    async with client.connect(run_id) as websocket:
        assert await websocket.receive_str() == "before"
    await done(client.service, "backup", str(tmp_path / "backup"))
    await client.service.terminate()
    client.service.set(database_url=empty_database_url)
    await done(client.service, "restore", str(tmp_path / "backup"))
    await client.service.start()
    await client.stop(run_id)
    assert (await client.finished(run_id))["state"] == "stopped"
    assert await client.output(run_id) == b"before\n"


@pytest.fixture
async def made(start: Start, tmp_path: Path) -> Path:
    """Back up a service with a finished run."""
    client = await start()
    await client.finished(await client.run("seq 1000"))
    file = tmp_path / "backup"
    await done(client.service, "backup", str(file))
    return file


def rewritten(file: Path, name: str, content: bytes) -> Path:
    """Return a backup whose member of this name has another content."""
    changed = file.with_name("changed")
    with ZipFile(file) as source, ZipFile(changed, "w") as target:
        for member in source.namelist():
            target.writestr(member, content if member == name else source.read(member))
    return changed


def about(**fields: object) -> bytes:
    return json.dumps({"migrations": [], "host": None, "format": 1, **fields}).encode()


async def test_what_is_no_whole_backup_is_refused_before_anything_is_made(
    made: Path, elsewhere: Service, tmp_path: Path, subtests: pytest.Subtests
) -> None:
    whole = made.read_bytes()
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 1
    wrong = {
        "empty": b"",
        "text": b"CREATE TABLE commands ();\n",
        "cut": whole[: len(whole) // 2],
        "flipped": bytes(flipped),
    }
    for name, content in wrong.items():
        with subtests.test(name):
            (tmp_path / name).write_bytes(content)
            said = await refusal(elsewhere, "restore", str(tmp_path / name))
            assert str(tmp_path / name) in said
            assert "is no backup of Tailrun" in said or "is damaged" in said
    with subtests.test("not there"):
        said = await refusal(elsewhere, "restore", str(tmp_path / "nothing"))
        assert f"{tmp_path / 'nothing'}: No such file or directory" in said
    with subtests.test("a newer schema"):
        newer = rewritten(made, backup.ABOUT, about(migrations=["0001.tables", "9999.later"]))
        said = await refusal(elsewhere, "restore", str(newer))
        assert "newer version" in said
        assert "9999.later" in said
    with subtests.test("a newer format"):
        newer = rewritten(made, backup.ABOUT, about(format=2))
        assert "newer version" in await refusal(elsewhere, "restore", str(newer))
    assert not elsewhere.state_dir.exists()


async def test_a_restore_that_fails_leaves_the_database_empty(
    made: Path, elsewhere: Service
) -> None:
    broken = rewritten(made, backup.DUMP, b"rubbish")
    assert "pg_restore failed" in await refusal(elsewhere, "restore", str(broken))
    await done(elsewhere, "restore", str(made))


async def test_only_an_empty_place_that_nobody_uses_is_restored_into(
    made: Path, service: Service, elsewhere: Service
) -> None:
    assert "Another Tailrun server uses" in await refusal(service, "restore", str(made))
    await service.terminate()
    assert "is not empty" in await refusal(service, "restore", str(made))
    await done(elsewhere, "restore", str(made))
    assert "is not empty" in await refusal(elsewhere, "restore", str(made))


async def test_what_cannot_be_backed_up_is_named(
    service: Service, elsewhere: Service, empty_database_url: str, tmp_path: Path
) -> None:
    file = str(tmp_path / "backup")
    assert "There is no database in" in await refusal(elsewhere, "backup", file)
    assert not elsewhere.state_dir.exists()
    service.set(database_url=empty_database_url)
    assert "has no tables of Tailrun" in await refusal(service, "backup", file)
    service.set(database_url="postgresql://nobody@127.0.0.1:1/none")
    assert "is unavailable" in await refusal(service, "backup", file)
    assert "takes a file" in await refusal(service, "backup")
    assert "takes a file" in await refusal(service, "backup", "--port=1", file)
    assert [*tmp_path.glob("backup*")] == []


async def test_a_server_that_is_newer_than_pg_dump_is_named(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(programs, "VERSION", "17")
    with pytest.raises(BackupError, match="is PostgreSQL 18, and the pg_dump here is of 17"):
        await backup.dump(backup.Server(database_url), None, tmp_path / "backup")
    assert [*tmp_path.iterdir()] == []


@asynccontextmanager
async def waiting_backup(service: Service, database_url: str, file: Path) -> AsyncIterator[Process]:
    """Have a backup that has begun, and waits for a table that is locked meanwhile."""
    with closing(psycopg2.connect(database_url)) as connection, connection.cursor() as cursor:
        cursor.execute("LOCK commands_info")
        process = await service.begin("backup", str(file))
        waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted"
        with closing(psycopg2.connect(database_url)) as other, other.cursor() as looking:
            other.autocommit = True

            def waits() -> bool:
                looking.execute(waiting)
                return looking.fetchall() != [(0,)]

            await until(waits)
        yield process


def dumping(parent: int) -> list[str]:
    """Return the command lines of the programs that a process has started."""
    told = subprocess.run(
        ["ps", "-ww", "-o", "args=", "--ppid", str(parent)],
        capture_output=True,
        text=True,
        check=False,
    )
    return told.stdout.splitlines()


async def test_a_backup_that_is_broken_off_leaves_the_one_before(
    service: Service, database_url: str, tmp_path: Path
) -> None:
    file = tmp_path / "backup"
    file.write_text("the one before")
    url = database_url.replace("//postgres@", "//postgres:secret-word@")
    service.set(database_url=url)
    async with waiting_backup(service, database_url, file) as process:
        assert file.with_name("backup.new").exists()
        [pg_dump] = dumping(process.pid)
        assert "pg_dump" in pg_dump
        assert "secret-word" not in pg_dump
        assert "Another backup is writing" in await refusal(service, "backup", str(file))
        process.send_signal(signal.SIGTERM)
        async with patience():
            said, _ = await process.communicate()
        assert process.returncode == os.EX_CONFIG
        assert said == b"tailrun: The backup was interrupted, and left nothing behind.\n"
        assert dumping(process.pid) == []
    assert file.read_text() == "the one before"
    assert not file.with_name("backup.new").exists()


async def test_a_backup_that_was_killed_does_not_bar_the_next(
    start: Start, database_url: str, tmp_path: Path
) -> None:
    service = (await start()).service
    file = tmp_path / "backup"
    async with waiting_backup(service, database_url, file) as process:
        process.kill()
        async with patience():
            await process.communicate()
    assert not file.exists()
    await done(service, "backup", str(file))
    assert not file.with_name("backup.new").exists()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    directory = tmp_path / "small"
    directory.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(directory)]
    subprocess.run(command, check=True)
    yield directory
    subprocess.run(["umount", str(directory)], check=True)


@pytest.mark.skipif(os.getuid() != 0, reason="only root may mount a disk")
async def test_a_disk_that_is_full_leaves_nothing_of_the_backup(
    start: Start, small_disk: Path
) -> None:
    client = await start()
    await client.finished(await client.run("head -c 1000000 /dev/urandom"))
    said = await refusal(client.service, "backup", str(small_disk / "backup"))
    assert (
        said == f"tailrun: The backup failed: {small_disk / 'backup'}: No space left on device.\n"
    )
    assert [*small_disk.iterdir()] == []
