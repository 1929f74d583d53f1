"""Who is told of ends in a torture: a webhook's receiver, which takes what it pleases.

It is in the torture's own process, so it outlives every server, and knows what each target heard.
"""

import asyncio
import random
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import orjson
from aiohttp import web
from aiohttp.test_utils import TestServer

TARGETS = ("steady", "moody")
"""Both are slow and refuse at times; the second one hangs, too."""

SLOW_SECONDS = 1.0
HANG_SECONDS = 30.0
"""Longer than a sender waits."""


@dataclass(frozen=True, slots=True)
class Heard:
    """A message that came: the notification's id, the run it tells of, and as what."""

    notification_id: str
    run_id: str
    occasion: str
    accepted: bool


class Listener:
    """What each target heard, by run; refuses each notification once at most."""

    def __init__(self, random: random.Random) -> None:
        self.url = ""
        self.patient = False
        """Whether it takes everything from now on."""
        self._random = random
        self._refused: set[tuple[str, str]] = set()
        self._heard: dict[str, list[tuple[str, Heard]]] = defaultdict(list)

    def of(self, run_id: str) -> dict[str, list[Heard]]:
        """Return what each target heard of a run."""
        found = self._heard.get(run_id, [])
        return {name: [one for target, one in found if target == name] for name in TARGETS}

    @property
    def count(self) -> int:
        """How many messages came."""
        return sum(map(len, self._heard.values()))

    async def answer(self, request: web.Request) -> web.Response:
        """Take a message, refuse it, or let it wait."""
        target = request.match_info["target"]
        identifier = request.headers["webhook-id"]
        told = orjson.loads(await request.read())
        run_id = told["data"]["run"]["id"]
        mood = 1.0 if self.patient else self._random.random()
        refused = mood < 0.25 and (target, identifier) not in self._refused
        one = Heard(identifier, run_id, told["type"], accepted=not refused)
        self._heard[run_id].append((target, one))
        if not refused:
            await asyncio.sleep(self._random.uniform(0, SLOW_SECONDS) if mood < 0.5 else 0)
            return web.Response(text="thanks")
        self._refused.add((target, identifier))
        if mood < 0.03 and target == "moody":
            await asyncio.sleep(HANG_SECONDS)
        return web.Response(status=500, text="not now")


@asynccontextmanager
async def listening(random: random.Random) -> AsyncIterator[Listener]:
    """Listen on a free port of this host."""
    listener = Listener(random)
    app = web.Application()
    app.router.add_post("/{target}", listener.answer)
    async with TestServer(app) as server:
        listener.url = str(server.make_url("")).rstrip("/")
        yield listener
