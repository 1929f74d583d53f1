"""Runs whose answer was lost on its way, on a real keeper and a real database."""

from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import pytest

from server.definition import Cause, CauseKind, NewRun
from server.models import Run, RunState
from server.repositories.database.database import Database
from server.services.running.outcome import UNCONFIRMED
from server.services.starting import unconfirmed as module
from server.services.starting.unconfirmed import Unconfirmed
from tests.integration.services.running.harness import HOST, Site, a_site
from tests.support.access import BY
from tests.support.waiting import until_true


@pytest.fixture
async def site(database: Database, tmp_path: Path) -> AsyncIterator[Site]:
    """Provide a server that has begun and has no run."""
    async with a_site(database, tmp_path / "state") as site:
        await site.begin()
        yield site


async def ended(site: Site, run: Run) -> Run:
    """Wait until a run has ended."""

    async def has_ended() -> bool:
        return (await site.runs.get(run.id)).state.final

    await until_true(has_ended)
    return await site.runs.get(run.id)


async def test_a_run_that_was_stored_unheard_is_started_when_it_is_asked_for_again(
    site: Site,
) -> None:
    run = await site.queued("exit 5")
    assert (await site.starts.resume(run.id)).run.id == run.id
    assert (await ended(site, run)).exitcode == 5
    assert (await site.starts.resume(run.id)).run.exitcode == 5


async def test_a_run_of_another_host_is_told_of_and_left_to_it(site: Site) -> None:
    run = await site.queued(host="there")
    assert (await site.starts.resume(run.id)).run == run
    assert site.active.get(run.id) is None


async def test_of_runs_that_nobody_heard_of_those_are_started_that_nobody_asked_for_by_hand(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever asked got an error and expects nothing; one that is queued is left alone."""
    monkeypatch.setattr(module, "UNCONFIRMED_SECONDS", 0.01)
    asked, foreign = await site.queued("exit 5"), await site.queued(host="there")
    going_on = await site.start("sleep 1000")
    command = await site.command("exit 6")
    because = NewRun(cause=Cause(kind=CauseKind.SCHEDULE, id=uuid4()))
    caused = await site.runs.add(command.id, command.script, HOST, new=because, by=BY)
    unconfirmed = Unconfirmed(HOST, site.hosts, site.unclaimed, site.runs, site.faults)
    site.tasks.start(unconfirmed.run(), "unconfirmed runs")
    assert (await ended(site, caused)).exitcode == 6
    stored = await ended(site, asked)
    assert (stored.state, stored.reason) == (RunState.STOPPED, UNCONFIRMED)
    assert (await site.runs.get(foreign.id)).state is RunState.QUEUED
    assert not going_on.run.state.final
