"""A newer version goes on with what an older one left: spools, trash, tables, keeper, runs."""

import shutil
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from server.keeper.client import KeeperClient
from server.keeper.protocol import Hello
from server.keeper.run.output import MARKER
from server.keeper.spool import Spool
from tests.acceptance.conftest import ended
from tests.acceptance.test_crashes import assert_whole, written
from tests.support.client import Client, joined
from tests.support.numbered import Numbered
from tests.support.postgres import execute
from tests.support.service import ROOT, Service
from tests.support.waiting import until

PARTS = ("server", "migrations", "static", "docs")
KEEPER_MAIN = Path("server", "keeper", "__main__.py")
KEEPER_PROTOCOL = Path("server", "keeper", "protocol.py")
HEAD_BYTES, TAIL_BYTES = 10_000, 4096


@pytest.fixture
async def client(tmp_path: Path, database_url: str) -> AsyncIterator[Client]:
    """Run a service from a tree of its own, which may be made another version."""
    for part in PARTS:
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / part, tmp_path / "tree" / part, ignore=ignored)
    make_keeper_older(tmp_path / "tree")
    service = Service(tmp_path / "state", database_url, tmp_path / "tree", max_concurrent_runs="3")
    async with ended(service), aiohttp.ClientSession() as session:
        yield Client(session, await service.start())


def make_keeper_older(tree: Path) -> None:
    """Have the keeper hand over pipes alone when it executes its code anew, as older ones did.

    It and its server know the first protocol alone.
    """
    for name, code, older in (
        (KEEPER_MAIN, "[*command, *arguments]", "[*command, arguments[0]]"),
        (KEEPER_PROTOCOL, "PROTOCOL = 2", "PROTOCOL = 1"),
    ):
        path = tree / name
        now = path.read_text(encoding="utf-8")
        assert now.count(code) == 1
        path.write_text(now.replace(code, older), encoding="utf-8")


def make_older(client: Client, tree: Path, database_url: str) -> None:
    """Leave what version 0001 would have: scripts in the spools, and no later migration."""
    (trash := client.service.state_dir / "trash" / "left").mkdir(parents=True)
    (trash / "file").touch()
    spool = Spool.of(client.service.state_dir)
    for run_id in spool.run_ids():
        (spool.work(run_id) / "script").rename(spool.directory(run_id) / "script")
        (spool.directory(run_id) / "exit.tmp").unlink(missing_ok=True)
        shutil.rmtree(spool.work(run_id))
    later = sorted((tree / "migrations").glob("*.rollback.sql"), reverse=True)[:-1]
    rollbacks = [path.read_text(encoding="utf-8") for path in later]
    execute(
        database_url,
        *rollbacks,
        "DELETE FROM _yoyo_migration WHERE NOT migration_id LIKE '0001%'",
    )


def make_newer(tree: Path) -> None:
    """Change the keeper's code, as an upgrade in place does."""
    for name in (KEEPER_MAIN, KEEPER_PROTOCOL):
        shutil.copy(ROOT / name, tree / name)
    with (tree / "server" / "keeper" / "spool.py").open("a", encoding="utf-8") as code:
        code.write('NEWER = "than the keeper that runs"\n')


async def test_a_newer_version_goes_on_with_the_runs_of_an_older_one(
    client: Client, tmp_path: Path, database_url: str
) -> None:
    """One writes, one has something in the background, one is paused, one is queued."""
    service, tree = client.service, tmp_path / "tree"
    numbered = [Numbered(tmp_path, seed, exitcode=seed) for seed in range(4)]
    scripts = [one.script for one in numbered]
    scripts[1] = f"#!/bin/sh\nsleep 1000 &\n{as_file(tmp_path, scripts[1])}\n"
    writing, leaving, paused, queued = [await client.run(script) for script in scripts]
    await written(client, [writing, leaving, paused])
    await client.call("POST", f"runs/{paused}/signal", json={"signal": "SIGSTOP"})
    async with client.connect(writing, format="json") as stream:
        seen = [await stream.receive_json() for _ in range(4)]
    before = await keeper(service)

    await service.kill()
    make_older(client, tree, database_url)
    make_newer(tree)
    await service.start()

    after = await keeper(service)
    assert (after.pid, after.version != before.version) == (before.pid, True)
    assert (before.protocol, after.protocol) == (1, 2)
    assert [(await client.get_run(run_id))["paused"] for run_id in (writing, paused)] == [
        False,
        True,
    ]
    assert (await client.get_run(queued))["state"] == "queued"
    await client.call("POST", f"runs/{paused}/signal", json={"signal": "SIGCONT"})
    for one in numbered:
        one.end()
    for run_id, one in zip((writing, leaving, paused, queued), numbered, strict=True):
        await assert_whole(client, run_id, one)
    resumed = await client.stream(writing, format="json", offset=str(seen[-1]["next"]))
    assert (joined(seen) + joined(resumed.messages)).encode() == numbered[0].output
    headers = {"Idempotency-Key": "after-the-upgrade"}
    body = {"name": "new", "script": "echo new"}
    made = [await client.call("POST", "commands/", json=body, headers=headers) for _ in range(2)]
    assert made[0]["run"]["id"] == made[1]["run"]["id"]
    await until(lambda: not list((service.state_dir / "trash").iterdir()))


async def test_a_newer_version_knows_the_limits_and_the_stops_of_an_older_one(
    client: Client, tmp_path: Path, database_url: str
) -> None:
    """One is past its limit of output, of which it keeps the tail; one is being stopped."""
    service, tree, gate = client.service, tmp_path / "tree", tmp_path / "gate"
    assert await service.terminate() == 0
    limit = HEAD_BYTES + TAIL_BYTES
    service.set(
        max_output_bytes=str(limit),
        output_tail_bytes=str(TAIL_BYTES),
        output_policy="head_and_tail",
    )
    await service.start()
    limited = await client.run(f"seq 5000; until [ -e {gate} ]; do sleep 0.02; done; echo last")
    stopping = await client.run("trap '' TERM; echo ready; sleep 1000")
    spool = Spool.of(service.state_dir)
    await until(lambda: list(spool.directory(limited).glob("tail.[1-9]*")))
    ready = spool.output_path(stopping)
    await until(lambda: ready.exists() and ready.read_bytes() == b"ready\n")
    await client.stop(stopping, grace_seconds=600)

    await service.kill()
    make_older(client, tree, database_url)
    make_newer(tree)
    service.set(max_output_bytes="1000000", output_policy="stop")
    await service.start()

    run = await client.get_run(stopping)
    assert (run["state"], run["stopping"]) == ("running", True)
    await client.stop(stopping, grace_seconds=0)
    run = await client.finished(stopping)
    assert (run["state"], run["signal"]) == ("stopped", signal.SIGKILL.name)
    gate.touch()
    run = await client.finished(limited)
    assert (run["state"], run["exitcode"]) == ("succeeded", 0)
    whole = b"".join(b"%d\n" % number for number in range(1, 5001)) + b"last\n"
    marker = MARKER.format(len(whole) - limit).encode()
    assert await client.output(limited) == whole[:HEAD_BYTES] + marker + whole[-TAIL_BYTES:]


def as_file(directory: Path, script: str) -> Path:
    """Make a script a file that can be executed."""
    path = directory / "script"
    path.write_text(script, encoding="utf-8")
    path.chmod(0o700)
    return path


async def keeper(service: Service) -> Hello:
    """Return who the keeper is, and of which version."""
    client = KeeperClient(service.state_dir)
    try:
        return await client.open()
    finally:
        await client.close()
