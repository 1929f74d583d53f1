"""What workers append, many of them by one statement: who has a turn, and who fails alone."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, cast
from uuid import UUID, uuid4

import pytest

from server.errors import DatabaseRefusedError, DatabaseUnavailableError
from server.models import Advance, Chunk
from server.services.fleet import appends as module
from server.services.fleet.appends import AT_ONCE, Appends, Asked, fair
from tests.support.waiting import until


class Outputs:
    """The archive, which refuses statements with an advance of `bad`, and takes its time."""

    def __init__(self) -> None:
        self.bad: set[UUID] = set()
        self.stays: set[UUID] = set()
        self.done: list[Mapping[UUID, str]] = []
        self.begun = 0
        self.goes_on = asyncio.Event()

    async def append(self, advances: Sequence[Advance], *, hosts: Mapping[UUID, str]) -> set[UUID]:
        self.begun += 1
        await self.goes_on.wait()
        runs = {advance.run_id for advance in advances}
        if runs & self.bad:
            raise DatabaseRefusedError("This row cannot be.")
        self.done.append(hosts)
        return runs - self.stays

    def appends(self) -> Appends:
        return Appends(cast("Any", self), timeout_seconds=1000)


def asked(host: str, *runs: UUID, size: int = 0) -> Asked:
    chunk = Chunk(0, size, 1, 0, cast("Any", None), bytes(size), b"")
    return Asked(host, [Advance(run, 1, 0, size, 0, chunks=(chunk,)) for run in runs or [uuid4()]])


async def under_way(outputs: Outputs, appends: Appends) -> "list[asyncio.Task[set[UUID]]]":
    """Return as many statements as there are at once, begun."""
    first = [asyncio.create_task(appends.do(asked("first"))) for _ in range(AT_ONCE)]
    await until(lambda: outputs.begun == AT_ONCE)
    return first


async def test_what_comes_meanwhile_is_one_statement_and_each_hears_of_its_own() -> None:
    outputs = Outputs()
    appends = outputs.appends()
    first = await under_way(outputs, appends)
    runs = {f"w{number}": [uuid4(), uuid4()] for number in range(5)}
    outputs.stays = {runs["w3"][0]}
    later = {host: asyncio.create_task(appends.do(asked(host, *of))) for host, of in runs.items()}
    await asyncio.sleep(0)
    outputs.goes_on.set()
    await asyncio.gather(*first)
    moved = {host: await task for host, task in later.items()}
    assert moved == {host: {*of} - outputs.stays for host, of in runs.items()}
    assert len(outputs.done) == AT_ONCE + 1
    assert outputs.done[-1] == {run: host for host, of in runs.items() for run in of}


async def test_a_request_that_the_database_refuses_fails_alone() -> None:
    outputs = Outputs()
    appends = outputs.appends()
    first = await under_way(outputs, appends)
    good, bad = [uuid4() for _ in range(6)], uuid4()
    outputs.bad = {bad}
    tasks = [asyncio.create_task(appends.do(asked(f"w{n}", run))) for n, run in enumerate(good)]
    refused = asyncio.create_task(appends.do(asked("liar", bad, uuid4())))
    await asyncio.sleep(0)
    outputs.goes_on.set()
    with pytest.raises(DatabaseRefusedError):
        await refused
    assert await asyncio.gather(*tasks) == [{run} for run in good]
    await asyncio.gather(*first)


async def test_a_failure_of_the_database_is_told_to_all_and_the_next_ones_go_on() -> None:
    outputs = Outputs()
    appends = outputs.appends()
    tasks = [asyncio.create_task(appends.do(asked(f"w{n}"))) for n in range(5)]
    await until(lambda: outputs.begun == AT_ONCE)

    async def away(*_: object, **__: object) -> set[UUID]:
        raise DatabaseUnavailableError("It is away.")

    appends._outputs = cast("Any", type("Away", (), {"append": staticmethod(away)}))
    outputs.goes_on.set()
    told = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(one) for one in told] == [set] * AT_ONCE + [DatabaseUnavailableError] * 3
    appends._outputs = cast("Any", outputs)
    assert len(await appends.do(asked("w1"))) == 1


def divided(*requests: Asked) -> tuple[list[int], list[int]]:
    """Return which of the requests make up a batch, and which are left, by their places."""
    waiting = [(one, cast("asyncio.Future[set[UUID]]", Pending())) for one in requests]
    batch, left = fair(waiting)
    places = {id(one): place for place, one in enumerate(requests)}
    return [places[id(one)] for one, _ in batch], [places[id(one)] for one, _ in left]


class Pending:
    def done(self) -> bool:
        return False


def test_one_that_asks_for_much_waits_behind_the_first_requests_of_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "BATCH_BYTES", 100)
    loud = [asked("loud", size=40) for _ in range(5)]
    quiet = [asked("quiet", size=40), asked("other", size=20)]
    assert divided(*loud, *quiet) == ([0, 5, 6], [1, 2, 3, 4])


def test_one_that_is_larger_than_a_batch_is_one() -> None:
    size = module.BATCH_BYTES + 1
    assert divided(asked("w1", size=size), asked("w2")) == ([0], [1])


def test_a_run_moves_once_in_a_statement_whoever_says_so() -> None:
    run = uuid4()
    requests = [asked("liar", run), asked("owner", run), asked("owner", uuid4())]
    assert divided(*requests) == ([0, 2], [1])
    assert divided(*requests[1:2]) == ([0], [])
