"""Dispatching runs to the keeper."""

from pathlib import Path

import pytest

from server.errors import LimitReachedError
from server.keeper.client import KeeperClient
from server.keeper.protocol import KeeperRefusedError, StartRequest
from server.models import Run, RunState
from server.services.running import outcome
from server.services.running.intake import Intake
from tests.integration.services.running.harness import Site
from tests.support.access import BY
from tests.support.waiting import until


async def test_a_command_has_so_many_active_runs(site: Site) -> None:
    await site.begin()
    command = await site.command("sleep 1000")
    for _ in range(10):
        await site.starts.start(command, by=BY)
    with pytest.raises(LimitReachedError, match="TAILRUN_MAX_ACTIVE_RUNS_PER_COMMAND"):
        await site.starts.start(command, by=BY)


async def test_a_run_that_the_keeper_refuses_ends_and_holds_up_nobody(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As one whose script is larger than a message to it may be."""
    start = KeeperClient.start

    async def refuse(keeper: KeeperClient, request: StartRequest) -> bool:
        if "guilty" in request.script:
            raise KeeperRefusedError("its script is too large")
        return await start(keeper, request)

    monkeypatch.setattr(KeeperClient, "start", refuse)
    await site.begin()
    guilty, other = await site.start("true guilty"), await site.start("exit 5")
    stored = await site.ended(guilty)
    assert stored.state is RunState.FAILED
    assert stored.reason == "could not be started: its script is too large"
    assert (await site.ended(other)).exitcode == 5


async def test_a_run_is_taken_up_once(site: Site) -> None:
    """The answer to its storing was lost, and it was asked for again."""
    run = await site.queued("exit 5")
    await site.keeper.open()
    site.tasks.start(site.archiver.run(), "archiver")
    first, second = await site.runner.dispatch(run), await site.runner.dispatch(run)
    assert first is not None
    assert first is second
    assert (await site.ended(first)).exitcode == 5


async def test_an_answer_that_comes_late_starts_no_run_that_has_ended(
    site: Site, tmp_path: Path
) -> None:
    """It is shown as it ended, and its row stays as it is."""
    notes = tmp_path / "notes"
    run = await site.queued(f"echo $$ >>{notes}; exit 5")
    await site.begin()
    first = site.active.get(run.id)
    assert first is not None
    stored = await site.ended(first)
    await until(lambda: site.active.get(run.id) is None)
    site.active.intake = Intake()  # as of a server that was started since
    late = await site.runner.dispatch(run)
    assert late is not None
    await until(lambda: site.active.get(run.id) is None)
    assert (late.run.state, late.run.exitcode, late.run.reason) == (RunState.FAILED, 5, None)
    assert await site.runs.get(run.id) == stored
    assert notes.read_text().count("\n") == 1


async def run_unstored(site: Site, run: Run) -> None:
    """Have the keeper run it to its end, with a server that dies before it stores anything."""
    request = StartRequest(  # noqa: S604  the field of that name
        run_id=str(run.id), script=run.script, shell="/bin/sh", directory="/", environment={}
    )
    assert await site.keeper.start(request)
    await until(lambda: site.spool.read_exit(str(run.id)))
    site.spool.remove(str(run.id))


async def test_a_run_that_has_ended_here_and_is_stored_as_queued_is_lost(site: Site) -> None:
    """As after a copy of the database was put back; that it failed nobody knows."""
    run = await site.queued()
    await run_unstored(site, run)
    await site.begin()
    live = site.active.get(run.id)
    assert live is not None
    stored = await site.ended(live)
    assert (stored.state, stored.reason) == (RunState.LOST, outcome.ENDED_BEFORE)


async def test_a_run_that_has_ended_here_and_is_somebody_elses_by_now_is_forgotten(
    site: Site,
) -> None:
    run = await site.queued()
    await run_unstored(site, run)
    await site.runs.take_over([run.id], "another host")
    live = await site.runner.dispatch(run)
    assert live is not None
    await until(lambda: site.active.get(run.id) is None)
    assert live.run.state is RunState.QUEUED
    assert (await site.runs.get(run.id)).state is RunState.QUEUED
