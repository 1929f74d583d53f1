"""What servers tell of hosts that are away is compared with what was done to these."""

import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import BaseTestServer, TestServer

from server.state import HOST_FILE
from tests.torture.hosts import presence
from tests.torture.hosts.presence import Presence
from tests.torture.oracle import Interval
from tests.torture.tally import Tally

FOREVER = float("inf")
LEASE = 12.0


class Told:
    """A server that tells of one worker what it is given."""

    def __init__(self) -> None:
        self.state = "active"
        self.tally = Tally()
        self.served: BaseTestServer | None = None

    async def answer(self, _: web.Request) -> web.Response:
        return web.json_response({"items": [{"id": "id1", "state": self.state}], "next": None})

    async def address(self) -> str:
        assert self.served is not None
        return f"http://{self.served.host}:{self.served.port}"


@pytest.fixture
async def told() -> AsyncIterator[Told]:
    told = Told()
    app = web.Application()
    app.router.add_get("/api/v1/workers/", told.answer)
    async with TestServer(app) as told.served:
        yield told


@pytest.fixture
async def watching(tmp_path: Path, told: Told) -> AsyncIterator[Callable[..., Presence]]:
    """Return a Presence of one worker, which is away since so many seconds, or is not."""
    (tmp_path / HOST_FILE).write_text("id1\n")
    async with aiohttp.ClientSession() as session:

        def make(*unheard: Interval) -> Presence:
            worker = SimpleNamespace(name="worker1", state_dir=tmp_path, unheard=[*unheard])
            fleet = SimpleNamespace(tally=told.tally, workers=[worker], servers=[told], broken=[])
            return Presence(session, cast("Any", fleet), lease_seconds=LEASE)

        yield make


async def look(watching: Presence) -> None:
    """Ask each server once."""
    over = _Over()
    await watching.watch(cast("Any", over))


class _Over:
    """An event that is set after a look."""

    def __init__(self) -> None:
        self._looks = iter([False, True])

    def is_set(self) -> bool:
        return next(self._looks)


@pytest.mark.parametrize(
    ("seconds", "state", "violations"),
    [(16, "active", 1), (16, "unknown", 1), (16, "unreachable", 0), (14, "active", 0)],
)
async def test_a_host_is_told_as_away_three_seconds_after_its_lease(
    watching: Callable[..., Presence], told: Told, seconds: float, state: str, violations: int
) -> None:
    told.state = state
    await look(watching(Interval(time.time() - seconds, FOREVER)))
    assert len(told.tally.violations) == violations
    assert told.tally.counts["hosts told as unreachable"] == (state == "unreachable")


async def test_a_host_that_is_back_is_not_judged(
    watching: Callable[..., Presence], told: Told
) -> None:
    await look(watching(Interval(time.time() - 100, time.time() - 1)))
    assert told.tally.violations == []


async def test_a_host_that_is_not_told_as_back_is_found(
    watching: Callable[..., Presence], told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    await watching().until_back()
    assert told.tally.violations == []
    monkeypatch.setattr(presence, "BACK_SECONDS", 0.2)
    told.state = "unreachable"
    await watching().until_back()
    assert len(told.tally.violations) == 1
