"""Who listens is told of each change once, in order, however far behind; nobody costs nothing."""

import asyncio
from collections.abc import AsyncGenerator, Collection, Mapping, Sequence
from contextlib import aclosing
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID, uuid4

import pytest

from server.errors import DatabaseUnavailableError, RunNotFoundError
from server.models import Command, CommandLabel, Run, RunState
from server.services.events import events as module
from server.services.events.changes import (
    CommandChanged,
    CommandDeleted,
    FleetChanged,
    FleetPart,
    Grown,
    Reset,
    RunChanged,
    RunDeleted,
)
from server.services.events.events import BATCH, MAX_CHANGES, Events, Told
from server.services.events.labels import Labels
from server.services.running.active import ActiveRuns
from server.services.running.live import RunView
from server.services.views import CommandView

NOW = datetime(2026, 1, 2, tzinfo=UTC)


def a_run(command_id: UUID | None = None) -> Run:
    return Run(
        id=uuid4(),
        command_id=command_id or uuid4(),
        state=RunState.QUEUED,
        created_at=NOW,
        start_time=NOW,
        script="x" * 100,
        epoch=1,
        host="here",
    )


def a_command(group: str = "web", command_id: UUID | None = None) -> CommandView:
    command = Command(command_id or uuid4(), "name", None, "y" * 5000, group, NOW, NOW)
    return CommandView(command, None)


class Site:
    """Events of runs of commands that are all of the group `web`."""

    def __init__(self) -> None:
        self.active = ActiveRuns(max_concurrent_runs=9, max_runs_per_command=9)
        self.away = False
        self.elsewhere = False
        self.fleet: tuple[object, object] = ("there", "none")
        self.events = Events(self.active, Labels(self._label), self._elsewhere, self._fleet)
        self.active.on_change = self.events.run_changed

    async def _label(self, ids: Collection[UUID]) -> Mapping[UUID, CommandLabel]:
        if self.away:
            raise DatabaseUnavailableError
        return {one: CommandLabel(one, "name", "web") for one in ids}

    async def _fleet(self) -> tuple[object, object]:
        if self.away:
            raise DatabaseUnavailableError
        return self.fleet

    async def _elsewhere(self, _since: datetime) -> bool:
        if self.away:
            raise DatabaseUnavailableError
        return self.elsewhere

    def listen(self, since: int | None = None) -> "aclosing[AsyncGenerator[Sequence[Told], None]]":
        return aclosing(self.events.follow(since))


@pytest.fixture
async def site() -> Site:
    return Site()


async def whats(listener: AsyncGenerator[Sequence[Told], None]) -> list[object]:
    return [told.what for told in await anext(listener)]


async def test_a_listener_is_told_of_each_change_in_its_order(site: Site) -> None:
    async with site.listen() as listener:
        [reset] = await anext(listener)
        assert reset == Told(site.events.sequence, Reset())
        live = site.active.enqueue(run := a_run())
        [queued] = await anext(listener)
        assert isinstance(queued.what, RunChanged)
        assert (queued.what.view.run.state, queued.what.view.run.script) == (RunState.QUEUED, "")
        assert queued.label == CommandLabel(run.command_id, "name", "web")
        live.mark_stopping()
        [stopping] = await anext(listener)
        assert isinstance(stopping.what, RunChanged)
        assert stopping.what.view.stopping
        view = a_command()
        site.events.command_changed(view)
        site.events.run_deleted(run.id, run.command_id)
        site.events.command_deleted(view.command.id, "web")
        told = await anext(listener)
        assert [one.what for one in told] == [
            RunDeleted(run.id, run.command_id),
            CommandDeleted(view.command.id, frozenset({"web"})),
        ]
        sequences = [one.sequence for one in [reset, queued, stopping, *told]]
        assert sequences == sorted(set(sequences))


async def test_who_comes_back_goes_on_where_it_was(site: Site) -> None:
    async with site.listen() as listener:
        [reset] = await anext(listener)
    site.active.enqueue(first := a_run())
    site.active.enqueue(second := a_run())
    async with site.listen(reset.sequence) as listener:
        assert await anext(listener) == []
        told = await anext(listener)
        assert [cast("RunChanged", one.what).view.run.id for one in told] == [first.id, second.id]
    async with site.listen(told[0].sequence) as listener:
        assert await anext(listener) == []
        assert await anext(listener) == told[1:]
    for odd in [site.events.sequence + 1, 0]:  # of a later server, or of long ago
        async with site.listen(odd) as listener:
            assert await whats(listener) == [Reset()]
    restarted = Site()
    assert restarted.events.sequence > site.events.sequence
    async with restarted.listen(site.events.sequence) as listener:
        assert await whats(listener) == [Reset()]


async def test_who_is_too_far_behind_is_told_to_fetch_anew(site: Site) -> None:
    """And of many changes it is given so many at a time."""
    async with site.listen() as listener:
        await anext(listener)
        for _ in range(MAX_CHANGES):
            site.events.run_told(RunView.stored(a_run()))
        assert len(await anext(listener)) == BATCH
        for _ in range(BATCH + 1):
            site.events.run_told(RunView.stored(a_run()))
        [told] = await anext(listener)
        assert told == Told(site.events.sequence, Reset())
        site.events.run_told(RunView.stored(a_run()))
        assert len(await anext(listener)) == 1


async def test_while_nobody_listens_nothing_is_held(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LINGER_SECONDS", 0.0)
    views: list[object] = []
    live = site.active.enqueue(a_run())
    monkeypatch.setattr(type(live), "view", property(views.append))
    live.mark_stopping()
    assert views == []
    monkeypatch.undo()
    monkeypatch.setattr(module, "LINGER_SECONDS", 0.0)
    async with site.listen() as listener:
        [reset] = await anext(listener)
    async with site.listen(reset.sequence) as listener:  # nothing was missed
        assert await anext(listener) == []
    live.mark_signalled("SIGSTOP")
    async with site.listen(reset.sequence) as listener:
        assert await whats(listener) == [Reset()]


async def test_a_command_that_is_moved_has_left_its_groups_until_all_have_heard(site: Site) -> None:
    async with site.listen() as listener:
        await anext(listener)
        view = a_command("mail")
        site.events.command_changed(view, moved_from="web")
        moved = a_command("secret", view.command.id)
        site.events.command_changed(moved, moved_from="mail")
        [told] = await anext(listener)
        assert isinstance(told.what, CommandChanged)
        assert told.what.view.command.group == "secret"
        assert told.what.left == {"web", "mail"}
        command = told.what.view.command
        assert (len(command.script), command.script_truncated) == (4096, True)
        site.events.command_changed(a_command("web", view.command.id), moved_from="secret")
        site.events.command_deleted(view.command.id, "web")
        assert await whats(listener) == [
            CommandDeleted(view.command.id, frozenset({"web", "mail", "secret"}))
        ]


async def test_growth_is_told_once_a_look_and_of_what_has_grown(site: Site) -> None:
    lives = [site.active.enqueue(a_run()) for _ in range(3)]
    for size, live in enumerate(lives[:2]):
        live.log = cast("Any", SimpleNamespace(size=size, wake=lambda: None))
    async with site.listen() as listener:
        await anext(listener)
        site.events.note_growth()
        site.events.note_growth()
        first, second = [live.run for live in lives[:2]]
        told = await anext(listener)
        assert [one.what for one in told] == [
            Grown(first.id, first.command_id, 0),
            Grown(second.id, second.command_id, 1),
        ]
        assert {one.sequence for one in told} == {site.events.sequence}
        cast("Any", lives[0].log).size = 7
        site.events.note_growth()
        assert await whats(listener) == [Grown(first.id, first.command_id, 7)]


async def test_a_change_waits_for_the_database_where_a_label_is_not_known(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "RETRY_SECONDS", 0.0)
    async with site.listen() as listener:
        await anext(listener)
        site.away = True
        site.events.run_told(RunView.stored(run := a_run()))
        waiting = asyncio.ensure_future(anext(listener))
        for _ in range(20):
            await asyncio.sleep(0)
        assert not waiting.done()
        site.away = False
        [told] = await waiting
        assert told.label == CommandLabel(run.command_id, "name", "web")


async def test_what_other_servers_do_has_everybody_fetch_anew(site: Site) -> None:
    async with site.listen() as listener:
        await anext(listener)
        before = site.events.sequence
        await site.events.look_elsewhere(NOW)
        assert site.events.sequence == before
        site.elsewhere = True
        await site.events.look_elsewhere(NOW)
        assert await anext(listener) == [Told(before + 1, Reset())]


async def test_who_would_not_hear_that_the_database_is_away_fetches_anew_once(site: Site) -> None:
    async with site.listen() as listener:
        await anext(listener)
        before = site.events.sequence
        site.away = True
        for _ in range(2):
            await site.events.look_elsewhere(NOW)
            assert site.events.sequence == before + 1
        assert await whats(listener) == [Reset()]
        site.away = False
        await site.events.look_elsewhere(NOW)
        assert site.events.sequence == before + 1


async def test_looking_goes_on_while_somebody_listens(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "GROWTH_SECONDS", 0.0)
    monkeypatch.setattr(module, "ELSEWHERE_SECONDS", 0.0)
    looks: list[int] = []
    monkeypatch.setattr(site.events, "note_growth", lambda: looks.append(1))
    looking = asyncio.ensure_future(site.events.run())
    for _ in range(9):
        await asyncio.sleep(0)
    assert looks == []
    async with site.listen() as listener:
        await anext(listener)
        site.elsewhere = True
        assert await whats(listener) == [Reset()]
        assert looks
    looking.cancel()


async def test_that_workers_stand_otherwise_is_told_once(site: Site) -> None:
    async with site.listen() as listener:
        await anext(listener)
        await site.events.look_at_workers()  # as they are at first
        site.fleet = ("away", "none")
        await site.events.look_at_workers()
        assert await whats(listener) == [FleetChanged(FleetPart.WORKERS)]
        await site.events.look_at_workers()
        site.away = True
        await site.events.look_at_workers()
        site.away, site.fleet = False, ("away", "one")
        await site.events.look_at_workers()
        assert await whats(listener) == [FleetChanged(FleetPart.POOLS)]
        site.fleet = ("there", "two")
        await site.events.look_at_workers()
        assert await whats(listener) == [
            FleetChanged(FleetPart.WORKERS),
            FleetChanged(FleetPart.POOLS),
        ]


async def test_runs_that_another_server_tells_of_are_looked_at_for_those_who_listen_alone(
    site: Site,
) -> None:
    """They are told of here, and not back again."""
    run, told_of, asked = a_run(), list[UUID](), list[UUID]()
    site.events.on_changed = told_of.append

    async def look(run_id: UUID) -> RunView:
        asked.append(run_id)
        return RunView.stored(run)

    await site.events.look_at([run.id], look)
    assert asked == []
    async with site.listen() as listener:
        assert await whats(listener) == [Reset()]
        await site.events.look_at([run.id], look)
        assert await whats(listener) == [RunChanged.of(RunView.stored(run))]
        assert (asked, told_of) == ([run.id], [])
        site.events.run_told(RunView.stored(run))
        site.events.run_deleted(run.id, run.command_id)
        assert told_of == [run.id, run.id]


@pytest.mark.parametrize("error", [RunNotFoundError("It was deleted."), None])
async def test_where_it_is_not_known_what_another_server_changed_all_is_fetched_anew(
    site: Site, error: Exception | None
) -> None:
    async def look(_: UUID) -> RunView:
        assert error is not None
        raise error

    async with site.listen() as listener:
        assert await whats(listener) == [Reset()]
        await site.events.look_at([uuid4()] if error else [], look)
        assert await whats(listener) == [Reset()]


async def test_what_another_server_tells_of_while_the_database_is_away_is_no_error(
    site: Site,
) -> None:
    async def look(_: UUID) -> RunView:
        raise DatabaseUnavailableError

    async with site.listen() as listener:
        assert await whats(listener) == [Reset()]
        await site.events.look_at([uuid4()], look)
        site.events.run_told(view := RunView.stored(a_run()))
        assert await whats(listener) == [RunChanged.of(view)]
