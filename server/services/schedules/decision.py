"""What comes of a due time: decided from values alone. Pure."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from server.definition import Pause
from server.schedules import FireOutcome, Missed, Overlap, Schedule
from server.services.schedules.cron import COUNTED, Cron

GRACE = timedelta(seconds=60)
"""A due time that is decided later than so much after the last moment of its jitter was missed."""

CORRECTED = timedelta(hours=3)
"""A clock that was set back by more was wrong before, as Debian's cron has it."""

NEXT_TIMES = 5
"""So many due times to come are stored with a schedule."""

WAITING = 100
"""So many due times of a schedule wait for the run before, at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """What a due time finds: a pause, and what of the schedule is still going on.

    `active` is its newest run that has not ended; `waiting` how many due times wait for one.
    """

    now: datetime
    pause: Pause | None = None
    active: UUID | None = None
    waiting: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What comes of a due time, or of `count` of them in a row up to `last_due_at`.

    `late`: they had passed long before. `next_times` are those after them.
    """

    due_at: datetime
    last_due_at: datetime
    count: int
    outcome: FireOutcome
    reason: str | None
    late: bool
    next_times: tuple[datetime, ...]


def decide(schedule: Schedule, cron: Cron, found: Situation) -> Decision:
    """Decide what comes of a schedule's next due time, which has come.

    Those that were missed by then are decided together.
    """
    due_at = schedule.next_times[0]
    bound = found.now - GRACE - timedelta(seconds=schedule.jitter_seconds)
    late = due_at < bound
    last_due_at = cron.latest(due_at, bound) if late else due_at
    outcome, reason = _outcome(schedule, found)
    count = 1
    if late:
        count += cron.count(due_at, last_due_at)
        told = _told(count, due_at, last_due_at, found.now)
        if schedule.missed is Missed.SKIP:
            outcome, reason = FireOutcome.MISSED, told
        else:
            reason = told if reason is None else f"{reason}; {told}"
    return Decision(
        due_at=due_at,
        last_due_at=last_due_at,
        count=count,
        outcome=outcome,
        reason=reason,
        late=late,
        next_times=_next_times(schedule, cron, last_due_at),
    )


def _outcome(schedule: Schedule, found: Situation) -> tuple[FireOutcome, str | None]:
    """Return what comes of a due time that was not missed, and why, if nothing is started."""
    if found.pause is not None:
        return FireOutcome.PAUSED, paused(found.pause)
    if schedule.overlap is Overlap.SKIP and found.active is not None:
        return FireOutcome.SKIPPED_OVERLAP, f"run {found.active} was still active"
    if schedule.overlap is Overlap.QUEUE and (found.active is not None or found.waiting):
        if found.waiting >= WAITING:
            return FireOutcome.REFUSED, f"{WAITING} due times of the schedule wait already"
        return FireOutcome.QUEUED, "it waits for the run before"
    return FireOutcome.STARTED, None


def paused(pause: Pause) -> str:
    """Say that a command is paused, with the note."""
    return f"paused: {pause.note}" if pause.note else "paused"


def _told(count: int, first: datetime, last: datetime, now: datetime) -> str:
    passed = timedelta(seconds=(now - last) // timedelta(seconds=1))
    if count == 1:
        return f"it was decided {passed} after it was due: no server could do it before"
    times = f"{COUNTED} times or more" if count > COUNTED else f"{count} times"
    return (
        f"it was due {times} from {first:%Y-%m-%d %H:%M:%S} to {last:%Y-%m-%d %H:%M:%S} UTC, and no"
        " server could decide it before"
    )


def _next_times(schedule: Schedule, cron: Cron, decided: datetime) -> tuple[datetime, ...]:
    """Return the due times after those that are decided; what is known of them stays."""
    known = tuple(time for time in schedule.next_times if time > decided)
    return known + cron.upcoming(known[-1] if known else decided, NEXT_TIMES - len(known))


def begin(schedule: Schedule, cron: Cron, now: datetime) -> tuple[datetime, ...]:
    """Return the due times to come of a schedule that was made or changed: none for a second time.

    Where its clock was far ahead before, the clock of now counts.
    """
    if not schedule.enabled:
        return ()
    decided = schedule.decided_until
    if decided is None or decided < now or is_corrected(decided, now):
        decided = now
    return cron.upcoming(decided, NEXT_TIMES)


def is_corrected(decided: datetime, now: datetime) -> bool:
    """Return whether the clock was set back so far that it must have been wrong before."""
    return decided - now > CORRECTED
