"""Stops and signals: whom they reach, and what they cost who cannot be reached."""

import asyncio
from functools import partial
from pathlib import Path
from uuid import uuid4

import pytest

from server.errors import DatabaseUnavailableError, NoActiveRunError
from server.keeper.records import ExitRecord
from server.models import RunState
from server.repositories.database.database import Database
from tests.integration.services.running.harness import NOW, Site, a_site
from tests.support.outage import Outage
from tests.support.waiting import until


async def test_only_active_runs_are_stopped_or_signalled(site: Site) -> None:
    await site.begin()
    with pytest.raises(NoActiveRunError):
        await site.control.stop(uuid4(), signal="SIGTERM", grace_seconds=1)
    with pytest.raises(NoActiveRunError):
        await site.control.signal(uuid4(), "SIGUSR1")


async def test_a_process_that_the_keeper_does_not_have_is_not_signalled(site: Site) -> None:
    """Nor stopped: it has ended, and its end is not known here yet."""
    await site.keeper.open()
    run = await site.queued()
    site.spool.create(str(run.id), b"true")
    await site.begin()
    live = site.active.get(run.id)
    assert live is not None
    with pytest.raises(NoActiveRunError):
        await site.control.signal(run.id, "SIGUSR1")
    with pytest.raises(NoActiveRunError, match="has ended"):
        await site.control.stop(run.id, signal="SIGTERM", grace_seconds=1)
    assert not live.stopping
    site.spool.write_exit(str(run.id), ExitRecord(exitcode=0, ended_at=NOW.timestamp()))
    assert (await site.ended(live)).state is RunState.SUCCEEDED


async def test_a_queued_run_whose_stop_cannot_be_stored_keeps_its_place(
    database: Database, tmp_path: Path, outage: Outage
) -> None:
    """Everybody who wants to stop it hears of it."""
    async with a_site(database, tmp_path / "state", max_concurrent_runs=1) as site:
        await site.begin()
        first, second, third = [await site.start("sleep 1000") for _ in range(3)]
        outage.begin()
        stop = partial(site.control.stop, signal="SIGTERM", grace_seconds=1)
        refused = await asyncio.gather(
            *[stop(second.run.id) for _ in range(2)], return_exceptions=True
        )
        assert [type(error) for error in refused] == [DatabaseUnavailableError] * 2
        assert (site.active.queued, second.run.state) == (2, RunState.QUEUED)
        outage.end()
        await stop(first.run.id)
        await until(lambda: second.log is not None)
        assert site.active.is_queued(third)


async def test_the_end_of_the_service_stops_what_runs_and_starts_nothing(
    database: Database, tmp_path: Path
) -> None:
    async with a_site(database, tmp_path / "state", max_concurrent_runs=1) as site:
        await site.begin()
        running, queued = await site.start("sleep 1000"), await site.start("true")
        await site.control.stop_all(5)
        assert (await site.runs.get(running.run.id)).state is RunState.STOPPED
        assert (await site.runs.get(queued.run.id)).state is RunState.QUEUED
        assert str(queued.run.id) not in site.spool.run_ids()
