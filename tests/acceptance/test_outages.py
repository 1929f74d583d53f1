"""The database or the keeper is away: what can go on goes on, and all is made up for later."""

import asyncio
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.support.client import Client, Start, watch
from tests.support.numbered import Numbered
from tests.support.outage import Outage
from tests.support.postgres import execute
from tests.support.service import Service
from tests.support.waiting import patience, until, until_true


async def readiness(client: Client) -> tuple[int, dict[str, str]]:
    async with client.session.get(client.page_url("/readyz")) as response:
        return response.status, await response.json()


async def until_ready(client: Client) -> None:
    async def ready() -> bool:
        return (await readiness(client))[0] == 200

    await until_true(ready)


async def test_runs_and_their_viewers_go_on_without_the_database(
    start: Start, outage: Outage, tmp_path: Path
) -> None:
    client = await start()
    numbered = Numbered(tmp_path, 1, exitcode=4)
    run_id = await client.run(numbered.script)
    async with client.connect(run_id, format="raw") as stream:
        told = (await stream.receive()).data
        outage.begin()
        while len(told) < 100_000:
            told += (await stream.receive()).data
        assert (await client.get_run(run_id))["state"] == "running"
        numbered.end()
        async with patience():
            watched = await watch(stream)
        assert (watched.code, watched.reason) == (1000, "exit 4")
        assert told + b"".join(watched.messages) == numbered.output
    outage.end()
    await until_ready(client)
    await stored(client, run_id)
    assert (await client.get_run(run_id))["exitcode"] == 4
    assert await client.output(run_id) == numbered.output


async def stored(client: Client, run_id: str) -> None:
    """Wait until the run's end is in the database: then its spool is removed."""
    spool = client.service.state_dir / "spool" / run_id
    await until(lambda: not spool.exists())


async def test_a_run_that_has_ended_is_not_stopped_before_its_end_is_stored(
    start: Start, outage: Outage, tmp_path: Path
) -> None:
    """A stop that is accepted and changes nothing would not be true."""
    client = await start()
    gate = tmp_path / "gate"
    run_id = await client.run(f"echo up; while ! [ -e {gate} ]; do sleep 0.02; done; exit 3")
    async with client.connect(run_id) as stream:
        assert (await stream.receive()).data == "up"
        outage.begin()
        gate.touch()
        async with patience():
            assert (await watch(stream)).reason == "exit 3"
    for path in [f"runs/{run_id}/stop", f"runs/{run_id}/signal"]:
        body = {"signal": "SIGTERM"}
        refused = await client.call("POST", path, json=body, status=409)
        assert refused["type"].endswith("no-active-run")
    outage.end()
    await stored(client, run_id)
    run = await client.get_run(run_id)
    assert (run["state"], run["exitcode"]) == ("failed", 3)


async def test_what_needs_the_database_says_that_it_is_away(
    start: Start, outage: Outage, subtests: pytest.Subtests
) -> None:
    """And to come back in a moment; what is known without it is told."""
    client = await start()
    created = await client.create("trap 'exit 3' TERM; echo up; while :; do sleep 0.01; done")
    run_id = created["run"]["id"]
    async with client.connect(run_id) as stream:
        assert (await stream.receive()).data == "up"
    outage.begin()
    body = {"name": "test", "script": "true"}
    for method, path, json in [
        ("GET", "commands/", None),
        ("POST", "commands/", body),
        ("GET", f"commands/{created['id']}", None),
        ("PUT", f"commands/{created['id']}", body),
        ("DELETE", f"commands/{created['id']}", None),
        ("POST", f"commands/{created['id']}/runs", None),
        ("GET", "runs/", None),
    ]:
        with subtests.test(f"{method} {path}"):
            async with client.session.request(method, client.url(path), json=json) as response:
                assert response.status == 503
                assert int(response.headers["Retry-After"]) > 0
                told = await response.json()
                assert told["type"] == "/docs/api.md#database-unavailable"
                assert told["detail"] == "The database cannot be reached at the moment. Try again."
    for path in [f"runs/{run_id}", f"commands/{created['id']}/info", f"runs/{run_id}/output"]:
        with subtests.test(path):
            async with client.session.get(client.url(path)) as response:
                assert response.status == 200
    status, parts = await readiness(client)
    assert (status, parts["database"], parts["keeper"]) == (503, "cannot be reached", "ok")
    assert (await client.stop(run_id))["stopping"]
    outage.end()
    await until_ready(client)
    await stored(client, run_id)
    run = await client.get_run(run_id)
    assert (run["state"], run["exitcode"]) == ("stopped", 3)
    await client.create("true")


async def test_runs_are_watched_by_a_server_that_starts_without_the_database(
    start: Start, outage: Outage, tmp_path: Path
) -> None:
    """One goes on, one has ended; both are archived once the database is there."""
    client = await start()
    runs = [Numbered(tmp_path, seed, exitcode=seed) for seed in range(2)]
    created = [await client.create(one.script) for one in runs]
    command_ids, run_ids = [one["id"] for one in created], [one["run"]["id"] for one in created]
    await client.service.kill()
    outage.begin()
    runs[1].end()
    await until((client.service.state_dir / "spool" / run_ids[1] / "exit.json").exists)
    for _ in range(2):
        await client.service.start()
        async with client.connect(run_ids[0], format="raw") as stream:
            told = b""
            while len(told) < 100_000:
                told += (await stream.receive()).data
            assert told.startswith(b"0 1 x")
        async with client.connect(run_ids[1], format="raw") as stream:
            watched = await watch(stream)
        assert (watched.code, watched.reason) == (1000, "exit 1")
        assert b"".join(watched.messages) == runs[1].output
        assert (await client.get_run(run_ids[0]))["command_id"] == command_ids[0]
        assert (await readiness(client))[0] == 503
        body = {"name": "test", "script": "true"}
        async with client.session.post(client.url("commands/"), json=body) as refused:
            assert refused.status == 503
        await client.service.kill()
    await client.service.start()
    async with client.connect(run_ids[0], format="raw") as stream:
        assert (await stream.receive()).data
        outage.end()
        await until_ready(client)
        runs[0].end()
        assert (await watch(stream)).reason == "exit 0"
    for run_id, numbered in zip(run_ids, runs, strict=True):
        assert (await client.finished(run_id))["exitcode"] == numbered.exitcode
        assert await client.output(run_id) == numbered.output
        await stored(client, run_id)


async def test_what_the_database_does_not_know_is_watched_to_its_end_and_kept(
    start: Start, outage: Outage, database_url: str, tmp_path: Path
) -> None:
    client = await start()
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    run_id = await client.run(f"echo one; read -r _ <{gate}; echo two")
    spool = client.service.state_dir / "spool" / run_id
    await until(lambda: (spool / "output").stat().st_size == len("one\n"))
    await client.service.kill()
    execute(database_url, "DELETE FROM commands_info", "DELETE FROM commands")
    outage.begin()
    await client.service.start()
    async with client.connect(run_id) as stream:
        assert (await stream.receive()).data == "one"
        outage.end()
        await until_ready(client)
        async with client.session.get(client.url(f"runs/{run_id}")) as answer:
            assert answer.status == 404
        gate.write_text("go on\n")
        watched = await watch(stream)
    assert (watched.messages, watched.code, watched.reason) == (["two"], 1000, "exit 0")
    assert (spool / "output").read_text() == "one\ntwo\n"


async def test_the_server_ends_without_the_database(
    start: Start, outage: Outage, tmp_path: Path
) -> None:
    """It does not wait for it; the next one makes up for it."""
    client = await start()
    numbered = Numbered(tmp_path, 1)
    run_id = await client.run(numbered.script)
    outage.begin()
    numbered.end()
    await until((client.service.state_dir / "spool" / run_id / "exit.json").exists)
    assert await client.service.terminate() == 0
    outage.end()
    await client.service.start()
    assert (await client.finished(run_id))["state"] == "succeeded"
    assert await client.output(run_id) == numbered.output


async def test_runs_are_stopped_with_the_server_without_the_database(
    start: Start, outage: Outage
) -> None:
    client = await start(on_shutdown="stop", stop_grace_seconds="0.1")
    run_id = await client.run("echo up; sleep 1000")
    async with client.connect(run_id) as stream:
        assert (await stream.receive()).data == "up"
    outage.begin()
    assert await client.service.terminate() == 0
    outage.end()
    await client.service.start()
    assert (await client.finished(run_id))["state"] == "stopped"
    assert await client.output(run_id) == b"up\n"


async def test_a_full_disk_is_told(start: Start) -> None:
    client = await start(min_free_bytes=str(2**62))
    status, parts = await readiness(client)
    assert (status, parts["database"], parts["keeper"]) == (503, "ok", "ok")
    assert "MIN_FREE_BYTES" in parts["disk"]


def postmaster(service: Service) -> int | None:
    """Return the pid of the embedded database, None while there is none."""
    with suppress(FileNotFoundError, IndexError):
        return int((service.state_dir / "database" / "postmaster.pid").read_text().split()[0])
    return None


async def test_an_embedded_database_that_died_is_started_again(embedded: Client) -> None:
    run_id = await embedded.run("echo one; exit 3")
    await embedded.finished(run_id)
    killed = postmaster(embedded.service)
    assert killed is not None
    os.kill(killed, signal.SIGKILL)
    await until(lambda: postmaster(embedded.service) not in {None, killed})
    await until_ready(embedded)
    assert (await embedded.get_run(run_id))["exitcode"] == 3
    assert await embedded.output(run_id) == b"one\n"


async def test_an_embedded_database_that_is_being_started_again_is_stopped_with_the_server(
    embedded: Client,
) -> None:
    killed = postmaster(embedded.service)
    assert killed is not None
    os.kill(killed, signal.SIGKILL)
    await until(lambda: "starting it again" in embedded.service.log)
    assert await embedded.service.terminate() == 0
    assert postmaster(embedded.service) is None


NO_KEEPER = "it waits for the keeper: it cannot be asked now (the server's log has the rest)"


@contextmanager
def no_keeper(client: Client, pid: int) -> Iterator[None]:
    """Kill the keeper, and see that no other can be started: a file is in its directory's place."""
    directory = client.service.state_dir / "keeper"
    away = directory.with_name("away")
    directory.rename(away)
    directory.touch()
    os.kill(pid, signal.SIGKILL)
    try:
        yield
    finally:
        directory.unlink()
        away.rename(directory)


async def test_without_a_keeper_runs_wait(start: Start) -> None:
    """What asks for it is told so; a new one takes up what waits."""
    client = await start()
    pid = await client.service.keeper_pid()
    run_id = await client.run("echo up; sleep 1000")
    async with client.connect(run_id) as stream:
        assert (await stream.receive()).data == "up"
    with no_keeper(client, pid):
        waiting, unwanted = [await client.run(f"echo {n}") for n in range(2)]
        run = await client.get_run(waiting)
        assert (run["state"], run["reason"]) == ("queued", NO_KEEPER)
        for path, body in [("stop", {}), ("signal", {"signal": "SIGUSR1"})]:
            refused = await client.call("POST", f"runs/{run_id}/{path}", json=body, status=503)
            assert refused["detail"] == "The keeper cannot be reached at the moment. Try again."
            assert str(client.service.state_dir) not in str(refused)
        status, parts = await readiness(client)
        assert (status, parts["database"]) == (503, "ok")
        assert "keeper" in parts["keeper"]
        await client.stop(unwanted)
        assert (await client.get_run(unwanted))["state"] == "stopped"
    run = await client.finished(waiting)
    assert (run["state"], run["reason"]) == ("succeeded", None)
    assert await client.output(waiting) == b"0\n"
    await client.stop(run_id)
    assert (await client.finished(run_id))["state"] == "lost"
    assert await client.output(run_id) == b"up\n"


async def test_a_run_that_is_being_started_in_vain_can_be_stopped(start: Start) -> None:
    """Its keeper is asked, and dies without an answer; no other can be had."""
    client = await start()
    pid = await client.service.keeper_pid()
    os.kill(pid, signal.SIGSTOP)
    creating = asyncio.create_task(client.create("echo up"))

    async def listed() -> list[str]:
        return [run["id"] for run in (await client.call("GET", "runs/"))["items"]]

    await until_true(listed)
    [run_id] = await listed()
    stopping = asyncio.create_task(client.stop(run_id))
    await client.call("GET", "ping")  # lets the request to stop come first
    with no_keeper(client, pid):
        async with patience():
            assert (await stopping)["state"] == "stopped"
            await creating
    assert (await client.get_run(run_id))["reason"] == "it was stopped while queued"
