"""Commands of a torture that are tried again, and whose ends are told.

Each has one chain of runs. The oracle is outside of the product: scripts note their attempts in a
file, the listener what it heard, and what is to follow an end is reckoned here anew.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import orjson

from server.services.running.outcome import UNCONFIRMED
from tests.support.waiting import until
from tests.torture.api import PAUSE_SECONDS, Api, UnansweredError
from tests.torture.listener import TARGETS, Heard, Listener
from tests.torture.site import Site

LOOK_SECONDS = 0.3
TELLING_SECONDS = 150.0
"""For what waits to be heard once nothing is broken any more: each was refused once at most."""

FAR_SECONDS = 3600.0
ACTIVE = ("queued", "running")

SCRIPT = """\
echo "$TAILRUN_RUN_ID $TAILRUN_ATTEMPT" >>"chains/{name}"
sleep {seconds}
set -- {codes}
shift $((TAILRUN_ATTEMPT - 1))
exit "$1"
"""


@dataclass(frozen=True, slots=True)
class Policy:
    """How a chain goes: the exit code of each attempt, and after which ones another follows.

    Of one that `stops`, the first retry waits for an hour, and is stopped meanwhile.
    """

    codes: tuple[int, ...]
    limit: int
    exit_codes: tuple[int, ...] = ()
    delay_seconds: float = 0.0
    stops: bool = False

    @classmethod
    def draw(cls, random: random.Random) -> "Policy":
        """Draw a chain of one to four attempts."""
        limit = random.randint(1, 3)
        stops = random.random() < 0.2
        return cls(
            codes=tuple(random.choices([0, 1, 75], [1, 2, 4], k=limit + 1)),
            limit=limit,
            exit_codes=(75,) if random.random() < 0.5 else (),
            delay_seconds=FAR_SECONDS if stops else random.choice([0, 0, random.uniform(0, 2)]),
            stops=stops,
        )

    @property
    def retries(self) -> dict[str, Any]:
        """The command's `retries`."""
        return {
            "limit": self.limit,
            "delay_seconds": self.delay_seconds,
            "exit_codes": list(self.exit_codes),
        }

    def is_tried_again(self, run: Mapping[str, Any]) -> bool:
        """Return whether another attempt follows a run that has ended."""
        if run["attempt"] > self.limit:
            return False
        failed = run["state"] == "failed"
        chosen = not self.exit_codes or run["exitcode"] in self.exit_codes
        return run["state"] == "lost" or (failed and chosen)


@dataclass(slots=True)
class Chain:
    """A command with its policy; `runs` are those last seen, the first attempt first."""

    name: str
    policy: Policy
    command_id: str
    runs: list[dict[str, Any]] = field(default_factory=list)

    @property
    def is_over(self) -> bool:
        """Whether nothing is to follow what has ended."""
        last = self.runs[-1]
        return last["state"] not in ACTIVE and not self.policy.is_tried_again(last)


class Chains:
    """Starts chains, follows each to its end, and judges them."""

    def __init__(self, api: Api, site: Site, listener: Listener, random: random.Random) -> None:
        self.command_ids: set[str] = set()
        self._api = api
        self._site = site
        self._listener = listener
        self._random = random
        self._chains: list[Chain] = []
        self._numbers = count()

    async def make(self, over: asyncio.Event) -> None:
        """Follow one chain after another, until the event is set and the last one has ended."""
        await self._add_targets()
        while not over.is_set():
            chain = await self._create(f"chain-{next(self._numbers)}")
            await self._follow(chain)
            self._chains.append(chain)

    async def judge(self) -> None:
        """Wait for what is still to be told, and say what must not be so."""
        self._listener.patient = True
        try:
            await until(lambda: all(map(self._is_told, self._chains)), TELLING_SECONDS)
        except TimeoutError:
            self._site.tally.count("chains whose end was not told in time")
        for chain in self._chains:
            chain.runs = await self._runs(chain)  # had another one followed, it would be seen
            heard = {run["id"]: self._listener.of(run["id"]) for run in chain.runs}
            for text in violations(chain.policy, chain.runs, self._notes(chain), heard):
                self._site.tally.violation(f"{chain.name} ({chain.command_id}): {text}")
        self._count()

    def _count(self) -> None:
        runs = [run for chain in self._chains for run in chain.runs]
        tally = self._site.tally
        tally.count("chains", len(self._chains))
        tally.count("chains stopped while they waited", sum(c.policy.stops for c in self._chains))
        tally.count("attempts", len(runs))
        tally.count("attempts lost", sum(run["state"] == "lost" for run in runs))
        tally.count("notifications heard", self._listener.count)

    def _is_told(self, chain: Chain) -> bool:
        last = chain.runs[-1]
        heard = self._listener.of(last["id"])
        return occasion(last) is None or all(
            any(one.accepted for one in heard[target]) for target in TARGETS
        )

    async def _add_targets(self) -> None:
        for name in TARGETS:
            while name not in [one["name"] for one in await self._targets()]:
                body = {"name": name, "url": f"{self._listener.url}/{name}"}
                await self._try("POST", "notification-targets/", body)

    async def _targets(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = orjson.loads(await self._api.get("notification-targets/"))[
            "items"
        ]
        return found

    async def _create(self, name: str) -> Chain:
        policy = Policy.draw(self._random)
        script = SCRIPT.format(
            name=name,
            seconds=round(self._random.uniform(0, 0.5), 2),
            codes=" ".join(map(str, policy.codes)),
        )
        body = {
            "name": name,
            "script": script,
            "retries": policy.retries,
            "notify": [{"target": target, "on": ["failed", "succeeded"]} for target in TARGETS],
        }
        while (made := await self._try("POST", "commands/", body, name)) is None:
            pass
        command = orjson.loads(made)
        self.command_ids.add(command["id"])
        return Chain(name, policy, command["id"])

    async def _follow(self, chain: Chain) -> None:
        while True:
            chain.runs = await self._runs(chain)
            if chain.is_over:
                return
            last = chain.runs[-1]
            if chain.policy.stops and last["state"] == "queued" and last["attempt"] > 1:
                await self._try("POST", f"runs/{last['id']}/stop", {"grace_seconds": 1})
            await asyncio.sleep(LOOK_SECONDS)

    async def _try(
        self, method: str, path: str, body: object, key: str | None = None
    ) -> bytes | None:
        """Ask once; None: nobody answered, or it cannot be done now."""
        headers = None if key is None else {"Idempotency-Key": key}
        try:
            return await self._api.ask(method, path, body, headers=headers)
        except UnansweredError:
            await asyncio.sleep(PAUSE_SECONDS)
            return None

    async def _runs(self, chain: Chain) -> list[dict[str, Any]]:
        found = await self._api.items(f"runs/?limit=500&command_id={chain.command_id}")
        return found[::-1]

    def _notes(self, chain: Chain) -> list[str]:
        path = self._site.chains / chain.name
        return path.read_text(encoding="utf-8").splitlines() if path.exists() else []


def occasion(run: Mapping[str, Any]) -> str | None:
    """Return what the end of a chain by this run is told as; None: it is told to nobody."""
    told = {"succeeded": "run.succeeded", "failed": "run.failed", "lost": "run.failed"}
    return told.get(run["state"])


def violations(
    policy: Policy,
    runs: Sequence[Mapping[str, Any]],
    notes: Sequence[str],
    heard: Mapping[str, Mapping[str, Sequence[Heard]]],
) -> Iterator[str]:
    """Tell what must not be so of a chain's runs, the first attempt first.

    `notes` are lines of scripts: a run and its attempt. `heard` is what targets heard, by run.
    """
    first = runs[0]["id"]
    for place, run in enumerate(runs):
        before = runs[place - 1]["id"] if place else None
        if (run["attempt"], run["retry_of"]) != (place + 1, before):
            yield f"run {run['id']} is attempt {run['attempt']}, after {run['retry_of']}"
        if place and run["cause"] != {"kind": "retry", "id": first, "due_at": None}:
            yield f"run {run['id']} has the cause {run['cause']}"
        yield from _wrong_end(policy, run)
        if policy.is_tried_again(run) != (place + 1 < len(runs)):
            yield f"run {run['id']} ended as {run['state']}, and {len(runs) - place - 1} follow"
    yield from _wrong_starts(runs, notes)
    for run in runs:
        yield from _wrong_telling(run, occasion(run) if run is runs[-1] else None, heard[run["id"]])


def _wrong_end(policy: Policy, run: Mapping[str, Any]) -> Iterator[str]:
    code = policy.codes[run["attempt"] - 1] if run["attempt"] <= len(policy.codes) else None
    reason = run["reason"] or ""
    may_stop = UNCONFIRMED in reason or (policy.stops and run["attempt"] > 1)
    true = ("failed" if code else "succeeded", code)
    end = (run["state"], run["exitcode"])
    if end not in {true, ("lost", None)} and not (run["state"] == "stopped" and may_stop):
        yield f"run {run['id']} ended as {end} and not as {true}: {reason}"


def _wrong_starts(runs: Sequence[Mapping[str, Any]], notes: Sequence[str]) -> Iterator[str]:
    starts = Counter(notes)
    for run in runs:
        begun = starts.pop(f"{run['id']} {run['attempt']}", 0)
        if begun > 1 or (run["state"] in {"succeeded", "failed"} and not begun):
            yield f"run {run['id']} was started {begun} times"
    if starts:
        yield f"runs were started that are not stored, or as another attempt: {[*starts]}"


def _wrong_telling(
    run: Mapping[str, Any], expected: str | None, heard: Mapping[str, Sequence[Heard]]
) -> Iterator[str]:
    for target, messages in heard.items():
        told = {one.occasion for one in messages}
        if told - {expected}:
            yield f"{target} was told of run {run['id']} as {told}, and not as {expected}"
        if len({one.notification_id for one in messages}) > 1:
            yield f"{target} was told of run {run['id']} by several notifications"
        if expected is not None and not any(one.accepted for one in messages):
            yield f"{target} was not told of run {run['id']}, which ended as {run['state']}"
