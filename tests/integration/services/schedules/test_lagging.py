"""Runs that start late or take long are told of once."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest

from server.definition import Cause, CauseKind, Concurrency, NewRun, Notify, Options
from server.errors import DatabaseRefusedError, DatabaseUnavailableError
from server.keeper import failpoints
from server.models import Advance, Run, RunEnd, RunState
from server.repositories.claims import ClaimRepository
from server.repositories.database.database import Database
from server.repositories.output import OutputRepository
from server.schedules import Overlap
from server.services.running.active import ActiveRuns
from server.services.schedules.lagging import FEWEST, Lagging, bound_of
from tests.integration.services.schedules.harness import START, World
from tests.support.access import BY

MINUTE = timedelta(minutes=1)


OPTIONS = Options(notify=(Notify(target="us", on=frozenset({"late", "long"})),))


def watched(world: World, host: str | None = None) -> tuple[ActiveRuns, Lagging]:
    """Return a server's active runs, none, and what looks after them: as `host`, of all pools'."""
    active = ActiveRuns(max_concurrent_runs=10, max_runs_per_command=100)
    lagging = Lagging(
        active,
        world.fires,
        world.notifications,
        on_told=world.wake,
        kept=timedelta(days=30),
        others=None if host is None else partial(ClaimRepository(world.database).watched, host),
        clock=world.clock,
    )
    return active, lagging


@pytest.fixture
def world(database: Database, tmp_path: Path) -> World:
    return World(database, tmp_path / "journal")


async def went(world: World, run: Run, started: datetime, end: datetime | None) -> None:
    """Have a run begin, and end if it does."""
    ended = None if end is None else RunEnd(RunState.SUCCEEDED, end, exitcode=0)
    step = Advance(run.id, run.epoch, 0, 0, 0, start_time=started, end=ended)
    assert await OutputRepository(world.database).append([step]) == {run.id}


async def test_a_run_that_waits_too_long_for_its_start_is_late_once(world: World) -> None:
    schedule = await world.schedule("0 13 * * *", await world.command(OPTIONS))
    firing, runner = world.server()
    await world.pass_until(START + 60 * MINUTE, firing)
    [run] = runner.runs
    active, lagging = watched(world)
    active.enqueue(run)
    world.clock.now += 5 * MINUTE
    await lagging.step()
    assert await world.noted() == []
    world.clock.now += MINUTE
    for _ in range(2):
        await lagging.step()
    [noted] = await world.noted()
    assert (noted.occasion, noted.command_id, noted.run_id) == (
        "late",
        schedule.command_id,
        run.id,
    )
    assert (noted.target, noted.details) == ("us", {"reason": "it has been queued for 0:06:00"})
    [fire] = await world.told(schedule)
    assert fire.late_at == world.clock.now
    again, looking = watched(world)  # a server that was started anew
    again.enqueue(run)
    await looking.step()
    assert await world.noted() == [noted]
    assert world.woken == 1


async def test_a_run_that_no_worker_takes_is_late_once_whatever_number_of_servers_looks(
    world: World,
) -> None:
    """One that waits for its turn, and one that nobody wants to hear of, are not."""
    options = replace(OPTIONS, pool="build")
    stored = {}
    for name, said in {
        "waits": options,
        "in line": replace(options, concurrency=Concurrency(limit=1)),
        "unheard": Options(pool="build"),
    }.items():
        command = await world.command(said)
        new = NewRun(options=said)
        stored[name] = await world.runs.add(command.id, "true", "server", new=new, by=BY)
    made = "UPDATE commands_info SET created_at = now() - interval '61 s', claimed_at = NULL"
    await world.database.fetch_all(f"{made} RETURNING id")
    servers = [watched(world, host)[1] for host in ("one", "two")]
    world.clock.now = datetime.now(UTC) + 3 * MINUTE
    for lagging in servers:
        await lagging.step()
    assert await world.noted() == []
    world.clock.now += 2 * MINUTE
    for lagging in servers * 2:
        await lagging.step()
    [noted] = await world.noted()
    assert (noted.occasion, noted.run_id) == ("late", stored["waits"].id)
    sql = "UPDATE commands_info SET host = %(host)s WHERE pool IS NOT NULL RETURNING id"
    await world.database.fetch_all(sql, {"host": "one"})
    claims = ClaimRepository(world.database)
    assert await claims.watched("one") == []  # it has them itself
    assert len(await claims.watched("two")) == 2


async def test_a_run_that_takes_far_longer_than_those_before_is_told_of_once(world: World) -> None:
    command = await world.command(OPTIONS)
    schedule = await world.schedule("*/10 * * * *", command, overlap=Overlap.ALLOW)
    firing, runner = world.server()
    active, lagging = watched(world)
    for count in range(1, FEWEST + 2):
        due = START + 10 * count * MINUTE
        await world.pass_until(due, firing)
        run = runner.runs[-1]
        if count <= FEWEST:
            await went(world, run, due, due + count * timedelta(seconds=30))
    await went(world, run, due, None)
    stored = await world.runs.get(run.id)
    active.add(stored)
    usual = (await world.fires.usual([schedule.command_id], 20))[schedule.command_id]
    assert (usual.longest_seconds, usual.runs) == (150, FEWEST)
    world.clock.now = due + timedelta(seconds=300)
    await lagging.step()
    assert await world.noted() == []
    world.clock.now += timedelta(seconds=1)
    for _ in range(2):
        await lagging.step()
    [noted] = await world.noted()
    assert (noted.occasion, noted.run_id) == ("long", run.id)
    assert noted.details["reason"] == (
        "it has been running for 0:05:01, and not more than 0:05:00 was to be expected"
    )
    assert (await world.told(schedule))[-1].long_at == world.clock.now


async def test_of_other_runs_those_are_watched_of_which_somebody_is_told(world: World) -> None:
    command = await world.command(OPTIONS)
    runs = []
    for new in [NewRun(options=OPTIONS), NewRun()]:
        for count in range(FEWEST + 1):
            run = await world.runs.add(command.id, "true", "here", new=new, by=BY)
            end = None if count == FEWEST else START + MINUTE
            await went(world, run, START, end)
        runs.append(await world.runs.get(run.id))
    world.clock.now = START + 3 * MINUTE
    for _ in range(2):  # the second server was started anew, and finds the same
        active, lagging = watched(world)
        for run in runs:
            active.add(run)
        await lagging.step()
    assert [noted.run_id for noted in await world.noted()] == [runs[0].id]


async def test_what_came_of_due_times_is_forgotten_in_the_end(world: World) -> None:
    schedule = await world.schedule("0 0 1 * *", overlap=Overlap.QUEUE)
    firing, _ = world.server()
    _, lagging = watched(world)
    await world.pass_until(START + timedelta(days=70), firing)
    assert [fire.outcome for fire in await world.told(schedule)] == ["started", "queued", "queued"]
    await lagging.step()
    # Those that wait stay, however old.
    assert [fire.outcome for fire in await world.told(schedule)] == ["queued", "queued"]


def test_of_few_runs_nothing_is_concluded() -> None:
    assert bound_of(None) is None


async def test_a_cause_that_names_no_due_time_is_told_of(world: World) -> None:
    command = await world.command(OPTIONS)
    why = Cause(kind=CauseKind.SCHEDULE)
    new = NewRun(options=OPTIONS, cause=why)
    run = await world.runs.add(command.id, "true", "here", new=new, by=BY)
    active, lagging = watched(world)
    active.enqueue(run)
    world.clock.now = run.created_at + 6 * MINUTE
    await lagging.step()
    assert [noted.occasion for noted in await world.noted()] == ["late"]


async def test_a_mark_has_its_notification_wherever_the_server_is_killed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    schedule = await world.schedule("0 13 * * *", await world.command(OPTIONS))
    firing, runner = world.server()
    await world.pass_until(START + 60 * MINUTE, firing)
    active, lagging = watched(world)
    active.enqueue(runner.runs[0])
    world.clock.now += 6 * MINUTE
    kill(monkeypatch, "lag.noted")
    with pytest.raises(OSError, match=r"lag\.noted"):
        await lagging.step()
    assert (await world.told(schedule))[0].late_at == world.clock.now
    assert [noted.run_id for noted in await world.noted()] == [runner.runs[0].id]


async def test_what_was_decided_late_is_told_of_wherever_the_server_is_killed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    schedule = await world.schedule("0 13 * * *", await world.command(OPTIONS))
    world.clock.now = START + 90 * MINUTE
    kill(monkeypatch, "schedule.decided")
    with pytest.raises(OSError, match=r"schedule\.decided"):
        await world.server()[0].step()
    assert (await world.told(schedule))[0].late_at == world.clock.now
    [noted] = await world.noted()
    assert (noted.occasion, noted.run_id, noted.target) == ("late", None, "us")
    assert str(schedule.id) in str(noted.details["reason"])


async def test_what_could_not_be_noted_is_noted_later(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.schedule("0 13 * * *", await world.command(OPTIONS))
    firing, runner = world.server()
    await world.pass_until(START + 60 * MINUTE, firing)
    active, lagging = watched(world)
    active.enqueue(runner.runs[0])
    world.clock.now += 6 * MINUTE
    with monkeypatch.context() as away:
        away.setattr(world.fires, "mark", failing(DatabaseUnavailableError("away")))
        with pytest.raises(DatabaseUnavailableError):
            await lagging.step()
    await lagging.step()
    assert len(await world.noted()) == 1


async def test_what_the_database_refuses_to_note_holds_up_no_other(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.schedule("0 13 * * *", await world.command(OPTIONS))
    firing, runner = world.server()
    await world.pass_until(START + 60 * MINUTE, firing)
    active, lagging = watched(world)
    active.enqueue(runner.runs[0])
    command = await world.command(OPTIONS)
    why = Cause(kind=CauseKind.SCHEDULE)
    new = NewRun(options=OPTIONS, cause=why)
    other = await world.runs.add(command.id, "true", "here", new=new, by=BY)
    active.enqueue(other)
    world.clock.now = max(other.created_at, world.clock.now) + 6 * MINUTE
    monkeypatch.setattr(world.fires, "mark", failing(DatabaseRefusedError("not this one")))
    await lagging.step()
    assert [noted.run_id for noted in await world.noted()] == [other.id]


def kill(monkeypatch: pytest.MonkeyPatch, point: str) -> None:
    """Have what goes on end at a point, as if the server were killed there."""
    monkeypatch.setattr(failpoints, "_remaining", failpoints._armed(f"{point}=error"))


def failing(error: Exception) -> Callable[..., Awaitable[int]]:
    """Return what fails in the place of a statement."""

    async def fail(*_: object) -> int:
        raise error

    return fail
