"""Hosts that are away, frozen as a machine that hangs: what is asked of their runs meanwhile.

The shortest lease is 12 s, and a host that does not answer is asked for 6: the test takes as long.
"""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import aiohttp

from tests.support.client import Client
from tests.support.cluster import cluster
from tests.support.service import Service
from tests.support.waiting import until, until_true

WORKERS = """
    echo $$ >'{pid}'; echo before; until [ -e '{gate}' ]; do sleep 0.1; done; echo meanwhile
    exec sleep 1000
"""
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
        cluster(tmp_path / "hosts", database_url, servers=2, lease_seconds="12") as hosts,
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
