"""What the cases of tests/simulation hold for PostgreSQL: it does what cases did, and as it did."""

# ruff: noqa: S608  what is put into the SQL are lists of columns, constants of this layer

import asyncio
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from server.models import Advance, Run, RunEnd
from server.repositories.claims import ClaimRepository
from server.repositories.commands import CommandRepository
from server.repositories.database.database import Database
from server.repositories.output import OutputRepository
from server.repositories.rows import END_ASSIGNMENTS, end_parameters
from server.repositories.runs import RunRepository
from server.repositories.workers import Said, WorkerRepository
from server.wire.messages import Life
from tests.simulation.case import play
from tests.simulation.servers import POOL
from tests.support.access import BY
from tests.support.workers import add_worker, silence

SEEDS = (0, 5, 6, 12, 49, 80, 82, 98)
"""Cases with kills, cuts, repetitions, late steps of who owns a run no more; and with copies."""

STORE = """
    INSERT INTO commands_info
        (id, commands_id, script, state, created_at, start_time, host, pool, epoch)
    VALUES (%(id)s, %(command)s, 'true', 'queued', %(at)s, %(at)s, NULL, %(pool)s, 1) RETURNING id
"""
END = f"""
    UPDATE commands_info
    SET {END_ASSIGNMENTS}, given_up_at = CASE WHEN host IS NOT NULL THEN now() END
    WHERE id = %(id)s AND end_time IS NULL RETURNING id
"""


class Real:
    """The tables of PostgreSQL, asked as those of the cases."""

    def __init__(self, database: Database, command_id: UUID, places: int) -> None:
        self._database = database
        self._command_id = command_id
        self._places = places
        self._runs = RunRepository(database)
        self._outputs = OutputRepository(database)
        self._claims = ClaimRepository(database)
        self._workers = WorkerRepository(database)

    async def hello(self, host: str, life: Life, silent_seconds: float) -> Any:
        await add_worker(self._database, host, pools=[POOL], places=self._places)
        await silence(self._database, host, silent_seconds, lease_seconds=0)
        said = Said(id=life.id, before=life.before, are_over=life.are_over, age=life.age)
        found = await self._workers.hello(host, said, version="1", lease_seconds=0)
        assert found is not None
        return found.is_in, {*found.given_up}

    async def beat(self, host: str, life: str, age: int) -> bool:
        found = await self._workers.beat([(host, Said(id=life, age=age))], 0)
        return found[host][1]

    async def add(self, run: Run) -> None:
        parameters = {"id": run.id, "command": self._command_id, "pool": run.pool}
        await self._database.fetch_one(STORE, {**parameters, "at": run.created_at})

    async def end(self, run_id: UUID, end: RunEnd) -> None:
        await self._database.fetch_one(END, {"id": run_id, **end_parameters(end)})

    async def claim(self, host: str, limit: int, life: str) -> Sequence[Run]:
        await silence(self._database, host, 0, lease_seconds=3600)  # that it has one is noted
        return await self._claims.claim_within_lease(host, limit, life)

    async def append(self, advances: Sequence[Advance], hosts: dict[UUID, str]) -> set[UUID]:
        return await self._outputs.append(advances, hosts=hosts)

    async def take_over_known(self, epochs: dict[UUID, int], host: str, life: str) -> Any:
        return await self._runs.take_over_known(epochs, host, life)

    async def active_after(self, host: str, after: UUID | None, limit: int) -> Sequence[Run]:
        return await self._runs.active_after(host, after, limit)

    async def positions(self, run_ids: Sequence[UUID], host: str) -> Any:
        return await self._outputs.positions(run_ids, host=host)


def plain(found: Any) -> Any:
    """Return what is to be the same of an answer: of runs where they stand, and whose they are."""
    if isinstance(found, list):
        return [(run.id, run.state, run.epoch, run.host, run.output_bytes) for run in found]
    return found


async def test_postgresql_does_what_the_tables_of_the_cases_did(database: Database) -> None:
    command = await CommandRepository(database).add("name", None, "true", by=BY)
    for seed in SEEDS:
        await does_the_same(database, command.id, seed)


async def does_the_same(database: Database, command_id: UUID, seed: int) -> None:
    played = await asyncio.to_thread(play, seed)  # its time is of its own
    await database.fetch_all("DELETE FROM workers RETURNING id")  # each case has hosts of its own
    real = Real(database, command_id, played.plan.places)
    assert len(played.statements) > 10
    for name, arguments, found in played.statements:
        assert plain(await getattr(real, name)(*arguments)) == plain(found), (name, arguments)
    for run_id, chunks in played.chunks.items():
        assert await OutputRepository(database).chunks(run_id, 0, 1000) == chunks
