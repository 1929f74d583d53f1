"""Due times are decided once, by the real statements."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from server.access import Act, AuditAsked
from server.definition import (
    Beyond,
    Concurrency,
    Options,
    Parameter,
    ParameterType,
    Pause,
)
from server.errors import ParametersError, ScheduleChangedError
from server.models import CommandChange
from server.repositories.access.audit import AuditRepository
from server.repositories.database.database import Database
from server.repositories.fires import NO_ROOM
from server.schedules import FireOutcome, Missed, Overlap
from server.services.schedules.decision import WAITING
from tests.integration.services.schedules.harness import START, World, settle
from tests.support.access import BY

MINUTE = timedelta(minutes=1)


@pytest.fixture
def world(database: Database, tmp_path: Path) -> World:
    return World(database, tmp_path / "journal")


async def test_a_due_time_starts_a_run_that_says_why(world: World, database: Database) -> None:
    schedule = await world.schedule("*/5 * * * *")
    firing, runner = world.server()
    assert await firing.step() == 10.0  # not longer, though nothing is due for minutes
    await world.pass_until(START + 5 * MINUTE, firing)
    [run] = runner.runs
    assert run.cause is not None
    assert (run.cause.kind, run.cause.id) == ("schedule", schedule.id)
    assert run.cause.due_at == START + 5 * MINUTE
    [fire] = await world.told(schedule)
    assert (fire.outcome, fire.due_at, fire.run_id) == (
        FireOutcome.STARTED,
        START + 5 * MINUTE,
        run.id,
    )
    assert fire.host == "here"
    found = await AuditRepository(database).list(AuditAsked(run_id=run.id), limit=10)
    [entry] = found.items
    assert (entry.act, entry.principal, entry.known_by) == (
        Act.COMMAND_START,
        f"schedule {schedule.id}",
        "schedule",
    )
    assert (await world.schedules.get(schedule.id)).next_times[0] == START + 10 * MINUTE


async def test_of_many_servers_one_has_each_due_time(world: World) -> None:
    schedules = [await world.schedule("* * * * *", overlap=Overlap.ALLOW) for _ in range(5)]
    servers = [world.server(f"host {number}") for number in range(4)]
    await world.pass_until(START + 10 * MINUTE, *(firing for firing, _ in servers))
    runs = [run for _, runner in servers for run in runner.runs]
    causes = [(run.cause.id, run.cause.due_at) for run in runs if run.cause is not None]
    assert sorted(causes, key=str) == sorted(
        [(one.id, START + count * MINUTE) for one in schedules for count in range(1, 11)], key=str
    )


async def test_what_overlaps_is_skipped_and_told_of_together(world: World) -> None:
    schedule = await world.schedule("* * * * *")
    firing, runner = world.server()
    await world.pass_until(START + 3 * MINUTE, firing)
    await world.end(*runner.runs)
    await world.pass_until(START + 4 * MINUTE, firing)
    told = await world.told(schedule)
    assert [(fire.outcome, fire.count) for fire in told] == [
        (FireOutcome.STARTED, 1),
        (FireOutcome.SKIPPED_OVERLAP, 2),
        (FireOutcome.STARTED, 1),
    ]
    assert told[1].reason == f"run {runner.runs[0].id} was still active"
    assert (told[1].due_at, told[1].last_due_at) == (START + 2 * MINUTE, START + 3 * MINUTE)
    for moment, expected in [
        (START + 3 * MINUTE, told[1]),
        (START + 1.2 * MINUTE, told[0]),
        (START + 3.9 * MINUTE, told[2]),
        (START + 9 * MINUTE, told[2]),
        (START, told[0]),
    ]:
        assert (await world.service.fire_at(schedule.id, moment)).items == [expected]


async def test_what_overlaps_waits_for_the_run_before(world: World) -> None:
    schedule = await world.schedule("* * * * *", overlap=Overlap.QUEUE)
    firing, runner = world.server()
    await world.pass_until(START + 3 * MINUTE, firing)
    assert [fire.outcome for fire in await world.told(schedule)] == ["started", "queued", "queued"]
    assert await firing.step() == 2.0
    for count in range(1, 4):
        assert len(runner.runs) == count
        await world.end(runner.runs[-1])
        await settle(firing)
    assert [fire.outcome for fire in await world.told(schedule)] == ["started"] * 3
    due = [run.cause.due_at for run in runner.runs if run.cause is not None]
    assert due == [START + count * MINUTE for count in (1, 2, 3)]


async def test_no_more_than_so_many_wait(world: World) -> None:
    schedule = await world.schedule("* * * * *", overlap=Overlap.QUEUE)
    firing, _ = world.server()
    await world.pass_until(START + (WAITING + 3) * MINUTE, firing)
    told = await world.told(schedule)
    assert [fire.outcome for fire in told] == ["started", *["queued"] * WAITING, "refused"]
    assert told[-1].count == 2


async def test_a_pause_starts_nothing_until_it_ends_by_itself(world: World) -> None:
    schedule = await world.schedule("* * * * *", overlap=Overlap.ALLOW)
    firing, runner = world.server()
    until = START + 3.5 * MINUTE
    await world.service.pause(schedule.command_id, "moving", until, by=BY)
    await world.pass_until(START + 5 * MINUTE, firing)
    told = await world.told(schedule)
    assert [(fire.outcome, fire.count, fire.reason) for fire in told] == [
        (FireOutcome.PAUSED, 3, "paused: moving"),
        (FireOutcome.STARTED, 1, None),
        (FireOutcome.STARTED, 1, None),
    ]
    await world.service.pause(schedule.command_id, None, None, by=BY)
    await world.pass_until(START + 6 * MINUTE, firing)
    await world.service.resume(schedule.command_id, by=BY)
    await world.pass_until(START + 7 * MINUTE, firing)
    assert len(runner.runs) == 3
    pause = Pause(note=None, until=None, by=BY.principal.name, at=START + 5 * MINUTE)
    assert (await world.told(schedule))[-2].reason == "paused"
    assert pause.holds(START)


async def test_what_waited_is_not_started_in_a_pause_nor_when_it_was_disabled(
    world: World,
) -> None:
    schedule = await world.schedule("* * * * *", overlap=Overlap.QUEUE)
    firing, runner = world.server()
    await world.pass_until(START + 2 * MINUTE, firing)
    await world.service.pause(schedule.command_id, "moving", None, by=BY)
    await world.end(*runner.runs)
    await settle(firing)
    await world.service.resume(schedule.command_id, by=BY)
    await world.pass_until(START + 4 * MINUTE, firing)
    await world.service.change(schedule.id, {"enabled": False}, by=BY)
    await world.end(runner.runs[-1])
    await settle(firing)
    assert [(fire.outcome, fire.reason) for fire in await world.told(schedule)] == [
        (FireOutcome.STARTED, None),
        (FireOutcome.PAUSED, "paused: moving"),
        (FireOutcome.STARTED, None),
        (FireOutcome.REFUSED, "the schedule was disabled while it waited"),
    ]


@pytest.mark.parametrize("beyond", [*Beyond])
async def test_a_command_that_limits_its_runs_says_what_becomes_of_one_more(
    world: World, beyond: Beyond
) -> None:
    options = Options(concurrency=Concurrency(limit=2, beyond=beyond))
    command = await world.command(options)
    schedules = [
        await world.schedule("* * * * *", command, overlap=Overlap.ALLOW) for _ in range(3)
    ]
    servers = [world.server(host) for host in ("here", "there")]
    await world.pass_until(START + MINUTE, *(firing for firing, _ in servers))
    told = [fire for schedule in schedules for fire in await world.told(schedule)]
    runs = [run for _, runner in servers for run in runner.runs]
    if beyond is Beyond.REFUSE:
        assert sorted(fire.outcome for fire in told) == ["refused", "started", "started"]
        assert {fire.reason for fire in told} == {None, NO_ROOM}
        assert len(runs) == 2
    else:  # they are stored, and wait for their turns
        assert [fire.outcome for fire in told] == ["started"] * 3
        assert all(run.waits for run in runs)


@pytest.mark.parametrize("missed", [*Missed])
async def test_a_week_without_a_server_is_decided_at_once(world: World, missed: Missed) -> None:
    schedule = await world.schedule("0 * * * *", missed=missed, overlap=Overlap.ALLOW)
    world.clock.now = START + timedelta(days=7, minutes=30)
    firing, runner = world.server()
    await settle(firing)
    [fire] = await world.told(schedule)
    assert fire.count == 7 * 24
    assert (fire.due_at, fire.last_due_at) == (
        START + timedelta(hours=1),
        START + timedelta(days=7),
    )
    assert fire.outcome is (FireOutcome.MISSED if missed is Missed.SKIP else FireOutcome.STARTED)
    assert fire.late_at == world.clock.now
    assert await world.noted() == []  # the command names no target
    assert len(runner.runs) == (missed is Missed.ONCE)
    await world.pass_until(START + timedelta(days=7, hours=1), firing)
    assert (await world.told(schedule))[-1].outcome is FireOutcome.STARTED


async def test_a_clock_that_is_set_back_makes_nothing_due_twice(world: World) -> None:
    schedule = await world.schedule("* * * * *", overlap=Overlap.ALLOW)
    firing, runner = world.server()
    await world.pass_until(START + 60 * MINUTE, firing)
    assert len(runner.runs) == 60
    world.clock.now = START + 10 * MINUTE
    await world.service.change(schedule.id, {"jitter_seconds": 1}, by=BY)
    await world.service.change(schedule.id, {"cron": "*/1 * * * *", "jitter_seconds": 0}, by=BY)
    await settle(firing)
    assert len(runner.runs) == 60
    await world.pass_until(START + 61 * MINUTE, firing)
    assert len(runner.runs) == 61


async def test_a_clock_that_was_a_year_ahead_does_not_stop_schedules(world: World) -> None:
    schedule = await world.schedule("*/10 * * * *", overlap=Overlap.ALLOW)
    firing, runner = world.server()
    await world.pass_until(START + 20 * MINUTE, firing)
    world.clock.now = START + timedelta(days=365)
    await settle(firing)
    world.clock.now = START + 15 * MINUTE
    await settle(firing)
    await world.pass_until(START + 40 * MINUTE, firing)
    due = [run.cause.due_at for run in runner.runs if run.cause is not None]
    assert len(due) == len(set(due))
    assert [one for one in due if one is not None and one < START + timedelta(days=300)] == [
        START + count * MINUTE for count in (10, 20, 40)
    ]
    # What had passed for missed by the wrong clock, from 12:30 on, is one row.
    assert (await world.told(schedule))[2].outcome is FireOutcome.MISSED


async def test_parameters_are_checked_when_stored_and_again_when_due(world: World) -> None:
    day = Parameter(name="DAY", type=ParameterType.CHOICE, choices=("mon", "tue"), required=True)
    word = Parameter(name="WORD", type=ParameterType.SECRET)
    command = await world.command(Options(parameters=(day, word)))
    with pytest.raises(ParametersError, match="DAY"):
        await world.schedule("* * * * *", command, parameters={"DAY": "sun"})
    values = {"DAY": "mon", "WORD": "hush"}
    schedule = await world.schedule("* * * * *", command, parameters=values, overlap=Overlap.ALLOW)
    assert schedule.parameters == {"DAY": "mon"}
    firing, runner = world.server()
    await world.pass_until(START + MINUTE, firing)
    assert runner.runs[0].parameters == {"DAY": "mon"}
    assert await world.runs.secrets(runner.runs[0].id) == {"WORD": "hush"}

    changed = replace(day, choices=("sat", "sun"))
    options = Options(parameters=(changed, word)).as_json()
    await world.commands.change(command.id, CommandChange(options=options), by=BY)
    await world.pass_until(START + 3 * MINUTE, firing)
    refused = (await world.told(schedule))[-1]
    assert (refused.outcome, refused.count) == (FireOutcome.REFUSED, 2)
    assert refused.reason is not None
    assert "DAY: It is none of the choices" in refused.reason
    assert len(runner.runs) == 1

    with pytest.raises(ParametersError):
        await world.service.change(schedule.id, {"jitter_seconds": 5}, by=BY)
    await world.service.change(schedule.id, {"enabled": False}, by=BY)
    change = {"enabled": True, "parameters": {"DAY": "sun"}}  # the secret stays
    await world.service.change(schedule.id, change, by=BY)
    await world.pass_until(START + 5 * MINUTE, firing)
    assert await world.runs.secrets(runner.runs[-1].id) == {"WORD": "hush"}
    assert runner.runs[-1].parameters == {"DAY": "sun"}


async def test_a_zone_that_is_not_known_here_keeps_no_other_schedule(
    world: World, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    odd = await world.schedule("* * * * *")
    other = await world.schedule("* * * * *")
    await database.fetch_all(
        "UPDATE schedules SET time_zone = 'Mars/Olympus' WHERE id = %(id)s RETURNING 1",
        {"id": odd.id},
    )
    firing, runner = world.server()
    world.clock.now = START + MINUTE
    await settle(firing)
    assert [run.cause.id for run in runner.runs if run.cause is not None] == [other.id]
    assert "There is no time zone 'Mars/Olympus'" in caplog.text
    seen = await world.service.get(odd.id)
    assert seen.words == "* * * * *"


async def test_a_change_keeps_a_due_time_that_has_just_come(world: World) -> None:
    schedule = await world.schedule("* * * * *")
    world.clock.now = START + MINUTE + timedelta(seconds=1)
    kept = await world.service.change(schedule.id, {"overlap": Overlap.ALLOW}, by=BY)
    assert kept.schedule.next_times[0] == START + MINUTE
    moved = await world.service.change(schedule.id, {"cron": "*/2 * * * *"}, by=BY)
    assert moved.schedule.next_times[0] == START + 2 * MINUTE
    versions = [kept.schedule.updated_at]
    with pytest.raises(ScheduleChangedError):
        await world.service.change(schedule.id, {"enabled": False}, by=BY, versions=versions)


async def test_changes_and_due_times_do_not_lose_each_other(world: World) -> None:
    schedule = await world.schedule("* * * * *", overlap=Overlap.ALLOW)
    firing, runner = world.server()

    async def change() -> None:
        for count in range(40):
            await world.service.change(schedule.id, {"jitter_seconds": count % 2}, by=BY)

    await asyncio.gather(change(), world.pass_until(START + 30 * MINUTE, firing))
    await world.pass_until(START + 32 * MINUTE, firing)
    due = [run.cause.due_at for run in runner.runs if run.cause is not None]
    assert len(due) == len(set(due))
    assert {*due} >= {START + count * MINUTE for count in range(1, 31)}
