"""The load of a fleet: runs of pools and of the servers' own hosts, asked of any server."""

import random
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import orjson

from tests.torture import oracle
from tests.torture.api import Api, UnansweredError
from tests.torture.hosts.fleet import Fleet
from tests.torture.hosts.oracle import Attempt, read_attempt
from tests.torture.load import Load, Tracked
from tests.torture.plans import Plan

LOOK_SECONDS = 3.0
"""Between two looks at a run whose script has not noted its end."""

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

    @property
    def script(self) -> str:
        """The script that does it, and notes when."""
        frame = super().script
        assert frame.count(ENDED) == 1
        return NOTES.format(key=self.name.replace(" ", "-")) + frame.replace(
            ENDED, f"{ENDED}; note end"
        )


class FleetLoad(Load):
    """Keeps runs active on all hosts."""

    def __init__(
        self, api: Api, fleet: Fleet, random: random.Random, *, size: int, outage_seconds: float
    ) -> None:
        super().__init__(api, fleet, random, size=size, outage_seconds=outage_seconds)
        self._fleet = fleet
        self._pools = [None, "all", "all", "all", *fleet.pools]
        self._looked_at: dict[str, float] = {}

    def attempt(self, run_id: str) -> Attempt | None:
        """Return what the script of a run has noted so far; None: nothing."""
        path = self._fleet.notes / run_id
        return read_attempt(run_id, path.read_text()) if path.exists() else None

    def _draw(self, name: str) -> Plan:
        drawn = Plan.draw(name, self._random)
        pool = self._random.choice(self._pools)
        return PooledPlan(**vars(replace(drawn, lines=drawn.lines // 4)), pool=pool)

    async def _post(self, plan: Plan) -> dict[str, Any]:
        assert isinstance(plan, PooledPlan)
        body = {"name": plan.name, "script": plan.script, "pool": plan.pool}
        headers = {"Idempotency-Key": plan.name.replace(" ", "-")}
        return dict(orjson.loads(await self._api.ask("POST", "commands/", body, headers)))

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

    def _judge(self, run: Tracked, observed: oracle.Observed) -> Iterator[str]:
        attempt = self.attempt(run.run_id)
        host = None if attempt is None else attempt.host
        self._tally.count(f"runs on {host}")
        yield from oracle.violations(run.plan, observed, self._fleet.history(host))
