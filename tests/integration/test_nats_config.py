"""`tailrun nats-config`: NATS is told whom to let in, once or whenever that changes."""

import signal
import sys
from asyncio import create_subprocess_exec
from asyncio.subprocess import PIPE
from pathlib import Path

import pytest

from server.nats_config import write
from server.repositories.database.database import Database
from server.repositories.fleet_keys import FleetKeyRepository
from tests.support.fleet import new_key
from tests.support.nats import engine, new_host
from tests.support.postgres import execute
from tests.support.service import Service
from tests.support.waiting import patience, until
from tests.support.wires import Connect
from tests.support.workers import add_worker

ENGINE = """
import signal
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
print("ready", flush=True)
signal.sigwait({signal.SIGHUP})
print("told")
"""
"""Stands for nats-server, of which the signal alone is of interest."""

KEYED = "UPDATE workers SET public_key = '{}' WHERE id = '{}'"


@pytest.fixture
async def keys(database: Database, database_url: str) -> dict[str, str]:
    """Have a server and two workers known, of which one was removed; return their keys."""
    found = {name: new_key() for name in ("server", "w", "gone")}
    await FleetKeyRepository(database).note_server("s", found["server"])
    for name in ("w", "gone"):
        await add_worker(database, name, pools=["build"])
        execute(database_url, KEYED.format(found[name], name))
    execute(database_url, "UPDATE workers SET state = 'removed' WHERE id = 'gone'")
    return found


@pytest.fixture
def site(tmp_path: Path, database_url: str) -> Service:
    return Service(tmp_path / "state", database_url)


async def test_who_is_known_is_told_with_what_each_may(site: Service, keys: dict[str, str]) -> None:
    code, text = await site.refused("nats-config")
    assert code == 0
    server, worker = [line for line in text.splitlines() if "nkey" in line]
    assert keys["gone"] not in text
    assert server.strip() == (
        f"{{ nkey: {keys['server']},"
        ' permissions: { publish: "tailrun.v1.>", subscribe: "tailrun.v1.>" } }'
    )
    assert worker.strip() == (
        f'{{ nkey: {keys["w"]}, permissions: {{ publish: "tailrun.v1.s.w.>", subscribe:'
        ' ["tailrun.v1.w.w.>", "tailrun.v1.inbox.w.>", "tailrun.v1.bell.build",'
        ' "tailrun.v1.bells.build"], allow_responses: true } }'
    )


@pytest.mark.usefixtures("keys")
async def test_nats_that_is_not_there_to_be_told_is_named(site: Service, tmp_path: Path) -> None:
    users, pid_file = tmp_path / "users.conf", tmp_path / "nats.pid"
    said = ("nats-config", "--file", str(users), "--reload", str(pid_file))
    code, text = await site.refused(*said)
    assert code == 78
    assert f"{pid_file} names no nats-server that can be told" in text
    assert "The users are written" in text


@pytest.mark.usefixtures("keys")
async def test_nats_is_told_of_a_file_that_was_written_before_without_telling_it(
    site: Service, tmp_path: Path, database: Database, database_url: str, connect: Connect
) -> None:
    users, late = tmp_path / "users.conf", new_host(tmp_path, "late")
    said = ("nats-config", "--file", str(users))
    assert (await site.refused(*said))[0] == 0
    async with engine(tmp_path, users=users) as nats:
        await add_worker(database, late.name)
        execute(database_url, KEYED.format(late.key.public, late.name))
        assert (await site.refused(*said))[0] == 0
        written = users.read_text()
        assert late.key.public in written

        assert await site.refused(*said, "--reload", str(nats.pid_file)) == (0, "")

        assert users.read_text() == written
        await connect(nats.url, late.name, seed_file=late.seed_file)


async def test_each_change_is_written_while_it_watches(
    site: Service, tmp_path: Path, database: Database, keys: dict[str, str]
) -> None:
    users = tmp_path / "users.conf"
    process = await site.begin("nats-config", "--file", str(users), "--watch")
    try:
        await until(lambda: users.exists() and keys["w"] in users.read_text())
        await database.fetch_all("UPDATE workers SET pools = '{docs}' WHERE id = 'w' RETURNING id")
        await until(lambda: "tailrun.v1.bell.docs" in users.read_text())
        assert "tailrun.v1.bell.build" not in users.read_text()
    finally:
        process.send_signal(signal.SIGTERM)
        async with patience():
            await process.communicate()
    assert process.returncode == 0


@pytest.mark.usefixtures("keys")
async def test_nats_that_is_not_there_is_told_once_it_is(site: Service, tmp_path: Path) -> None:
    """Else it would let in whom it knew before, until something else changes."""
    users, pid_file = tmp_path / "users.conf", tmp_path / "nats.pid"
    process = await site.begin(
        "nats-config", "--file", str(users), "--watch", "--reload", str(pid_file)
    )
    try:
        await until(users.exists)
        engine = await create_subprocess_exec(sys.executable, "-c", ENGINE, stdout=PIPE)
        assert engine.stdout is not None
        await engine.stdout.readline()
        pid_file.write_text(f"{engine.pid}\n")
        async with patience():
            told, _ = await engine.communicate()
        assert told == b"told\n"
    finally:
        process.send_signal(signal.SIGTERM)
        async with patience():
            await process.communicate()
    assert process.returncode == 0


def test_what_does_not_go_together_is_said(capfd: pytest.CaptureFixture[str]) -> None:
    assert write(["--watch"]) == 78
    assert "need a --file" in capfd.readouterr().err
