"""Of the processes of one host one has the lease, whatever was copied, in PostgreSQL."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from uuid import UUID

import pytest

from server.definition import NewRun, Options
from server.errors import OtherLifeError
from server.models import RunState
from server.repositories.claims import ClaimRepository
from server.repositories.commands import CommandRepository
from server.repositories.database.database import Database
from server.repositories.losses import ENDING_SECONDS
from server.repositories.runs import RunRepository
from server.repositories.workers import WorkerRepository
from server.services.fleet.attending import Attending, OwnHost
from server.services.fleet.lease import Lease
from server.services.tasks import Tasks
from server.wire.messages import Beat, Hello, Life
from tests.support.access import BY
from tests.support.workers import add_worker, silence

LEASE = 30
HOST = "w"
FIRST, NEXT = Life(id="first", age=5), Life(id="next", before=("first",), age=5)
RESTARTED = replace(NEXT, are_over=True)
OLDER = replace(NEXT, age=4)
STRANGER = Life(id="stranger", before=("nobody",), age=9)

STARTED = "UPDATE commands_info SET state = 'running' WHERE id = %(id)s RETURNING id"


class Host:
    """A host, as servers know it."""

    def __init__(self, database: Database, tasks: Tasks) -> None:
        self._database = database
        self.attending = Attending(
            WorkerRepository(database), Lease(LEASE), tasks, gather_seconds=0.01
        )
        self.runs, self.claims = RunRepository(database), ClaimRepository(database)

    async def hello(self, life: Life | None, role: str = "worker") -> None:
        hello = Hello(name="one", version="1", pools=("build",), places=9, life=life)
        if role == "server":
            await OwnHost(HOST, self.attending).ask(hello)
        else:
            await self.attending.hello(HOST, hello)

    async def is_refused(self, life: Life | None, role: str = "worker") -> bool:
        try:
            await self.hello(life, role)
        except OtherLifeError as error:
            waits = f"once the lease of that one is over, within {LEASE + ENDING_SECONDS:g} s."
            return "Another process is there as one" in str(error) and waits in str(error)
        return False

    async def has_started(self, run_id: UUID) -> None:
        await self._database.fetch_all(STARTED, {"id": run_id})

    async def silent_for(self, seconds: float) -> None:
        await silence(self._database, HOST, seconds, lease_seconds=LEASE)

    async def add(self, *, pool: str | None = "build") -> UUID:
        """Store a run; of a pool for whoever claims it, else of this host."""
        command = await CommandRepository(self._database).add(
            "name", None, "true", options=Options(pool=pool), by=BY
        )
        new = NewRun(options=Options(pool=pool))
        run = await self.runs.add(command.id, "true", HOST, new=new, by=BY)
        await self.claims.release([run.id])
        return run.id


@pytest.fixture
async def host(database: Database) -> AsyncIterator[Host]:
    await add_worker(database, HOST, name="one", pools=["build"], places=9)
    tasks = Tasks()
    yield Host(database, tasks)
    assert not tasks.failed.is_set()
    await tasks.cancel()


OF_WHOM = pytest.mark.parametrize("role", ["worker", "server"])


@OF_WHOM
async def test_one_that_is_started_again_is_let_in_at_once(host: Host, role: str) -> None:
    await host.hello(FIRST, role)
    run_id = await host.add()
    await host.claims.claim_within_lease(HOST, 1, "first")
    await host.hello(RESTARTED, role)
    await host.hello(RESTARTED, role)  # as where the answer was lost
    assert (await host.runs.get(run_id)).state is RunState.QUEUED
    assert await host.is_refused(FIRST, role)


@OF_WHOM
@pytest.mark.parametrize("life", [NEXT, OLDER, replace(OLDER, are_over=True), STRANGER, None])
async def test_a_copy_gets_nothing_while_the_other_one_is_there(
    host: Host, life: Life | None, role: str
) -> None:
    await host.hello(FIRST, role)
    await host.add()
    said = None if life is None else life.id
    assert await host.is_refused(life, role)
    with pytest.raises(OtherLifeError, match="remove all that is in its state directory"):
        await host.attending.beat(HOST, Beat(life=said, age=9))
    assert await host.claims.claim_within_lease(HOST, 9, said) == []
    await host.attending.beat(HOST, Beat(life="first", age=6))
    assert len(await host.claims.claim_within_lease(HOST, 9, "first")) == 1


async def test_only_the_beats_of_the_one_with_the_lease_count(host: Host) -> None:
    """Also those that come together; nor do those of a machine that was set back."""
    await host.hello(FIRST)
    await host.silent_for(LEASE - 1)
    for beat in (Beat(life="next", age=9), Beat(life="first", age=4), Beat()):
        with pytest.raises(OtherLifeError):
            await host.attending.beat(HOST, beat)
    await host.silent_for(LEASE + 1)
    assert not await host.is_refused(NEXT)


@OF_WHOM
async def test_a_machine_that_was_started_again_waits_for_the_lease_and_goes_on(
    host: Host, role: str
) -> None:
    """What was claimed and is not known to be started is given up, as it may have been."""
    await host.hello(FIRST, role)
    running, claimed = await host.add(), await host.add()
    await host.claims.claim_within_lease(HOST, 9, "first")
    await host.has_started(running)
    own = await host.add(pool=None)
    await host.silent_for(LEASE - 1)
    assert await host.is_refused(NEXT, role)
    await host.silent_for(LEASE + 1)
    await host.hello(NEXT, role)
    assert (await host.runs.get(running)).state is RunState.RUNNING
    assert (await host.runs.get(own)).state is RunState.QUEUED
    lost = await host.runs.get(claimed)
    assert lost.state is RunState.LOST
    assert "came back with a state directory that may not know" in str(lost.reason)


@OF_WHOM
@pytest.mark.parametrize("life", [OLDER, STRANGER, replace(OLDER, are_over=True)])
async def test_an_older_state_directory_waits_longer_and_all_it_had_is_given_up(
    host: Host, life: Life, role: str, caplog: pytest.LogCaptureFixture
) -> None:
    await host.hello(FIRST, role)
    running = await host.add()
    await host.claims.claim_within_lease(HOST, 9, "first")
    await host.has_started(running)
    await host.silent_for(LEASE + ENDING_SECONDS - 2)
    assert await host.is_refused(life, role)
    await host.silent_for(LEASE + ENDING_SECONDS + 1)
    told: list[UUID] = []
    host.attending.on_given_up = told.extend
    await host.hello(life, role)
    assert (await host.runs.get(running)).state is RunState.LOST
    assert told == [running]
    assert "runs that it had, which are given up as nobody knows" in caplog.text
    assert await host.is_refused(FIRST, role)


async def test_the_first_one_is_let_in_again_once_the_copy_is_over(host: Host) -> None:
    await host.hello(FIRST)
    await host.silent_for(LEASE + 1)
    await host.hello(NEXT)
    assert await host.is_refused(FIRST)
    await host.silent_for(LEASE + ENDING_SECONDS + 1)
    await host.hello(FIRST)
    assert await host.is_refused(NEXT)


async def test_workers_of_before_say_nothing_of_it_and_work(host: Host) -> None:
    for _ in range(2):
        await host.hello(None)
        await host.attending.beat(HOST, Beat())
    await host.add()
    assert len(await host.claims.claim_within_lease(HOST, 9)) == 1
    await host.hello(FIRST)  # it was upgraded
    with pytest.raises(OtherLifeError):
        await host.attending.beat(HOST, Beat())
    await host.silent_for(LEASE + 1)
    await host.hello(None)  # and set back
    await host.attending.beat(HOST, Beat())


async def test_beside_servers_of_before_that_heard_its_hello_a_worker_goes_on(host: Host) -> None:
    """They note nothing of its life: the first beat that is heard here does."""
    await host.add()
    assert len(await host.claims.claim_within_lease(HOST, 1, "first")) == 1
    beats = [host.attending.beat(HOST, Beat(life=life)) for life in ("first", "next")]
    found = await asyncio.gather(*beats, return_exceptions=True)
    assert sum(isinstance(one, OtherLifeError) for one in found) == 1


async def test_of_two_processes_one_takes_runs_over(host: Host) -> None:
    await host.hello(FIRST)
    await host.add()
    [run] = await host.claims.claim_within_lease(HOST, 9, "first")
    assert await host.runs.take_over_known({run.id: run.epoch}, HOST, "next") == {}
    [position] = (await host.runs.take_over_known({run.id: run.epoch}, HOST, "first")).values()
    assert position.epoch == run.epoch + 1


async def test_what_is_said_of_a_life_harms_no_other(host: Host) -> None:
    odd = Life(id="a\0\ud800" * 99, before=("\0",) * 999, age=2**80)
    await host.hello(odd)
    await host.attending.beat(HOST, Beat(life=odd.id, age=2**80))
