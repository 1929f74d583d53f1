"""The sweep of what could not be removed when a run ended."""

import asyncio
import os
from pathlib import Path

import pytest

from server.keeper.spool import Spool
from server.services import sweeping
from server.services.tasks import end
from tests.support.waiting import until

RUN_ID = "0f8fad5b-d9cb-469f-a165-70867728950e"


async def test_what_cannot_be_removed_is_swept_away_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It is told of once; a sweep that fails is followed by another."""
    monkeypatch.setattr(sweeping, "SWEEP_SECONDS", 0.01)
    spool = Spool.of(tmp_path)
    spool.create(RUN_ID, b"true")
    refused = 0

    def refuse(*_: object) -> None:
        nonlocal refused
        refused += 1
        raise OSError(16, "Device or resource busy")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", refuse)
        spool.remove(RUN_ID)
        sweep = asyncio.create_task(sweeping.sweep(spool))
        await until(lambda: refused > 6)
        patch.setattr(os, "scandir", refuse)
        before = refused
        await until(lambda: refused > before + 2)
    await until(lambda: not spool.run_ids())
    assert list(tmp_path.glob("*/*")) == []
    assert caplog.text.count("Device or resource busy") == 1
    await end(sweep)
