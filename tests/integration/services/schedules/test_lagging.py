"""Runs that start late or take long are told of once."""

from datetime import datetime, timedelta
from pathlib import Path

import pytest

from server.definition import Cause, CauseKind, NewRun, Notify, Options
from server.models import Advance, Run, RunEnd, RunState
from server.repositories.database.database import Database
from server.repositories.output import OutputRepository
from server.schedules import Overlap
from server.services.running.active import ActiveRuns
from server.services.schedules.lagging import FEWEST, Lag, Lagging, bound_of
from tests.integration.services.schedules.harness import START, World
from tests.support.access import BY

MINUTE = timedelta(minutes=1)


class Watched:
    """A server's active runs, and what it tells of them."""

    def __init__(self, world: World) -> None:
        self.told: list[Lag] = []
        self.active = ActiveRuns(max_concurrent_runs=10, max_runs_per_command=100)
        self.lagging = Lagging(
            self.active, world.fires, self._tell, kept=timedelta(days=30), clock=world.clock
        )

    async def _tell(self, lag: Lag) -> None:
        self.told.append(lag)


@pytest.fixture
def world(database: Database, tmp_path: Path) -> World:
    return World(database, tmp_path / "journal")


async def went(world: World, run: Run, started: datetime, end: datetime | None) -> None:
    """Have a run begin, and end if it does."""
    ended = None if end is None else RunEnd(RunState.SUCCEEDED, end, exitcode=0)
    step = Advance(run.id, run.epoch, 0, 0, 0, start_time=started, end=ended)
    assert await OutputRepository(world.database).append([step]) == {run.id}


async def test_a_run_that_waits_too_long_for_its_start_is_late_once(world: World) -> None:
    schedule = await world.schedule("0 13 * * *")
    firing, runner = world.server()
    await world.pass_until(START + 60 * MINUTE, firing)
    [run] = runner.runs
    watched = Watched(world)
    watched.active.enqueue(run)
    world.clock.now += 5 * MINUTE
    await watched.lagging.step()
    assert watched.told == []
    world.clock.now += MINUTE
    for _ in range(2):
        await watched.lagging.step()
    [lag] = watched.told
    assert (lag.occasion, lag.command_id, lag.run_id) == ("late", schedule.command_id, run.id)
    assert lag.reason == "it has been queued for 0:06:00"
    [fire] = await world.told(schedule)
    assert fire.late_at == world.clock.now
    again = Watched(world)  # a server that was started anew
    again.active.enqueue(run)
    await again.lagging.step()
    assert again.told == []


async def test_a_run_that_takes_far_longer_than_those_before_is_told_of_once(world: World) -> None:
    schedule = await world.schedule("*/10 * * * *", overlap=Overlap.ALLOW)
    firing, runner = world.server()
    watched = Watched(world)
    for count in range(1, FEWEST + 2):
        due = START + 10 * count * MINUTE
        await world.pass_until(due, firing)
        run = runner.runs[-1]
        if count <= FEWEST:
            await went(world, run, due, due + count * timedelta(seconds=30))
    await went(world, run, due, None)
    stored = await world.runs.get(run.id)
    watched.active.add(stored)
    usual = (await world.fires.usual([schedule.command_id], 20))[schedule.command_id]
    assert (usual.longest_seconds, usual.runs) == (150, FEWEST)
    world.clock.now = due + timedelta(seconds=300)
    await watched.lagging.step()
    assert watched.told == []
    world.clock.now += timedelta(seconds=1)
    for _ in range(2):
        await watched.lagging.step()
    [lag] = watched.told
    assert (lag.occasion, lag.run_id) == ("long", run.id)
    assert lag.reason == (
        "it has been running for 0:05:01, and not more than 0:05:00 was to be expected"
    )
    assert (await world.told(schedule))[-1].long_at == world.clock.now


async def test_of_other_runs_those_are_watched_of_which_somebody_is_told(world: World) -> None:
    options = Options(notify=(Notify(target="us", on=frozenset({"long"})),))
    command = await world.command(options)
    runs = []
    for new in [NewRun(options=options), NewRun()]:
        for count in range(FEWEST + 1):
            run = await world.runs.add(command.id, "true", "here", new=new, by=BY)
            end = None if count == FEWEST else START + MINUTE
            await went(world, run, START, end)
        runs.append(await world.runs.get(run.id))
    watched = Watched(world)
    for run in runs:
        watched.active.add(run)
    world.clock.now = START + 3 * MINUTE
    await watched.lagging.step()
    assert [lag.run_id for lag in watched.told] == [runs[0].id]


async def test_what_came_of_due_times_is_forgotten_in_the_end(world: World) -> None:
    schedule = await world.schedule("0 0 1 * *", overlap=Overlap.QUEUE)
    firing, _ = world.server()
    watched = Watched(world)
    await world.pass_until(START + timedelta(days=70), firing)
    assert [fire.outcome for fire in await world.told(schedule)] == ["started", "queued", "queued"]
    await watched.lagging.step()
    # Those that wait stay, however old.
    assert [fire.outcome for fire in await world.told(schedule)] == ["queued", "queued"]


def test_of_few_runs_nothing_is_concluded() -> None:
    assert bound_of(None) is None


async def test_a_cause_that_names_no_due_time_is_told_of(world: World) -> None:
    options = Options(notify=(Notify(target="us", on=frozenset({"long"})),))
    command = await world.command(options)
    why = Cause(kind=CauseKind.SCHEDULE)
    new = NewRun(options=options, cause=why)
    run = await world.runs.add(command.id, "true", "here", new=new, by=BY)
    watched = Watched(world)
    watched.active.enqueue(run)
    world.clock.now = run.created_at + 6 * MINUTE
    await watched.lagging.step()
    assert [lag.occasion for lag in watched.told] == ["late"]
