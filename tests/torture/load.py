"""The load of a torture: many runs at a time, each under the oracle."""

import asyncio
import random
import time
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import orjson

from tests.torture import oracle
from tests.torture.api import Api, UnansweredError
from tests.torture.plans import Plan
from tests.torture.site import Site
from tests.torture.tally import Tally

ACTIVE = ("queued", "running")
LOOK_SECONDS = 0.3
OVERDUE_SECONDS = 60.0


@dataclass(slots=True)
class Tracked:
    """A run that is under the oracle.

    `told` are the ends that viewers were told, `shown` is how many bytes some viewer was shown.
    """

    plan: Plan
    run_id: str
    asked_at: float
    stop_asked: bool = False
    told: list[dict[str, Any]] = field(default_factory=list)
    shown: int = 0
    final: dict[str, Any] | None = None


class Place(Protocol):
    """Where runs are tortured, with directories where scripts note what they do."""

    tally: Tally
    starts: Path
    ends: Path

    def attended(self, start: float, end: float) -> bool:
        """Whether a server served all the time from `start` to `end`."""
        ...


class Load(ABC):
    """Keeps `size` runs active, and checks each that has ended."""

    def __init__(
        self,
        api: Api,
        place: Place,
        random: random.Random,
        *,
        size: int,
        outage_seconds: float,
    ) -> None:
        self.runs: dict[str, Tracked] = {}
        self._api = api
        self._place = place
        self._tally = place.tally
        self._random = random
        self._size = size
        self._overdue_seconds = OVERDUE_SECONDS + outage_seconds
        self._asked: dict[str, tuple[Plan, float]] = {}
        self._unsure: set[str] = set()
        self._stops: set[asyncio.Task[None]] = set()

    @property
    def open(self) -> list[Tracked]:
        """The runs that have not been seen to end, oldest first."""
        return [run for run in self.runs.values() if run.final is None]

    def asked_for(self, name: str) -> Plan:
        """Return the plan of a run that was asked for."""
        return self._asked[name][0]

    @property
    def _goes_on(self) -> bool:
        """Whether there is a run, or may be one, that has not been seen to end."""
        return bool(self.open or self._unsure)

    async def start(self, over: asyncio.Event) -> None:
        """Start runs until the event is set."""
        while not over.is_set():
            if len(self.open) + len(self._unsure) < self._size:
                await self._start_one()
            else:
                await asyncio.sleep(LOOK_SECONDS / 10)

    async def check(self, over: asyncio.Event) -> None:
        """Check runs that have ended, until the event is set and all have."""
        while not over.is_set() or self._goes_on:
            await asyncio.sleep(LOOK_SECONDS)
            await self._check_open()

    async def _check_open(self) -> None:
        looking_up, checking = map(self._look_up, self._unsure), map(self._check, self.open)
        await asyncio.gather(*looking_up, *checking)

    @abstractmethod
    def _draw(self, name: str) -> Plan:
        """Draw the next run."""

    @abstractmethod
    async def _post(self, plan: Plan) -> dict[str, Any]:
        """Ask for a run once; it raises as `Api.ask` does."""

    @abstractmethod
    async def _look_up(self, name: str) -> None:
        """Find out about a run that was asked for, and nobody said whether there is one."""

    @abstractmethod
    def _may_be_over(self, run: Tracked) -> bool:
        """Whether it is worth asking if a run has ended."""

    @abstractmethod
    def _judge(self, run: Tracked, observed: oracle.Observed) -> Iterator[str]:
        """Tell what must not be so of a run that has ended."""

    def _may_run_again(self, _run_id: str) -> bool:
        """Whether the command of a run may have other runs."""
        return False

    async def _start_one(self) -> None:
        plan = self._draw(f"run {len(self._asked)}")
        self._asked[plan.name] = plan, time.time()
        try:
            created = await self._post(plan)
        except UnansweredError:
            self._unsure.add(plan.name)
        else:
            self._track(plan.name, created["run"]["id"])

    def _track(self, name: str, run_id: str) -> None:
        plan, asked_at = self._asked[name]
        self._unsure.discard(name)
        self.runs[run_id] = run = Tracked(plan, run_id, asked_at)
        self._tally.count("runs")
        if plan.stop_after is not None:
            task = asyncio.create_task(self._stop(run, plan.stop_after), name=f"stop {run_id}")
            self._stops.add(task)
            task.add_done_callback(self._stops.discard)

    async def _stop(self, run: Tracked, after_seconds: float) -> None:
        await asyncio.sleep(after_seconds)
        run.stop_asked = True
        try:
            await self._api.ask("POST", f"runs/{run.run_id}/stop", {"grace_seconds": 1})
        except UnansweredError:
            self._tally.count("stops that were not answered")

    def _check_overdue(self, run: Tracked) -> None:
        wrote_all_at = _written_at(self._place.ends / run.run_id)
        if wrote_all_at is not None and time.time() - wrote_all_at > self._overdue_seconds:
            self._violation(run, f"it is still active {self._overdue_seconds} s after its end")
            run.final = {}

    async def _check(self, run: Tracked) -> None:
        """Check a run if it has ended."""
        if self._may_be_over(run):
            found = orjson.loads(await self._api.get(f"runs/{run.run_id}"))
            if found["state"] not in ACTIVE:
                await self._check_end(run, found)
        if run.final is None:
            self._check_overdue(run)

    async def _check_end(self, run: Tracked, found: dict[str, Any]) -> None:
        output = await self._api.get(f"runs/{run.run_id}/output")
        starts = self._place.starts / run.run_id
        observed = oracle.Observed(
            run=found,
            output=output,
            starts=len(starts.read_text().splitlines()) if starts.exists() else 0,
            created_at=run.asked_at,
            started_at=_written_at(starts),
            wrote_all_at=_written_at(self._place.ends / run.run_id),
            seen_at=time.time(),
            stop_asked=run.stop_asked,
        )
        run.final = found
        for text in self._judge(run, observed):
            self._violation(run, f"{text}; {found}")
        self._count(run, observed)

    async def check_strays(self, but: Collection[str]) -> None:
        """Check that every command has one run, and those that came late: all is over by now.

        Not those of the commands in `but`.
        """
        commands = {
            command["id"]: command
            for command in await self._api.items("commands/?limit=500")
            if command["id"] not in but
        }
        for stored in await self._api.items("runs/?limit=500"):
            if stored["command_id"] in but:
                continue
            command = commands.pop(stored["command_id"], None)
            if command is None and not self._may_run_again(stored["id"]):
                self._tally.violation(f"run {stored['id']}: its command has another run, too")
            elif stored["id"] not in self.runs and command is not None:
                self._track(command["name"], stored["id"])
        self._tally.violations.extend(f"{command} has no run" for command in commands.values())
        while self.open:
            await self._check_open()

    def check_told(self) -> None:
        """Check that viewers were told of the end that was stored."""
        for run in self.runs.values():
            for told in run.told:
                stored = {name: (run.final or {}).get(name) for name in told}
                if told != stored:
                    self._violation(run, f"a viewer was told {told}; {stored} is stored")

    def _count(self, run: Tracked, observed: oracle.Observed) -> None:
        state = observed.run["state"]
        self._tally.count("lines", observed.output.count(b"\n"))
        if state in {"lost", "stopped"}:
            self._tally.count(f"runs {state}")
        if state == "lost" and observed.output != run.plan.output:
            self._tally.count("runs cut short with their keeper")
        end = observed.wrote_all_at
        if end is not None and not self._place.attended(end, end):
            self._tally.count("runs that ended without a server")

    def _violation(self, run: Tracked, text: str) -> None:
        self._tally.violation(f"run {run.run_id} ({run.plan.name}): {text}")


class SiteLoad(Load):
    """A load of the one host of a site."""

    def __init__(
        self,
        api: Api,
        site: Site,
        history: oracle.History,
        random: random.Random,
        *,
        size: int,
        outage_seconds: float,
    ) -> None:
        super().__init__(api, site, random, size=size, outage_seconds=outage_seconds)
        self._spool = site.state_dir / "spool"
        self._history = history

    def _draw(self, name: str) -> Plan:
        return Plan.draw(name, self._random)

    async def _post(self, plan: Plan) -> dict[str, Any]:
        body = {"name": plan.name, "script": plan.script}
        return dict(orjson.loads(await self._api.ask("POST", "commands/", body)))

    async def _look_up(self, name: str) -> None:
        # It may have been stored although nobody said so; then it runs, too.
        commands = await self._api.items(f"commands/?limit=500&q={name}")
        for command in commands:
            if command["name"] == name:
                self._track(name, command["last_run"]["id"])
                return
        self._unsure.discard(name)

    def _may_be_over(self, run: Tracked) -> bool:
        # Its spool is only removed when its end is stored.
        return not (self._spool / run.run_id).exists()

    def _judge(self, run: Tracked, observed: oracle.Observed) -> Iterator[str]:
        return oracle.violations(run.plan, observed, self._history)


def _written_at(path: Path) -> float | None:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return None
