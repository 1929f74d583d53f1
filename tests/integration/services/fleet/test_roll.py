"""What is said of runs that wait, by what a server remembers of the workers."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from server.errors import DatabaseUnavailableError
from server.repositories.workers import Worker
from server.services.fleet import roll
from server.services.fleet.roll import Remembered
from server.services.fleet.workers import WorkerPresence, WorkerView
from tests.support.runs import a_run

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

    async def __call__(self) -> Sequence[WorkerView]:
        self.times += 1
        if self.away:
            raise DatabaseUnavailableError
        return self.found


async def test_nothing_is_asked_where_no_run_waits_for_a_worker() -> None:
    asked = Asked(a_worker())
    known = Remembered(asked)
    await known.look_for([a_run()])
    assert (asked.times, known.lack("docs", ())) == (0, None)


async def test_what_hinders_all_workers_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = Asked(a_worker())
    known = Remembered(asked, pools=["docs"], labels=["os=linux"])
    waits = replace(a_run(), host=None, pool="build")
    for _ in range(2):
        await known.look_for([a_run(), waits])
    assert asked.times == 1
    told = {
        ("build", ()): None,
        ("build", ("arch=arm64",)): None,
        ("build", ("arch=x",)): "none of its workers does",
        ("docs", ()): None,  # of the server's own
        ("docs", ("os=linux",)): None,
        ("docs", ("os=bsd",)): "the pool has none",
    }
    assert {one: known.lack(*one) for one in told} == told
    monkeypatch.setattr(roll, "FRESH_SECONDS", 0)
    asked.away, asked.found = True, (a_worker(WorkerPresence.UNREACHABLE),)
    await known.look_for([waits])
    assert known.lack("build", ()) is None  # as it was told last
    asked.away = False
    await known.look_for([waits])
    assert known.lack("build", ()) == "each that could run it is away"
