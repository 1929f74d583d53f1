"""Commands of a torture that limit how many of their runs go on at a time.

The oracle is none of the product's: as many locks (flock(2)) as runs may go on, of which each
script takes one that is free, and which the kernel releases when its last process has gone.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

import orjson

from server.services.running.outcome import UNCONFIRMED
from tests.torture.api import PAUSE_SECONDS, Api, UnansweredError
from tests.torture.site import Site

LIMITS = {"queue": 2, "refuse": 1, "replace": 1}
"""How many go on at a time, by what becomes of a further one."""

WAITING = 6
"""Active runs of a command, at most: else they would never end."""

SCRIPT = """\
cd turns
for slot in {slots}; do
    exec 9>>"{name}.$slot"
    flock -n 9 && got=$slot && break
done
[ "$got" ] || echo "$TAILRUN_RUN_ID" >>"{name}.beyond"
echo "$TAILRUN_RUN_ID" >>"{name}.starts"
sleep {seconds}
"""

ACTIVE = ("queued", "running")


@dataclass(frozen=True, slots=True)
class Limited:
    """A command with a limit."""

    command_id: str
    beyond: str


class Turns:
    """Starts runs of commands with limits, and judges what became of them."""

    def __init__(self, api: Api, site: Site, random: random.Random) -> None:
        self.command_ids: set[str] = set()
        self._api = api
        self._site = site
        self._random = random
        self._commands: list[Limited] = []
        self._numbers = count()

    async def start(self, over: asyncio.Event) -> None:
        """Start runs until the event is set, then wait until all have ended."""
        for beyond in LIMITS:
            self._commands.append(Limited(await self._create(beyond), beyond))
        while not over.is_set():
            for command in self._commands:
                room = WAITING - len(await self._active(command))
                some = self._random.randint(1, max(room, 1))
                await asyncio.gather(*(self._start_one(command) for _ in range(min(some, room))))
            await asyncio.sleep(self._random.uniform(0, 0.5))
        for command in self._commands:
            while await self._active(command):  # noqa: ASYNC110  nothing tells of it
                await asyncio.sleep(PAUSE_SECONDS)

    async def judge(self) -> None:
        """Say what must not be so."""
        for command in self._commands:
            path = f"runs/?limit=500&command_id={command.command_id}"
            runs = await self._api.items(path)
            self._site.tally.count("runs with turns", len(runs))
            self._site.tally.count(f"runs with turns: {command.beyond}", len(runs))
            starts = Counter(self._notes(command, "starts"))
            for text in violations(command.beyond, runs, starts, self._notes(command, "beyond")):
                self._site.tally.violation(f"turns ({command.beyond}): {text}")

    async def _create(self, beyond: str) -> str:
        limit = LIMITS[beyond]
        script = SCRIPT.format(
            slots=" ".join(map(str, range(limit))),
            name=beyond,
            seconds=round(self._random.uniform(0.3, 1.0), 2),
        )
        body = {
            "name": f"turns {beyond}",
            "script": script,
            "start": False,
            "concurrency": {"limit": limit, "beyond": beyond},
        }
        command = orjson.loads(await self._insist("commands/", body, key=f"turns-{beyond}"))
        self.command_ids.add(command["id"])
        return str(command["id"])

    async def _insist(self, path: str, body: object, *, key: str) -> bytes:
        """Ask until there is an answer: it is done once."""
        while True:
            try:
                return await self._api.ask("POST", path, body, headers={"Idempotency-Key": key})
            except UnansweredError:
                await asyncio.sleep(PAUSE_SECONDS)

    async def _start_one(self, command: Limited) -> None:
        path = f"commands/{command.command_id}/runs"
        headers = {"Idempotency-Key": f"turn-{next(self._numbers)}"}
        try:
            await self._api.ask("POST", path, headers=headers)
        except UnansweredError:  # refused, or it may have been stored: both are judged in the end
            self._site.tally.count("starts with turns that were not answered, or refused")

    async def _active(self, command: Limited) -> list[dict[str, Any]]:
        path = f"runs/?limit=500&command_id={command.command_id}"
        found = await self._api.get(path)
        return [run for run in orjson.loads(found)["items"] if run["state"] in ACTIVE]

    def _notes(self, command: Limited, name: str) -> list[str]:
        path = self._site.turns / f"{command.beyond}.{name}"
        return path.read_text(encoding="utf-8").split() if path.exists() else []


def violations(
    beyond: str, runs: Sequence[dict[str, Any]], starts: Mapping[str, int], too_many: Sequence[str]
) -> Iterator[str]:
    """Tell what must not be so of a command's runs, the newest first.

    `starts` are those that the scripts have noted, `too_many` the runs that found no lock free.
    """
    for run_id in too_many:
        yield f"run {run_id} went on beyond the limit"
    for place, run in enumerate(runs):
        begun, state, reason = starts.get(run["id"], 0), run["state"], run["reason"] or ""
        unheard = state == "stopped" and UNCONFIRMED in reason
        replaced = beyond == "replace" and state == "stopped" and place > 0
        if begun > 1:
            yield f"run {run['id']} was started {begun} times"
        elif state == "succeeded" and not begun:
            yield f"run {run['id']} succeeded and was never started"
        elif state not in {"succeeded", "lost"} and not unheard and not replaced:
            yield f"run {run['id']} ended as {state}: {reason}"
    strangers = starts.keys() - {run["id"] for run in runs}
    if strangers:
        yield f"runs were started that are not stored: {sorted(strangers)}"
