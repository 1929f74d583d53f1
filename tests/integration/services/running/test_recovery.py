"""The recovery after a restart: whatever the servers before have left."""

import asyncio
import logging
from collections.abc import Iterable, Sequence
from dataclasses import replace
from uuid import UUID, uuid4

import pytest

from server.errors import DatabaseRefusedError, DatabaseUnavailableError
from server.keeper.records import ExitRecord
from server.models import Position, Run, RunEnd, RunState
from server.services.running import recovery
from tests.integration.services.running.harness import NOW, Site, store
from tests.support.waiting import until


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
    positions = site.ledger.positions

    async def away(_: Iterable[UUID]) -> dict[UUID, Position]:
        monkeypatch.setattr(site.ledger, "positions", positions)
        raise DatabaseUnavailableError("It is away.")

    run = await site.queued("exit 5")
    monkeypatch.setattr(site.ledger, "positions", away)
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
    kept = {str(unknown): recovery.UNKNOWN_SPOOL, str(another.id): recovery.FOREIGN_SPOOL}
    assert set(site.spool.run_ids()) == set(kept)
    told = {getattr(record, "run", ""): record.message for record in caplog.records}
    assert told == kept
    for kept_id in kept:
        assert site.spool.output_path(kept_id).read_bytes() == b"one\n"


async def set_back(site: Site, run: Run) -> None:
    """Have a run that has ended stored as one that runs, as where an older copy is restored."""
    await site.database.fetch_all(
        """
        UPDATE commands_info SET state = 'running', end_time = NULL, exitcode = NULL, reason = NULL
        WHERE id = %(id)s RETURNING id
        """,
        {"id": run.id},
    )


async def test_what_has_ended_and_is_stored_as_running_again_is_lost_and_what_runs_goes_on(
    site: Site,
) -> None:
    await site.begin()
    going = await site.start("echo begun; sleep 1000")
    ended = await site.ended(await site.start("echo whole"))
    await set_back(site, ended)

    await asyncio.gather(*(site.recovery.reconcile() for _ in range(3)))

    await until(lambda: site.active.get(ended.id) is None)
    stored = await site.runs.get(ended.id)
    assert (stored.state, stored.epoch) == (RunState.LOST, ended.epoch + 1)
    assert stored.output_bytes == len("whole\n")
    assert "spool" in str(stored.reason)
    assert list(site.active) == [going]
    assert (await site.runs.get(going.run.id)).epoch == going.run.epoch
    await site.control.stop(going.run.id, signal="SIGKILL", grace_seconds=0)
    assert (await site.ended(going)).state is RunState.STOPPED


async def test_one_that_is_stored_as_running_and_has_a_spool_is_adopted(site: Site) -> None:
    await site.begin()
    run = await site.queued()
    await store(site, run, b"one\n")
    site.spool.create(str(run.id), b"true")
    site.spool.output_path(str(run.id)).write_bytes(b"one\ntwo\n")
    record = ExitRecord(exitcode=3, ended_at=NOW.timestamp(), output_bytes=8)
    site.spool.write_exit(str(run.id), record)

    await site.recovery.reconcile()

    live = site.active.get(run.id)
    assert live is not None
    stored = await site.ended(live)
    assert (stored.state, stored.exitcode, stored.output_bytes) == (RunState.FAILED, 3, 8)


async def test_an_answer_from_before_a_run_ended_or_was_given_up_changes_nothing(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    await site.begin()
    ended, given_up = await site.ended(await site.start("true")), await site.queued()
    end = RunEnd(RunState.LOST, NOW, reason="abandoned")
    await store(site, given_up, end=end)
    before = [replace(run, state=RunState.RUNNING, end_time=None) for run in (ended, given_up)]

    async def running() -> Sequence[Run]:
        return before

    monkeypatch.setattr(site.ledger, "running", running)
    await site.recovery.reconcile()

    assert list(site.active) == []
    assert await site.runs.get(ended.id) == ended
    assert (await site.runs.get(given_up.id)).reason == "abandoned"


async def test_nothing_is_lost_before_the_runs_are_recovered(site: Site) -> None:
    run = await site.queued()
    await store(site, run)
    await site.recovery.reconcile()
    assert await site.runs.get(run.id) == replace(run, state=RunState.RUNNING, start_time=NOW)


async def test_a_row_that_cannot_be_written_is_taken_over_later(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    await site.begin()
    run = await site.queued()
    await store(site, run)
    take_over = site.ledger.take_over

    async def refused(_: Iterable[Run]) -> dict[UUID, Position]:
        monkeypatch.setattr(site.ledger, "take_over", take_over)
        raise DatabaseRefusedError("not this row")

    monkeypatch.setattr(site.ledger, "take_over", refused)
    await site.recovery.reconcile()

    assert site.active.get(run.id) is not None
    await until(lambda: site.active.get(run.id) is None)
    assert (await site.runs.get(run.id)).state is RunState.LOST
