"""Commands of a torture that are started by schedules each second.

The oracle is none of the product's: scripts note when they begin and end, and the due times are
those of a clock. What the product tells of each due time must agree with that.
"""

import asyncio
import random
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import orjson

from tests.torture.api import PAUSE_SECONDS, Api, UnansweredError
from tests.torture.due_times import Found, Policy, moment, violations
from tests.torture.site import Site

SCRIPT = """\
cd schedules
echo "$TAILRUN_RUN_ID begin $(date +%s.%N)" >>"{name}"
sleep {seconds}
echo "$TAILRUN_RUN_ID end $(date +%s.%N)" >>"{name}"
"""

ACTIVE = ("queued", "running")
LOOK_SECONDS = 0.5


POLICIES = (
    Policy("allow", "once", 1),
    Policy("skip", "skip", 1),
    Policy("queue", "once", 5),
)


class Schedules:
    """Has runs started by schedules, and judges what became of each due time."""

    def __init__(self, api: Api, site: Site, random: random.Random) -> None:
        self.command_ids: set[str] = set()
        self._api = api
        self._site = site
        self._random = random
        self._commands: dict[str, Policy] = {}
        self._until = datetime.max.replace(tzinfo=UTC)

    async def start(self, over: asyncio.Event) -> None:
        """Have schedules until the event is set, then wait until all is decided and has ended."""
        for policy in POLICIES:
            self._commands[await self._create(policy)] = policy
        await over.wait()
        self._until = datetime.now(UTC)
        for command_id in self._commands:
            for schedule in await self._schedules(command_id):
                while not self._is_decided(await self._fires(schedule["id"])):  # noqa: ASYNC110
                    await asyncio.sleep(LOOK_SECONDS)
                await self._insist("PATCH", f"schedules/{schedule['id']}", {"enabled": False})
        for command_id in self._commands:
            while await self._is_active(command_id):  # noqa: ASYNC110  nothing tells of it
                await asyncio.sleep(LOOK_SECONDS)

    async def judge(self) -> None:
        """Say what must not be so."""
        for command_id, policy in self._commands.items():
            runs = await self._runs(command_id)
            begun, ended = self._notes(policy)
            schedules = await self._schedules(command_id)
            ids = {schedule["id"] for schedule in schedules}
            others = [run for run in runs if (run["cause"] or {}).get("id") not in ids]
            unknown = begun.keys() - {run["id"] for run in runs}
            if others or unknown:
                self._violation(policy, f"runs of no schedule: {others}, of no row: {unknown}")
            for schedule in schedules:
                found = Found(
                    schedule_id=schedule["id"],
                    since=moment(schedule["created_at"]),
                    until=self._until,
                    fires=await self._fires(schedule["id"]),
                    runs=[run for run in runs if (run["cause"] or {}).get("id") == schedule["id"]],
                    begun=begun,
                    ended=ended,
                )
                self._judge(policy, found)

    def _judge(self, policy: Policy, found: Found) -> None:
        for text in violations(policy, found):
            self._violation(policy, text)
        self._count(found)

    def _count(self, found: Found) -> None:
        self._site.tally.count("due times", sum(fire["count"] for fire in found.fires))
        for fire in found.fires:
            self._site.tally.count(f"due times: {fire['outcome']}", fire["count"])

    def _violation(self, policy: Policy, text: str) -> None:
        self._site.tally.violation(f"schedule ({policy.overlap}, {policy.missed}): {text}")

    async def _is_active(self, command_id: str) -> bool:
        return any(run["state"] in ACTIVE for run in await self._runs(command_id))

    def _is_decided(self, fires: Sequence[Mapping[str, Any]]) -> bool:
        """Whether all is decided that was due, and none of it waits any more."""
        waiting = [fire for fire in fires if fire["outcome"] == "queued"]
        if any(moment(fire["due_at"]) <= self._until for fire in waiting):
            return False
        return bool(fires) and moment(fires[-1]["last_due_at"]) >= self._until

    async def _create(self, policy: Policy) -> str:
        """Store a command with a schedule; a second one, if no answer came to the first."""
        name = policy.overlap
        script = SCRIPT.format(name=name, seconds=round(self._random.uniform(0.1, 1.2), 2))
        body = {"name": f"scheduled {name}", "script": script, "start": False}
        headers = {"Idempotency-Key": f"schedule-{name}"}
        command = orjson.loads(await self._insist("POST", "commands/", body, headers))
        self.command_ids.add(command["id"])
        while not await self._schedules(command["id"]):
            try:
                await self._api.ask("POST", f"commands/{command['id']}/schedules", policy.body)
            except UnansweredError:
                await asyncio.sleep(PAUSE_SECONDS)
        return str(command["id"])

    async def _insist(
        self, method: str, path: str, body: object, headers: Mapping[str, str] | None = None
    ) -> bytes:
        """Ask until there is an answer: it may be done twice."""
        while True:
            try:
                return await self._api.ask(method, path, body, headers=headers)
            except UnansweredError:
                await asyncio.sleep(PAUSE_SECONDS)

    async def _schedules(self, command_id: str) -> list[dict[str, Any]]:
        return await self._api.items(f"commands/{command_id}/schedules?limit=50")

    async def _fires(self, schedule_id: str) -> list[dict[str, Any]]:
        return (await self._api.items(f"schedules/{schedule_id}/fires?limit=500"))[::-1]

    async def _runs(self, command_id: str) -> list[dict[str, Any]]:
        return (await self._api.items(f"runs/?limit=500&command_id={command_id}"))[::-1]

    def _notes(self, policy: Policy) -> tuple[dict[str, list[datetime]], dict[str, list[datetime]]]:
        """Return when runs began and ended, as their scripts have it."""
        notes: dict[str, dict[str, list[datetime]]] = {
            "begin": defaultdict(list),
            "end": defaultdict(list),
        }
        path = self._site.schedules / policy.overlap
        for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else []:
            run_id, what, seconds = line.split()
            notes[what][run_id].append(datetime.fromtimestamp(float(seconds), UTC))
        return notes["begin"], notes["end"]
