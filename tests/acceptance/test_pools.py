"""Commands of pools: two servers as processes on one database, one of them of a pool."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.conftest import ended
from tests.support.client import Client, Start
from tests.support.service import Service
from tests.support.turns import Notes
from tests.support.waiting import until, until_true

WAITS = "it waits for a worker of the pool build that has arch=arm64"


@pytest.fixture
async def asked(start: Start) -> Client:
    """Be a client of a server that is of no pool."""
    return await start()


@pytest.fixture
async def worker(asked: Client, tmp_path: Path) -> AsyncIterator[Client]:
    """Provide a server of the pool `build` on the same database, which is not started yet."""
    database_url = asked.service.environment["TAILRUN_DATABASE_URL"]
    async with ended(Service(tmp_path / "worker", database_url)) as service:
        service.set(worker_pools="docs,build", worker_labels="arch=arm64,disk=ssd")
        yield Client(asked.session, service)


async def command(client: Client, script: str, **said: Any) -> str:
    wanted = {"pool": "build", "requires": ["arch=arm64"], **said}
    return str((await client.create(script, start=False, **wanted))["id"])


async def started(client: Client, command_id: str, **arguments: Any) -> dict[str, Any]:
    return dict(await client.call("POST", f"commands/{command_id}/runs", status=201, **arguments))


async def test_a_command_of_a_pool_runs_where_its_worker_is(asked: Client, worker: Client) -> None:
    command_id = await command(asked, "seq 3")
    assert (await asked.call("GET", f"commands/{command_id}"))["requires"] == ["arch=arm64"]
    run = await started(asked, command_id)
    assert (run["state"], run["reason"]) == ("queued", WAITS)
    [listed] = (await asked.call("GET", "runs/"))["items"]
    assert (listed["state"], listed["reason"]) == ("queued", WAITS)
    watching = asyncio.create_task(worker_stream(worker, run["id"]))
    await worker.service.start()
    assert await watching == b"1\n2\n3\n"
    for client in (asked, worker):
        assert (await client.finished(run["id"]))["state"] == "succeeded"
        assert await client.output(run["id"]) == b"1\n2\n3\n"


async def worker_stream(client: Client, run_id: str) -> bytes:
    """Watch a run at a server as soon as it is there."""
    await until(lambda: client.service.address != "")
    return b"".join((await client.stream(run_id, format="raw")).messages)


async def test_a_repeated_request_finds_the_run_that_waits(asked: Client) -> None:
    command_id = await command(asked, "true")
    key = {"headers": {"Idempotency-Key": "once"}}
    first, second = [await started(asked, command_id, **key) for _ in range(2)]
    assert first["id"] == second["id"]
    assert second["reason"] == WAITS
    stopped = await asked.stop(first["id"])
    assert (stopped["state"], stopped["reason"]) == ("stopped", "it was stopped while queued")


async def test_retries_limits_and_schedules_hold_over_servers(
    asked: Client, worker: Client, tmp_path: Path
) -> None:
    """A retry is stored by the server that ran the run before, and by whichever is there."""
    await worker.service.start()
    notes = Notes(tmp_path)
    limited = await command(asked, notes.script(), concurrency={"limit": 1})
    runs = [await started((asked, worker)[n % 2], limited) for n in range(3)]
    failing = await command(worker, "exit 7", retries={"limit": 1})
    failed = await started(asked, failing)
    due = await command(asked, "exit 0")
    await asked.call("POST", f"commands/{due}/schedules", status=201, json={"cron": "* * * * * *"})

    async def ends_of(command_id: str, *states: str) -> bool:
        found = (await asked.call("GET", f"runs/?command_id={command_id}"))["items"]
        return {run["state"] for run in found} == {*states} and len(found) >= 2

    await until_true(lambda: ends_of(failing, "failed"))
    [retry] = (await worker.call("GET", f"runs/?retry_of={failed['id']}"))["items"]
    assert (retry["attempt"], retry["exitcode"]) == (2, 7)

    async def fired() -> bool:
        found = (await asked.call("GET", f"runs/?command_id={due}&state=succeeded"))["items"]
        return len(found) >= 2

    await until_true(fired)
    await until(lambda: len(notes.begun) == 1)
    notes.open()
    for run in runs:
        assert (await asked.finished(run["id"]))["state"] == "succeeded"
    assert notes.most == 1
    assert sorted(notes.begun) == sorted(run["id"] for run in runs)


async def test_each_claimed_run_starts_once_wherever_its_worker_is_killed(
    asked: Client, worker: Client, tmp_path: Path
) -> None:
    notes = Notes(tmp_path)
    notes.open()
    command_id = await command(asked, notes.script())
    runs = [await started(asked, command_id) for _ in range(20)]
    await worker.service.start()
    await until(lambda: len(notes.begun) >= 3)
    await worker.service.kill()
    await worker.service.start()
    for run in runs:
        assert (await worker.finished(run["id"]))["state"] == "succeeded"
    assert sorted(notes.begun) == sorted(run["id"] for run in runs)
