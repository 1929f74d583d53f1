"""How a worker stays known to the servers, and what it makes of their answers."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from typing import Any, cast
from uuid import uuid4

import pytest

from server.errors import (
    DatabaseUnavailableError,
    NoActiveRunError,
    NoAnswerError,
    OtherLifeError,
    TailrunError,
)
from server.keeper.protocol import boottime
from server.services.running.active import ActiveRuns
from server.services.worker import attendance as module
from server.services.worker.attendance import Attendance, until_let_in
from server.wire.messages import Beat, Hello, Standing, StopWanted, WorkerState
from tests.support.lives import OneLife
from tests.support.waiting import until

HELLO = Hello(name="builder", version="1", pools=("asked",), places=3, life=OneLife().said)
STANDING = Standing(
    state=WorkerState.ACTIVE, lease_seconds=30.0, beat_seconds=0.001, pools=("build",), life="life"
)
STOP = StopWanted(run_id=uuid4(), signal="SIGTERM", grace_seconds=5.0)


class Servers:
    """Servers that answer as they are told to, the last answer from then on."""

    def __init__(self, *answers: Standing | TailrunError) -> None:
        self.answers = [*answers]
        self.asked: list[object] = []
        self.asked_at: list[float] = []

    async def ask(self, request: object) -> Standing:
        self.asked.append(request)
        self.asked_at.append(boottime())
        await asyncio.sleep(0)
        answer = self.answers[0] if len(self.answers) == 1 else self.answers.pop(0)
        if isinstance(answer, TailrunError):
            raise answer
        return answer


class Worker:
    def __init__(self, servers: Servers) -> None:
        self.life = OneLife()
        self.stops: list[StopWanted] = []
        self.told: list[Standing] = []
        self.leases: list[tuple[float, float]] = []
        self.stops_end = True
        self.ends_with: Exception | None = NoActiveRunError("it has ended meanwhile")
        self.backs = 0
        self.back: Callable[[], Awaitable[object]] = partial(asyncio.sleep, 0)
        self.active = ActiveRuns(max_concurrent_runs=3, max_runs_per_command=3)
        self.attendance = Attendance(
            cast("Any", servers),
            HELLO,
            self.active,
            stop=self._stop,
            changed=self.told.append,
            leased=lambda since, until: self.leases.append((since, until)),
            back=self._back,
            life=self.life,
        )

    async def _back(self) -> None:
        self.backs += 1
        await self.back()

    async def _stop(self, wanted: StopWanted) -> None:
        self.stops.append(wanted)
        if not self.stops_end:
            await asyncio.Event().wait()
        if self.ends_with is not None:
            raise self.ends_with


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RETRY_SECONDS", 0.001)


async def beating(worker: Worker, until_then: Callable[[], object]) -> None:
    """Have it beat until something is so."""
    beats = asyncio.create_task(worker.attendance.run())
    try:
        await until(until_then)
        assert not beats.done()
    finally:
        beats.cancel()
        await asyncio.wait([beats])


async def test_it_says_hello_until_it_is_heard_and_may_claim_from_then_on(
    caplog: pytest.LogCaptureFixture,
) -> None:
    away = (NoAnswerError("nobody is there"), DatabaseUnavailableError("it is away"))
    servers = Servers(*away, STANDING)
    worker = Worker(servers)
    assert not await worker.attendance.hello()
    assert not worker.attendance.may_claim
    await worker.attendance.begin()
    assert servers.asked == [HELLO] * 3
    assert worker.attendance.may_claim
    assert worker.told == [STANDING]
    warnings = [one for one in caplog.records if one.levelno == logging.WARNING]
    assert len(warnings) == 2


async def test_it_beats_and_does_the_stops_that_were_asked_for_meanwhile() -> None:
    servers = Servers(STANDING, replace(STANDING, stops=(STOP,)))
    worker = Worker(servers)
    await worker.attendance.hello()
    await beating(worker, lambda: len(worker.stops) > 1)
    assert servers.asked[1] == Beat(life="life")
    assert set(worker.stops) == {STOP}
    assert worker.told == [STANDING]  # a stop is none of its facts


async def test_a_stop_that_takes_long_keeps_it_from_no_beat_and_is_begun_once() -> None:
    servers = Servers(STANDING, replace(STANDING, stops=(STOP,)))
    worker = Worker(servers)
    worker.stops_end = False
    await worker.attendance.hello()
    await beating(worker, lambda: len(servers.asked) > 9)
    assert worker.stops == [STOP]


async def test_a_lease_that_is_over_lets_it_claim_no_more() -> None:
    servers = Servers(STANDING, replace(STANDING, lease_seconds=0.0))
    worker = Worker(servers)
    await worker.attendance.hello()
    assert worker.attendance.may_claim
    await beating(worker, lambda: not worker.attendance.may_claim)


async def test_its_lease_counts_from_before_it_was_asked_for_and_since_its_last_break() -> None:
    worker = Worker(servers := Servers(STANDING))
    before = boottime()
    await worker.attendance.hello()
    await beating(worker, lambda: len(worker.leases) > 3)
    assert {since for since, _ in worker.leases} == {worker.leases[0][0]}
    assert before <= worker.leases[0][0] <= servers.asked_at[0]
    for (_, end), asked_at in zip(worker.leases, servers.asked_at, strict=False):
        assert end <= asked_at + STANDING.lease_seconds
    assert worker.leases[0][1] == worker.leases[0][0] + STANDING.lease_seconds
    assert worker.leases == sorted(worker.leases)


async def test_a_lease_that_was_over_stands_anew_from_the_next_answer_on() -> None:
    worker = Worker(Servers(replace(STANDING, lease_seconds=0.0)))
    await worker.attendance.hello()
    await beating(worker, lambda: len(worker.leases) > 3)
    assert len({since for since, _ in worker.leases}) == len(worker.leases)


@pytest.mark.parametrize("state", [WorkerState.DRAINING, WorkerState.REMOVED])
async def test_one_that_is_not_wanted_does_not_claim(state: WorkerState) -> None:
    worker = Worker(Servers(replace(STANDING, state=state)))
    assert await worker.attendance.hello()
    assert not worker.attendance.may_claim


async def test_other_pools_are_told() -> None:
    other = replace(STANDING, pools=("build", "test"))
    worker = Worker(Servers(STANDING, STANDING, other))
    await worker.attendance.hello()
    await beating(worker, lambda: len(worker.told) > 1)
    assert worker.told == [STANDING, other]


async def test_servers_that_do_not_know_it_any_more_hear_hello_again() -> None:
    servers = Servers(STANDING, TailrunError("there is no such worker"), STANDING)
    worker = Worker(servers)
    await worker.attendance.hello()
    await beating(worker, lambda: len(servers.asked) > 2)
    assert servers.asked[:3] == [HELLO, Beat(life="life"), HELLO]


async def test_a_host_that_was_not_known_any_more_looks_what_became_of_its_runs() -> None:
    """Within its lease, too: what the servers know may have been set back."""
    servers = Servers(STANDING, TailrunError("there is no such worker"), STANDING)
    worker = Worker(servers)
    worker.back = asyncio.Event().wait
    await worker.attendance.hello()
    assert worker.attendance.may_start
    await beating(worker, lambda: worker.backs)
    assert not worker.attendance.may_start


async def test_a_stop_that_it_has_taken_is_told_with_the_next_beat_that_is_heard() -> None:
    away = NoAnswerError("nobody is there")
    servers = Servers(STANDING, replace(STANDING, stops=(STOP,)), STANDING, away, STANDING)
    worker = Worker(servers)
    worker.ends_with = None
    await worker.attendance.hello()
    await beating(worker, lambda: len(servers.asked) > 7)
    taken = frozenset({STOP.run_id})
    told = [asked.stopped for asked in servers.asked if isinstance(asked, Beat)]
    assert told[0] == frozenset()
    assert told[-1] == frozenset()
    first = told.index(taken)
    assert told[first:].count(taken) in {1, 2}  # once more where the answer was lost
    assert worker.stops == [STOP]


async def test_a_host_whose_lease_was_over_starts_no_run_until_it_knows_of_them() -> None:
    """They may have been given up meanwhile, and tried again elsewhere."""
    over = replace(STANDING, lease_seconds=0.0)
    servers = Servers(over, STANDING)
    worker = Worker(servers)
    gate = asyncio.Event()

    async def back() -> None:
        if worker.backs == 1:
            raise DatabaseUnavailableError("it is away")
        await gate.wait()

    worker.back = back
    await worker.attendance.hello()
    assert not worker.attendance.may_start

    async with asyncio.TaskGroup() as group:
        beats = group.create_task(worker.attendance.run())
        await until(lambda: worker.backs == 2)
        assert not worker.attendance.may_start
        assert not worker.attendance.may_claim
        gate.set()
        await until(lambda: worker.attendance.may_start)
        assert worker.attendance.may_claim
        beats.cancel()


async def test_a_host_that_goes_on_is_never_taken_for_one_that_comes_back() -> None:
    servers = Servers(STANDING)
    worker = Worker(servers)
    await worker.attendance.hello()
    await beating(worker, lambda: len(servers.asked) > 5)
    assert (worker.backs, worker.attendance.may_start) == (0, True)


async def test_where_the_lease_was_over_while_a_beat_was_under_way_runs_are_started_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The beat was asked for within it: what became of its runs needs no look, and nobody waits."""
    now = 100.0
    monkeypatch.setattr(module, "boottime", lambda: now)
    might_start: list[bool] = []

    class SlowServers(Servers):
        async def ask(self, request: object) -> Standing:
            nonlocal now
            now += 2.0
            might_start.append(worker.attendance.may_start)
            return await super().ask(request)

    worker = Worker(SlowServers(STANDING))
    await worker.attendance.hello()
    woken: list[float] = []
    worker.active.on_gone = lambda: woken.append(now)
    now = 100.0 + STANDING.lease_seconds - 1.0
    await worker.attendance.hello()
    assert worker.attendance.may_start
    assert (woken, worker.backs) == ([now], 0)
    await worker.attendance.hello()
    assert might_start == [False, False, True]
    assert len(woken) == 1


async def test_while_another_process_has_the_lease_it_neither_answers_nor_claims(
    caplog: pytest.LogCaptureFixture,
) -> None:
    servers = Servers(STANDING, OtherLifeError("another process is there"))
    worker = Worker(servers)
    await worker.attendance.hello()
    assert worker.attendance.may_answer
    await beating(worker, lambda: len(servers.asked) > 5)
    assert not worker.attendance.may_answer
    assert not worker.life.is_heard
    assert caplog.text.count("give this worker no runs, asking again: another process") == 1
    servers.answers = [STANDING]
    await beating(worker, lambda: worker.attendance.may_answer)
    assert worker.life.is_heard


async def test_one_that_may_be_a_copy_asks_until_it_is_let_in(
    caplog: pytest.LogCaptureFixture,
) -> None:
    away = DatabaseUnavailableError("it is away")
    servers = Servers(OtherLifeError("not you"), OtherLifeError("not you"), away, STANDING)
    life = OneLife()
    await until_let_in(cast("Any", servers), HELLO, life)
    assert servers.asked == [HELLO] * 4
    assert life.is_heard
    assert caplog.text.count("not let in yet, asking again: not you") == 1
    away_at_once = Servers(away)
    with pytest.raises(DatabaseUnavailableError):
        await until_let_in(cast("Any", away_at_once), HELLO, life, despite=OtherLifeError)


@pytest.mark.parametrize("noted", [None, "another"])
async def test_a_server_of_before_that_answers_does_not_have_the_lives_before_forgotten(
    noted: str | None,
) -> None:
    """It notes no life: the others still have the one before, and are to be told that it is over.

    Else they would take this one for a copy, and give its runs up.
    """
    of_before = replace(STANDING, life=noted)
    worker = Worker(servers := Servers(of_before))
    assert await worker.attendance.hello()
    await beating(worker, lambda: len(servers.asked) > 2)
    life = OneLife()
    await until_let_in(cast("Any", servers), HELLO, life)
    assert not worker.life.is_heard
    assert not life.is_heard
    servers.answers = [STANDING]
    await beating(worker, lambda: worker.life.is_heard)
