"""The repository of runs on a real PostgreSQL."""

import asyncio
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import psycopg2
import pytest

from server.access import Act, AuditAsked
from server.errors import (
    CommandNotFoundError,
    InvalidCursorError,
    RunActiveError,
    RunNotFoundError,
)
from server.models import (
    Advance,
    Command,
    CommandChange,
    Position,
    Run,
    RunEnd,
    RunFilter,
    RunState,
)
from server.repositories.access.audit import AuditRepository
from server.repositories.commands import CommandRepository
from server.repositories.database.database import Database
from server.repositories.output import OutputRepository
from server.repositories.run_lists import NEWEST
from server.repositories.runs import Found, RunRepository
from tests.support.access import BY
from tests.support.postgres import until_a_statement_waits

NOW = datetime(2026, 1, 2, 3, 4, 5, 678901, UTC)


@pytest.fixture
def runs(database: Database) -> RunRepository:
    return RunRepository(database)


@pytest.fixture
async def command(database: Database) -> Command:
    return await CommandRepository(database).add("name", None, "true", by=BY)


async def finish(database: Database, run: Run, state: RunState) -> None:
    end = Advance(run.id, run.epoch, 0, 0, 0, end=RunEnd(state, NOW))
    assert await OutputRepository(database).append([end]) == {run.id}


async def test_a_run_is_stored_queued_in_its_first_epoch(
    runs: RunRepository, command: Command
) -> None:
    run = await runs.add(command.id, "echo run", "here", by=BY)
    assert (run.command_id, run.script, run.host) == (command.id, "echo run", "here")
    assert (run.state, run.epoch, run.exitcode) == (RunState.QUEUED, 1, None)
    assert isinstance(run.state, RunState)
    assert run.start_time == run.created_at
    assert await runs.get(run.id) == run


async def test_what_is_unknown_is_not_found(runs: RunRepository, command: Command) -> None:
    with pytest.raises(RunNotFoundError):
        await runs.get(uuid4())
    with pytest.raises(RunNotFoundError):
        await runs.latest(command.id)
    with pytest.raises(CommandNotFoundError):
        await runs.add(uuid4(), "true", "here", by=BY)


async def test_the_latest_run_is_the_newest_of_its_command(
    runs: RunRepository, command: Command, database: Database
) -> None:
    other = await CommandRepository(database).add("other", None, "true", by=BY)
    await runs.add(command.id, "true", "here", by=BY)
    newest = await runs.add(command.id, "true", "here", by=BY)
    await runs.add(other.id, "true", "here", by=BY)
    assert await runs.latest(command.id) == newest


async def test_lists_are_filtered_by_state_and_command(
    runs: RunRepository, command: Command, database: Database
) -> None:
    other = await CommandRepository(database).add("other", None, "true", by=BY)
    mine = [await runs.add(command.id, "true", "here", by=BY) for _ in range(4)]
    theirs = await runs.add(other.id, "true", "here", by=BY)
    await finish(database, mine[1], RunState.FAILED)
    await finish(database, theirs, RunState.FAILED)

    async def ids(state: RunState | None, *, of_command: bool) -> list[int]:
        command_id = command.id if of_command else None
        states = frozenset([] if state is None else [state])
        page = await runs.list(RunFilter(states=states, command_id=command_id), limit=9)
        return [
            [*mine, theirs].index(next(r for r in [*mine, theirs] if r.id == run.id))
            for run in page.items
        ]

    assert await ids(None, of_command=False) == [4, 3, 2, 1, 0]
    assert await ids(None, of_command=True) == [3, 2, 1, 0]
    assert await ids(RunState.FAILED, of_command=False) == [4, 1]
    assert await ids(RunState.FAILED, of_command=True) == [1]
    assert await ids(RunState.LOST, of_command=False) == []


async def test_pages_of_runs_hold_each_once(runs: RunRepository, command: Command) -> None:
    added = [await runs.add(command.id, "true", "here", by=BY) for _ in range(5)]
    first = await runs.list(RunFilter(command_id=command.id), limit=3)
    second = await runs.list(RunFilter(command_id=command.id), limit=3, cursor=first.next)
    assert [*first.items, *second.items] == [replace(run, script="") for run in added[::-1]]
    assert second.next is None
    with pytest.raises(InvalidCursorError):
        await runs.list(limit=3, cursor="no cursor")


async def test_active_runs_are_those_of_the_host_oldest_first(
    runs: RunRepository, command: Command, database: Database
) -> None:
    first, finished, last = [await runs.add(command.id, "true", "here", by=BY) for _ in range(3)]
    await runs.add(command.id, "true", "elsewhere", by=BY)
    await finish(database, finished, RunState.SUCCEEDED)
    assert await runs.active("here") == [first, last]


async def test_taking_over_raises_the_epoch_of_active_runs(
    runs: RunRepository, command: Command, database: Database
) -> None:
    active, finished = [await runs.add(command.id, "true", "here", by=BY) for _ in range(2)]
    await finish(database, finished, RunState.SUCCEEDED)
    await OutputRepository(database).append([Advance(active.id, 1, 0, 7, 2, start_time=NOW)])
    taken = await runs.take_over([active.id, finished.id, uuid4()], "there")
    assert taken == {active.id: Position(2, 7, 2, RunState.RUNNING)}
    assert ((await runs.get(active.id)).epoch, (await runs.get(active.id)).host) == (2, "there")
    assert (await runs.get(finished.id)).epoch == 1
    assert await runs.take_over([], "there") == {}


async def test_only_a_queued_run_is_finished_without_its_archive(
    runs: RunRepository, command: Command, database: Database
) -> None:
    queued, running = [await runs.add(command.id, "true", "here", by=BY) for _ in range(2)]
    await OutputRepository(database).append([Advance(running.id, 1, 0, 0, 0, start_time=NOW)])
    end = RunEnd(RunState.FAILED, NOW, signal="SIGKILL", reason="a NUL \0 and \udcff")
    assert await runs.finish_queued(queued.id, end)
    assert not await runs.finish_queued(queued.id, end)
    assert not await runs.finish_queued(running.id, end)
    assert not await runs.finish_queued(uuid4(), end)
    stored = await runs.get(queued.id)
    assert (stored.state, stored.end_time, stored.signal) == (RunState.FAILED, NOW, "SIGKILL")
    assert stored.reason == "a NUL \N{REPLACEMENT CHARACTER} and ?"


async def test_a_finished_run_is_deleted_alone(
    runs: RunRepository, command: Command, database: Database
) -> None:
    finished, kept = [await runs.add(command.id, "true", "here", by=BY) for _ in range(2)]
    await finish(database, finished, RunState.SUCCEEDED)
    await runs.delete(finished.id, by=BY)
    assert [run.id for run in (await runs.list(limit=9)).items] == [kept.id]
    with pytest.raises(RunNotFoundError):
        await runs.delete(finished.id, by=BY)


async def test_an_active_run_is_not_deleted(
    runs: RunRepository, command: Command, database: Database
) -> None:
    queued, running = [await runs.add(command.id, "true", "here", by=BY) for _ in range(2)]
    await OutputRepository(database).append([Advance(running.id, 1, 0, 0, 0, start_time=NOW)])
    for run in (queued, running):
        with pytest.raises(RunActiveError):
            await runs.delete(run.id, by=BY)
    assert len((await runs.list(limit=9)).items) == 2


async def test_of_two_deletes_of_a_run_the_second_does_not_find_it(
    runs: RunRepository, command: Command, database: Database, database_url: str
) -> None:
    run = await runs.add(command.id, "true", "here", by=BY)
    await finish(database, run, RunState.SUCCEEDED)
    with closing(psycopg2.connect(database_url)) as other, other.cursor() as cursor:
        cursor.execute("DELETE FROM commands_info")
        deleting = asyncio.create_task(runs.delete(run.id, by=BY))
        await until_a_statement_waits(database)
        other.commit()
    with pytest.raises(RunNotFoundError):
        await deleting


async def test_a_run_that_nobody_has_taken_over_is_unconfirmed(
    runs: RunRepository, command: Command, database: Database
) -> None:
    doubtful, taken, running, ended = [
        await runs.add(command.id, "true", "here", by=BY) for _ in range(4)
    ]
    await runs.add(command.id, "true", "elsewhere", by=BY)
    await runs.take_over([taken.id], "here")
    await OutputRepository(database).append([Advance(running.id, 1, 0, 0, 0, start_time=NOW)])
    await finish(database, ended, RunState.LOST)
    assert await runs.unconfirmed("here", 0) == [doubtful]
    assert await runs.unconfirmed("here", 60) == []


async def test_a_run_that_is_stored_late_is_as_old_as_its_request(
    runs: RunRepository, command: Command, database: Database, database_url: str
) -> None:
    """The table is locked for a while: what was sent before takes effect after."""
    with closing(psycopg2.connect(database_url)) as rival, rival.cursor() as cursor:
        cursor.execute("LOCK TABLE commands_info")
        adding = asyncio.create_task(runs.add(command.id, "true", "here", by=BY))
        await until_a_statement_waits(database)
        unlocked_at = datetime.now(UTC)
        rival.commit()
    assert (await adding).created_at < unlocked_at


@pytest.mark.parametrize("newest", [0, 1, 3, NEWEST])
async def test_a_list_is_of_the_commands_of_some_groups(database: Database, newest: int) -> None:
    """Among the newest, command by command, or both."""
    commands, runs = CommandRepository(database), RunRepository(database, newest=newest)
    groups = ["a", "b", "a", "c"]
    those = [await commands.add("name", None, "true", group=group, by=BY) for group in groups]
    added = [(await runs.add(those[n % 4].id, "true", "here", by=BY)) for n in range(12)]
    await finish(database, added[5], RunState.FAILED)
    await finish(database, added[8], RunState.FAILED)
    ids = [run.id for run in added]

    async def listed(groups: str | None, **asked: Any) -> list[int]:
        found, cursor = [], None
        named = None if groups is None else frozenset(groups)
        while True:
            page = await runs.list(RunFilter(**asked), groups=named, limit=2, cursor=cursor)
            found += [ids.index(run.id) for run in page.items]
            cursor = page.next
            if cursor is None:
                return found

    assert await listed(None) == [*range(11, -1, -1)]
    assert await listed("a") == [10, 8, 6, 4, 2, 0]
    assert await listed("bc") == [11, 9, 7, 5, 3, 1]
    assert await listed("d") == await listed("") == []
    assert await listed("a", states={RunState.FAILED}) == [8]
    assert await listed("ab", states={RunState.FAILED}) == [8, 5]
    both = {RunState.FAILED, RunState.LOST}
    assert await listed(None, states=both) == [8, 5]
    assert await listed("a", states=both) == [8]
    assert await listed("bc", states={*RunState} - both) == [11, 9, 7, 3, 1]
    assert await listed("a", states={*RunState}) == [10, 8, 6, 4, 2, 0]
    assert await listed("a", states=both, command_id=those[2].id) == []
    assert await listed("a", states=both, command_id=those[0].id) == [8]
    assert await listed("a", command_id=those[2].id) == [10, 6, 2]
    assert await listed("b", command_id=those[2].id) == []
    await commands.change(those[1].id, CommandChange(group="a"), by=BY)
    assert await listed("a") == [10, 9, 8, 6, 5, 4, 2, 1, 0]


def stored(database_url: str, command: Command, **columns: object) -> str:
    """Store a run with these columns; return its id."""
    given = {"commands_id": str(command.id), "host": "here", "state": "succeeded", **columns}
    names, holes = ", ".join(given), ", ".join(f"%({name})s" for name in given)
    sql = f"INSERT INTO commands_info ({names}) VALUES ({holes}) RETURNING id"  # noqa: S608
    with closing(psycopg2.connect(database_url)) as connection, connection.cursor() as cursor:
        cursor.execute(sql, given)
        found = cursor.fetchone()
        connection.commit()
    assert found is not None
    return str(found[0])


async def test_a_list_is_of_what_is_asked_for(
    runs: RunRepository, command: Command, database_url: str, subtests: pytest.Subtests
) -> None:
    """By time, duration, exit code and words of the reason; bounds are inclusive but `until`."""
    minute = timedelta(minutes=1)
    now = datetime.now(UTC)
    night = now - timedelta(hours=10)
    given: dict[str, dict[str, object]] = {
        "quick": {"created_at": night, "end_time": night + timedelta(seconds=2), "exitcode": 0},
        "minute": {
            "created_at": night + minute,
            "end_time": night + 2 * minute,
            "exitcode": 3,
            "state": "failed",
            "reason": "2 background processes ended with it",
        },
        "day": {
            "created_at": now - timedelta(hours=25),
            "end_time": now - timedelta(hours=1),
            "state": "lost",
            "reason": "The host restarted: 100% lost_or not",
        },
        "long": {"created_at": now - timedelta(hours=2), "state": "running"},
        "new": {"created_at": now - timedelta(seconds=5), "state": "running"},
        "waits": {"created_at": now - timedelta(hours=3), "state": "queued"},
    }
    names = {}
    for name, columns in given.items():
        start = {"start_time": columns["created_at"]}
        names[stored(database_url, command, **start, **columns)] = name
    cases: list[tuple[dict[str, Any], str]] = [
        ({"since": night}, "new long waits minute quick"),
        ({"until": night}, "day"),
        ({"since": night, "until": night + minute}, "quick"),
        ({"min_seconds": 60.0}, "long minute day"),
        ({"max_seconds": 60.0}, "new minute quick"),
        ({"min_seconds": 2.0, "max_seconds": 2.0}, "quick"),
        ({"min_seconds": 3600.0, "max_seconds": 7300.0}, "long"),
        ({"exitcode": 0}, "quick"),
        ({"exitcode": 3}, "minute"),
        ({"exitcode": 4}, ""),
        ({"reason": "ENDED"}, "minute"),
        ({"reason": "host  lost"}, "day"),
        ({"reason": "lost host"}, ""),
        ({"reason": "100%"}, "day"),
        ({"reason": "0_"}, ""),
        ({"reason": "t_o"}, "day"),
        ({"reason": " "}, "new long waits minute quick day"),
        ({"states": {RunState.FAILED, RunState.LOST}}, "minute day"),
        ({"states": {RunState.FAILED, RunState.LOST}, "exitcode": 3}, "minute"),
        ({"states": {RunState.LOST}, "reason": "host", "min_seconds": 1.0}, "day"),
    ]
    for asked, expected in cases:
        with subtests.test(str(asked)):
            for groups in [None, frozenset({"default"})]:
                page = await runs.list(RunFilter(**asked), groups=groups, limit=9)
                assert " ".join(names[str(run.id)] for run in page.items) == expected


async def test_many_runs_are_deleted_at_once_and_each_has_its_row_of_the_audit(
    runs: RunRepository, database: Database
) -> None:
    """Those that are active, of other groups, or unknown stay, and do not keep the others."""
    commands = CommandRepository(database)
    web, mail = [
        await commands.add("name", None, "true", group=group, by=BY) for group in ["web", "mail"]
    ]
    ended, other, active = [
        await runs.add(command.id, "true", "here", by=BY) for command in [web, mail, web]
    ]
    for run in [ended, other]:
        await finish(database, run, RunState.FAILED)
    asked = [ended.id, other.id, active.id, uuid4()]
    assert await runs.delete_all(asked, frozenset({"web"}), by=BY) == {
        ended.id: Found(web.id, "web", deleted=True),
        other.id: Found(mail.id, "mail", deleted=False),
        active.id: Found(web.id, "web", deleted=False),
    }
    assert {run.id for run in (await runs.list(limit=9)).items} == {other.id, active.id}
    assert await runs.delete_all([*asked, other.id], None, by=BY) == {
        other.id: Found(mail.id, "mail", deleted=True),
        active.id: Found(web.id, "web", deleted=False),
    }
    entered = await AuditRepository(database).list(AuditAsked(act=Act.RUN_DELETE), limit=9)
    assert [(entry.run_id, entry.command_id) for entry in entered.items] == [
        (other.id, mail.id),
        (ended.id, web.id),
    ]
