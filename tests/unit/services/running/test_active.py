"""Places and the queue of those that wait for one."""

import asyncio
from uuid import uuid4

import pytest

from server.errors import LimitReachedError
from server.models import Run
from server.services.running.active import ActiveRuns
from server.services.running.live import LiveRun
from tests.support.runs import a_run

COMMAND = uuid4()


def active_runs(places: int) -> ActiveRuns:
    return ActiveRuns(max_concurrent_runs=places, max_runs_per_command=3)


def test_who_came_first_has_the_next_place() -> None:
    active = active_runs(places=1)
    first, second, third = [active.enqueue(a_run()) for _ in range(3)]
    assert active.next is first
    active.dequeue(first)
    assert (active.running, active.queued) == (1, 2)
    active.remove(first)
    assert active.next is second
    active.dequeue(second)
    assert active.next is None
    assert [active.is_queued(live) for live in (first, second, third)] == [False, False, True]


def test_a_run_that_left_the_queue_in_vain_comes_back_to_where_it_was() -> None:
    """At its head, within it and at its end, in whatever order they come back."""
    active = active_runs(places=1)
    runs = [active.enqueue(a_run()) for _ in range(6)]
    left = [runs[index] for index in (0, 1, 3, 5)]
    for live in left:
        active.dequeue(live)
    active.remove(left.pop(1))
    for live in reversed(left):
        active.requeue(live)
    order = []
    while (turn := active.next) is not None:
        order.append(turn)
        active.dequeue(turn)
        active.remove(turn)
    assert order == [runs[index] for index in (0, 2, 3, 4, 5)]


class CountedRun(LiveRun):
    """A run that counts how often somebody looks at it."""

    looks = 0

    @property
    def run(self) -> Run:
        CountedRun.looks += 1
        return self._counted

    @run.setter
    def run(self, run: Run) -> None:
        self._counted = run

    def __eq__(self, other: object) -> bool:
        CountedRun.looks += 1
        return self is other

    __hash__ = LiveRun.__hash__


def test_to_start_or_stop_a_run_looks_at_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many thousands are queued."""
    active = active_runs(places=1)
    others = [CountedRun(a_run()) for _ in range(1000)]
    for other in others:
        active.insert(other)
        active.requeue(other)
    monkeypatch.setattr(CountedRun, "looks", 0)
    active.admit(COMMAND)
    live = active.enqueue(a_run(command_id=COMMAND))
    assert active.of_command(COMMAND) == [live]
    assert active.is_queued(live)
    active.dequeue(live)
    assert not active.is_queued(live)
    active.requeue(live)
    active.dequeue(live)
    active.remove(live)
    assert CountedRun.looks == 0
    assert active.next is others[0]


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
    turn = asyncio.create_task(active.wait_for_turn())
    running = active.add(a_run())
    active.remove(running)
    await asyncio.sleep(0)
    assert not turn.done()
    running, queued = active.add(a_run()), active.enqueue(a_run())
    await turn
    turn = asyncio.create_task(active.wait_for_turn())
    await asyncio.sleep(0)
    assert not turn.done()
    active.remove(running)
    await turn
    assert active.next is queued


def test_a_commands_runs_are_bounded_and_told_newest_first() -> None:
    active = active_runs(places=1)
    runs = [active.enqueue(a_run(command_id=COMMAND)) for _ in range(2)]
    active.enqueue(a_run())
    active.admit(COMMAND)
    runs.append(active.add(a_run(command_id=COMMAND)))
    assert active.of_command(COMMAND) == runs[::-1]
    with pytest.raises(LimitReachedError, match="TAILRUN_MAX_ACTIVE_RUNS_PER_COMMAND"):
        active.admit(COMMAND)
    assert active.get(runs[0].run.id) is runs[0]


def test_what_keeps_the_queue_from_starting_is_a_problem_while_somebody_waits() -> None:
    active = active_runs(places=2)
    active.obstacle.reason = "it waits for the keeper"
    assert active.problem() == "ok"
    live = active.enqueue(a_run())
    assert active.problem() == "it waits for the keeper"
    active.dequeue(live)
    assert active.problem() == "ok"


def test_what_stands_aside_takes_no_place_and_comes_back_to_where_it_was() -> None:
    active = active_runs(places=1)
    waiting, other = active.add(a_run()), active.add(a_run())
    active.set_aside(waiting)
    assert (active.running, active.queued, len(active.aside)) == (1, 0, 1)
    assert active.is_queued(waiting)
    put_back = active.dequeue(waiting)
    assert (active.running, len(active.aside), active.is_queued(waiting)) == (2, 0, False)
    put_back(waiting)
    assert waiting in active.aside
    active.requeue(other)
    assert active.dequeue(other) == active.requeue


async def test_the_end_of_a_run_rings_for_those_of_its_command_that_wait() -> None:
    active = active_runs(places=2)
    first = active.add(a_run())
    second = active.add(a_run(command_id=first.run.command_id))
    active.set_aside(second)
    assert active.aside.take_rung() == {first.run.command_id}
    active.remove(active.add(a_run()))
    await active.aside.wait(0)
    assert active.aside.take_rung() == set()
    active.remove(first)
    await active.aside.wait(None)
    assert active.aside.take_rung() == {first.run.command_id}
