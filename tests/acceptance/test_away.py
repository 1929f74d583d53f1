"""Hosts that are away, frozen as a machine that hangs: what is asked of their runs meanwhile.

The shortest lease is 12 s, and a host that does not answer is asked for 6: the test takes as long.
"""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import aiohttp

from server.keeper.protocol import boottime
from tests.support.client import Client
from tests.support.cluster import cluster
from tests.support.service import Service
from tests.support.waiting import until, until_true

LEASE_SECONDS = "12"
WORKERS = """
    echo $$ >'{pid}'; echo before; until [ -e '{gate}' ]; do sleep 0.1; done; echo meanwhile
    exec sleep 1000
"""
ENDING = "echo begun; until [ -e '{gate}' ]; do sleep 0.1; done; echo ended"
SERVERS = "trap 'echo bye; exit 0' TERM; echo up; sleep 1000 & wait"


@contextmanager
def frozen(*hosts: Service) -> Iterator[None]:
    """Freeze what speaks for hosts, not their keepers: their runs go on."""
    for host in hosts:
        os.kill(host.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for host in hosts:
            os.kill(host.pid, signal.SIGCONT)


async def test_runs_of_hosts_that_are_away_are_stopped_and_given_up_elsewhere(
    tmp_path: Path, database_url: str
) -> None:
    """A stop is done once its host is back, a server's as a worker's; what was given up stays so.

    What the run wrote meanwhile is added, and its processes are ended.
    """
    async with (
        aiohttp.ClientSession() as session,
        cluster(tmp_path / "hosts", database_url, servers=2, lease_seconds=LEASE_SECONDS) as hosts,
    ):
        first, second = (Client(session, server) for server in hosts.servers)
        gate, pid = tmp_path / "gate", tmp_path / "pid"
        script = WORKERS.format(gate=gate, pid=pid)
        given_up = (await first.create(script, pool="pool1"))["run"]["id"]
        stopped = (await second.create(SERVERS))["run"]["id"]

        async def begun() -> bool:
            outputs = [await first.output(given_up), await first.output(stopped)]
            return outputs == [b"before\n", b"up\n"]

        await until_true(begun)
        told = await first.call("POST", f"runs/{given_up}/abandon", status=409)
        assert "is not away" in told["detail"]

        with frozen(hosts.workers[0], hosts.servers[1]):

            async def away() -> bool:
                runs = [await first.get_run(run) for run in (given_up, stopped)]
                return None not in [run["away_since"] for run in runs]

            await until_true(away)
            assert (await first.stop(stopped))["stopping"]
            gate.touch()
            written = hosts.workers[0].state_dir / "spool" / given_up / "output"
            await until(lambda: b"meanwhile" in written.read_bytes())
            lost = await first.call("POST", f"runs/{given_up}/abandon")
            assert lost["state"] == "lost"
            assert "its host worker1 was away since" in lost["reason"]
            assert Path(f"/proc/{pid.read_text().strip()}").exists()

        assert (await first.finished(stopped))["state"] == "stopped"
        assert await first.output(stopped) == b"up\nbye\n"

        async def complete() -> bool:
            return await first.output(given_up) == b"before\nmeanwhile\n"

        await until_true(complete)
        await until(lambda: not Path(f"/proc/{pid.read_text().strip()}").exists())
        run = await second.get_run(given_up)
        kept = ("state", "reason", "end_time", "exitcode", "signal")
        assert {name: run[name] for name in kept} == {name: lost[name] for name in kept}


async def test_a_worker_that_goes_on_through_a_restore_ends_as_lost_what_it_has_not(
    tmp_path: Path, database_url: str, empty_database_url: str
) -> None:
    """What has ended since the backup is lost, once the worker has a lease; what it has goes on."""
    async with (
        aiohttp.ClientSession() as session,
        cluster(tmp_path / "hosts", database_url, servers=1, lease_seconds=LEASE_SECONDS) as hosts,
    ):
        [server], [worker] = hosts.servers, hosts.workers
        client, gates = Client(session, server), (tmp_path / "first", tmp_path / "second")
        scripts = [ENDING.format(gate=gate) for gate in gates]
        ended, going = [(await client.create(one, pool="pool1"))["run"]["id"] for one in scripts]

        async def begun() -> bool:
            return [await client.output(run) for run in (ended, going)] == [b"begun\n"] * 2

        await until_true(begun)
        file = str(tmp_path / "backup")
        assert (await server.refused("backup", file))[0] == 0
        gates[0].touch()
        assert (await client.finished(ended))["state"] == "succeeded"
        with frozen(worker):
            frozen_at = boottime()
            await server.terminate()
            server.set(database_url=empty_database_url)
            assert (await server.refused("restore", file))[0] == 0
            await server.start()
            assert (await client.get_run(ended))["state"] == "running"
            await until(lambda: boottime() - frozen_at > float(LEASE_SECONDS))
        run = await client.finished(ended)
        assert (run["state"], run["output_bytes"]) == ("lost", len("begun\n"))
        assert "spool" in run["reason"]
        gates[1].touch()
        assert (await client.finished(going))["state"] == "succeeded"
        assert await client.output(going) == b"begun\nended\n"
