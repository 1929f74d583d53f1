"""Whether every server tells in time that a host is away, and that it is back."""

import asyncio
import math
import time
from contextlib import suppress

import aiohttp
import orjson

from server.state import HOST_FILE
from tests.support.waiting import until_true
from tests.torture.api import Api, UnansweredError
from tests.torture.hosts.fleet import Fleet
from tests.torture.hosts.host import Host
from tests.torture.hosts.oracle import TOLD_SECONDS, must_be_told_at

LOOK_SECONDS = 0.3
BACK_SECONDS = 30.0
AWAY = "unreachable"
LATEST = "ms after the end of a lease until its host was told as such, at most"


class Presence:
    """Asks each server again and again how the workers stand."""

    def __init__(
        self, session: aiohttp.ClientSession, fleet: Fleet, *, lease_seconds: float
    ) -> None:
        self._fleet = fleet
        self._lease_seconds = lease_seconds
        self._apis = [Api(session, one, outage_seconds=0) for one in fleet.servers]
        self._told: set[tuple[str, float]] = set()

    async def watch(self, over: asyncio.Event) -> None:
        """Ask until the event is set."""
        async with asyncio.TaskGroup() as group:
            for api in self._apis:
                group.create_task(self._ask(api, over))

    async def until_back(self) -> None:
        """Check that all are told as active soon, as nothing is broken any more."""
        states: dict[str, str] = {}

        async def back() -> bool:
            nonlocal states
            with suppress(UnansweredError):
                states = await self._states(self._apis[0])
            return set(states.values()) == {"active"}

        try:
            async with asyncio.timeout(BACK_SECONDS):
                await until_true(back)
        except TimeoutError:
            self._fleet.tally.violation(f"all is well for {BACK_SECONDS} s, and told is {states}")

    async def _ask(self, api: Api, over: asyncio.Event) -> None:
        while not over.is_set():
            asked_at = time.time()
            with suppress(UnansweredError):
                states = await self._states(api)
                for worker in self._fleet.workers:
                    self._judge(worker, states.get(worker.name), asked_at)
            await asyncio.sleep(LOOK_SECONDS)

    async def _states(self, api: Api) -> dict[str, str]:
        """Return how the workers stand, by the names of their state directories."""
        found = orjson.loads(await api.ask("GET", "workers/"))["items"]
        states = {one["id"]: one["state"] for one in found}
        names = {
            (one.state_dir / HOST_FILE).read_text().strip(): one.name for one in self._fleet.workers
        }
        return {name: states.get(host, "unknown") for host, name in names.items()}

    def _judge(self, worker: Host, state: str | None, asked_at: float) -> None:
        """Compare what was told with what was so when it was asked for."""
        if not worker.unheard or worker.unheard[-1].end < time.time():
            return  # it may have been heard again before the answer was made
        tally = self._fleet.tally
        since = worker.unheard[-1].start
        told_by = must_be_told_at(since, self._fleet.broken, self._lease_seconds)
        if state == AWAY and (worker.name, since) not in self._told:
            self._told.add((worker.name, since))
            tally.count("hosts told as unreachable")
            if told_by < math.inf:
                after = time.time() - told_by + TOLD_SECONDS
                tally.at_most(LATEST, int(after * 1000))
        elif state != AWAY and asked_at > told_by:
            tally.violation(
                f"{worker.name} is away for {asked_at - since:.1f} s, and is told as {state}"
            )
