"""Several hosts: a run of a pool is a worker's, and whoever is asked shows it and ends it."""

from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from tests.support.client import Client, watch
from tests.support.cluster import Cluster, cluster
from tests.support.waiting import patience

MANY = 200_000


@pytest.fixture
async def hosts(tmp_path: Path, database_url: str) -> AsyncIterator[Cluster]:
    async with cluster(tmp_path / "hosts", database_url, servers=2, workers=1) as hosts:
        yield hosts


async def test_a_run_of_a_worker_is_seen_and_ended_wherever_one_asks(
    hosts: Cluster, tmp_path: Path
) -> None:
    """Started at one server, it is live at the other, to the byte, as it is at the first."""
    async with aiohttp.ClientSession() as session:
        first, second = (Client(session, server) for server in hosts.servers)
        go_on = tmp_path / "go on"
        script = f"echo up; until [ -e '{go_on}' ]; do sleep 0.1; done; seq {MANY}; exit 3"
        created = await first.create(script, pool="pool1")
        run_id = created["run"]["id"]

        async with second.connect(run_id, format="raw") as websocket, patience():
            assert await websocket.receive_bytes() == b"up\n"
            assert (await second.get_run(run_id))["state"] == "running"
            go_on.touch()
            watched = await watch(websocket)
        expected = b"".join(b"%d\n" % number for number in range(1, MANY + 1))
        assert b"".join(watched.messages) == expected
        assert watched.reason == "exit 3"
        for client in (first, second):
            run = await client.finished(run_id)
            assert (run["state"], run["exitcode"]) == ("failed", 3)
            assert await client.output(run_id) == b"up\n" + expected


async def test_a_run_of_a_worker_is_stopped_by_any_server(hosts: Cluster) -> None:
    async with aiohttp.ClientSession() as session:
        first, second = (Client(session, server) for server in hosts.servers)
        created = await first.create(
            "trap 'echo bye; exit 0' TERM; echo up; sleep 600 & wait", pool="all"
        )
        run_id = created["run"]["id"]
        async with second.connect(run_id, format="raw") as websocket, patience():
            assert await websocket.receive_bytes() == b"up\n"

        await second.stop(run_id)

        for client in (first, second):
            assert (await client.finished(run_id))["state"] == "stopped"
            assert await client.output(run_id) == b"up\nbye\n"
