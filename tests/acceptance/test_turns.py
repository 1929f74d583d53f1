"""Limits of how many runs of a command go on at a time: with several servers, and through kills.

The scripts themselves tell what went on, and when (tests.support.turns).
"""

from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from server.keeper import processes
from server.keeper.failpoints import VARIABLE
from server.state import HOST_FILE
from tests.acceptance.conftest import ended
from tests.support.client import Client, Start
from tests.support.service import Service
from tests.support.turns import Notes
from tests.support.waiting import until, until_true


@pytest.fixture
def notes(tmp_path: Path) -> Notes:
    return Notes(tmp_path)


@pytest.fixture
async def client(start: Start) -> Client:
    return await start()


@pytest.fixture
async def other(client: Client, tmp_path: Path) -> AsyncIterator[Client]:
    """Run a second server, of a state directory of its own, on the same database."""
    database_url = client.service.environment["TAILRUN_DATABASE_URL"]
    async with ended(Service(tmp_path / "other", database_url)) as service:
        yield Client(client.session, await service.start())


async def limited(client: Client, script: str, limit: int = 1, beyond: str = "queue") -> str:
    """Store a command with a limit; return its id."""
    concurrency = {"limit": limit, "beyond": beyond}
    made = await client.create(script, start=False, concurrency=concurrency)
    return str(made["id"])


async def started(client: Client, command_id: str) -> str:
    """Start a run; return its id."""
    run = await client.call("POST", f"commands/{command_id}/runs", status=201)
    return str(run["id"])


async def reason(client: Client, run_id: str, expected: str) -> dict[str, Any]:
    """Wait until a run says why it waits; return it."""

    async def told() -> bool:
        return bool((await client.get_run(run_id))["reason"] == expected)

    await until_true(told)
    return await client.get_run(run_id)


async def test_two_servers_let_no_more_than_the_limit_go_on(
    client: Client, other: Client, notes: Notes
) -> None:
    """Each queued run once; which of the servers was asked makes no difference."""
    command_id = await limited(client, notes.script(), limit=2)
    run_ids = [await started((client, other)[n % 2], command_id) for n in range(10)]
    await until(lambda: len(notes.begun) == 2)
    notes.open()
    for number, run_id in enumerate(run_ids):
        run = await (client, other)[number % 2].finished(run_id)
        assert run["state"] == "succeeded"
    assert notes.most == 2
    assert sorted(notes.begun) == sorted(run_ids)


async def test_who_watches_is_told_for_what_a_run_waits(client: Client, notes: Notes) -> None:
    """In the run, in its stream and in the list of runs; it is stopped as any queued one."""
    command_id = await limited(client, notes.script())
    first, second, third = [await started(client, command_id) for _ in range(3)]
    await until(lambda: notes.begun == [first])
    why = f"it waits for run {first} of its command (limit 1)"
    run = await reason(client, second, why)
    assert run["state"] == "queued"
    assert run["start_time"] == run["created_at"]
    listed = (await client.call("GET", f"commands/{command_id}/runs"))["items"]
    assert [run["reason"] for run in listed] == [why, why, None]
    assert await client.metric("tailrun_runs_waiting") == 2
    async with client.connect(second, format="json") as stream:
        told = (await stream.receive()).json()
        assert (told["type"], told["run"]["reason"]) == ("run", why)
    await client.stop(third)
    assert (await client.get_run(third))["reason"] == "it was stopped while queued"
    notes.open()
    watched = await client.stream(second, format="json")
    assert watched.messages[-1]["state"] == "succeeded"
    assert notes.begun == [first, second]


async def test_a_start_beyond_the_limit_is_refused_in_words(client: Client, notes: Notes) -> None:
    """And on record; a repeated request gets the first answer."""
    command_id = await limited(client, notes.script(), beyond="refuse")
    path, key = f"commands/{command_id}/runs", {"Idempotency-Key": "once"}
    first = await client.call("POST", path, status=201, headers=key)
    refused = await client.call("POST", path, status=409)
    assert refused["type"].endswith("#concurrency-limit")
    assert refused["detail"] == (
        "The command lets 1 of its runs go on at a time (concurrency), and has so many:"
        f" {first['id']}. Wait for an end, or stop one."
    )
    late = {"Idempotency-Key": "late"}
    await client.call("POST", path, status=409, headers=late)
    again = await client.call("POST", path, status=201, headers=key)
    assert again["id"] == first["id"]

    async def on_record() -> bool:
        audit = await client.call("GET", "audit/?act=command.start")
        return [one["outcome"] for one in audit["items"]] == ["refused", "refused", "done"]

    await until_true(on_record)
    notes.open()
    await client.finished(first["id"])
    # What was refused has not used up its key.
    run = await client.call("POST", path, status=201, headers=late)
    assert (await client.finished(run["id"]))["state"] == "succeeded"


async def test_who_starts_the_next_one_stops_the_one_before(
    client: Client, other: Client, notes: Notes
) -> None:
    """It is on record as that one's act, also where another server has the run."""
    command_id = await limited(client, notes.script(), beyond="replace")
    first = await started(client, command_id)
    await until(lambda: notes.begun == [first])
    second = await started(other, command_id)
    stopped = await client.finished(first)
    assert (stopped["state"], stopped["reason"]) == ("stopped", f"it was replaced by run {second}")
    await until(lambda: notes.begun == [first, second])
    notes.open()
    assert (await other.finished(second))["state"] == "succeeded"
    assert notes.most == 1

    async def on_record() -> dict[str, Any] | None:
        audit = await client.call("GET", f"audit/?act=run.stop&run_id={first}")
        return next(iter(audit["items"]), None)

    await until_true(on_record)
    stop = await on_record()
    starts = await client.call("GET", f"audit/?act=command.start&run_id={second}")
    assert stop is not None
    assert stop["details"]["replaced_by"] == second
    assert stop["principal"] == starts["items"][0]["principal"]


async def test_what_waits_for_a_server_that_is_away_names_its_run_and_host(
    client: Client, other: Client, notes: Notes
) -> None:
    """Its runs count until they have ended; somebody who knows that they have says so by a stop."""
    command_id = await limited(client, notes.script())
    first = await started(other, command_id)
    await until(lambda: notes.begun == [first])
    await other.service.kill()
    await other.service.end_keeper()
    second = await started(client, command_id)
    host = (other.service.state_dir / HOST_FILE).read_text().strip()
    why = f"it waits for run {first} (of another server, host {host}) of its command (limit 1)"
    await reason(client, second, why)
    await client.stop(first)
    notes.open()
    assert (await client.finished(second))["state"] == "succeeded"


def gone(pid: int) -> bool:
    process = processes.read(pid)
    return process is None or process.ended


@pytest.mark.parametrize(
    "point",
    ["run.stored:2", "turns.look:2", "turns.claiming", "turns.claimed", "run.ended"],
)
async def test_each_waiting_run_starts_once_wherever_its_server_is_killed(
    start: Start, notes: Notes, monkeypatch: pytest.MonkeyPatch, point: str
) -> None:
    monkeypatch.setenv(VARIABLE, point)
    client = await start()
    command_id = await limited(client, notes.script())
    killed = client.service.pid
    with suppress(aiohttp.ClientConnectionError):
        for _ in range(3):
            await started(client, command_id)
        notes.open()
    await until(lambda: gone(killed))
    await client.service.kill()
    monkeypatch.delenv(VARIABLE)
    await client.service.start()
    notes.open()
    stored = (await client.call("GET", f"commands/{command_id}/runs"))["items"]
    for run in stored:
        assert (await client.finished(run["id"]))["state"] == "succeeded"
    assert notes.most == 1
    assert sorted(notes.begun) == sorted(run["id"] for run in stored)
    assert len(stored) == (2 if point == "run.stored:2" else 3)


@pytest.mark.parametrize(
    "point", ["turns.replacing", "turns.replaced", "turns.stopping", "turns.stopped"]
)
async def test_a_run_is_replaced_wherever_its_server_is_killed(
    start: Start, notes: Notes, monkeypatch: pytest.MonkeyPatch, point: str
) -> None:
    monkeypatch.setenv(VARIABLE, point)
    client = await start()
    command_id = await limited(client, notes.script(), beyond="replace")
    killed = client.service.pid
    with suppress(aiohttp.ClientConnectionError):
        first = await started(client, command_id)
        await until(lambda: notes.begun == [first])
        for _ in range(2):
            await started(client, command_id)
    await until(lambda: gone(killed))
    await client.service.kill()
    monkeypatch.delenv(VARIABLE)
    await client.service.start()
    newest, *older = (await client.call("GET", f"commands/{command_id}/runs"))["items"]
    await until(lambda: notes.begun[-1] == newest["id"])
    notes.open()
    assert (await client.finished(newest["id"]))["state"] == "succeeded"
    states = [(await client.finished(run["id"]))["state"] for run in older]
    assert states == ["stopped"] * len(older)
    assert older
    assert notes.most == 1
    assert len(notes.begun) == len({*notes.begun})
