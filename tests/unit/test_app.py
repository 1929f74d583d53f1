"""The embedded database, kept running by the service."""

import asyncio
import gc
from typing import Any, cast

import pytest

from server import app
from server.errors import StartupError
from server.services.tasks import end


async def test_a_start_that_fails_while_the_service_ends_is_not_logged(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app, "EMBEDDED_CHECK_SECONDS", 0)
    starting, failing, failed = asyncio.Event(), asyncio.Event(), asyncio.Event()

    class Broken:
        async def ensure(self) -> None:
            starting.set()
            await failing.wait()
            asyncio.get_running_loop().call_soon(failed.set)
            raise StartupError("it cannot be started")

    keeping = asyncio.create_task(app._keep(cast("Any", Broken())))
    await starting.wait()
    await end(keeping)
    failing.set()
    await failed.wait()
    gc.collect()
    assert not caplog.records
