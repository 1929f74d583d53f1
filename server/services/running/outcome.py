"""How runs ended, by what the keeper recorded and by what befell them: functions of values."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

from server.definition import NO_OPTIONS, Options
from server.keeper.records import ExitRecord
from server.models import Run, RunEnd, RunState

CAUSE_STATES = {
    "stop": RunState.STOPPED,
    "output_limit": RunState.STOPPED,
    "disk_full": RunState.FAILED,
    "timeout": RunState.TIMED_OUT,
    "spool_removed": RunState.STOPPED,
    "lease": RunState.LOST,
}

CAUSE_REASONS = {
    "disk_full": "the disk under the spool is full (limit TAILRUN_MIN_FREE_BYTES)",
    "spool_removed": "its spool was removed while it ran",
    "lease": (
        "ended by its keeper: the lease of its host was over, and another host may have begun it"
    ),
}

TIMEOUT = "TAILRUN_RUN_TIMEOUT_SECONDS"
OUTPUT_BYTES = "TAILRUN_MAX_OUTPUT_BYTES"
MEMORY_REACHED = "its memory reached the limit TAILRUN_MAX_RUN_MEMORY_BYTES"
OUTPUT_CHANGED = "another process has cut or lengthened its output: bytes may be missing"
KEEPER_LOST = "the keeper was killed or the host restarted"
UNCONFIRMED = "it was not started: the database failed while the run was being stored"
UNFOLLOWED = "it was stopped, and what became of it is not known: its state directory has lost it"
FOREIGN = (
    "it was stopped, and what became of it is not known: it belongs to another state directory,"
    " whose server is not this one"
)
WINDOWS_LINE_ENDS = "its script has Windows line ends (CRLF); save it with Unix ones (LF)"
OUTPUT_CUT = "somebody other than Tailrun has cut it in its spool"
ENDED_BEFORE = (
    "it was not started again: it has run and ended here before, and what it wrote and how it ended"
    " was not stored"
)
SPOOL_LOST = "its spool is gone from the state directory"


def run_end(record: ExitRecord, options: Options = NO_OPTIONS) -> RunEnd:
    """Return a run's end by its exit record; no run is called succeeded on a guess.

    `options` are the run's, whose bounds count before the server's. A keeper that is newer than
    this server may know further causes.
    """
    if record.lost:
        state = RunState.LOST
    elif record.cause is not None:
        state = CAUSE_STATES.get(record.cause, RunState.STOPPED)
    else:
        state = RunState.SUCCEEDED if record.exitcode == 0 else RunState.FAILED
    return RunEnd(
        state=state,
        end_time=_moment(record.ended_at),
        exitcode=record.exitcode,
        signal=record.signal,
        reason=_reason(record, options),
    )


def spool_lost() -> RunEnd:
    """Return the end of a run whose spool does not exist any more."""
    return RunEnd(RunState.LOST, datetime.now(UTC), reason=SPOOL_LOST)


def cut(end: RunEnd, size: int) -> RunEnd:
    """Return the end of a run whose output was cut at `size` by somebody else."""
    return _with(end, f"its output was cut at byte {size} by another process")


def windows(end: RunEnd) -> RunEnd:
    """Return the end of a run whose script's first line ends as Windows has it.

    An exit code that is not 0 is probably due to that; `env` and shells hardly say so.
    """
    failed = end.state is RunState.FAILED and end.exitcode is not None
    return _with(end, WINDOWS_LINE_ENDS) if failed else end


def _with(end: RunEnd, reason: str) -> RunEnd:
    return replace(end, reason=f"{end.reason}; {reason}" if end.reason else reason)


def unconfirmed() -> RunEnd:
    """Return the end of a run whose storing was never confirmed, and which did not start."""
    return RunEnd(RunState.STOPPED, datetime.now(UTC), reason=UNCONFIRMED)


def not_started(reason: str) -> RunEnd:
    """Return the end of a run that the keeper refused to start."""
    return RunEnd(RunState.FAILED, datetime.now(UTC), reason=f"could not be started: {reason}")


def ended_before() -> RunEnd:
    """Return the end of a run that the keeper does not start since it has ended there before."""
    return RunEnd(RunState.LOST, datetime.now(UTC), reason=ENDED_BEFORE)


def row_gone() -> RunEnd:
    """Return the end of a queued run whose row somebody deleted or ended."""
    return RunEnd(RunState.LOST, datetime.now(UTC), reason="its row was deleted or ended")


def stopped_in_queue() -> RunEnd:
    """Return the end of a run that was stopped before it started."""
    return RunEnd(RunState.STOPPED, datetime.now(UTC), reason="it was stopped while queued")


def replaced(run_id: UUID) -> RunEnd:
    """Return the end of a run that waited when another one was started to replace it."""
    return RunEnd(RunState.STOPPED, datetime.now(UTC), reason=replaced_by(run_id))


def replaced_by(run_id: UUID) -> str:
    """Say which run took a run's place."""
    return f"it was replaced by run {run_id}"


def instead(end: RunEnd, run_id: UUID | None) -> RunEnd:
    """Return the end of a run that was stopped for another one to have its turn, if it was."""
    if run_id is None or end.state is not RunState.STOPPED:
        return end
    return _with(end, replaced_by(run_id))


def unfollowed(*, ours: bool) -> str:
    """Say why a run was ended that is stored as active, and that the server does not have."""
    return UNFOLLOWED if ours else FOREIGN


def stored_end(run: Run) -> RunEnd:
    """Return the end of a run that is stored as ended."""
    end_time = run.end_time or datetime.now(UTC)
    return RunEnd(run.state, end_time, run.exitcode, run.signal, run.reason)


def given_up(fault: str | None) -> RunEnd:
    """Return the end of a run that was stopped while it was postponed, and had no process."""
    return RunEnd(RunState.LOST, datetime.now(UTC), reason=f"it was given up: {fault}")


def archived(offset: int, missing: str | None, end_of: Callable[[], RunEnd]) -> RunEnd:
    """Return the end of a run whose output is stored; up to `offset` alone, if some is missing."""
    return end_of() if missing is None else incomplete(offset, missing, end_of)


def incomplete(offset: int, fault: str | None, end_of: Callable[[], RunEnd]) -> RunEnd:
    """Return the end of a run whose output from `offset` on was given up, because of `fault`.

    It is `lost`, whatever it was: a run that is called succeeded is complete.
    """
    try:
        end = end_of()
    except Exception as error:
        end = RunEnd(RunState.LOST, datetime.now(UTC), reason=f"its end is not known: {error!r}")
    how = close_reason(end.state, end.exitcode, end.signal)
    reason = f"its output from byte {offset} on is not stored ({fault}); it ended with: {how}"
    return RunEnd(RunState.LOST, end.end_time, reason=reason)


def close_reason(state: RunState, exitcode: int | None, signal: str | None) -> str:
    """Say a run's end in a WebSocket close frame: `exit 0`, `signal SIGKILL`, `stopped`, `lost`."""
    if state in {RunState.SUCCEEDED, RunState.FAILED}:
        if exitcode is not None:
            return f"exit {exitcode}"
        return f"signal {signal}" if signal is not None else "not started"
    return state.replace("_", " ")


def _cause_reason(cause: str | None, options: Options) -> str:
    if cause == "output_limit":
        return f"its output reached {_output_limit(options)}"
    if cause == "timeout":
        own = options.timeout_seconds is not None
        limit = "its command's limit timeout_seconds" if own else "the limit " + TIMEOUT
        return f"it ran longer than {limit}"
    return CAUSE_REASONS.get(cause or "", f"the keeper ended it: {cause}")


def _output_limit(options: Options) -> str:
    own = options.max_output_bytes is not None
    return "its command's limit max_output_bytes" if own else "the limit " + OUTPUT_BYTES


def _moment(seconds: float) -> datetime:
    """Return a moment of Unix seconds; now, if a damaged record has none."""
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, ValueError, OSError):
        return datetime.now(UTC)


def _reason(record: ExitRecord, options: Options) -> str | None:
    reasons = []
    if record.lost:
        # Its script may have run: the keeper says what kept it from seeing the end, if anything.
        reasons.append(f"its exit status could not be learned: {record.error or KEEPER_LOST}")
    elif record.error is not None:
        reasons.append(f"could not be started: {record.error}")
    if record.cause not in {None, "stop"}:
        reasons.append(_cause_reason(record.cause, options))
    if record.memory_reached:
        reasons.append(MEMORY_REACHED)
    if record.left_out_bytes:
        reasons.append(
            f"{record.left_out_bytes} bytes of its output were left out: it reached"
            f" {_output_limit(options)}"
        )
    if record.left_behind:
        several = "es were" if record.left_behind > 1 else " was"
        reasons.append(f"{record.left_behind} background process{several} ended with it")
    if record.output_changed:
        reasons.append(OUTPUT_CHANGED)
    if record.output_error is not None:
        reasons.append(f"its output could not be completed: {record.output_error}")
    if record.survivors:
        reasons.append(f"could not be ended: {', '.join(record.survivors)}")
    return "; ".join(reasons) or None
