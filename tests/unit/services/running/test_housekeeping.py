"""The sweep of what could not be removed when a run ended."""

import asyncio
import os
from pathlib import Path

import pytest

from server.keeper.spool import Spool
from server.services.running import housekeeping
from server.services.running.active import ActiveRuns
from server.services.tasks import cancel_and_wait
from tests.support.waiting import until
from tests.unit.services.running.parts import running_parts

RUN_ID = "0f8fad5b-d9cb-469f-a165-70867728950e"


async def test_what_cannot_be_removed_is_swept_away_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It is told of once; a sweep that fails is followed by another."""
    monkeypatch.setattr(housekeeping, "SWEEP_SECONDS", 0.01)
    spool = Spool.of(tmp_path)
    spool.create(RUN_ID, b"true")
    refused = starved = 0

    def refuse(*_: object) -> None:
        nonlocal refused
        refused += 1
        raise OSError(16, "Device or resource busy")

    def starve(*_: object) -> None:
        nonlocal starved
        starved += 1
        raise OSError(24, "Too many open files")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", refuse)
        spool.remove(RUN_ID)
        active = ActiveRuns(max_concurrent_runs=1, max_runs_per_command=1)
        parts = running_parts(tmp_path, active, spool=spool)
        sweep = asyncio.create_task(parts.housekeeping.remove_remains())
        await until(lambda: refused > 6)
        patch.setattr(os, "scandir", starve)
        await until(lambda: starved > 2)
    await until(lambda: not list(tmp_path.glob("*/*")))
    assert caplog.text.count("Device or resource busy") == 1
    assert caplog.text.count("Too many open files") == 1
    await cancel_and_wait(sweep)


async def test_a_host_that_may_start_no_run_leaves_what_is_stored_as_running(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its lease is over: those may be of another process of it, as of a copied state directory."""
    monkeypatch.setattr(housekeeping, "RECONCILE_SECONDS", 0.001)
    active = ActiveRuns(max_concurrent_runs=1, max_runs_per_command=1)
    parts = running_parts(tmp_path, active)
    may_start, asked, reconciled = False, 0, 0

    def asks() -> bool:
        nonlocal asked
        asked += 1
        return may_start

    async def reconcile() -> None:
        nonlocal reconciled
        reconciled += 1

    active.may_start = asks
    monkeypatch.setattr(parts.recovery, "reconcile", reconcile)
    looking = asyncio.create_task(parts.housekeeping.reconcile())
    await until(lambda: asked > 3)
    assert not reconciled
    may_start = True
    await until(lambda: reconciled)
    await cancel_and_wait(looking)
