"""The repository of commands on a real PostgreSQL."""

import asyncio
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import psycopg2
import pytest

from server.errors import (
    CommandActiveError,
    CommandChangedError,
    CommandNotFoundError,
    DatabaseRefusedError,
    InvalidCursorError,
)
from server.models import Advance, Chunk, CommandChange, RunEnd, RunState
from server.repositories.commands import CommandRepository
from server.repositories.database.database import Database
from server.repositories.output import OutputRepository
from server.repositories.page import SortKey
from server.repositories.retention import RetentionRepository
from server.repositories.rows import LISTED_BYTES
from server.repositories.runs import RunRepository
from server.repositories.search import SEARCH_NEWEST
from tests.support.access import BY
from tests.support.postgres import until_a_statement_waits

NOW = datetime(2026, 1, 2, 3, 4, 5, 678901, UTC)
STOPPED = RunEnd(RunState.STOPPED, NOW)


@pytest.fixture
def commands(database: Database) -> CommandRepository:
    return CommandRepository(database)


@pytest.fixture
def runs(database: Database) -> RunRepository:
    return RunRepository(database)


async def test_a_command_is_stored_as_it_was_given(commands: CommandRepository) -> None:
    script = "printf '%s %%(id)s \\\\ ä 🎈' \"$1\"\n"
    command = await commands.add("a" * 64, "it's %(x)s\n", script, by=BY)
    assert (command.name, command.description, command.script) == ("a" * 64, "it's %(x)s\n", script)
    assert command.created_at == command.updated_at
    assert command.created_at.utcoffset() == timedelta(0)
    assert await commands.get(command.id) == command
    assert await commands.get_with_last_run(command.id) == (command, None)


async def test_commands_that_come_at_the_same_time_each_get_their_own(
    commands: CommandRepository, runs: RunRepository
) -> None:
    texts = [None, "it's %(x)s", "ä 🎈"]
    added = await asyncio.gather(
        *(
            commands.add_with_run(
                f"name {number}", texts[number % 3], f"echo {number}", host="h", by=BY
            )
            for number in range(100)
        )
    )
    for number, (command, run) in enumerate(added):
        assert (command.name, command.description) == (f"name {number}", texts[number % 3])
        assert command.script == run.script == f"echo {number}"
        assert await commands.get_with_last_run(command.id) == (command, replace(run, script=""))
        assert await runs.get(run.id) == run


async def test_a_command_that_is_refused_costs_those_of_the_same_moment_nothing(
    commands: CommandRepository,
) -> None:
    results = await asyncio.gather(
        *(
            commands.add_with_run(name, None, "true", host="h", by=BY)
            for name in ("a", "b", "c" * 65, "d")
        ),
        return_exceptions=True,
    )
    assert [isinstance(result, DatabaseRefusedError) for result in results] == [
        False,
        False,
        True,
        False,
    ]


async def test_a_command_with_its_first_run_is_stored_at_once(
    commands: CommandRepository, runs: RunRepository
) -> None:
    command, run = await commands.add_with_run("name", None, "true", host="here", by=BY)
    assert run.command_id == command.id
    assert run.created_at == run.start_time == command.created_at == command.updated_at
    assert (run.state, run.script, run.host, run.epoch) == (RunState.QUEUED, "true", "here", 1)
    assert (run.exitcode, run.signal, run.reason, run.end_time) == (None, None, None, None)
    assert (run.output_bytes, run.output_lines) == (0, 0)
    assert await commands.get_with_last_run(command.id) == (command, replace(run, script=""))
    assert await runs.get(run.id) == run


async def test_replacing_changes_what_the_user_wrote_and_not_its_runs(
    commands: CommandRepository, runs: RunRepository
) -> None:
    command, run = await commands.add_with_run("old", "old", "old", host="here", by=BY)
    replaced = await commands.change(command.id, CommandChange("new", "new"), by=BY)
    assert (replaced.name, replaced.description, replaced.script) == ("new", None, "new")
    assert replaced.created_at == command.created_at
    assert replaced.updated_at > command.updated_at
    assert await commands.get(command.id) == replaced
    assert (await runs.get(run.id)).script == "old"


async def test_what_a_change_does_not_name_stays(commands: CommandRepository) -> None:
    command = await commands.add("name", "text", "true", by=BY)
    changed = await commands.change(
        command.id, CommandChange(name="new", keep_description=True), by=BY
    )
    assert (changed.name, changed.description, changed.script) == ("new", "text", "true")
    changed = await commands.change(command.id, CommandChange(script="false"), by=BY)
    assert (changed.name, changed.description, changed.script) == ("new", None, "false")


async def test_a_change_is_made_for_a_version(commands: CommandRepository) -> None:
    command = await commands.add("name", None, "true", by=BY)
    old = command.updated_at
    for versions in ([], [NOW]):
        with pytest.raises(CommandChangedError):
            await commands.change(command.id, CommandChange("other"), versions=versions, by=BY)
    changed = await commands.change(command.id, CommandChange("new"), versions=[NOW, old], by=BY)
    with pytest.raises(CommandChangedError):
        await commands.change(command.id, CommandChange("other"), versions=[old], by=BY)
    assert await commands.get(command.id) == changed


async def test_of_changes_for_the_same_version_one_is_made(commands: CommandRepository) -> None:
    command = await commands.add("name", None, "true", by=BY)
    results = await asyncio.gather(
        *(
            commands.change(command.id, CommandChange(f"{n}"), versions=[command.updated_at], by=BY)
            for n in range(8)
        ),
        return_exceptions=True,
    )
    [made] = [result for result in results if not isinstance(result, CommandChangedError)]
    assert await commands.get(command.id) == made


async def test_the_version_moves_even_where_the_clock_was_set_back(
    commands: CommandRepository, database: Database
) -> None:
    command = await commands.add("name", None, "true", by=BY)
    ahead = "UPDATE commands SET updated_at = '2100-01-01Z' WHERE id = %(id)s RETURNING updated_at"
    [(version,)] = await database.fetch_all(ahead, {"id": command.id})
    changed = await commands.change(command.id, CommandChange("new"), by=BY)
    assert changed.updated_at > version


@pytest.mark.parametrize("one", ["x", "ю", "🎈"])
async def test_of_long_texts_a_list_has_the_start(commands: CommandRepository, one: str) -> None:
    text = "a" + one * LISTED_BYTES
    await commands.add("name", text, text, by=BY)
    [(listed, _)] = (await commands.list(limit=5)).items
    assert listed.script_truncated
    assert listed.description_truncated
    for cut in (listed.script, listed.description or ""):
        assert text.startswith(cut)
        assert LISTED_BYTES - 4 < len(cut.encode()) <= LISTED_BYTES


async def test_what_is_not_long_is_listed_whole(commands: CommandRepository) -> None:
    whole = await commands.add("name", "x" * LISTED_BYTES, "x" * LISTED_BYTES, by=BY)
    assert [*(await commands.list(limit=5)).items] == [(whole, None)]


async def test_an_unknown_command_is_not_found(commands: CommandRepository) -> None:
    unknown = uuid4()
    for call in (
        commands.get(unknown),
        commands.get_with_last_run(unknown),
        commands.change(unknown, CommandChange("name"), by=BY),
        commands.delete(unknown, by=BY),
    ):
        with pytest.raises(CommandNotFoundError, match=str(unknown)):
            await call


async def test_a_command_with_an_active_run_is_not_deleted(
    commands: CommandRepository, runs: RunRepository
) -> None:
    command, run = await commands.add_with_run("name", None, "true", host="here", by=BY)
    with pytest.raises(CommandActiveError):
        await commands.delete(command.id, by=BY)
    assert await commands.get(command.id) == command
    await runs.finish_queued(run.id, STOPPED)
    await commands.delete(command.id, by=BY)
    with pytest.raises(CommandNotFoundError):
        await commands.get(command.id)


async def test_deleting_a_command_deletes_its_runs_and_their_output_alone(
    commands: CommandRepository, runs: RunRepository, database: Database
) -> None:
    outputs = OutputRepository(database)
    chunk = Chunk(0, 1, 1, 0, NOW, b"x")
    kept, kept_run = await commands.add_with_run("kept", None, "true", host="here", by=BY)
    command, run = await commands.add_with_run("deleted", None, "true", host="here", by=BY)
    for run_id in (run.id, kept_run.id):
        await outputs.append([Advance(run_id, 1, 0, 1, 0, (chunk,), "x", NOW, STOPPED)])
    await commands.delete(command.id, by=BY)
    page = await runs.list(limit=10)
    assert [stored.id for stored in page.items] == [kept_run.id]
    assert await RetentionRepository(database).purge(10) == 1
    assert await outputs.chunks(run.id, 0, 10) == []
    assert await outputs.chunks(kept_run.id, 0, 10) == [chunk]
    assert (await commands.get_with_last_run(kept.id))[1] == page.items[0]


async def test_a_run_that_is_added_meanwhile_keeps_its_command(
    commands: CommandRepository, runs: RunRepository
) -> None:
    """Whatever comes first wins, and no run is left without its command or deleted unseen."""
    for _ in range(25):
        command = await commands.add("name", None, "true", by=BY)
        run, deleted = await asyncio.gather(
            runs.add(command.id, "true", "here", by=BY),
            commands.delete(command.id, by=BY),
            return_exceptions=True,
        )
        if isinstance(deleted, CommandActiveError):
            assert not isinstance(run, BaseException)
            assert await runs.get(run.id) == run
        else:
            assert deleted == command.group
            assert isinstance(run, CommandNotFoundError)


async def test_a_delete_waits_for_a_run_that_is_being_added(
    commands: CommandRepository, database: Database, database_url: str
) -> None:
    command = await commands.add("name", None, "true", by=BY)
    with closing(psycopg2.connect(database_url)) as adding, adding.cursor() as cursor:
        insert = "INSERT INTO commands_info (commands_id, script, host) VALUES (%s, 'true', 'here')"
        cursor.execute(insert, [str(command.id)])
        deleting = asyncio.create_task(commands.delete(command.id, by=BY))
        await until_a_statement_waits(database)
        adding.commit()
    with pytest.raises(CommandActiveError):
        await deleting


async def test_pages_hold_every_command_once_newest_first(
    commands: CommandRepository, database: Database
) -> None:
    added = [(await commands.add(f"name {n}", None, "true", by=BY)).id for n in range(7)]
    # Some at the same moment: then the id decides.
    await database.fetch_all(
        "UPDATE commands SET created_at = %(now)s WHERE id = ANY(%(ids)s) RETURNING 1",
        {"now": NOW, "ids": added[2:5]},
    )
    seen, cursor, sizes = [], None, []
    while True:
        page = await commands.list(limit=2, cursor=cursor)
        seen += [command for command, _ in page.items]
        sizes.append(len(page.items))
        cursor = page.next
        if cursor is None:
            break
    assert sizes == [2, 2, 2, 1]
    assert sorted(command.id for command in seen) == sorted(added)
    keys = [(command.created_at, command.id) for command in seen]
    assert keys == sorted(keys, reverse=True)


async def test_a_page_stands_still_while_commands_come_and_go(commands: CommandRepository) -> None:
    first, second, third = [await commands.add(name, None, "true", by=BY) for name in "abc"]
    page = await commands.list(limit=1)
    assert [command for command, _ in page.items] == [third]
    await commands.add("d", None, "true", by=BY)
    await commands.delete(third.id, by=BY)
    rest = await commands.list(limit=9, cursor=page.next)
    assert [command for command, _ in rest.items] == [second, first]
    assert rest.next is None


async def test_a_list_tells_each_commands_newest_run(
    commands: CommandRepository, runs: RunRepository
) -> None:
    without = await commands.add("without", None, "true", by=BY)
    command, first = await commands.add_with_run("name", None, "true", host="here", by=BY)
    second = await runs.add(command.id, "false", "here", by=BY)
    assert second.created_at > first.created_at
    page = await commands.list(limit=5)
    assert list(page.items) == [(command, replace(second, script="")), (without, None)]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("BACKUP", {"backup", "nightly"}),
        ("ÄRGER", {"ärger"}),
        ("100%", {"100%"}),
        ("%", {"100%"}),
        ("_", {"a_b"}),
        ("\\", {"back\\slash"}),
        ("'", set()),
        ("\0", set()),
        ("\ud800", set()),
        ("", {"backup", "nightly", "ärger", "100%", "a_b", "back\\slash"}),
        ("k", {"backup", "nightly", "back\\slash"}),
        ("up of a", {"nightly"}),
        ("backup of no", set()),
        ("pukcab", set()),
        (" backup ", {"backup", "nightly"}),
        ("  ", {"backup", "nightly", "ärger", "100%", "a_b", "back\\slash"}),
        ("up   of\t\u00a0a", {"nightly"}),
        ("up all", {"nightly"}),
        ("all up", set()),
    ],
)
@pytest.mark.parametrize(
    "newest", [0, 4, SEARCH_NEWEST], ids=["by index", "by both", "among the newest"]
)
async def test_a_search_finds_the_text_in_name_or_description(
    database: Database, query: str, found: set[str], newest: int
) -> None:
    commands = CommandRepository(database, search_newest=newest)
    for name in ("backup", "ärger", "100%", "a_b", "back\\slash"):
        await commands.add(name, None, "true", by=BY)
    await commands.add("nightly", "a Backup of all", "true", by=BY)
    page = await commands.list(query=query, limit=10)
    assert {command.name for command, _ in page.items} == found


@pytest.mark.parametrize("cursor", ["", "x", "ä", "AAAA", "'; DROP TABLE commands; --", "f" * 32])
async def test_a_cursor_of_elsewhere_is_refused(commands: CommandRepository, cursor: str) -> None:
    with pytest.raises(InvalidCursorError):
        await commands.list(limit=1, cursor=cursor)


def test_a_cursor_keeps_its_key_to_the_microsecond() -> None:
    for moment in (NOW, NOW - timedelta(days=30000), NOW + timedelta(microseconds=1)):
        key = SortKey(moment, UUID(int=7))
        assert SortKey.decode(key.encode()) == key


@pytest.mark.parametrize("newest", [0, 3, SEARCH_NEWEST])
async def test_pages_of_a_search_hold_every_command_once(database: Database, newest: int) -> None:
    commands = CommandRepository(database, search_newest=newest)
    added = [await commands.add(f"{n % 2} of two", None, "true", by=BY) for n in range(10)]
    seen, cursor = [], None
    while True:
        page = await commands.list(query="1 OF", limit=2, cursor=cursor)
        seen += [command for command, _ in page.items]
        cursor = page.next
        if cursor is None:
            break
    assert seen == added[1::2][::-1]


async def test_a_text_of_any_length_is_stored_and_its_start_is_found(
    commands: CommandRepository,
) -> None:
    description = "x" * 4000 + "found" + "y" * 1_000_000 + "not found"
    command = await commands.add("long", description, "true", by=BY)
    assert [found.id for found, _ in (await commands.list(query="xfoundy", limit=5)).items] == [
        command.id
    ]
    assert (await commands.get(command.id)).description == description
    assert (await commands.list(query="ynot found", limit=5)).items == []


async def test_a_search_follows_what_is_replaced(commands: CommandRepository) -> None:
    command = await commands.add("old", None, "true", by=BY)
    replaced = await commands.change(command.id, CommandChange("new", "true", "also new"), by=BY)
    assert (await commands.list(query="old", limit=5)).items == []
    assert (await commands.list(query="also", limit=5)).items == [(replaced, None)]


@pytest.mark.parametrize("query", ["", "name"])
@pytest.mark.parametrize("newest", [0, 2, SEARCH_NEWEST])
async def test_a_list_is_of_some_groups(database: Database, query: str, newest: int) -> None:
    commands = CommandRepository(database, search_newest=newest)
    added = [
        await commands.add(f"name {n}", None, "true", group="abc"[n % 3], by=BY) for n in range(9)
    ]

    async def listed(groups: frozenset[str] | None, *of: int) -> list[int]:
        found, cursor = [], None
        ids = frozenset(added[index].id for index in of)
        while True:
            page = await commands.list(query=query, groups=groups, ids=ids, limit=2, cursor=cursor)
            found += [added.index(command) for command, _ in page.items]
            cursor = page.next
            if cursor is None:
                return found

    assert await listed(None) == [8, 7, 6, 5, 4, 3, 2, 1, 0]
    assert await listed(frozenset("b")) == [7, 4, 1]
    assert await listed(frozenset("ac")) == [8, 6, 5, 3, 2, 0]
    assert await listed(frozenset()) == await listed(frozenset({"none", "'; --"})) == []
    assert await listed(None, 0, 8, 4) == [8, 4, 0]
    assert await listed(frozenset("ac"), 0, 8, 4) == [8, 0]


async def test_a_command_changes_its_group_from_the_one_that_is_named(
    commands: CommandRepository,
) -> None:
    command, _ = await commands.add_with_run("name", None, "true", host="here", group="web", by=BY)
    assert command.group == "web"
    kept = await commands.change(command.id, CommandChange("new", "true"), by=BY)
    assert kept.group == "web"
    moved = await commands.change(command.id, CommandChange(group="mail"), moved_from="web", by=BY)
    assert (moved.group, moved.name) == ("mail", "new")
    with pytest.raises(CommandChangedError):
        await commands.change(command.id, CommandChange(group="other"), moved_from="web", by=BY)
    assert await commands.get(command.id) == moved


async def test_commands_that_come_at_the_same_time_each_get_their_group(
    commands: CommandRepository,
) -> None:
    added = await asyncio.gather(
        *(commands.add_with_run("n", None, "true", host="h", group=group, by=BY) for group in "abc")
    )
    assert [command.group for command, _ in added] == ["a", "b", "c"]
