"""The load of a fleet: runs of pools and of the servers' own hosts, asked of any server."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from typing import Any

import orjson

from tests.torture import oracle
from tests.torture.api import Api, UnansweredError
from tests.torture.hosts.fleet import LEASE_SECONDS, Fleet
from tests.torture.hosts.oracle import (
    BY_SERVER,
    LOSE,
    LOST_AFTER_SECONDS,
    RETRY,
    WAIT,
    Attempt,
    Kept,
    back_at,
    calm_seconds,
    given_up_wrongly,
    kept_wrongly,
    read_attempt,
    was_given_up,
)
from tests.torture.hosts.outcomes import Outcome, Outcomes
from tests.torture.hosts.plans import PooledPlan, lasting, pooled
from tests.torture.load import OVERDUE_SECONDS, Load, Tracked
from tests.torture.plans import Plan

LOOK_SECONDS = 3.0
"""Between two looks at a run whose script has not noted its end."""

LIVES_SECONDS = 1.0
"""A script that lived so shortly before a moment lived then: it notes it five times a second."""

IMPATIENT = 0.2
"""Of all requests, those whose answer is lost if it does not come at once."""

LASTING_RUNS = {WAIT: 2, LOSE: 5, RETRY: 4}
"""Runs of each policy at a time that last until they may be given up: others end sooner."""

AFTER_BACK = "ms that what was given up went on after its host was back, at most"


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
        self._outcomes = Outcomes()
        self._given_up: dict[str, int] = {}
        """Each run, and how many bytes of it were there when it was seen to be given up."""
        self._to_be_retried: set[str] = set()

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
        return pooled(self.asked_for(name)).on_unreachable == RETRY

    def check_told(self) -> None:
        """Check it as usual; a run that was given up may have more bytes since."""
        for run_id in self._given_up:
            for told in self.runs[run_id].told:
                for name in ("output_bytes", "output_lines"):
                    told.pop(name, None)
        super().check_told()

    async def check_given_up(self) -> None:
        """Check runs that were given up, once all is well: what there is of them, and is told."""
        for run_id in self._given_up:
            run = self.runs[run_id]
            found = orjson.loads(await self._api.get(f"runs/{run_id}"))
            output = await self._api.get(f"runs/{run_id}/output")
            self._check_kept(run, found, output)

    def outcomes(self) -> list[str]:
        """Tell what became of runs by their policies, and what never did."""
        for name, count in Counter(run.plan.name for run in self.runs.values()).items():
            policy = pooled(self.asked_for(name)).on_unreachable
            self._outcomes.count(policy, Outcome.RAN, count)
            self._outcomes.count(policy, Outcome.BEGUN_AGAIN, count - 1)
        return [*self._outcomes.report()]

    def _check_kept(self, run: Tracked, found: dict[str, Any], output: bytes) -> None:
        assert run.final is not None
        attempt = self.attempt(run.run_id)
        given_up_at = datetime.fromisoformat(run.final["end_time"]).timestamp()
        booted_at = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
        lived_until = given_up_at if attempt is None else booted_at + attempt.lived_until
        kept = Kept(
            given_up=run.final,
            run=found,
            output=output,
            shown=run.shown,
            lines=0 if attempt is None else attempt.lines,
            given_up_at=given_up_at,
            lived_until=lived_until,
        )
        host = None if attempt is None else attempt.host
        troubles = self._fleet.troubles(host)
        unheld = [
            one
            for one in self._fleet.history(host).unheld
            if one.overlaps(run.asked_at, lived_until + oracle.SLACK_SECONDS)
        ]
        for text in kept_wrongly(run.plan.output, kept, unheld, troubles):
            self._violation(run, text)
        if BY_SERVER in found["reason"]:
            back = back_at(given_up_at, self._fleet.host_troubles(host))
            self._note_kept(run, kept, back, len(output) - self._given_up[run.run_id])

    def _note_kept(self, run: Tracked, kept: Kept, back: float, added: int) -> None:
        policy = pooled(run.plan).on_unreachable
        self._outcomes.count(policy, Outcome.CAME_BACK)
        self._outcomes.count(policy, Outcome.LIVED_ON, kept.lived_until > back - LIVES_SECONDS)
        self._outcomes.count(policy, Outcome.ADDED, added > 0)
        self._tally.at_most(AFTER_BACK, int(1000 * (kept.lived_until - back)))
        self._fleet.note(
            f"run {run.run_id} ({policy}) is {kept.run['state']}, {kept.run['reason']}; it lived"
            f" until {kept.lived_until - back:.2f} s after its host was back, {added} bytes were"
            f" added, {kept.lines} lines noted, {kept.output_lines} kept"
        )

    def _draw(self, name: str) -> Plan:
        drawn = Plan.draw(name, self._random)
        open_plans = [pooled(one.plan) for one in self.open]
        last = Counter(plan.on_unreachable for plan in open_plans if plan.lasts)
        lacking = [one for one, count in LASTING_RUNS.items() if last[one] < count]
        if self._brief or not lacking:
            pool = self._random.choice(self._pools)
            return PooledPlan(**vars(replace(drawn, lines=drawn.lines // 4)), pool=pool)
        return lasting(drawn, self._random.choice(lacking), self._random)

    async def _post(self, plan: Plan) -> dict[str, Any]:
        asked = pooled(plan)
        body: dict[str, object] = {"name": plan.name, "script": plan.script, "pool": asked.pool}
        if asked.on_unreachable != WAIT:
            body |= {
                "on_unreachable": asked.on_unreachable,
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
        for run_id in [*self._to_be_retried]:
            name = self.runs[run_id].plan.name
            runs = await self._api.items(f"commands/{self._command_ids[name]}/runs?limit=100")
            if any(run["retry_of"] == run_id for run in runs):
                self._to_be_retried.remove(run_id)
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
        plan = pooled(run.plan)
        if self._was_away(host, run.asked_at, observed.wrote_all_at or observed.seen_at):
            self._outcomes.count(plan.on_unreachable, Outcome.AWAY)
        if was_given_up(observed.run):
            self._given_up[run.run_id] = len(observed.output)
            by_server = BY_SERVER in observed.run["reason"]
            outcome = Outcome.GIVEN_UP if by_server else Outcome.BY_KEEPER
            self._outcomes.count(plan.on_unreachable, outcome)
            yield from given_up_wrongly(
                observed.run, plan.on_unreachable, self._fleet.troubles(host), LEASE_SECONDS
            )
        else:
            yield from oracle.violations(plan, observed, self._fleet.history(host))
        if plan.on_unreachable == RETRY and observed.run["state"] == "lost":
            self._to_be_retried.add(run.run_id)

    def _was_away(self, host: str | None, start: float, end: float) -> bool:
        """Whether servers did not hear of a host for longer than a lease, within these moments."""
        return any(
            min(one.end, end) - max(one.start, start) > LEASE_SECONDS
            for one in self._fleet.unheard(host)
        )
