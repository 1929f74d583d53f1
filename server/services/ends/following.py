"""What follows a run's end: another attempt, or who is told of what. Pure."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from server.definition import Cause, CauseKind, NewRun, Retries
from server.models import Run, RunState

AT_ONCE = timedelta(0)
LONGEST_DELAY = timedelta(days=1)

MAX_LOST = 20
"""Attempts of a run that is tried again whenever its host is away: perhaps it is the run."""

FAILURES = frozenset({RunState.FAILED, RunState.TIMED_OUT, RunState.LOST})
"""How a run ends that nobody stopped and that did not succeed."""


@dataclass(frozen=True, slots=True)
class Following:
    """What follows: a retry, and pairs of a target and the occasion that it is told of."""

    retry: NewRun | None = None
    told: tuple[tuple[str, str], ...] = ()


def following(run: Run, before: RunState | None, *, is_left: bool, now: datetime) -> Following:
    """Return what follows the end of a run.

    `before` is how the run before ended. While attempts are left, nobody is told. What `is_left` is
    not tried again: its command is paused, or it was to be stopped.
    """
    retry = None if is_left else next_attempt(run, now)
    return Following(retry=retry) if retry is not None else Following(told=told_of(run, before))


def next_attempt(run: Run, now: datetime) -> NewRun | None:
    """Return the next attempt of what a run did; None: there is none."""
    pause = _pause_before(run)
    if pause is None:
        return None
    first = run.id if run.cause is None or run.cause.kind is not CauseKind.RETRY else run.cause.id
    return NewRun(
        cause=Cause(kind=CauseKind.RETRY, id=first),
        attempt=run.attempt + 1,
        retry_of=run.id,
        not_before=None if pause is AT_ONCE else now + pause,
    )


def _pause_before(run: Run) -> timedelta | None:
    """Return after how long a run is tried again; None: it is not.

    One that was given up may go on where it is. It is tried again only where its command says so,
    as then its host ends it when its lease is over.
    """
    if run.state is RunState.LOST and (run.options.leased or run.given_up_at is not None):
        return AT_ONCE if run.options.leased and run.attempt < MAX_LOST else None
    retries = run.options.retries
    if retries is None or run.attempt > retries.limit or not _is_tried_again(run, retries):
        return None
    return delay(retries, run.attempt)


def delay(retries: Retries, attempts: int) -> timedelta:
    """Return how long the next attempt waits after so many, a day at most."""
    try:
        seconds = retries.delay_seconds * retries.backoff ** (attempts - 1)
        return min(timedelta(seconds=seconds), LONGEST_DELAY)
    except OverflowError:
        return LONGEST_DELAY


def _is_tried_again(run: Run, retries: Retries) -> bool:
    if run.state not in retries.on:
        return False
    chosen = run.state is not RunState.FAILED or not retries.exit_codes
    return chosen or run.exitcode in retries.exit_codes


def told_of(run: Run, before: RunState | None) -> tuple[tuple[str, str], ...]:
    """Return the targets that are told of a run's end, each of one occasion."""
    occasions = _occasions(run.state, before)
    return tuple(
        (notify.target, occasion)
        for notify in run.options.notify
        if (occasion := next((one for one in occasions if one in notify.on), None)) is not None
    )


def _occasions(state: RunState, before: RunState | None) -> list[str]:
    """Return what an end is an occasion of, the most telling first."""
    if state in FAILURES:
        return ["failed"]
    if state is not RunState.SUCCEEDED:
        return []
    return ["recovered", "succeeded"] if before in FAILURES else ["succeeded"]
