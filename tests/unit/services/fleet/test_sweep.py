"""When a server may say that a host is away for good: only while it would have heard of it."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest

from server.errors import DatabaseUnavailableError
from server.models import Run, RunState
from server.repositories.losses import Host
from server.services.fleet.lease import Lease
from server.services.fleet.sweep import Sweep
from tests.support.runs import a_run

SEEN = datetime(2026, 11, 26, tzinfo=UTC)
AWAY = Host(SEEN, away=True)
LOST = a_run(RunState.LOST)


class Losses:
    """A database in which `w` is away, if nothing else is said, and what was given up."""

    def __init__(self) -> None:
        self.known = {"w": AWAY, "there": replace(AWAY, away=False)}
        self.problem: Exception | None = None
        self.asked: list[list[str]] = []

    async def hosts(self) -> dict[str, Host]:
        if self.problem is not None:
            raise self.problem
        return dict(self.known)

    async def lose(self, hosts: Collection[str]) -> Sequence[Run]:
        self.asked.append([*hosts])
        return [LOST]


class Server:
    """A server with a lease of 30 s, by a clock of its own, whose connection stands."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.stands: float | None = 3600.0
        self.losses = Losses()
        self.told: list[Run] = []
        losses = cast("Any", self.losses)
        self.sweep = Sweep(
            losses,
            Lease(30),
            stands=lambda: self.stands,
            on_lost=self.told.extend,
            clock=lambda: self.now,
        )

    async def look_for(self, seconds: float, *, every: float = 2) -> None:
        """Let so many seconds go by, with a look every two."""
        until = self.now + seconds
        while self.now < until:
            self.now += every
            await self.sweep.step()


@pytest.fixture
def server() -> Server:
    return Server()


async def test_runs_of_a_host_are_given_up_that_was_silent_for_a_lease_before_its_eyes(
    server: Server,
) -> None:
    await server.look_for(30)
    assert (server.losses.asked, server.told) == ([], [])
    await server.look_for(2)
    assert (server.losses.asked, server.told) == ([["w"]], [LOST])


async def test_a_host_that_was_heard_of_meanwhile_is_silent_anew(server: Server) -> None:
    await server.look_for(30)
    server.losses.known["w"] = replace(AWAY, seen_at=SEEN + timedelta(seconds=1))
    await server.look_for(30)
    assert server.losses.asked == []
    await server.look_for(2)
    assert server.losses.asked == [["w"]]


@pytest.mark.parametrize("stands", [None, 29.9])
async def test_nothing_is_given_up_by_a_server_that_has_not_been_connected_for_a_lease(
    server: Server, stands: float | None
) -> None:
    """Those who beat may have been heard by nobody: NATS itself was away."""
    server.stands = stands
    await server.look_for(100)
    assert server.losses.asked == []
    server.stands = 30
    await server.look_for(2)
    assert server.losses.asked == [["w"]]


async def test_a_server_that_was_frozen_waits_for_a_lease_again(server: Server) -> None:
    """What was said to it, or to a database that was frozen, is stored in a moment."""
    await server.look_for(30)
    await server.look_for(15, every=15)
    await server.look_for(28)
    assert server.losses.asked == []
    await server.look_for(2)
    assert server.losses.asked == [["w"]]


async def test_a_server_whose_database_was_away_waits_for_a_lease_again(server: Server) -> None:
    await server.look_for(30)
    server.losses.problem = DatabaseUnavailableError("it is away")
    for _ in range(8):
        with pytest.raises(DatabaseUnavailableError):
            await server.look_for(2)
    server.losses.problem = None
    await server.look_for(30)
    assert server.losses.asked == []
    await server.look_for(2)
    assert server.losses.asked == [["w"]]
