"""The viewers of a torture: they come, leave, and go on at `next`; what they see must be exact."""

import asyncio
import random
from typing import Any

import aiohttp
import orjson
from aiohttp import WSMsgType

from tests.torture.api import ANSWER_SECONDS, PAUSE_SECONDS, Api
from tests.torture.hosts.oracle import BY_SERVER
from tests.torture.load import Load, Tracked
from tests.torture.tally import Tally

SILENCE_SECONDS = 3.0
"""A viewer that hears nothing for so long leaves and comes back: its server may be frozen."""


class Viewer:
    """Watches one run after the other, each to its end."""

    def __init__(self, api: Api, load: Load, tally: Tally, random: random.Random) -> None:
        self._api = api
        self._load = load
        self._tally = tally
        self._random = random

    async def watch(self, over: asyncio.Event) -> None:
        """Watch runs until the event is set; the one under way is watched to its end."""
        while not over.is_set():
            runs = self._load.open or list(self._load.runs.values())[-1:]
            if runs:
                await self._watch_one(self._random.choice(runs))
            else:
                await asyncio.sleep(PAUSE_SECONDS)

    async def _watch_one(self, run: Tracked) -> None:
        view = View(run, self._start(run), self._tally)
        self._tally.count("viewers")
        while not view.over:
            try:
                await self._visit(view)
            except aiohttp.WSServerHandshakeError as error:
                if error.status != 503:
                    view.violation(f"the handshake was answered with {error.status}")
                await asyncio.sleep(PAUSE_SECONDS)
            except (TimeoutError, OSError, aiohttp.ClientError):
                await asyncio.sleep(PAUSE_SECONDS)
            if not view.over:
                self._tally.count("viewers resumed")

    def _start(self, run: Tracked) -> int:
        """Return the start of some line, often the first; it may not be there yet."""
        if self._random.random() < 0.5:
            return 0
        anywhere = self._random.randint(0, len(run.plan.output))
        return run.plan.output.rfind(b"\n", 0, anywhere) + 1

    async def _visit(self, view: "View") -> None:
        """Connect, and take messages until it is time to leave, or there are no more."""
        patience = self._random.choice([1, 5, 20, 10**6])
        path = f"runs/{view.run.run_id}/ws?format=json&offset={view.offset}"
        async with asyncio.timeout(ANSWER_SECONDS):
            stream = await self._api.session.ws_connect(await self._api.url(path), max_msg_size=0)
        async with stream:
            while not view.over and patience > 0:
                message = await stream.receive(timeout=SILENCE_SECONDS)
                if message.type is not WSMsgType.TEXT:
                    return
                view.take(orjson.loads(message.data))
                patience -= 1


class View:
    """What one viewer has seen of a run."""

    def __init__(self, run: Tracked, start: int, tally: Tally) -> None:
        self.run = run
        self.offset = self._start = start
        self.over = False
        self._tally = tally

    def take(self, message: dict[str, Any]) -> None:
        """Take a message, and compare it with what has to come now."""
        if message["type"] == "output":
            self._take_output(message)
        elif message["type"] == "end":
            self.over = True
            self.run.told.append({name: message[name] for name in message if name != "type"})
            # Of one that was given up as its host was away, some may be archived later.
            seen = (
                self.offset if BY_SERVER in (message["reason"] or "") else message["output_bytes"]
            )
            if self.offset != max(self._start, seen):
                self.violation(f"at {self.offset} it was told {message}")
        elif message["type"] == "refused" and message["status"] != 503:
            self.violation(f"at {self.offset} it was told {message}")

    def _take_output(self, message: dict[str, Any]) -> None:
        output, following = self.run.plan.output, message["next"]
        line = output.count(b"\n", 0, self.offset) + 1
        if (message["offset"], message["line"]) != (self.offset, line):
            self.violation(f"line {line} at {self.offset}, but it was told {message}")
        text, expected = message["text"], output[self.offset : following].decode(errors="replace")
        if text != expected:
            self.violation(f"at {self.offset}: {text[:200]!r} instead of {expected[:200]!r}")
        self.offset = following
        self.run.shown = max(self.run.shown, following)
        self._tally.count("lines told to viewers", text.count("\n"))

    def violation(self, text: str) -> None:
        """Note that this viewer saw what must not be; it does not go on."""
        name = f"{self.run.run_id} ({self.run.plan.name})"
        self._tally.violation(f"viewer of run {name}: {text}")
        self.over = True
