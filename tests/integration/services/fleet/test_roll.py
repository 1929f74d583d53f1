"""What is said of runs that wait, by what a server remembers of the workers."""

import asyncio
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from server.errors import DatabaseUnavailableError
from server.models import RunState
from server.repositories.workers import Worker
from server.services.fleet import roll
from server.services.fleet.roll import Remembered
from server.services.fleet.suitable import Candidate, Lack, lack
from server.services.fleet.workers import WorkerPresence, WorkerView
from server.services.hosts.roll import HostSeen
from server.services.tasks import Tasks
from tests.support.runs import a_run
from tests.support.waiting import until

NOW = datetime(2026, 11, 26, tzinfo=UTC)


def a_worker(state: WorkerPresence = WorkerPresence.ACTIVE) -> WorkerView:
    worker = Worker(
        role="worker",
        id="w",
        name="build-1",
        version="1",
        pools=("build",),
        labels=("arch=arm64",),
        places=1,
        state="active",
        first_seen_at=NOW,
        seen_at=NOW,
        lease_until=NOW,
    )
    return WorkerView(worker, state)


class Asked:
    """Workers that are asked for."""

    def __init__(self, *found: WorkerView) -> None:
        self.found = found
        self.away = False
        self.times = 0
        self.gate = asyncio.Event()
        self.gate.set()

    async def __call__(self) -> Sequence[WorkerView]:
        self.times += 1
        await self.gate.wait()
        if self.away:
            raise DatabaseUnavailableError
        return self.found


async def test_nothing_is_asked_where_all_runs_have_ended() -> None:
    asked = Asked(a_worker())
    known = Remembered(asked, Tasks())
    await known.look_for([a_run(RunState.SUCCEEDED)])
    assert (asked.times, known.lack("docs", ()), known.host_of("w")) == (0, None, None)


async def test_a_host_is_seen_by_its_name_and_since_when_it_is_away(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(roll, "FRESH_SECONDS", 0)
    asked = Asked(a_worker())
    known = Remembered(asked, Tasks())
    for state, since in [
        (WorkerPresence.ACTIVE, None),
        (WorkerPresence.DRAINING, None),
        (WorkerPresence.UNREACHABLE, NOW),
        (WorkerPresence.REMOVED, NOW),
    ]:
        asked.found = (a_worker(state),)
        await known.look_for([a_run()])
        assert known.host_of("w") == HostSeen("build-1", since)
    assert known.host_of("other") is None


async def test_nobody_waits_long_for_what_the_database_says(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One question at a time, whoever asks; its answer is known once it has come."""
    monkeypatch.setattr(roll, "PATIENCE_SECONDS", 0.01)
    monkeypatch.setattr(roll, "FRESH_SECONDS", 0)
    asked = Asked(a_worker())
    asked.gate.clear()
    known = Remembered(asked, Tasks())
    for _ in range(2):
        await known.look_for([a_run()])
    assert (asked.times, known.host_of("w")) == (1, None)
    asked.gate.set()
    await until(lambda: known.host_of("w") is not None)


async def test_what_hinders_all_workers_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = Asked(a_worker())
    known = Remembered(asked, Tasks())
    waits = replace(a_run(), host=None, pool="build")
    for _ in range(2):
        await known.look_for([a_run(), waits])
    assert asked.times == 1
    told = {
        ("build", ()): None,
        ("build", ("arch=arm64",)): None,
        ("build", ("arch=x",)): "none of its workers does",
        ("docs", ()): "the pool has none",
    }
    assert {one: known.lack(*one) for one in told} == told
    monkeypatch.setattr(roll, "FRESH_SECONDS", 0)
    asked.away, asked.found = True, (a_worker(WorkerPresence.UNREACHABLE),)
    await known.look_for([waits])
    assert known.lack("build", ()) is None  # as it was told last
    asked.away = False
    await known.look_for([waits])
    assert known.lack("build", ()) == "each that could run it is away"


async def test_a_lack_is_found_once_for_all_that_wait_for_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A list of many waiting runs does not go through many workers for each of them."""
    looked = 0

    def counted(pool: str, requires: Collection[str], workers: Iterable[Candidate]) -> Lack | None:
        nonlocal looked
        looked += 1
        return lack(pool, requires, workers)

    monkeypatch.setattr(roll, "lack", counted)
    asked = Asked(a_worker())
    known = Remembered(asked, Tasks())
    await known.look_for([a_run()])
    for _ in range(100):
        assert known.lack("docs", ()) == "the pool has none"
        assert known.lack("build", ()) is None
    assert looked == 2
    asked.found = (a_worker(WorkerPresence.UNREACHABLE),)
    known.expire()
    await known.look_for([a_run()])
    assert known.lack("build", ()) == "each that could run it is away"


async def test_what_has_changed_is_asked_for_again_at_once() -> None:
    """Also while an answer of before that is on its way."""
    asked = Asked(a_worker())
    known = Remembered(asked, Tasks())
    await known.look_for([a_run()])
    asked.found = (a_worker(WorkerPresence.UNREACHABLE),)
    await known.look_for([a_run()])
    assert known.host_of("w") == HostSeen("build-1", None)
    known.expire()
    await known.look_for([a_run()])
    assert known.host_of("w") == HostSeen("build-1", NOW)
    asked.gate.clear()
    known.expire()
    looking = asyncio.create_task(known.look_for([a_run()]))
    await until(lambda: asked.times == 3)
    known.expire()
    asked.gate.set()
    await looking
    assert asked.times == 4
