"""The victims of a torture: runs of which each has one fault made for it alone.

What is asked of them is less than of the others, which are not to notice: see `verdict.py`.
"""

import asyncio
import random
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from itertools import count
from typing import Any

import aiohttp
import orjson
import psycopg2

from server.keeper.spool import Spool
from tests.support.postgres import execute
from tests.torture import verdict
from tests.torture.api import ANSWER_SECONDS, PAUSE_SECONDS, Api, UnansweredError
from tests.torture.mischief import PART_OF_ALL, SETUP, Mischief
from tests.torture.plans import SHELL, Plan
from tests.torture.site import Site

PATIENCE_SECONDS = 20.0
"""After so long without an end of its own, a victim is stopped; it must end then."""

END_SECONDS = 150.0
"""A stop takes hold once a server lives for a second after it: most do not."""

LOOK_SECONDS = 0.3
DAMAGED = "archive damaged at byte"
PREFIX = "victim"


class Victims:
    """Makes one fault after the other, each for a run of its own, and judges what became of it."""

    def __init__(
        self,
        api: Api,
        site: Site,
        database_url: str,
        random: random.Random,
        *,
        outage_seconds: float,
    ) -> None:
        self.run_ids: set[str] = set()
        self.command_ids: set[str] = set()
        self.deleted: set[str] = set()
        self._api = api
        self._site = site
        self._spool = Spool.of(site.state_dir)
        self._database_url = database_url
        self._random = random
        self._outage_seconds = outage_seconds
        self._numbers = count()
        self._turns = self._draw_turns()
        self._setting_up = asyncio.Lock()
        self._ready = False

    async def make(self, over: asyncio.Event) -> None:
        """Make victims until the event is set; the one under way is seen to its end."""
        await self._set_up()
        while not over.is_set():
            await self._make_one(next(self._turns))

    async def _set_up(self) -> None:
        """See that rows can be made such that they cannot be written, once there are tables."""
        await self._api.get("commands/")
        async with self._setting_up:
            if not self._ready:
                await self._execute(SETUP)
                self._ready = True

    def _draw_turns(self) -> Iterator[Mischief]:
        """Yield mischief without end: of each part in turn, no kind twice before all are done."""
        bags: dict[str, list[Mischief]] = {part: [] for part in PART_OF_ALL}
        while True:
            for part, kinds in PART_OF_ALL.items():
                bag = bags[part]
                if not bag:
                    bag += self._random.sample(kinds, len(kinds))
                yield bag.pop()

    async def _make_one(self, mischief: Mischief) -> None:
        plan = replace(
            Plan.draw(f"{PREFIX} {next(self._numbers)}: {mischief.name}", self._random),
            template=SHELL,
            lines=self._random.randint(200, 1500),
            burst=50,
            pause=0.1,
            stop_after=None,
            habit=None,
        )
        run_id = await self._start(plan)
        self._site.tally.count("victims")
        self._site.tally.count(f"victims: {mischief.name.partition(':')[0]}")
        if mischief.after:
            run: dict[str, Any] | None = await self._ended(run_id, plan)
        else:
            await self._await_start(run_id)
            await asyncio.sleep(self._random.uniform(0, 1.5))
        await self._commit(mischief, run_id)
        if mischief.after and run is not None:
            await self._judge_reading(plan, run)
        else:
            await self._judge_end(mischief, plan, await self._ended(run_id, plan))

    async def _start(self, plan: Plan) -> str:
        """Start a run, asking until there is an answer: it is made once."""
        body = {"name": plan.name, "script": plan.script}
        headers = {"Idempotency-Key": plan.name.partition(":")[0].replace(" ", "-")}
        while True:
            try:
                answer = await self._api.ask("POST", "commands/", body, headers=headers)
            except UnansweredError:
                await asyncio.sleep(PAUSE_SECONDS)
            else:
                command = orjson.loads(answer)
                self.command_ids.add(command["id"])
                self.run_ids.add(command["run"]["id"])
                return str(command["run"]["id"])

    async def _await_start(self, run_id: str) -> None:
        """Wait for the script's first step, or for an end without one."""
        while not (self._site.starts / run_id).exists():
            if verdict.final(await self._look(run_id)):
                return
            await asyncio.sleep(LOOK_SECONDS)

    async def _commit(self, mischief: Mischief, run_id: str) -> None:
        if mischief.sql is not None:
            await self._execute(mischief.sql.format(run=run_id))
        if mischief.deleted:
            self.deleted.add(run_id)
        await asyncio.to_thread(mischief.touch, self._spool, run_id)
        if mischief.mend is not None:
            await asyncio.sleep(self._random.uniform(0.5, 5))
            await self._execute(mischief.mend.format(run=run_id))

    async def _execute(self, statement: str) -> None:
        """Have it done by a database that may be away; what it refuses was not to be."""
        while True:
            try:
                await asyncio.to_thread(execute, self._database_url, statement)
            except (psycopg2.OperationalError, psycopg2.InterfaceError):
                await asyncio.sleep(PAUSE_SECONDS)
            except psycopg2.Error:
                self._site.tally.count("faults that came too late")
                return
            else:
                return

    async def _look(self, run_id: str) -> dict[str, Any] | None:
        """Return a run as it is told; None when it is not known."""
        async with asyncio.timeout(END_SECONDS + PATIENCE_SECONDS + self._outage_seconds):
            while True:
                with suppress(TimeoutError, OSError, aiohttp.ClientError):
                    async with (
                        asyncio.timeout(ANSWER_SECONDS),
                        self._api.session.get(await self._api.url(f"runs/{run_id}")) as response,
                    ):
                        answer = await response.read()
                        if response.status == 404:
                            return None
                        if response.ok:
                            return dict(orjson.loads(answer))
                        if response.status != 503:
                            self._violation(run_id, f"{response.status} {answer.decode()}")
                            return None
                await asyncio.sleep(PAUSE_SECONDS)

    async def _ended(self, run_id: str, plan: Plan) -> dict[str, Any] | None:
        """Wait for its end, stopping it after a while; None when it is not known any more."""
        began = time.monotonic()
        patience = PATIENCE_SECONDS + plan.lines / plan.burst * plan.pause
        while True:
            run = await self._look(run_id)
            if run is None or verdict.final(run):
                return run
            seconds = time.monotonic() - began
            if seconds > patience + END_SECONDS + self._outage_seconds:
                self._violation(run_id, f"({plan.name}) it does not end: {run}")
                return run
            if seconds > patience:
                self._site.tally.count("victims: asked to stop")
                with suppress(UnansweredError):
                    await self._api.ask("POST", f"runs/{run_id}/stop", {"grace_seconds": 1})
                await asyncio.sleep(2)
            await asyncio.sleep(LOOK_SECONDS)

    async def _judge_end(self, mischief: Mischief, plan: Plan, run: dict[str, Any] | None) -> None:
        if run is None:
            if not mischief.deleted:
                self._site.tally.violation(f"{plan.name}: it is not known")
            return
        if mischief.deleted:
            return  # it had ended before, or the database lost the deletion in a crash
        output, complete = await self._read(run["id"])
        starts = self._site.starts / run["id"]
        observed = verdict.Victim(
            run=run,
            output=output,
            complete=complete,
            starts=len(starts.read_text().splitlines()) if starts.exists() else 0,
        )
        for text in verdict.violations(plan, observed, whole=mischief.whole):
            self._violation(run["id"], f"({plan.name}) {text}; {run}")
        self._site.tally.count(f"victims {verdict.outcome(plan, observed)}")

    async def _judge_reading(self, plan: Plan, before: dict[str, Any]) -> None:
        """Read an archive that was damaged until it is whole (it was kept), or the run tells."""
        output, complete = await self._read(before["id"])
        run = await self._look(before["id"])
        if run is None:
            self._site.tally.violation(f"{plan.name}: it is not known")
            return
        if not plan.output.startswith(output):
            self._violation(run["id"], f"({plan.name}) other bytes are read from the archive")
        told = DAMAGED in (run["reason"] or "")
        if not told and (not complete or len(output) != before["output_bytes"]):
            self._violation(run["id"], f"({plan.name}) damage is not told: {run}")
        self._site.tally.count(f"victims {'damaged, told' if told else 'exact'}")

    async def _read(self, run_id: str) -> tuple[bytes, bool]:
        """Return what of the output can be read, and whether the answer was complete.

        An answer that broke off is asked for again, unless the run tells of damage: the server may
        have been killed, or the database be away.
        """
        ends_at = time.monotonic() + END_SECONDS + self._outage_seconds
        while True:
            output, complete = await self._read_once(run_id)
            run = await self._look(run_id)
            told = run is None or DAMAGED in (run["reason"] or "")
            if complete or told or time.monotonic() > ends_at:
                return output, complete
            await asyncio.sleep(LOOK_SECONDS)

    async def _read_once(self, run_id: str) -> tuple[bytes, bool]:
        got = bytearray()
        with suppress(TimeoutError, OSError, aiohttp.ClientError):
            url = await self._api.url(f"runs/{run_id}/output")
            async with (
                asyncio.timeout(ANSWER_SECONDS),
                self._api.session.get(url, headers={"Accept-Encoding": "identity"}) as response,
            ):
                if response.ok:
                    async for piece in response.content.iter_any():
                        got += piece
                    return bytes(got), True
        return bytes(got), False

    def _violation(self, run_id: str, text: str) -> None:
        self._site.tally.violation(f"victim {run_id}: {text}")
