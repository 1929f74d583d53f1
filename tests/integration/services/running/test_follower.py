"""Following runs to their ends, when something of theirs is missing."""

from pathlib import Path

import pytest

from server.keeper import processes
from server.keeper.records import ExitRecord
from server.models import RunState
from server.repositories.database.database import Database
from server.services import faults
from tests.integration.services.running.harness import NOW, Site, a_site, store
from tests.support.waiting import until


async def test_output_that_cannot_be_opened_is_tried_again(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when this process has no descriptor left: the run itself goes on."""
    monkeypatch.setattr(faults, "PAUSE_SECONDS", (0.01,))
    run = await site.queued()
    site.spool.create(str(run.id), b"true")
    output = site.spool.output_path(str(run.id))
    output.unlink()
    output.symlink_to(output)
    await site.begin()
    live = site.active.get(run.id)
    assert live is not None
    assert live.log is None
    output.unlink()
    output.write_bytes(b"one\n")
    await until(lambda: live.log is not None)
    site.spool.write_exit(str(run.id), ExitRecord(exitcode=0, ended_at=NOW.timestamp()))
    assert (await site.ended(live)).output_bytes == 4


async def test_output_that_is_gone_makes_a_run_lost(site: Site) -> None:
    run = await site.queued()
    site.spool.create(str(run.id), b"true")
    site.spool.output_path(str(run.id)).unlink()
    await site.begin()
    await until(lambda: site.active.get(run.id) is None)
    assert (await site.runs.get(run.id)).state is RunState.LOST


async def test_a_run_that_another_server_took_is_left(site: Site) -> None:
    """With its spool, which may be that one's."""
    await site.begin()
    live = await site.start("echo up; sleep 1000")
    await until(lambda: live.run.output_bytes == 3)
    await site.runs.take_over([live.run.id], "there")
    await site.control.stop(live.run.id, signal="SIGTERM", grace_seconds=1)
    await until(lambda: site.active.get(live.run.id) is None)
    assert (await site.runs.get(live.run.id)).state is RunState.RUNNING
    assert str(live.run.id) in site.spool.run_ids()


async def test_a_run_whose_spool_is_removed_is_stopped_and_never_lost(site: Site) -> None:
    await site.begin()
    site.tasks.start(site.housekeeping.keep_keeper(), "keeper")
    live = await site.start("echo one; exec sleep 1000")
    run_id = str(live.run.id)
    process = await until(lambda: site.spool.read_process(run_id))
    await until(lambda: live.run.output_bytes == 4)
    site.spool.trash.take(site.spool.directory(run_id))
    site.spool.trash.empty()
    stored = await site.ended(live)
    assert (stored.state, stored.output_bytes) == (RunState.STOPPED, 4)
    assert "its spool was removed" in str(stored.reason)
    assert processes.read(process.pid) is None


async def test_a_run_whose_output_is_removed_goes_on_over_a_restart(
    database: Database, tmp_path: Path
) -> None:
    """Its keeper has the output, and puts it back at the end."""
    async with a_site(database, tmp_path / "state") as first:
        await first.begin()
        script = 'echo one; while ! [ -e "$TAILRUN_RUN_DIRECTORY/go" ]; do sleep 0.02; done; exit 3'
        live = await first.start(script)
        run_id = str(live.run.id)
        await until(lambda: live.run.output_bytes == 4)
        first.spool.output_path(run_id).unlink()
        await first.tasks.cancel()
        async with a_site(database, tmp_path / "state") as second:
            await second.begin()
            found = second.active.get(live.run.id)
            assert found is not None
            await until(lambda: found.fault)
            (second.spool.work(run_id) / "go").touch()
            stored = await second.ended(found)
    assert (stored.exitcode, stored.output_bytes, stored.reason) == (3, 4, None)


async def test_an_output_that_was_cut_ends_where_it_ends(site: Site) -> None:
    run = await site.queued()
    await store(site, run, b"one\ntwo\n")
    site.spool.create(str(run.id), b"true")
    site.spool.output_path(str(run.id)).write_bytes(b"one\n")
    record = ExitRecord(exitcode=0, ended_at=NOW.timestamp(), output_bytes=8)
    site.spool.write_exit(str(run.id), record)
    await site.begin()
    live = site.active.get(run.id)
    assert live is not None
    stored = await site.ended(live)
    assert (stored.output_bytes, stored.exitcode) == (8, 0)
    assert stored.reason == "its output was cut at byte 4 by another process"
