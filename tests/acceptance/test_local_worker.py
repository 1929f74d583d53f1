"""A server that runs nothing itself: what it stores is run by others, also what names no pool."""

from pathlib import Path

import aiohttp

from server.keeper.protocol import SOCKET_NAME
from tests.support.client import Client
from tests.support.nats import Nats
from tests.support.service import Service


async def test_a_server_without_a_worker_leaves_its_runs_to_others_and_its_own_as_they_were(
    tmp_path: Path, database_url: str
) -> None:
    nats = Nats(tmp_path)
    first, second = (
        Service(tmp_path / name, database_url, nats_url=nats.url) for name in ("first", "second")
    )
    second.set(worker_pools="default")
    try:
        await nats.start()
        async with aiohttp.ClientSession() as session:
            client = Client(session, await first.start())
            own = (await client.create("sleep 600"))["run"]["id"]
            await first.terminate()
            await first.end_keeper()
            keepers = first.state_dir / "keeper" / SOCKET_NAME
            keepers.unlink(missing_ok=True)  # of the one that was killed
            first.set(local_worker="0")
            client = Client(session, await first.start())
            assert "runs that this server has had itself: 1; they stay as they are" in first.log
            assert (await client.get_run(own))["state"] == "running"

            created = await client.create("echo up; exit 3")
            run = created["run"]
            assert run["state"] == "queued"
            assert "pool default" in run["reason"]
            again = await client.call("POST", f"commands/{created['id']}/runs", status=201)
            await second.start()
            for run_id in (run["id"], again["id"]):
                assert (await client.finished(run_id))["exitcode"] == 3
                assert await client.output(run_id) == b"up\n"
            async with session.get(client.page_url("/readyz")) as response:
                parts = await response.json()
                assert (response.status, parts["nats"], parts["hosts"]) == (200, "ok", "ok")
                assert not {"keeper", "keeper_descriptors"} & parts.keys()
            assert not keepers.exists()
    finally:
        for service in (first, second):
            await service.kill()
            await service.end_keeper()
        await nats.kill()
