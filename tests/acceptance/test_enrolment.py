"""A worker's life with its servers: enrolled, drained, removed, let in again; a clock that is off.

One cluster for all of it: each step goes on from the one before.
"""

from contextlib import AsyncExitStack
from pathlib import Path

import aiohttp

from tests.support.client import Client
from tests.support.cluster import Cluster
from tests.support.faketime import environment
from tests.support.waiting import until, until_true
from tests.support.worker import Worker


async def ran(client: Client, script: str) -> str:
    """Run a command of the worker's pool; return its state."""
    created = await client.create(script, pool="pool1")
    return str((await client.finished(created["run"]["id"]))["state"])


async def test_a_worker_is_enrolled_drained_removed_and_let_in_again(
    tmp_path: Path, database_url: str
) -> None:
    hosts = Cluster(tmp_path / "hosts", database_url, servers=1, workers=1)
    hosts.servers[0].set(lease_seconds="12")  # a beat is a second
    async with AsyncExitStack() as stack:
        stack.push_async_callback(hosts.end)
        await hosts.start()
        session = await stack.enter_async_context(aiohttp.ClientSession())
        client, worker = Client(session, hosts.servers[0]), hosts.workers[0]
        host = (worker.state_dir / "host-id").read_text().strip()

        # Another worker on its state directory, and another enrolment of it, are refused.
        again = ("worker", "enroll", hosts.servers[0].address, "--token", "tlw_x")
        for arguments in (("worker",), again):
            code, said = await worker.refused(*arguments)
            assert code == 78
            assert "Another Tailrun server uses the state directory" in said

        # Drained it gets nothing, and goes on with what it has.
        await client.call("PATCH", f"workers/{host}", json={"state": "draining"})
        await until(lambda: "have this worker as draining" in worker.log)
        waiting = (await client.create("echo later", pool="pool1"))["run"]["id"]
        assert (await client.get_run(waiting))["state"] == "queued"
        await client.call("PATCH", f"workers/{host}", json={"state": "active"})
        assert (await client.finished(waiting))["state"] == "succeeded"

        await _with_a_clock_that_is_off(client, worker, tmp_path)
        await _removed(client, hosts, worker, host)
        await _let_in_again(client, hosts, worker, host)


async def _with_a_clock_that_is_off(client: Client, worker: Worker, tmp_path: Path) -> None:
    """Leases are the database's clock and hosts' monotonic ones: an hour between them is nothing.

    A run's times are its host's, and so are off as its clock is.
    """
    clock = tmp_path / "clock"
    clock.write_text("+3600")
    await worker.terminate()
    await worker.end_keeper()
    await worker.start("env", *(f"{name}={one}" for name, one in environment(clock).items()))
    assert await ran(client, "echo up") == "succeeded"


async def _removed(client: Client, hosts: Cluster, worker: Worker, host: str) -> None:
    """Its servers refuse it at once; NATS does once it was told."""
    await client.call("DELETE", f"workers/{host}")
    await until(lambda: "This worker was removed. It is let in again when" in worker.log)
    waiting = (await client.create("echo never", pool="pool1"))["run"]["id"]
    assert "refuses this host" not in worker.log
    await hosts.renew_users("--reload", str(hosts.nats.pid_file))
    await until(lambda: "it refuses this host, whose key is" in worker.log)
    assert (await client.get_run(waiting))["state"] == "queued"
    await client.stop(waiting)

    # Its name may not enrol again with the same key.
    await worker.terminate()
    (worker.state_dir / "worker.json").unlink()
    place = {"pools": ["all", "pool1"]}
    token = (await client.call("POST", "workers/tokens", json=place, status=201))["token"]
    code, said = await worker.refused(
        *("worker", "enroll", hosts.servers[0].address, "--token", token, "--name", "worker1")
    )
    assert code == 78
    assert "which was removed. Remove the file nats.seed" in said


async def _let_in_again(client: Client, hosts: Cluster, worker: Worker, host: str) -> None:
    (worker.state_dir / "nats.seed").unlink()
    await worker.enrol(hosts.servers[0], pools=["all", "pool1"])
    await hosts.renew_users("--reload", str(hosts.nats.pid_file))
    await worker.start()
    assert await ran(client, "echo back") == "succeeded"

    async def is_active() -> bool:
        fleet = (await client.call("GET", "workers/"))["items"]
        return [one["state"] for one in fleet if one["id"] == host] == ["active"]

    await until_true(is_active)
