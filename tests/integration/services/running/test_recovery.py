"""The recovery after a restart: whatever the servers before have left."""

import logging
from collections.abc import Iterable
from uuid import UUID, uuid4

import pytest

from server.errors import DatabaseUnavailableError
from server.keeper.records import ExitRecord
from server.models import Position, RunEnd, RunState
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
