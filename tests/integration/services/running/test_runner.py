"""The Runner: what it takes up after a restart, and what it does when something is missing."""

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from server.errors import DatabaseUnavailableError, LimitReachedError, NoActiveRunError
from server.keeper import processes
from server.keeper.client import KeeperClient
from server.keeper.protocol import KeeperRefusedError, StartRequest
from server.keeper.records import ExitRecord
from server.models import Advance, Run, RunEnd, RunState
from server.repositories.database.database import Database
from server.services import faults
from server.services.running import finisher, housekeeping, recovery
from tests.integration.services.running.harness import Site, a_site
from tests.support.outage import Outage
from tests.support.waiting import until

NOW = datetime(2026, 1, 2, tzinfo=UTC)


@pytest.fixture
async def site(database: Database, tmp_path: Path) -> AsyncIterator[Site]:
    async with a_site(database, tmp_path / "state") as site:
        yield site


async def store(site: Site, run: Run, data: bytes = b"", end: RunEnd | None = None) -> None:
    """Have a run written as an Archiver would that had seen it start."""
    advance = Advance(run.id, run.epoch, 0, len(data), 0, start_time=NOW, end=end)
    assert await site.outputs.append([advance])


async def test_a_run_that_was_only_stored_is_started(site: Site) -> None:
    run = await site.queued("exit 5")
    await site.begin()
    live = site.active.get(run.id)
    assert live is not None
    stored = await site.ended(live)
    assert (stored.state, stored.exitcode, stored.epoch) == (RunState.FAILED, 5, 2)


async def test_a_run_that_ended_meanwhile_is_finished_by_its_record(site: Site) -> None:
    """Whether the database had heard of its start or not."""
    runs = [await site.queued(), await site.queued()]
    await store(site, runs[1])
    for run in runs:
        site.spool.create(str(run.id), b"true")
        site.spool.output_path(str(run.id)).write_bytes(b"one\n")
        record = ExitRecord(signal="SIGKILL", ended_at=NOW.timestamp(), output_bytes=4)
        site.spool.write_exit(str(run.id), record)
    await site.begin()
    for live in [site.active.get(run.id) for run in runs]:
        assert live is not None
        stored = await site.ended(live)
        assert (stored.state, stored.signal, stored.end_time) == (RunState.FAILED, "SIGKILL", NOW)
        assert (stored.output_bytes, stored.output_lines) == (4, 1)


async def test_a_recovery_that_fails_at_its_last_question_has_recovered_no_run(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is done again; each run is followed once."""
    active_elsewhere = site.runs.active_elsewhere

    async def away(_: str) -> int:
        monkeypatch.setattr(site.runs, "active_elsewhere", active_elsewhere)
        raise DatabaseUnavailableError("It is away.")

    run = await site.queued("exit 5")
    monkeypatch.setattr(site.runs, "active_elsewhere", away)
    with pytest.raises(DatabaseUnavailableError):
        await site.begin()
    assert list(site.active) == []
    assert site.active.queued == 0
    await site.begin()
    live = site.active.get(run.id)
    assert live is not None
    assert (await site.ended(live)).exitcode == 5


async def test_a_running_run_without_a_spool_is_lost(site: Site) -> None:
    """What was archived of it is kept."""
    run = await site.queued()
    await store(site, run, b"one\n")
    await site.begin()
    await until(lambda: site.active.get(run.id) is None)
    stored = await site.runs.get(run.id)
    assert (stored.state, stored.output_bytes) == (RunState.LOST, 4)
    assert "spool" in str(stored.reason)


async def test_runs_of_other_hosts_are_left_alone(site: Site) -> None:
    run = await site.queued(host="there")
    await site.begin()
    assert site.active.get(run.id) is None
    assert await site.runs.get(run.id) == run


async def test_spools_of_finished_runs_are_removed_and_all_others_kept(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    """Those of unknown runs whole, as they may be the only copy; and it is said what they are."""
    finished, another, unknown = await site.queued(), await site.queued(host="there"), uuid4()
    await store(site, finished, end=RunEnd(RunState.SUCCEEDED, NOW, exitcode=0))
    for run_id in (finished.id, another.id, unknown):
        site.spool.create(str(run_id), b"true")
        site.spool.output_path(str(run_id)).write_bytes(b"one\n")
        site.spool.write_exit(str(run_id), ExitRecord(exitcode=0, ended_at=NOW.timestamp()))
    with caplog.at_level(logging.WARNING):
        await site.begin()
    kept = {str(unknown): recovery.UNKNOWN, str(another.id): recovery.ANOTHERS}
    assert set(site.spool.run_ids()) == set(kept)
    told = {getattr(record, "run", ""): record.message for record in caplog.records}
    assert told.pop("").startswith("runs of another host identity: 1;")
    assert told == kept
    for kept_id in kept:
        assert site.spool.output_path(kept_id).read_bytes() == b"one\n"


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


async def test_a_run_is_lost_when_the_database_is_there_again(
    site: Site, outage: Outage, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It goes while a keeper is asked for the run; the service goes on."""
    monkeypatch.setattr(finisher, "DATABASE_RETRY_SECONDS", 0.01)
    run = await site.queued()
    await store(site, run)
    await site.begin()
    outage.begin()
    await until(lambda: "run's end is not stored yet" in caplog.text)
    live = site.active.get(run.id)
    assert live is not None
    outage.end()
    assert (await site.ended(live)).state is RunState.LOST
    assert caplog.text.count("run's end is not stored yet") == 1


async def test_a_lost_run_whose_end_was_stored_unheard_has_ended(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The database's answer was lost on its way."""
    monkeypatch.setattr(finisher, "DATABASE_RETRY_SECONDS", 0.01)
    append = site.outputs.append

    async def unheard(advances: Sequence[Advance]) -> set[UUID]:
        monkeypatch.setattr(site.outputs, "append", append)
        await append(advances)
        raise DatabaseUnavailableError("the answer was lost")

    run = await site.queued()
    await store(site, run)
    monkeypatch.setattr(site.outputs, "append", unheard)
    await site.begin()
    live = site.active.get(run.id)
    assert live is not None
    assert (await site.ended(live)).state is RunState.LOST


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


async def test_a_command_has_so_many_active_runs(site: Site) -> None:
    await site.begin()
    command = await site.command("sleep 1000")
    for _ in range(10):
        await site.runner.start(command)
    with pytest.raises(LimitReachedError, match="TAILRUN_MAX_ACTIVE_RUNS_PER_COMMAND"):
        await site.runner.start(command)


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
    assert first is second
    assert (await site.ended(first)).exitcode == 5


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
