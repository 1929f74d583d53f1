"""A torture of many hosts: a fleet, a load of runs, viewers, faults, and a reckoning."""

import asyncio
import random
from contextlib import AsyncExitStack
from pathlib import Path

import aiohttp

from server.keeper.spool import Spool
from tests.support.waiting import until
from tests.torture.api import Api
from tests.torture.hosts import oracle
from tests.torture.hosts.faults import Faults
from tests.torture.hosts.fleet import LEASE_SECONDS, Fleet
from tests.torture.hosts.host import Host
from tests.torture.hosts.load import FleetLoad
from tests.torture.hosts.presence import Presence
from tests.torture.reckoning import END_SECONDS as LEFT_SECONDS
from tests.torture.reckoning import audit, check_logs, check_processes
from tests.torture.tally import Tally
from tests.torture.viewers import Viewer

RUNS = 24
VIEWERS = 2
"""Of each server; and as many again, which come back to any of them."""

AS_ONE_WOKE = "ms that two attempts ran at once as a host woke, at most"
REPORT_SECONDS = 30.0
OUTAGE_SECONDS = 100.0
END_SECONDS = 360.0
"""For all runs to end once nothing is broken any more."""


class HostsTorture:
    """One torture of a fleet in `directory`; what it finds is in the tally.

    `brief`: nothing is broken for longer than a moment.
    """

    def __init__(
        self, directory: Path, seed: int, tally: Tally, *, workers: int, brief: bool = False
    ) -> None:
        self._directory = directory
        self._seed = seed
        self._tally = tally
        self._workers = workers
        self._brief = brief
        self._over = asyncio.Event()

    async def run(self, seconds: float) -> None:
        """Break things for so long, mend them, and reckon."""
        async with AsyncExitStack() as stack:
            session = await stack.enter_async_context(aiohttp.ClientSession())
            fleet = Fleet(
                self._directory, self._tally, self._random("fleet"), workers=self._workers
            )
            await stack.enter_async_context(fleet)
            api = Api(session, fleet, outage_seconds=OUTAGE_SECONDS)
            load = FleetLoad(
                api,
                fleet,
                self._random("load"),
                size=RUNS,
                outage_seconds=OUTAGE_SECONDS,
                brief=self._brief,
            )
            faults = Faults(
                fleet, self._random("faults"), lease_seconds=LEASE_SECONDS, brief=self._brief
            )
            presence = Presence(session, fleet, lease_seconds=LEASE_SECONDS)
            entrances = [Api(session, one, outage_seconds=0) for one in fleet.servers] + [api]
            viewers = [
                Viewer(one, load, self._tally, self._random(f"viewer {number}"))
                for number, one in enumerate(entrances * VIEWERS)
            ]
            await self._break(seconds, fleet, load, viewers, presence, faults)
            await self._reckon(fleet, load)

    def _random(self, part: str) -> random.Random:
        return random.Random(f"{self._seed} {part}")

    async def _break(
        self,
        seconds: float,
        fleet: Fleet,
        load: FleetLoad,
        viewers: list[Viewer],
        presence: Presence,
        faults: Faults,
    ) -> None:
        over = self._over
        async with asyncio.TaskGroup() as group:
            telling = group.create_task(self._tell(load))
            breaking = [group.create_task(loop(over)) for loop in faults.loops()]
            watching = group.create_task(presence.watch(over))
            works = (load.start, load.check, *(viewer.watch for viewer in viewers))
            working = [group.create_task(work(over)) for work in works]
            await asyncio.sleep(seconds)
            over.set()
            await asyncio.wait([*breaking, watching])
            await fleet.until_well()
            await presence.until_back()
            _, late = await asyncio.wait(working, timeout=END_SECONDS)
            for task in late:
                self._tally.violation(f"{END_SECONDS:.0f} s later it is not over: {task}")
                task.cancel()
            telling.cancel()

    async def _reckon(self, fleet: Fleet, load: FleetLoad) -> None:
        """Check what must hold when everything has ended."""
        tally = self._tally
        await load.check_strays(but=())
        load.check_told()
        for run_id, text in audit(fleet.database_url):
            tally.violation(f"the tables, run {run_id}: {text}")
        self._check_attempts(load)
        for host in fleet.hosts:
            tally.count("kills of the keeper", len(host.history.keeper_deaths))
            await self._check_spool(host)
            check_logs(tally, host.log, host.state_dir)
        await load.check_given_up()
        tally.remark(*load.outcomes())
        await check_processes(tally, load.runs.keys())

    def _check_attempts(self, load: FleetLoad) -> None:
        for name, attempts in load.attempts().items():
            for text in oracle.repeated(attempts, retries=load.may_be_retried(name)):
                self._tally.violation(f"{name}: {text}")
            seconds = oracle.together(attempts)
            self._tally.at_most(AS_ONE_WOKE, int(seconds.waking * 1000))
            if seconds.running or seconds.waking > oracle.WAKING_SECONDS:
                told = ", ".join(map(str, attempts))
                self._tally.violation(f"{name}: two ran at once: {seconds}: {told}")

    async def _check_spool(self, host: Host) -> None:
        spool = Spool.of(host.state_dir)
        try:
            await until(lambda: not [*spool.run_ids()], LEFT_SECONDS)
        except TimeoutError:
            self._tally.violation(f"{host.name}: spools are left: {[*spool.run_ids()]}")

    async def _tell(self, load: FleetLoad) -> None:
        """Show now and then how far it is."""
        while True:
            await asyncio.sleep(REPORT_SECONDS)
            counts = self._tally.counts
            self._tally.say(
                f"{counts['rounds']} rounds, {counts['runs']} runs, {counts['lines']} lines,"
                f" {len(load.open)} runs active"
            )
