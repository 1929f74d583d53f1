"""From what the keeper recorded to how a run ended."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.keeper.records import ExitRecord
from server.models import RunEnd, RunState
from server.services.running import outcome

CAUSES = [None, "stop", "timeout", "output_limit", "disk_full", "a cause of a newer keeper"]

records = st.builds(
    ExitRecord,
    exitcode=st.none() | st.integers(0, 255),
    signal=st.none() | st.just("SIGKILL"),
    cause=st.sampled_from(CAUSES),
    error=st.none() | st.just("no such interpreter: /bin/nothing"),
    lost=st.booleans(),
    ended_at=st.floats(0, 4e9),
    survivors=st.lists(st.just("pid 7 (sleep)"), max_size=2),
    memory_reached=st.booleans(),
)


@pytest.mark.parametrize(
    ("record", "state", "reason"),
    [
        (ExitRecord(exitcode=0), RunState.SUCCEEDED, None),
        (ExitRecord(exitcode=7), RunState.FAILED, None),
        (ExitRecord(exitcode=137), RunState.FAILED, None),
        (ExitRecord(signal="SIGKILL"), RunState.FAILED, None),
        (ExitRecord(exitcode=0, cause="stop"), RunState.STOPPED, None),
        (ExitRecord(signal="SIGTERM", cause="stop"), RunState.STOPPED, None),
        (
            ExitRecord(signal="SIGTERM", cause="timeout"),
            RunState.TIMED_OUT,
            "TAILRUN_RUN_TIMEOUT_SECONDS",
        ),
        (
            ExitRecord(signal="SIGTERM", cause="output_limit"),
            RunState.STOPPED,
            "TAILRUN_MAX_OUTPUT_BYTES",
        ),
        (
            ExitRecord(signal="SIGTERM", cause="disk_full"),
            RunState.FAILED,
            "TAILRUN_MIN_FREE_BYTES",
        ),
        (ExitRecord(exitcode=0, cause="moon"), RunState.STOPPED, "moon"),
        (ExitRecord(lost=True), RunState.LOST, "keeper was killed"),
        (ExitRecord(lost=True, cause="stop"), RunState.LOST, "keeper was killed"),
        (
            ExitRecord(error="the keeper ended while it was starting the run", lost=True),
            RunState.LOST,
            "its exit status could not be learned: the keeper ended while it was starting the run",
        ),
        (ExitRecord(error="no /bin/nothing"), RunState.FAILED, "not be started: no /bin/nothing"),
        (
            ExitRecord(signal="SIGKILL", memory_reached=True),
            RunState.FAILED,
            "its memory reached the limit TAILRUN_MAX_RUN_MEMORY_BYTES",
        ),
        (
            ExitRecord(exitcode=0, memory_reached=True),
            RunState.SUCCEEDED,
            "TAILRUN_MAX_RUN_MEMORY_BYTES",
        ),
        (ExitRecord(lost=True, memory_reached=True), RunState.LOST, "TAILRUN_MAX_RUN_MEMORY_BYTES"),
        (ExitRecord(exitcode=0, survivors=["pid 7 (sleep)"]), RunState.SUCCEEDED, "pid 7 (sleep)"),
        (
            ExitRecord(exitcode=0, left_behind=1),
            RunState.SUCCEEDED,
            "1 background process was ended with it",
        ),
        (
            ExitRecord(exitcode=0, left_behind=2),
            RunState.SUCCEEDED,
            "2 background processes were ended with it",
        ),
        (
            ExitRecord(exitcode=0, output_changed=True),
            RunState.SUCCEEDED,
            "another process has cut or lengthened its output",
        ),
        (
            ExitRecord(exitcode=0, output_error="no"),
            RunState.SUCCEEDED,
            "its output could not be completed: no",
        ),
        (
            ExitRecord(exitcode=0, cause="spool_removed"),
            RunState.STOPPED,
            "its spool was removed while it ran",
        ),
        (
            ExitRecord(exitcode=0, cause="lease"),
            RunState.LOST,
            "ended by its keeper: the lease of its host was over",
        ),
    ],
)
def test_the_end_is_told_by_what_was_recorded(
    record: ExitRecord, state: RunState, reason: str | None
) -> None:
    end = outcome.run_end(record)
    assert (end.state, end.exitcode, end.signal) == (state, record.exitcode, record.signal)
    assert end.reason is None if reason is None else reason in str(end.reason)


@given(records)
def test_a_run_succeeded_only_if_it_exited_with_0_unasked(record: ExitRecord) -> None:
    end = outcome.run_end(record)
    assert end.state.final
    unasked = record.cause is None and not record.lost
    assert (end.state is RunState.SUCCEEDED) == (unasked and record.exitcode == 0)
    assert abs(end.end_time.timestamp() - record.ended_at) < 1e-3


@given(records)
def test_nothing_is_passed_over(record: ExitRecord) -> None:
    reason = outcome.run_end(record).reason or ""
    for told in [record.error, *record.survivors]:
        assert told is None or told in reason
    assert ("its exit status could not be learned" in reason) == record.lost
    assert (outcome.KEEPER_LOST in reason) == (record.lost and record.error is None)
    assert ("could not be started" in reason) == (record.error is not None and not record.lost)
    assert (outcome.MEMORY_REACHED in reason) == record.memory_reached


def test_what_never_ran_has_no_exit_status() -> None:
    for end, state in [
        (outcome.spool_lost(), RunState.LOST),
        (outcome.stopped_in_queue(), RunState.STOPPED),
    ]:
        assert (end.state, end.exitcode, end.signal) == (state, None, None)
        assert end.reason
        assert abs((datetime.now(UTC) - end.end_time).total_seconds()) < 60


@pytest.mark.parametrize(
    ("state", "exitcode", "signal", "reason"),
    [
        (RunState.SUCCEEDED, 0, None, "exit 0"),
        (RunState.FAILED, 7, None, "exit 7"),
        (RunState.FAILED, None, "SIGKILL", "signal SIGKILL"),
        (RunState.FAILED, None, None, "not started"),
        (RunState.STOPPED, 0, None, "stopped"),
        (RunState.STOPPED, None, "SIGTERM", "stopped"),
        (RunState.TIMED_OUT, None, "SIGTERM", "timed out"),
        (RunState.LOST, None, None, "lost"),
    ],
)
def test_the_close_reason_says_the_end(
    state: RunState, exitcode: int | None, signal: str | None, reason: str
) -> None:
    assert outcome.close_reason(state, exitcode, signal) == reason


@given(records)
def test_the_close_reason_fits_a_close_frame(record: ExitRecord) -> None:
    """RFC 6455, section 5.5: 125 bytes, two of which are the code."""
    end = outcome.run_end(record)
    reason = outcome.close_reason(end.state, end.exitcode, end.signal)
    assert 0 < len(reason.encode()) <= 123


def test_a_run_whose_output_is_given_up_is_lost_and_says_how_it_ended() -> None:
    record = ExitRecord(exitcode=7, ended_at=9.0)
    end = outcome.incomplete(5, "its row is refused", lambda: outcome.run_end(record))
    assert (end.state, end.exitcode, end.end_time.timestamp()) == (RunState.LOST, None, 9.0)
    assert end.reason == (
        "its output from byte 5 on is not stored (its row is refused); it ended with: exit 7"
    )


def test_a_run_that_is_given_up_ends_even_where_its_record_cannot_be_read() -> None:
    def fail() -> RunEnd:
        raise ValueError("no record")

    end = outcome.incomplete(5, "its spool is odd", fail)
    assert (end.state, end.exitcode) == (RunState.LOST, None)
    assert "with: lost" in str(end.reason)


@pytest.mark.parametrize("moment", [1e300, -1e300, float("nan"), float("inf")])
def test_a_record_of_no_moment_ends_a_run_now(moment: float) -> None:
    before = datetime.now(UTC)
    assert outcome.run_end(ExitRecord(exitcode=0, ended_at=moment)).end_time >= before
