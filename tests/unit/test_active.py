"""Places and the queue of those that wait for one."""

import asyncio
from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest

from server.errors import LimitReachedError
from server.models import Run, RunState
from server.services.active import ActiveRuns

COMMAND = uuid4()


def a_run(command: UUID = COMMAND) -> Run:
    now = datetime.now(UTC)
    state = RunState.QUEUED
    return Run(uuid4(), command, state, now, now, None, None, None, None, "true", 0, 0, 1, "host")


def active_runs(places: int) -> ActiveRuns:
    return ActiveRuns(max_concurrent_runs=places, max_runs_per_command=3)


def test_who_came_first_has_the_next_place() -> None:
    active = active_runs(places=1)
    first, second, third = [active.enqueue(a_run()) for _ in range(3)]
    assert active.next is first
    active.take(first)
    assert (active.running, active.queued) == (1, 2)
    active.remove(first)
    assert active.next is second
    active.take(second)
    active.put_first(second)
    assert active.next is second
    active.take(second)
    active.put_back(second)
    assert active.next is third
    assert [active.is_queued(live) for live in (first, second, third)] == [False, True, True]


def test_a_run_that_is_taken_in_vain_keeps_its_turn() -> None:
    """Whatever became of those before and behind it."""
    active = active_runs(places=1)
    runs = [active.enqueue(a_run()) for _ in range(5)]
    for live in runs[1:4]:
        active.take(live)
    for live in (runs[3], runs[1], runs[2]):
        active.put_in_order(live)
    active.take(runs[2])
    active.remove(runs[0])
    active.take(runs[0])
    active.put_in_order(runs[2])
    turns = []
    while (first := active.next) is not None:
        active.take(first)
        active.remove(first)
        turns.append(first)
    assert turns == runs[1:]


def test_an_adopted_run_has_a_place_beyond_the_bound() -> None:
    """Those of the queue wait until there are fewer than the bound."""
    active = active_runs(places=1)
    adopted = [active.add(a_run()) for _ in range(2)]
    queued = active.enqueue(a_run())
    assert (active.running, active.queued, len(active)) == (2, 1, 3)
    for live in adopted:
        assert active.next is None
        active.remove(live)
    assert active.next is queued


def test_after_the_close_nobody_has_a_turn() -> None:
    active = active_runs(places=1)
    active.enqueue(a_run())
    active.close()
    assert active.next is None


async def test_the_queue_is_looked_at_when_it_or_its_places_change() -> None:
    active = active_runs(places=1)
    turn = asyncio.create_task(active.turn())
    running = active.add(a_run())
    active.remove(running)
    await asyncio.sleep(0)
    assert not turn.done()
    running, queued = active.add(a_run()), active.enqueue(a_run())
    await turn
    turn = asyncio.create_task(active.turn())
    await asyncio.sleep(0)
    assert not turn.done()
    active.remove(running)
    await turn
    assert active.next is queued


def test_a_commands_runs_are_bounded_and_told_newest_first() -> None:
    active = active_runs(places=1)
    runs = [active.enqueue(a_run()) for _ in range(2)]
    active.enqueue(a_run(uuid4()))
    active.admit(COMMAND)
    runs.append(active.add(a_run()))
    assert active.of_command(COMMAND) == runs[::-1]
    with pytest.raises(LimitReachedError, match="TAILRUN_MAX_ACTIVE_RUNS_PER_COMMAND"):
        active.admit(COMMAND)
    assert active.get(runs[0].run.id) is runs[0]
