"""Runs of pools: two servers on one database, real keepers."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from server.definition import (
    Beyond,
    Cause,
    CauseKind,
    Concurrency,
    NewRun,
    Options,
    Parameter,
    ParameterType,
    StartAsked,
)
from server.errors import DatabaseUnavailableError, LimitReachedError, NoActiveRunError
from server.keeper.client import KeeperClient
from server.models import Command, Run, RunState
from server.repositories.database.database import Database
from server.services.hosts import pools
from server.services.running import claiming, outcome
from server.services.running.live import RunView
from server.services.starting import unconfirmed as unconfirmed_module
from server.services.starting.unconfirmed import Unconfirmed
from tests.integration.services.running.harness import Site, a_site
from tests.support.access import BY
from tests.support.turns import Notes
from tests.support.waiting import until, until_true

BUILD = Options(pool="build")
NEW = NewRun()


@pytest.fixture
async def asked(database: Database, tmp_path: Path) -> AsyncIterator[Site]:
    """Provide a server that is of no pool."""
    async with a_site(database, tmp_path / "asked", host="asked") as site:
        await site.begin()
        yield site


@pytest.fixture
async def worker(database: Database, tmp_path: Path) -> AsyncIterator[Site]:
    """Provide one of the pool `build`, which has not begun."""
    async with a_site(database, tmp_path / "worker", host="worker", pools=["build"]) as site:
        yield site


async def started(site: Site, command: Command, **asked: Any) -> RunView:
    return await site.starts.start(command, StartAsked(**asked), by=BY)


async def stored(site: Site, view: RunView, holds: Callable[[Run], bool]) -> Run:
    """Wait until what is stored of a run is so."""

    async def does() -> bool:
        return holds(await site.runs.get(view.run.id))

    await until_true(does)
    return await site.runs.get(view.run.id)


async def ended(site: Site, view: RunView) -> Run:
    return await stored(site, view, lambda run: run.state.final)


async def test_a_run_that_one_server_stores_is_run_by_the_one_of_its_pool(
    asked: Site, worker: Site
) -> None:
    view = await started(asked, await asked.command("exit 5", BUILD))
    assert (view.run.state, view.run.host) == (RunState.QUEUED, None)
    assert view.run.reason == "it waits for a worker of the pool build"
    assert asked.active.get(view.run.id) is None
    await worker.begin()
    run = await ended(asked, view)
    assert (run.state, run.exitcode, run.host, run.epoch) == (RunState.FAILED, 5, "worker", 2)


async def test_who_watches_a_run_that_is_claimed_at_once_hears_of_it_at_once(
    asked: Site, worker: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pools, "LOOK_SECONDS", 1000)
    view = await started(asked, await asked.command("exit 5", BUILD))
    watched = asked.hosts.until_claimed(view.run.id)
    assert (await anext(watched)).run.host is None
    await worker.begin()
    assert [one async for one in watched] == [], "it has a host"


async def test_a_server_runs_what_it_stores_for_its_own_pool_at_once(
    worker: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is rung, and does not wait for its next look; secrets reach the script."""
    monkeypatch.setattr(claiming, "LOOK_SECONDS", 1000)
    await worker.begin()
    secret = Parameter(name="KEY", type=ParameterType.SECRET)
    options = Options(pool="build", parameters=(secret,))
    command = await worker.command('[ "$KEY" = hunter2 ]', options)
    runs = [await started(worker, command, values={"KEY": "hunter2"}) for _ in range(3)]
    assert {(await ended(worker, view)).state for view in runs} == {RunState.SUCCEEDED}


async def test_more_than_has_places_is_run_one_after_the_other(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claiming, "LOOK_SECONDS", 1000)
    notes = Notes(tmp_path)
    host: dict[str, Any] = {"host": "small", "pools": ["build"], "max_concurrent_runs": 2}
    async with a_site(database, tmp_path / "small", **host) as site:
        await site.begin()
        command = await site.command(notes.script(), BUILD)
        runs = [await started(site, command) for _ in range(6)]
        await until(lambda: len(notes.begun) == 2)
        waiting = [view for view in runs if (await site.runs.get(view.run.id)).unclaimed]
        assert len(waiting) == 4
        notes.open()
        assert {(await ended(site, view)).state for view in runs} == {RunState.SUCCEEDED}
        assert notes.most == 2


async def test_servers_of_a_pool_share_it_and_start_nothing_twice(
    database: Database, tmp_path: Path, worker: Site
) -> None:
    notes = Notes(tmp_path)
    notes.open()
    async with a_site(database, tmp_path / "other", host="other", pools=["build"]) as other:
        for site in (worker, other):
            await site.begin()
        command = await worker.command(notes.script(), BUILD)
        views = await asyncio.gather(*(started((worker, other)[n % 2], command) for n in range(40)))
        runs = [await ended(worker, view) for view in views]
    assert {run.state for run in runs} == {RunState.SUCCEEDED}
    assert sorted(notes.begun) == sorted(str(view.run.id) for view in views)


async def test_a_run_that_nobody_has_claimed_is_stopped_by_any_server(
    asked: Site, worker: Site
) -> None:
    told: list[RunView] = []
    asked.unclaimed.on_ended = told.append
    view = await started(asked, await asked.command("true", BUILD))
    ending = await asked.hosts.stop(view.run, signal="SIGTERM", grace_seconds=1)
    assert (ending.run.state, ending.run.reason) == (
        RunState.STOPPED,
        "it was stopped while queued",
    )
    assert told == [ending]
    with pytest.raises(NoActiveRunError, match="stopped"):
        await asked.hosts.stop(view.run, signal="SIGTERM", grace_seconds=1)
    await worker.begin()
    later = await started(asked, await asked.command("true", BUILD))
    assert (await ended(asked, later)).state is RunState.SUCCEEDED
    assert (await asked.runs.get(view.run.id)).host is None


async def test_a_stop_that_comes_with_the_claim_stops_the_run(
    worker: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The claim is committed, and its answer is on its way: the run is not lost."""
    claimed, go_on = asyncio.Event(), asyncio.Event()
    claim = worker.claims.claim

    async def slow(*args: Any, **options: Any) -> Sequence[Run]:
        runs = await claim(*args, **options)
        if runs:
            claimed.set()
            await go_on.wait()
        return runs

    look = worker.claims.look

    async def looked(run_id: UUID) -> Run:
        run = await look(run_id)
        go_on.set()
        return run

    monkeypatch.setattr(worker.claims, "claim", slow)
    monkeypatch.setattr(worker.claims, "look", looked)
    await worker.begin()
    view = await started(worker, await worker.command("sleep 1000", BUILD))
    await claimed.wait()
    await worker.hosts.stop(view.run, signal="SIGTERM", grace_seconds=1)
    assert (await ended(worker, view)).state is RunState.STOPPED


async def test_a_claim_whose_answer_is_lost_loses_no_run(
    asked: Site, worker: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost: list[Run] = []
    claim = worker.claims.claim

    async def unheard(*args: Any, **options: Any) -> Sequence[Run]:
        runs = await claim(*args, **options)
        if runs and not lost:
            lost.extend(runs)
            raise DatabaseUnavailableError("the connection broke")
        return runs

    monkeypatch.setattr(worker.claims, "claim", unheard)
    monkeypatch.setattr(claiming, "RETRY_SECONDS", 0.01)
    view = await started(asked, await asked.command("exit 5", BUILD))
    await worker.begin()
    run = await ended(asked, view)
    assert (run.exitcode, run.epoch, [one.id for one in lost]) == (5, 2, [run.id])


async def test_an_answer_that_is_older_than_a_runs_end_starts_it_no_second_time(
    asked: Site, worker: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    view = await started(asked, await asked.command("exit 5", BUILD))
    await worker.begin()
    await ended(asked, view)
    await until(lambda: worker.active.get(view.run.id) is None)
    asked_of_keeper: list[object] = []

    async def start(_: KeeperClient, request: object) -> None:
        asked_of_keeper.append(request)

    monkeypatch.setattr(KeeperClient, "start", start)
    stale = replace(view.run, host="worker", epoch=2)
    assert await worker.runner.dispatch(stale) is None
    assert (await worker.hosts.queue(stale)).run.exitcode == 5
    assert asked_of_keeper == []
    assert worker.active.get(view.run.id) is None


async def test_a_run_whose_storing_was_never_heard_of_is_not_started(
    asked: Site, worker: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever asked for it got an error; any server ends it."""
    monkeypatch.setattr(unconfirmed_module, "UNCONFIRMED_SECONDS", 0.01)
    command = await asked.command("true", BUILD)
    run = await asked.runs.add(command.id, "true", "dead", new=replace(NEW, options=BUILD), by=BY)
    await worker.begin()
    other = await started(asked, command)
    await ended(asked, other)  # which a worker claimed that looked at both
    unconfirmed = Unconfirmed("asked", asked.hosts, asked.unclaimed, asked.runs, asked.faults)
    asked.tasks.start(unconfirmed.run(), "unconfirmed runs")
    end = await ended(asked, RunView.stored(run))
    assert (end.state, end.reason, end.host) == (RunState.STOPPED, outcome.UNCONFIRMED, None)


async def test_a_run_whose_storing_was_not_heard_of_starts_when_it_is_asked_for_again(
    asked: Site, worker: Site
) -> None:
    command = await asked.command("exit 5", BUILD)
    run = await asked.runs.add(
        command.id, "exit 5", "asked", new=replace(NEW, options=BUILD), by=BY
    )
    assert run.held_at is not None
    await worker.begin()
    view = await asked.starts.resume(run.id)
    assert (view.run.id, view.run.held_at) == (run.id, None)
    assert (await ended(asked, view)).exitcode == 5


async def test_a_run_is_told_of_as_stored_though_its_release_is_not_heard_of(
    asked: Site, worker: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is released once the database is back: nobody is to start it again."""
    release, failures = asked.claims.release, [DatabaseUnavailableError("away")] * 2

    async def away(ids: Any) -> None:
        if failures:
            raise failures.pop()
        await release(ids)

    monkeypatch.setattr(asked.claims, "release", away)
    monkeypatch.setattr("server.services.hosts.unclaimed.RETRY_SECONDS", 0.01)
    view = await started(asked, await asked.command("exit 5", BUILD))
    await worker.begin()
    assert (await ended(asked, view)).exitcode == 5


async def test_a_place_that_another_host_leaves_is_given_at_once(
    asked: Site, worker: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who hears that a run has changed does not wait for its next look."""
    monkeypatch.setattr("server.services.hosts.unclaimed.LOOK_SECONDS", 1000)
    notes = Notes(tmp_path)
    options = Options(pool="build", concurrency=Concurrency(limit=1))
    command = await asked.command(notes.script(), options)
    first, second = [await started(asked, command) for _ in range(2)]
    await worker.begin()
    await until(lambda: notes.begun == [str(first.run.id)])
    notes.open()
    await ended(asked, first)
    asked.unclaimed.note_change()
    assert (await ended(asked, second)).state is RunState.SUCCEEDED


async def test_a_run_for_a_pool_is_started_when_its_time_comes(asked: Site, worker: Site) -> None:
    await worker.begin()
    moment = datetime.now(UTC) + timedelta(seconds=1)
    command = await asked.command("exit 5", BUILD)
    view = await started(asked, command, not_before=moment, cause=Cause(kind=CauseKind.RETRY))
    assert view.run.reason is not None
    assert view.run.reason.startswith("it waits until")
    run = await ended(asked, view)
    assert run.exitcode == 5
    assert run.start_time >= moment


async def test_what_a_server_left_waiting_is_looked_after_by_another(
    asked: Site, worker: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unconfirmed_module, "UNCONFIRMED_SECONDS", 0.01)
    command = await asked.command("exit 5", BUILD)
    new = replace(
        NEW, options=BUILD, not_before=datetime.now(UTC), cause=Cause(kind=CauseKind.RETRY)
    )
    run = await asked.runs.add(command.id, "exit 5", "dead", new=new, by=BY)
    await worker.begin()
    unconfirmed = Unconfirmed("asked", asked.hosts, asked.unclaimed, asked.runs, asked.faults)
    asked.tasks.start(unconfirmed.run(), "unconfirmed runs")
    assert (await ended(asked, RunView.stored(run))).exitcode == 5


async def test_no_more_than_the_limit_goes_on_over_servers_and_pools(
    asked: Site, worker: Site, tmp_path: Path
) -> None:
    notes = Notes(tmp_path)
    await worker.begin()
    options = Options(pool="build", concurrency=Concurrency(limit=2))
    command = await asked.command(notes.script(), options)
    views = [await started((asked, worker)[n % 2], command) for n in range(6)]
    await until(lambda: len(notes.begun) == 2)
    notes.open()
    assert {(await ended(asked, view)).state for view in views} == {RunState.SUCCEEDED}
    assert notes.most == 2
    assert sorted(notes.begun) == sorted(str(view.run.id) for view in views)


async def test_a_run_that_nobody_has_claimed_is_replaced(asked: Site) -> None:
    """Both the one that has its turn and those that wait for theirs."""
    concurrency = Concurrency(limit=1, beyond=Beyond.REPLACE)
    command = await asked.command("true", Options(pool="build", concurrency=concurrency))
    first, second, third = [await started(asked, command) for _ in range(3)]
    for view in (first, second):
        run = await ended(asked, view)
        assert run.state is RunState.STOPPED
        assert run.reason is not None
        assert run.reason.startswith("it was replaced by run")
    last = await stored(asked, third, lambda run: run.claimed_at is not None)
    assert last.unclaimed


async def test_who_watches_a_run_is_told_until_it_is_claimed(asked: Site, worker: Site) -> None:
    view = await started(asked, await asked.command("true", BUILD))
    watched = aiter(asked.hosts.until_claimed(view.run.id))
    assert (await anext(watched)).run.reason == "it waits for a worker of the pool build"
    await worker.begin()
    with pytest.raises(StopAsyncIteration):
        await anext(watched)
    assert (await asked.runs.get(view.run.id)).host == "worker"


async def test_a_command_of_a_pool_has_no_more_active_runs_than_any_other(
    asked: Site, worker: Site
) -> None:
    """Though none of them is in the memory of the servers that are asked."""
    command = await asked.command("true", BUILD)
    views = [await started((asked, worker)[n % 2], command) for n in range(10)]
    for site in (asked, worker):
        with pytest.raises(LimitReachedError):
            await started(site, command)
    await worker.begin()
    await ended(asked, views[0])
    await started(asked, command)


async def test_a_start_without_a_pool_costs_no_statement_more_and_nobody_asks_meanwhile(
    asked: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    statements: list[str] = []
    fetch_all = Database.fetch_all

    async def counted(self: Database, sql: str, *args: Any, **options: Any) -> Any:
        statements.append(sql)
        return await fetch_all(self, sql, *args, **options)

    command = await asked.command("true")
    monkeypatch.setattr(Database, "fetch_all", counted)
    live = await asked.start_of(command)
    await asked.ended(live)
    await asyncio.sleep(0.1)
    assert ["INSERT INTO commands_info" in sql for sql in statements] == [True, False]
    assert "WHERE r.id" in statements[1]  # the test's own look at the end
