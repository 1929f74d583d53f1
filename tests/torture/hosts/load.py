"""The load of a fleet: runs of pools and of the servers' own hosts, asked of any server."""

import asyncio
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import orjson

from tests.torture import oracle
from tests.torture.api import Api, UnansweredError
from tests.torture.hosts.fleet import LEASE_SECONDS, Fleet
from tests.torture.hosts.oracle import (
    LOSE,
    LOST_AFTER_SECONDS,
    RETRY,
    WAIT,
    Attempt,
    calm_seconds,
    given_up_wrongly,
    read_attempt,
    was_given_up,
)
from tests.torture.load import OVERDUE_SECONDS, Load, Tracked
from tests.torture.plans import SHELL, Plan

LOOK_SECONDS = 3.0
"""Between two looks at a run whose script has not noted its end."""

IMPATIENT = 0.2
"""Of all requests, those whose answer is lost if it does not come at once."""

MOST_PATIENT = 8
"""Runs at a time that last until they may be given up: others end sooner, and are more."""

ENDED = ': >"ends/$TAILRUN_RUN_ID"'
NOTES = """\
note() {{ read -r at _ </proc/uptime; echo "$1 '{key}' $0 $at" >>"notes/$TAILRUN_RUN_ID"; }}
note start
(while sleep 0.2; do note alive; done) >&- 2>&- <&- &
"""
"""What a script notes of itself: a word, its key, where it was started from, the moment."""


@dataclass(frozen=True)
class PooledPlan(Plan):
    """A run of a pool; None: of the host of whichever server is asked."""

    pool: str | None = None
    on_unreachable: str = WAIT

    @property
    def script(self) -> str:
        """The script that does it, and notes when."""
        frame = super().script
        assert frame.count(ENDED) == 1
        return NOTES.format(key=self.name.replace(" ", "-")) + frame.replace(
            ENDED, f"{ENDED}; note end"
        )


class FleetLoad(Load):
    """Keeps runs active on all hosts; `brief`: none that lasts until it may be given up."""

    def __init__(
        self,
        api: Api,
        fleet: Fleet,
        random: random.Random,
        *,
        size: int,
        outage_seconds: float,
        brief: bool,
    ) -> None:
        super().__init__(api, fleet, random, size=size, outage_seconds=outage_seconds)
        self._fleet = fleet
        self._brief = brief
        self._pools = [None, "all", "all", "all", *fleet.pools]
        self._looked_at: dict[str, float] = {}
        self._command_ids: dict[str, str] = {}
        self._given_up: list[str] = []
        self._to_be_retried: dict[str, int] = {}

    def attempt(self, run_id: str) -> Attempt | None:
        """Return what the script of a run has noted so far; None: nothing."""
        path = self._fleet.notes / run_id
        return read_attempt(run_id, path.read_text()) if path.exists() else None

    def attempts(self) -> dict[str, list[Attempt]]:
        """Return what was noted of each command, by its name."""
        found: dict[str, list[Attempt]] = {}
        for run in self.runs.values():
            attempt = self.attempt(run.run_id)
            if attempt is not None:
                found.setdefault(run.plan.name, []).append(attempt)
        return found

    def may_be_retried(self, name: str) -> bool:
        """Whether a command may have several runs."""
        return _pooled(self.asked_for(name)).on_unreachable == RETRY

    def check_told(self) -> None:
        """Check it as usual; a run that was given up may have more bytes since."""
        for run_id in self._given_up:
            for told in self.runs[run_id].told:
                for name in ("output_bytes", "output_lines"):
                    told.pop(name, None)
        super().check_told()

    async def check_given_up(self) -> None:
        """Check that what was shown of runs that were given up is kept, and true."""
        for run_id in self._given_up:
            run = self.runs[run_id]
            output = await self._api.get(f"runs/{run_id}/output")
            if not run.plan.output.startswith(output):
                self._violation(run, "it was given up, and bytes of it are wrong")
            if len(output) < run.shown:
                self._violation(run, f"{run.shown} bytes were shown, {len(output)} are kept")

    def _draw(self, name: str) -> Plan:
        drawn = Plan.draw(name, self._random)
        [policy] = self._random.choices([WAIT, LOSE, RETRY], [10, 2, 2])
        patient = sum(_pooled(one.plan).on_unreachable != WAIT for one in self.open)
        if policy == WAIT or self._brief or patient >= MOST_PATIENT:
            pool = self._random.choice(self._pools)
            return PooledPlan(**vars(replace(drawn, lines=drawn.lines // 4)), pool=pool)
        lasting = replace(
            drawn,
            template=SHELL,
            lines=self._random.randint(60, 110),
            burst=1,
            pause=1.0,
            stop_after=None,
            habit=None,
        )
        return PooledPlan(**vars(lasting), pool="all", on_unreachable=policy)

    async def _post(self, plan: Plan) -> dict[str, Any]:
        pooled = _pooled(plan)
        body: dict[str, object] = {"name": plan.name, "script": plan.script, "pool": pooled.pool}
        if pooled.on_unreachable != WAIT:
            body |= {
                "on_unreachable": pooled.on_unreachable,
                "lost_after_seconds": LOST_AFTER_SECONDS,
            }
        headers = {"Idempotency-Key": plan.name.replace(" ", "-")}
        patience = self._random.uniform(0, 0.2) if self._random.random() < IMPATIENT else None
        try:
            async with asyncio.timeout(patience):
                created = orjson.loads(await self._api.ask("POST", "commands/", body, headers))
        except TimeoutError as error:
            raise UnansweredError("nobody waited for the answer") from error
        self._command_ids[plan.name] = created["id"]
        return dict(created)

    async def _look_up(self, name: str) -> None:
        # Asked once more, maybe of the other server: it is still one run.
        try:
            created = await self._post(self.asked_for(name))
        except UnansweredError:
            self._tally.count("requests that were not answered again")
        else:
            self._tally.count("runs that were asked for again")
            self._track(name, created["run"]["id"])

    def _may_be_over(self, run: Tracked) -> bool:
        if (self._fleet.ends / run.run_id).exists():
            return True
        now = time.monotonic()
        if now - self._looked_at.get(run.run_id, 0) < LOOK_SECONDS:
            return False
        self._looked_at[run.run_id] = now
        return True

    def _may_run_again(self, run_id: str) -> bool:
        return run_id in self.runs and self.may_be_retried(self.runs[run_id].plan.name)

    @property
    def _goes_on(self) -> bool:
        return bool(self._to_be_retried) or super()._goes_on

    async def _check_open(self) -> None:
        await super()._check_open()
        for name, count in [*self._to_be_retried.items()]:
            runs = await self._api.items(f"commands/{self._command_ids[name]}/runs?limit=100")
            if len(runs) > count:
                del self._to_be_retried[name]
                for run in runs:
                    if run["id"] not in self.runs:
                        self._tally.count("runs retried")
                        self._track(name, run["id"])

    def _check_overdue(self, run: Tracked) -> None:
        ended = self._fleet.ends / run.run_id
        attempt = self.attempt(run.run_id)
        if attempt is None or not ended.exists():
            return
        troubles = self._fleet.troubles(attempt.host)
        calm = calm_seconds(troubles, ended.stat().st_mtime, time.time())
        if calm > OVERDUE_SECONDS:
            self._violation(run, f"it is still active; all was well for {calm:.0f} s since its end")
            run.final = {}

    def _judge(self, run: Tracked, observed: oracle.Observed) -> Iterator[str]:
        attempt = self.attempt(run.run_id)
        host = None if attempt is None else attempt.host
        self._tally.count(f"runs on {host}")
        plan = _pooled(run.plan)
        if was_given_up(observed.run):
            self._given_up.append(run.run_id)
            self._tally.count(f"runs given up: {plan.on_unreachable}")
            yield from given_up_wrongly(
                observed.run, plan.on_unreachable, self._fleet.troubles(host), LEASE_SECONDS
            )
        else:
            yield from oracle.violations(plan, observed, self._fleet.history(host))
        if plan.on_unreachable == RETRY and observed.run["state"] == "lost":
            of_command = [one for one in self.runs.values() if one.plan.name == plan.name]
            self._to_be_retried[plan.name] = len(of_command)


def _pooled(plan: Plan) -> PooledPlan:
    assert isinstance(plan, PooledPlan)
    return plan
