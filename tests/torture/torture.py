"""A torture: a site, a load of runs, viewers, faults, and at the end a reckoning."""

import asyncio
import random
from contextlib import AsyncExitStack
from pathlib import Path

import aiohttp

from server.services.tasks import cancel_and_wait
from tests.torture.api import Api
from tests.torture.chains import Chains
from tests.torture.database import TorturedDatabase
from tests.torture.faults import Faults
from tests.torture.keeper_watch import KeeperWatch
from tests.torture.listener import listening
from tests.torture.load import Load, SiteLoad
from tests.torture.oracle import History
from tests.torture.reckoning import reckon
from tests.torture.schedules import Schedules
from tests.torture.site import Site
from tests.torture.tally import Tally
from tests.torture.turns import Turns
from tests.torture.victims import Victims
from tests.torture.viewers import Viewer

KINDS = ("server", "keeper", "database", "freeze", "renew", "victims")
RUNS = 24
VIEWERS = 4
VICTIMS = 4
CHAINS = 4
REPORT_SECONDS = 30.0

OUTAGE_SECONDS = 5.0
"""An outage of the database lasts so long at most, if nothing else is asked for."""

END_SECONDS = 120.0
"""For all runs to end once nothing is broken any more."""


class Torture:
    """One torture in `directory`; what it finds is in the tally."""

    def __init__(
        self,
        directory: Path,
        seed: int,
        kinds: frozenset[str],
        tally: Tally,
        *,
        outage_seconds: float = OUTAGE_SECONDS,
        run_as: str | None = None,
    ) -> None:
        self._directory = directory
        self._seed = seed
        self._kinds = kinds
        self._outage_seconds = outage_seconds
        self._run_as = run_as
        self._tally = tally
        self._over = asyncio.Event()

    async def run(self, seconds: float) -> None:
        """Break things for so long, mend them, and reckon."""
        async with AsyncExitStack() as stack:
            database = TorturedDatabase(self._directory / "database")
            stack.push_async_callback(database.end)
            url = await database.set_up()
            site = Site(self._directory, url, self._tally, run_as=self._run_as)
            stack.push_async_callback(site.end)
            history = History()
            keeper = KeeperWatch(site.state_dir, history, site.attended)
            stack.push_async_callback(cancel_and_wait, asyncio.create_task(keeper.watch()))
            session = await stack.enter_async_context(aiohttp.ClientSession())
            api = Api(session, site, outage_seconds=self._outage_seconds)
            load = SiteLoad(
                api,
                site,
                history,
                self._random("load"),
                size=RUNS,
                outage_seconds=self._outage_seconds,
            )
            faults = Faults(
                site,
                keeper,
                database,
                self._random("faults"),
                self._kinds,
                outage_seconds=self._outage_seconds,
            )
            victims = Victims(
                api, site, url, self._random("victims"), outage_seconds=self._outage_seconds
            )
            turns = Turns(api, site, self._random("turns"))
            listener = await stack.enter_async_context(listening(self._random("listener")))
            chains = Chains(api, site, listener, self._random("chains"))
            schedules = Schedules(api, site, self._random("schedules"))
            apart = (turns, chains, schedules)
            await self._break(seconds, api, site, load, victims, *apart, faults)
            self._tally.count("kills of the keeper", len(history.keeper_deaths))
            for part in apart:
                await part.judge()
            judged = {one for part in apart for one in part.command_ids}
            await reckon(site, load, victims, url, but=judged)

    def _random(self, part: str) -> random.Random:
        return random.Random(f"{self._seed} {part}")

    async def _break(
        self,
        seconds: float,
        api: Api,
        site: Site,
        load: Load,
        victims: Victims,
        turns: Turns,
        chains: Chains,
        schedules: Schedules,
        faults: Faults,
    ) -> None:
        over = self._over
        viewers = [Viewer(api, load, self._tally, self._random(f"{n}")) for n in range(VIEWERS)]
        making = [victims.make] * VICTIMS if "victims" in self._kinds else []
        async with asyncio.TaskGroup() as group:
            telling = group.create_task(self._tell(load))
            breaking = [group.create_task(loop(over)) for loop in faults.loops()]
            working = [
                group.create_task(work(over))
                for work in (
                    load.start,
                    load.check,
                    turns.start,
                    *[chains.make] * CHAINS,
                    schedules.start,
                    *(viewer.watch for viewer in viewers),
                    *making,
                )
            ]
            await asyncio.sleep(seconds)
            over.set()
            await asyncio.wait(breaking)
            await site.restart()
            _, late = await asyncio.wait(working, timeout=END_SECONDS)
            for task in late:
                self._tally.violation(f"{END_SECONDS:.0f} s later it is not over: {task}")
                task.cancel()
            telling.cancel()

    async def _tell(self, load: Load) -> None:
        """Show now and then how far it is."""
        while True:
            await asyncio.sleep(REPORT_SECONDS)
            counts = self._tally.counts
            self._tally.say(
                f"{counts['kills of the server']} kills, {counts['runs']} runs,"
                f" {counts['lines']} lines, {len(load.open)} runs active"
            )
