"""A keeper whose wall clock jumps: what it bounds is time that passes."""

import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from server.keeper.client import KEEPER_COMMAND
from tests.integration.keeper.harness import Host, a_host
from tests.support import faketime

HOUR = 3600


@pytest.fixture
def clock(tmp_path: Path) -> Path:
    """Return the file that tells by how many seconds the keeper's clock is off."""
    clock = tmp_path / "clock"
    clock.write_text("+0")
    return clock


@pytest.fixture
async def host(tmp_path: Path, clock: Path) -> AsyncIterator[Host]:
    variables = [f"{name}={value}" for name, value in faketime.environment(clock).items()]
    command = ("/usr/bin/env", *variables, *KEEPER_COMMAND)
    async with a_host(tmp_path / "state", command=command) as host:
        yield host


@pytest.mark.parametrize("offset", [HOUR, -HOUR])
async def test_a_run_has_its_time(host: Host, clock: Path, offset: int) -> None:
    began = time.monotonic()
    run_id = await host.start("exec sleep 1000", timeout_seconds=1)
    clock.write_text(f"{offset:+}")
    end = await host.ended(run_id)
    assert end.cause == "timeout"
    assert time.monotonic() - began > 0.9
    assert abs(end.ended_at - time.time() - offset) < 60


@pytest.mark.parametrize("offset", [HOUR, -HOUR])
async def test_a_stopped_run_has_its_grace(host: Host, clock: Path, offset: int) -> None:
    run_id = await host.start("trap '' TERM; echo ready; while :; do sleep 0.05; done")
    await host.wrote(run_id, b"ready")
    began = time.monotonic()
    await host.stop(run_id, grace_seconds=1)
    clock.write_text(f"{offset:+}")
    end = await host.ended(run_id)
    assert (end.signal, end.cause) == ("SIGKILL", "stop")
    assert time.monotonic() - began > 0.9
