"""The embedded database, kept running by the service."""

import asyncio
from typing import Any, cast

import pytest

from server import app
from server.errors import StartupError
from server.services.tasks import end


async def test_a_start_under_way_is_given_up_when_the_service_ends(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app, "EMBEDDED_CHECK_SECONDS", 0)
    starting, given_up = asyncio.Event(), asyncio.Event()

    class Slow:
        async def ensure(self) -> None:
            starting.set()
            try:
                await asyncio.Event().wait()
            finally:
                given_up.set()

    keeping = asyncio.create_task(app._keep(cast("Any", Slow())))
    await starting.wait()
    await end(keeping)
    assert given_up.is_set()
    assert not caplog.records


async def test_a_database_that_cannot_be_seen_to_is_told_once_and_seen_to_again(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither a start that fails nor a lack of descriptors ends the service."""
    monkeypatch.setattr(app, "EMBEDDED_CHECK_SECONDS", 0)
    problems = [OSError(24, "Too many open files")] * 3 + [StartupError("It cannot be started.")]
    seen = asyncio.Event()

    class Broken:
        async def ensure(self) -> None:
            if problems:
                raise problems.pop(0)
            seen.set()

    keeping = asyncio.create_task(app._keep(cast("Any", Broken())))
    await seen.wait()
    await end(keeping)
    told = [record.getMessage().partition("seen to: ")[2] for record in caplog.records]
    assert told == ["[Errno 24] Too many open files", "It cannot be started."]
