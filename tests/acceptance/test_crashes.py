"""What server and keeper may suffer while runs go on.

`make torture` does it at random, and for long.
"""

import asyncio
import os
import signal
from pathlib import Path

import aiohttp
import pytest

from server.keeper.spool import Spool
from tests.support.client import Client, Start
from tests.support.numbered import Numbered
from tests.support.postgres import execute
from tests.support.waiting import patience, until

pytestmark = pytest.mark.usefixtures("unmeasured")


async def written(client: Client, run_ids: list[str], more: int = 20_000) -> None:
    """Wait until each run has written so many bytes more."""
    spool = Spool.of(client.service.state_dir)
    enough = {path: path.stat().st_size + more for path in map(spool.output_path, run_ids)}
    await until(lambda: all(path.stat().st_size >= size for path, size in enough.items()))


async def ended_in_spool(client: Client, run_id: str) -> None:
    """Wait until the keeper has recorded the run's end."""
    spool = Spool.of(client.service.state_dir)
    await until(lambda: spool.read_exit(run_id) is not None)


async def assert_whole(client: Client, run_id: str, numbered: Numbered) -> None:
    """Assert that the run ended truly and that its output is exact."""
    run = await client.finished(run_id)
    state = "failed" if numbered.exitcode else "succeeded"
    assert (run["state"], run["exitcode"]) == (state, numbered.exitcode)
    await assert_output(client, run_id, numbered)


async def assert_output(client: Client, run_id: str, numbered: Numbered) -> None:
    expected, run = numbered.output, await client.get_run(run_id)
    assert await client.output(run_id) == expected
    assert (run["output_bytes"], run["output_lines"]) == (len(expected), expected.count(b"\n"))


async def test_nothing_is_lost_or_doubled_when_the_server_is_killed(
    start: Start, tmp_path: Path
) -> None:
    """Each time one of the runs ends while no server is there."""
    client = await start()
    runs = [Numbered(tmp_path, seed, exitcode=seed) for seed in range(3)]
    run_ids = [await client.run(one.script) for one in runs]
    for ending in range(3):
        await written(client, run_ids[ending:])
        await client.service.kill()
        runs[ending].end()
        await ended_in_spool(client, run_ids[ending])
        await client.service.start()
    for numbered, run_id in zip(runs, run_ids, strict=True):
        await assert_whole(client, run_id, numbered)


async def follow(client: Client, run_id: str) -> str:
    """Watch a run to its end, coming back after each accident; return its output."""
    text, offset = "", 0
    while True:
        try:
            async with client.connect(run_id, format="json", offset=str(offset)) as stream:
                async for message in stream:
                    told = message.json()
                    if told["type"] == "output":
                        assert told["offset"] == offset
                        text, offset = text + told["text"], told["next"]
                    elif told["type"] == "end":
                        return text
        except aiohttp.ClientConnectionError:
            await asyncio.sleep(0.01)


async def test_a_viewer_goes_on_where_it_was_when_the_server_was_killed(
    start: Start, tmp_path: Path
) -> None:
    client = await start()
    client.service.set(port=client.service.address.rpartition(":")[2])
    numbered = Numbered(tmp_path, 1)
    run_id = await client.run(numbered.script)
    following = asyncio.create_task(follow(client, run_id))
    for _ in range(2):
        await written(client, [run_id])
        await client.service.kill()
        await written(client, [run_id])
        await client.service.start()
    numbered.end()
    async with patience():
        assert (await following).encode() == numbered.output


async def test_migrations_are_applied_while_runs_go_on(start: Start, tmp_path: Path) -> None:
    """A new version comes: all of its migrations, on tables with active runs."""
    client = await start()
    runs = [Numbered(tmp_path, seed) for seed in range(2)]
    run_ids = [await client.run(one.script) for one in runs]
    await written(client, run_ids)
    assert await client.service.terminate() == 0
    database_url = client.service.environment["TAILRUN_DATABASE_URL"]
    execute(database_url, "DELETE FROM _yoyo_migration")
    runs[0].end()
    await client.service.start()
    await written(client, run_ids[1:])
    runs[1].end()
    for numbered, run_id in zip(runs, run_ids, strict=True):
        await assert_whole(client, run_id, numbered)


async def test_a_run_stays_paused_when_the_server_dies(start: Start) -> None:
    """The next server tells so, and resumes it."""
    client = await start()
    run_ids = [await client.run("sleep 1000; exit 3") for _ in range(2)]
    for run_id in run_ids:
        await client.call("POST", f"runs/{run_id}/signal", json={"signal": "SIGSTOP"})
    await client.service.kill()
    await client.service.start()
    told = [await client.get_run(run_id) for run_id in run_ids]
    assert [(run["state"], run["paused"], run["stopping"]) for run in told] == [
        ("running", True, False)
    ] * 2
    await client.call("POST", f"runs/{run_ids[0]}/signal", json={"signal": "SIGCONT"})
    await client.service.kill()
    await client.service.start()
    told = [await client.get_run(run_id) for run_id in run_ids]
    assert [run["paused"] for run in told] == [False, True]
    for run_id in run_ids:
        await client.stop(run_id)
        assert (await client.finished(run_id))["state"] == "stopped"


async def test_sigterm_leaves_runs_running(start: Start, tmp_path: Path) -> None:
    client = await start()
    runs = [Numbered(tmp_path, seed, exitcode=seed) for seed in range(2)]
    run_ids = [await client.run(one.script) for one in runs]
    await written(client, run_ids)
    assert await client.service.terminate() == 0
    runs[0].end()
    await ended_in_spool(client, run_ids[0])
    await written(client, run_ids[1:])
    await client.service.start()
    assert (await client.get_run(run_ids[1]))["state"] == "running"
    runs[1].end()
    for numbered, run_id in zip(runs, run_ids, strict=True):
        await assert_whole(client, run_id, numbered)


async def test_sigterm_stops_runs_if_it_is_to(start: Start, tmp_path: Path) -> None:
    """The end of each is stored; what was queued stays queued."""
    bounds = {"max_concurrent_runs": "2", "stop_grace_seconds": "0.2"}
    client = await start(on_shutdown="stop", **bounds)
    log = tmp_path / "log"
    run_ids = [await client.run("sleep 1000")]
    run_ids += [await client.run("trap '' TERM; echo up; while :; do sleep 1; done")]
    async with client.connect(run_ids[1]) as stream:
        assert (await stream.receive()).data == "up"
    queued = await client.run(f"echo started >> {log}")
    assert (await client.get_run(queued))["state"] == "queued"
    assert await client.service.terminate() == 0
    assert not log.exists()
    await client.service.start()
    for run_id, name in zip(run_ids, ["SIGTERM", "SIGKILL"], strict=True):
        run = await client.get_run(run_id)
        assert (run["state"], run["signal"]) == ("stopped", name)
    assert (await client.finished(queued))["state"] == "succeeded"
    assert log.read_text() == "started\n"


async def test_a_killed_keeper_loses_no_output(start: Start, tmp_path: Path) -> None:
    """How its runs end cannot be known any more; new ones have a new keeper."""
    client = await start()
    numbered = Numbered(tmp_path, 1)
    run_id = await client.run(numbered.script)
    await written(client, [run_id])
    killed = await client.service.keeper_pid()
    os.kill(killed, signal.SIGKILL)
    new = await client.run("exit 6")
    assert (await client.finished(new))["exitcode"] == 6
    assert await client.service.keeper_pid() != killed
    numbered.end()
    run = await client.finished(run_id)
    assert (run["state"], run["exitcode"], run["signal"]) == ("lost", None, None)
    assert "keeper" in run["reason"]
    await assert_output(client, run_id, numbered)


async def test_server_and_keeper_may_be_killed_at_once(start: Start) -> None:
    """What was written by then is kept."""
    client = await start()
    run_id = await client.run("echo one; echo two; sleep 1000")
    async with client.connect(run_id, format="raw") as stream:
        told = b""
        while told != b"one\ntwo\n":
            told += (await stream.receive()).data
    keeper = await client.service.keeper_pid()
    await client.service.kill()
    os.kill(keeper, signal.SIGKILL)
    await client.service.start()
    await client.stop(run_id)
    assert (await client.finished(run_id))["state"] == "lost"
    assert await client.output(run_id) == b"one\ntwo\n"


async def test_queued_runs_survive_the_server_and_run_once(start: Start, tmp_path: Path) -> None:
    client = await start(max_concurrent_runs="1")
    first, log = Numbered(tmp_path, 1), tmp_path / "log"
    run_ids = [await client.run(first.script)]
    run_ids += [await client.run(f"echo {n} >> {log}") for n in range(3)]
    await client.service.kill()
    await client.service.start()
    states = [(await client.get_run(run_id))["state"] for run_id in run_ids]
    assert states == ["running", "queued", "queued", "queued"]
    assert not log.exists()
    first.end()
    for run_id in run_ids:
        assert (await client.finished(run_id))["state"] == "succeeded"
    assert log.read_text() == "0\n1\n2\n"
