"""Turns of commands that limit how many of their runs go on at a time.

That more did not go on is told by the scripts themselves, in the order of their own notes.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from server.definition import Beyond, Concurrency, NewRun, Options, StartAsked
from server.errors import ConcurrencyLimitError
from server.models import Command, CommandChange, RunState
from server.repositories.database.database import Database
from server.services.running import turns, waiting
from server.services.running.live import LiveRun
from tests.integration.services.running.harness import Site, a_site
from tests.support.access import BY
from tests.support.turns import Notes
from tests.support.waiting import until

if TYPE_CHECKING:
    from server.repositories.database.types import Row


@pytest.fixture
def notes(tmp_path: Path) -> Notes:
    return Notes(tmp_path)


@asynccontextmanager
async def elsewhere(database: Database, tmp_path: Path) -> AsyncIterator[Site]:
    """Run another server, of another host, on the same database."""
    async with a_site(database, tmp_path / "elsewhere", host="there") as site:
        await site.begin()
        yield site


async def limited(
    site: Site, script: str, limit: int = 1, beyond: Beyond = Beyond.QUEUE
) -> Command:
    options = Options(concurrency=Concurrency(limit=limit, beyond=beyond))
    return await site.commands.add("limited", None, script, options=options, by=BY)


async def begun(notes: Notes, *lives: LiveRun) -> None:
    """Wait until these have begun."""
    ids = {str(live.run.id) for live in lives}
    await until(lambda: ids <= {*notes.begun})


async def test_no_more_than_the_limit_go_on_and_the_rest_start_in_their_order(
    site: Site, notes: Notes
) -> None:
    await site.begin()
    command = await limited(site, notes.script(), limit=2)
    lives = [await site.start_of(command) for _ in range(6)]
    await begun(notes, *lives[:2])
    assert [live.view.run.state for live in lives[2:]] == [RunState.QUEUED] * 4
    await until(lambda: all("(limit 2)" in (live.view.run.reason or "") for live in lives[2:]))
    notes.open()
    for live in lives:
        assert (await site.ended(live)).state is RunState.SUCCEEDED
    assert notes.most == 2
    assert sorted(notes.begun) == sorted(str(live.run.id) for live in lives)
    assert {*notes.begun[:2]} == {str(live.run.id) for live in lives[:2]}


async def test_what_waits_for_its_turn_takes_no_place_and_holds_up_nobody(
    database: Database, tmp_path: Path, notes: Notes
) -> None:
    async with a_site(database, tmp_path / "state", max_concurrent_runs=2) as site:
        await site.begin()
        command = await limited(site, notes.script())
        first, second = [await site.start_of(command) for _ in range(2)]
        await begun(notes, first)
        other = await site.start("exit 5")
        assert (await site.ended(other)).exitcode == 5
        assert (site.active.running, site.active.queued, len(site.active.aside)) == (1, 0, 1)
        blocker = str(first.run.id)
        reason = f"it waits for run {blocker} of its command (limit 1)"
        await until(lambda: second.view.run.reason == reason)
        notes.open()
        assert (await site.ended(second)).state is RunState.SUCCEEDED
        assert second.view.run.reason is None


async def test_two_servers_keep_one_limit(
    site: Site, database: Database, tmp_path: Path, notes: Notes
) -> None:
    """What waits says for which run of which host, and starts when that has ended there."""
    await site.begin()
    async with elsewhere(database, tmp_path) as other:
        command = await limited(site, notes.script(until="first"))
        first = await site.start_of(command)
        await begun(notes, first)
        second = await other.start_of(command)
        reason = f"it waits for run {first.run.id} (of another server, host here) of its command"
        await until(lambda: second.view.run.reason == f"{reason} (limit 1)")
        more = [await one.start_of(command) for one in (site, other, site, other)]
        notes.open("first")
        for live in (first, second, *more):
            one = site if live.run.host == "here" else other
            assert (await one.ended(live)).state is RunState.SUCCEEDED
    assert notes.most == 1
    assert len(notes.begun) == len({*notes.begun}) == 6


async def test_refused_beyond_the_limit_nothing_is_stored(site: Site, notes: Notes) -> None:
    await site.begin()
    command = await limited(site, notes.script(), beyond=Beyond.REFUSE)
    first = await site.start_of(command)
    with pytest.raises(ConcurrencyLimitError, match=str(first.run.id)):
        await site.start_of(command)
    notes.open()
    await site.ended(first)
    assert [run.id for run in (await site.runs.list(limit=10)).items] == [first.run.id]
    again = await site.start_of(command)
    assert (await site.ended(again)).state is RunState.SUCCEEDED


async def test_the_newest_replaces_those_before_it(site: Site, notes: Notes) -> None:
    """The one that goes on is stopped, the one that waits never starts."""
    await site.begin()
    command = await limited(site, notes.script(), beyond=Beyond.REPLACE)
    first = await site.start_of(command)
    await begun(notes, first)
    second = await site.start_of(command)
    third = await site.start_of(command)
    await begun(notes, third)
    notes.open()
    ended = [await site.ended(live) for live in (first, second, third)]
    assert [run.state for run in ended] == [
        RunState.STOPPED,
        RunState.STOPPED,
        RunState.SUCCEEDED,
    ]
    assert ended[1].reason == f"it was replaced by run {third.run.id}"
    assert (ended[0].reason or "").startswith("it was replaced by run ")
    assert notes.most == 1
    assert str(second.run.id) not in notes.begun


async def test_a_run_is_replaced_by_one_of_another_server(
    site: Site, database: Database, tmp_path: Path, notes: Notes
) -> None:
    await site.begin()
    async with elsewhere(database, tmp_path) as other:
        command = await limited(site, notes.script(), beyond=Beyond.REPLACE)
        first = await site.start_of(command)
        await begun(notes, first)
        second = await other.start_of(command)
        assert (await site.ended(first)).state is RunState.STOPPED
        await begun(notes, second)
        notes.open()
        assert (await other.ended(second)).state is RunState.SUCCEEDED
    assert notes.most == 1


async def test_a_limit_of_several_is_replaced_as_far_as_needed(site: Site, notes: Notes) -> None:
    """The oldest goes."""
    await site.begin()
    command = await limited(site, notes.script(), limit=2, beyond=Beyond.REPLACE)
    lives = [await site.start_of(command) for _ in range(2)]
    await begun(notes, *lives)
    third = await site.start_of(command)
    await begun(notes, third)
    notes.open()
    states = [(await site.ended(live)).state for live in (*lives, third)]
    assert states == [RunState.STOPPED, RunState.SUCCEEDED, RunState.SUCCEEDED]
    assert notes.most == 2


@pytest.mark.parametrize("limit", [3, None], ids=["more", "none"])
async def test_a_changed_limit_holds_for_the_next_turns(
    site: Site, notes: Notes, limit: int | None
) -> None:
    await site.begin()
    command = await limited(site, notes.script())
    lives = [await site.start_of(command) for _ in range(3)]
    await begun(notes, lives[0])
    concurrency = None if limit is None else {"limit": limit, "beyond": "queue"}
    change = CommandChange(keep_description=True, options={"concurrency": concurrency})
    await site.commands.change(command.id, change, by=BY)
    await begun(notes, *lives)
    notes.open()
    for live in lives:
        await site.ended(live)


async def test_what_waits_is_stopped_and_leaves_its_turn_to_the_next(
    site: Site, notes: Notes
) -> None:
    await site.begin()
    command = await limited(site, notes.script())
    lives = [await site.start_of(command) for _ in range(3)]
    await begun(notes, lives[0])
    await site.control.stop(lives[1].run.id, signal="SIGTERM", grace_seconds=1)
    assert lives[1].run.state is RunState.STOPPED
    notes.open()
    assert (await site.ended(lives[2])).state is RunState.SUCCEEDED
    assert str(lives[1].run.id) not in notes.begun


async def test_a_run_waits_for_its_time(site: Site) -> None:
    """It takes no place meanwhile, says until when, and can be stopped."""
    await site.begin()
    command = await site.command("true")
    later = datetime.now(UTC) + timedelta(seconds=1.5)
    waiting = await site.start_of(command, StartAsked(not_before=later))
    far = datetime(2099, 1, 2, 3, 4, 5, tzinfo=UTC)
    stopped = await site.start_of(command, StartAsked(not_before=far))
    assert stopped.view.run.reason == "it waits until 2099-01-02 03:04:05 UTC"
    assert site.active.running == 0
    assert (await site.ended(waiting)).state is RunState.SUCCEEDED
    assert waiting.run.start_time >= later
    await site.control.stop(stopped.run.id, signal="SIGTERM", grace_seconds=1)
    assert (await site.runs.get(stopped.run.id)).state is RunState.STOPPED


async def test_the_next_server_goes_on_with_what_waits(
    database: Database, tmp_path: Path, notes: Notes
) -> None:
    """For its turn, for its time, and what had its turn and was not started."""
    async with a_site(database, tmp_path / "state") as before:
        command = await limited(before, notes.script())
        stored = [
            await before.runs.add(
                command.id,
                command.script,
                "here",
                new=NewRun(options=command.options),
                by=BY,
            )
            for _ in range(3)
        ]
        assert [run.waits for run in stored] == [False, True, True]
    async with a_site(database, tmp_path / "state") as site:
        await site.begin()
        lives = [site.active.get(run.id) for run in stored]
        notes.open()
        for live in lives:
            assert live is not None
            assert (await site.ended(live)).state is RunState.SUCCEEDED
    assert notes.most == 1
    assert notes.begun == [str(run.id) for run in stored]


async def test_runs_of_a_server_that_is_away_are_passed_over_in_the_line(
    site: Site, notes: Notes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They keep their turn for a while; those that had theirs count until they have ended."""
    monkeypatch.setattr(turns, "PATIENCE_SECONDS", 0.5)
    monkeypatch.setattr(turns, "LOOK_SECONDS", 0.1)
    await site.begin()
    command = await limited(site, notes.script())
    new = NewRun(options=command.options)
    gone, away = [
        await site.runs.add(command.id, command.script, "gone", new=new, by=BY) for _ in range(2)
    ]
    assert (gone.waits, away.waits) == (False, True)
    live = await site.start_of(command)
    named = f"run {gone.id} (of another server, host gone)"
    await until(lambda: live.view.run.reason == f"it waits for {named} of its command (limit 1)")
    ended = await site.runs.end_unfollowed(gone, "it was given up")
    assert ended is not None
    await until(lambda: live.view.run.reason == waiting.BEFORE)
    await begun(notes, live)
    notes.open()
    assert (await site.ended(live)).state is RunState.SUCCEEDED


async def test_a_command_without_a_limit_costs_no_statement_more(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its run is stored by one, as ever, and nobody looks at turns."""
    await site.begin()
    command = await site.command("exit 5")
    asked: list[str] = []
    fetch_all = Database.fetch_all

    async def noted(database: Database, sql: str, *given: Any, **named: Any) -> "list[Row]":
        asked.append(sql)
        return await fetch_all(database, sql, *given, **named)

    monkeypatch.setattr(Database, "fetch_all", noted)
    live = await site.start_of(command)
    assert (await site.ended(live)).exitcode == 5
    assert [sql for sql in asked if "commands_info AS r (" in sql] == asked[:1]
    assert not [sql for sql in asked if "FOR NO KEY UPDATE" in sql or "unnest(" in sql]
