"""What comes of a due time."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from server.definition import Pause
from server.schedules import FireOutcome, Missed, Overlap, Schedule
from server.services.schedules.cron import COUNTED, Cron
from server.services.schedules.decision import (
    NEXT_TIMES,
    WAITING,
    Situation,
    begin,
    decide,
)

NOON = datetime(2026, 11, 26, 12, tzinfo=UTC)
MINUTELY = Cron.of("* * * * *", "UTC")
RUN = uuid4()
MINUTE = timedelta(minutes=1)


def schedule(
    *, overlap: Overlap = Overlap.SKIP, missed: Missed = Missed.SKIP, jitter_seconds: int = 0
) -> Schedule:
    """Make one that is due each minute, at NOON for the next time."""
    return Schedule(
        id=UUID(int=1),
        command_id=UUID(int=2),
        cron=MINUTELY.line,
        time_zone="UTC",
        overlap=overlap,
        missed=missed,
        jitter_seconds=jitter_seconds,
        next_times=MINUTELY.upcoming(NOON - MINUTE, NEXT_TIMES),
        created_at=NOON,
        updated_at=NOON,
    )


def test_a_due_time_starts_a_run_and_the_next_ones_follow() -> None:
    decision = decide(schedule(), MINUTELY, Situation(now=NOON))
    assert (decision.outcome, decision.reason) == (FireOutcome.STARTED, None)
    assert (decision.due_at, decision.last_due_at, decision.count) == (NOON, NOON, 1)
    assert decision.next_times == MINUTELY.upcoming(NOON, NEXT_TIMES)
    assert not decision.late


@pytest.mark.parametrize(
    ("overlap", "outcome"),
    [
        (Overlap.SKIP, FireOutcome.SKIPPED_OVERLAP),
        (Overlap.QUEUE, FireOutcome.QUEUED),
        (Overlap.ALLOW, FireOutcome.STARTED),
    ],
)
def test_what_comes_of_a_due_time_while_a_run_is_active(
    overlap: Overlap, outcome: FireOutcome
) -> None:
    found = Situation(now=NOON, active=RUN)
    assert decide(schedule(overlap=overlap), MINUTELY, found).outcome is outcome


def test_a_due_time_waits_behind_those_that_wait_and_no_more_than_so_many_do() -> None:
    queueing = schedule(overlap=Overlap.QUEUE)
    behind = decide(queueing, MINUTELY, Situation(now=NOON, waiting=1))
    assert behind.outcome is FireOutcome.QUEUED
    beyond = decide(queueing, MINUTELY, Situation(now=NOON, active=RUN, waiting=WAITING))
    assert beyond.outcome is FireOutcome.REFUSED
    assert beyond.reason == f"{WAITING} due times of the schedule wait already"


@pytest.mark.parametrize(
    ("pause", "reason"),
    [(Pause(note="moving house"), "paused: moving house"), (Pause(), "paused")],
)
def test_a_pause_starts_nothing_and_says_why(pause: Pause, reason: str) -> None:
    decision = decide(schedule(), MINUTELY, Situation(now=NOON, pause=pause))
    assert (decision.outcome, decision.reason) == (FireOutcome.PAUSED, reason)


def test_up_to_a_minute_after_its_time_it_is_not_missed() -> None:
    assert decide(schedule(), MINUTELY, Situation(now=NOON + MINUTE)).outcome is FireOutcome.STARTED
    later = NOON + MINUTE + timedelta(seconds=1)
    decision = decide(schedule(), MINUTELY, Situation(now=later))
    assert decision.outcome is FireOutcome.MISSED
    assert decision.reason == (
        "it was decided 0:01:01 after it was due: no server could do it before"
    )
    assert decision.late
    jittered = decide(schedule(jitter_seconds=1), MINUTELY, Situation(now=later))
    assert jittered.outcome is FireOutcome.STARTED


def test_all_that_were_missed_are_decided_together() -> None:
    after = NOON + timedelta(minutes=10, seconds=30)
    decision = decide(schedule(), MINUTELY, Situation(now=after))
    assert decision.outcome is FireOutcome.MISSED
    # The last one before that is not missed yet.
    assert decision.last_due_at == NOON + timedelta(minutes=9)
    assert decision.count == 10
    assert decision.reason == (
        "it was due 10 times from 2026-11-26 12:00:00 to 2026-11-26 12:09:00 UTC, and no server"
        " could decide it before"
    )
    assert decision.next_times[0] == NOON + timedelta(minutes=10)


def test_one_run_is_started_for_all_that_were_missed() -> None:
    week = NOON + timedelta(days=7)
    once = schedule(missed=Missed.ONCE)
    decision = decide(once, MINUTELY, Situation(now=week))
    assert decision.outcome is FireOutcome.STARTED
    assert decision.count == COUNTED + 1
    assert decision.reason is not None
    assert decision.reason.startswith("it was due 1000 times or more from 2026-11-26 12:00:00")
    assert decision.next_times[0] > week - 2 * MINUTE
    paused = decide(once, MINUTELY, Situation(now=week, pause=Pause(note="no")))
    assert paused.outcome is FireOutcome.PAUSED
    assert paused.reason is not None
    assert paused.reason.startswith("paused: no; it was due")


def test_a_schedule_begins_after_what_was_decided_unless_the_clock_was_wrong() -> None:
    new = replace(schedule(), next_times=())
    assert begin(new, MINUTELY, NOON)[0] == NOON + MINUTE
    hour = timedelta(hours=1)
    back = replace(new, decided_until=NOON + hour)
    assert begin(back, MINUTELY, NOON)[0] == NOON + hour + MINUTE
    wrong = replace(new, decided_until=NOON + 4 * hour)
    assert begin(wrong, MINUTELY, NOON)[0] == NOON + MINUTE
    assert begin(replace(new, enabled=False), MINUTELY, NOON) == ()


def test_jitter_is_the_same_whoever_asks_and_spread_over_its_bound() -> None:
    jittered = schedule(jitter_seconds=600)
    times = MINUTELY.upcoming(NOON, 200)
    delays = [(jittered.fire_at_of(time) - time).total_seconds() for time in times]
    assert delays == [(jittered.fire_at_of(time) - time).total_seconds() for time in times]
    assert all(0 <= delay < 600 for delay in delays)
    assert min(delays) < 60
    assert max(delays) > 540
    other = replace(jittered, id=UUID(int=3))
    assert [(other.fire_at_of(time) - time).total_seconds() for time in times] != delays
    assert replace(jittered, next_times=()).fire_at is None
