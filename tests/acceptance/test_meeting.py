"""A server that meets others over NATS: it is there for workers, and goes on without it."""

import json
from pathlib import Path

import aiohttp
import pytest

from server.database import BY_ITSELF
from server.errors import ForbiddenError
from server.keeper.records import ProcessRecord
from server.keeper.spool import Spool
from server.repositories.database.database import Database
from server.repositories.losses import LossRepository
from server.wire.asking import Servers
from server.wire.messages import Active, ActiveRuns, Append, Claim, Claimed, Hello, WorkerState
from tests.support.client import Client
from tests.support.nats import Nats
from tests.support.service import Service
from tests.support.waiting import until, until_true
from tests.support.wires import Connect
from tests.support.workers import add_worker

LONG_AGO = "UPDATE workers SET seen_at = '2000-01-01', lease_until = '2000-01-01' RETURNING id"


async def nats_note(client: Client) -> str:
    """Return what /readyz says of NATS; it is no reason not to be ready."""
    async with client.session.get(client.page_url("/readyz")) as response:
        assert response.status == 200
        return str((await response.json())["nats"])


async def assert_ends_with_the_lease(client: Client) -> None:
    """See that a run of the server's own host is held by the lease that its keeper was told of.

    Others may begin it, once they can be heard again.
    """
    body = {"name": "a", "script": "echo up; exec sleep 1000", "on_unreachable": "retry"}
    run_id = (await client.call("POST", "commands/", json=body, status=201))["run"]["id"]
    spool = Spool.of(client.service.state_dir)

    def record() -> ProcessRecord | None:
        return spool.read_process(run_id) if spool.directory(run_id).is_dir() else None

    process = await until(record)
    lease = json.loads((client.service.state_dir / "keeper" / "lease").read_text())
    assert process.leased_at is not None
    assert lease["since"] <= process.leased_at < lease["until"]
    await client.stop(run_id, grace_seconds=0)
    await client.finished(run_id)


async def test_a_server_is_there_for_workers_and_goes_on_without_nats(
    tmp_path: Path, database: Database, database_url: str, connect: Connect
) -> None:
    nats = Nats(tmp_path)
    service = Service(tmp_path / "state", database_url, nats_url=nats.url)
    try:
        async with aiohttp.ClientSession() as session:
            client = Client(session, await service.start())

            async def is_told() -> bool:
                return "cannot be reached" in await nats_note(client)

            await until_true(is_told)  # it has been tried by then
            await client.finished(await client.run("echo up"))
            await assert_ends_with_the_lease(client)

            await nats.start()
            worker = Servers(await connect(nats.url, "w"), "w")

            async def is_ready() -> bool:
                return await nats_note(client) == "ok"

            await until_true(is_ready)
            hello = Hello(name="w", version="1", pools=("a",), places=1)
            with pytest.raises(ForbiddenError, match="no worker w"):
                await worker.ask(hello)
            await add_worker(database, "w", pools=["a"])
            standing = await worker.ask(hello)
            assert (standing.state, standing.pools) == (WorkerState.ACTIVE, ("a",))
            assert await worker.ask(Claim(places=1)) == Claimed(runs=())
            assert await worker.ask(Active()) == ActiveRuns(runs=())
            await client.call("DELETE", "workers/w")
            for asked in (Active(), Append(advances=()), Claim(places=1), hello):
                with pytest.raises(ForbiddenError, match="This worker was removed"):
                    await worker.ask(asked)
            await nats.kill()

            async def is_told() -> bool:
                return "NATS" in await nats_note(client)

            await until_true(is_told)
            await client.finished(await client.run("echo up"))
        assert await service.terminate() == 0
    finally:
        await nats.kill()
        await service.kill()
        await service.end_keeper()


async def test_a_server_says_at_its_start_what_is_wrong_with_the_way_to_the_others(
    tmp_path: Path, database_url: str
) -> None:
    service = Service(tmp_path / "state", database_url, nats_url="nats://192.0.2.1")
    try:
        code, said = await service.refused()
        assert code == 78  # EX_CONFIG of sysexits.h
        assert "TAILRUN_NATS_URL: nats://192.0.2.1 is not on this machine" in said
    finally:
        await service.end_keeper()


async def test_a_server_that_meets_nobody_any_more_keeps_its_runs(
    tmp_path: Path, database: Database, database_url: str
) -> None:
    """It beats no more: were it still known, the others would take it for one that is away."""
    before = Service(tmp_path / "state", database_url, nats_url=Nats(tmp_path).url)
    after = Service(tmp_path / "state", database_url)
    try:
        async with aiohttp.ClientSession() as session:
            client = Client(session, await before.start())
            run = (await client.create("sleep 1000", on_unreachable="lose"))["run"]["id"]
            [host] = [one["id"] for one in (await client.call("GET", "workers/"))["items"]]
            await before.terminate()
            client = Client(session, await after.start())
            assert (await client.call("GET", "workers/"))["items"] == []
            await database.fetch_all(LONG_AGO)
            assert await LossRepository(database).lose([host]) == []
            await client.stop(run, grace_seconds=0)
            assert (await client.finished(run))["state"] == "stopped"
        assert await after.terminate() == 0
        assert BY_ITSELF in after.log
    finally:
        for service in (before, after):
            await service.kill()
        await after.end_keeper()
