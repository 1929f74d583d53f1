"""What no event tells of, and is looked at now and then."""

from pathlib import Path

import pytest

from server.models import RunState
from server.repositories.database.database import Database
from server.services.running import housekeeping
from tests.integration.services.running.harness import Site, a_site, store
from tests.support.waiting import until, until_true


async def test_the_log_of_a_run_that_nobody_has_ends(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(housekeeping, "KEEPER_SECONDS", 0.01)
    run = await site.queued()
    await store(site, run)
    await site.keeper.open()
    site.spool.create(str(run.id), b"true")
    site.spool.output_path(str(run.id)).write_bytes(b"one\n")
    await site.begin()
    live = site.active.get(run.id)
    assert live is not None
    site.tasks.start(site.housekeeping.keep_keeper(), "keeper")
    site.spool.remove(str(run.id))
    await until(lambda: live.run.state.final)
    stored = await site.runs.get(run.id)
    assert (stored.state, stored.output_bytes) == (RunState.LOST, 4)


async def test_a_queued_run_whose_row_is_deleted_is_not_started(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody could see it run. The next of the queue has its turn."""
    monkeypatch.setattr(housekeeping, "ROWS_SECONDS", 0.01)
    async with a_site(database, tmp_path / "state", max_concurrent_runs=1) as site:
        await site.begin()
        first = await site.start("sleep 1000")
        guilty, other = await site.start("exit 6"), await site.start("exit 5")
        site.tasks.start(site.housekeeping.check_rows(), "rows of runs")
        await database.fetch_all(
            "DELETE FROM commands_info WHERE id = %(id)s RETURNING 1", {"id": guilty.run.id}
        )
        await until(lambda: site.active.get(guilty.run.id) is None)
        assert guilty.run.state.final
        await site.control.stop(first.run.id, signal="SIGKILL", grace_seconds=0)
        assert (await site.ended(other)).exitcode == 5
        assert not site.spool.directory(str(guilty.run.id)).exists()


async def test_a_run_that_is_stored_as_running_and_is_not_here_is_found_by_itself(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(housekeeping, "RECONCILE_SECONDS", 0.01)
    await site.begin()
    run = await site.queued()
    site.tasks.start(site.housekeeping.reconcile(), "runs that are stored as running")
    await store(site, run)

    async def lost() -> bool:
        return (await site.runs.get(run.id)).state is RunState.LOST

    await until_true(lost)
