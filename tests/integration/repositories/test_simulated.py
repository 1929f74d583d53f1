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
from tests.simulation.case import play
from tests.simulation.servers import POOL
from tests.support.access import BY

SEEDS = (0, 5, 6, 49, 82)
"""Cases with kills, cuts, repetitions, late steps of who owns a run no more."""

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

    async def add(self, run: Run) -> None:
        parameters = {"id": run.id, "command": self._command_id, "pool": run.pool}
        await self._database.fetch_one(STORE, {**parameters, "at": run.created_at})

    async def end(self, run_id: UUID, end: RunEnd) -> None:
        await self._database.fetch_one(END, {"id": run_id, **end_parameters(end)})

    async def claim(self, host: str, limit: int) -> Sequence[Run]:
        return await self._claims.claim(
            host, pools=(POOL,), labels=(), places=self._places, limit=limit
        )

    async def append(self, advances: Sequence[Advance], hosts: dict[UUID, str]) -> set[UUID]:
        return await self._outputs.append(advances, hosts=hosts)

    async def take_over_known(self, epochs: dict[UUID, int], host: str) -> Any:
        return await self._runs.take_over_known(epochs, host)

    async def active_after(self, host: str, after: UUID | None, limit: int) -> Sequence[Run]:
        return await self._runs.active_after(host, after, limit)

    async def positions(self, run_ids: Sequence[UUID], host: str) -> Any:
        return await self._outputs.positions(run_ids, host=host)


def plain(found: Any) -> Any:
    """Return what is to be the same of an answer: of runs where they stand, and whose they are."""
    if isinstance(found, list | tuple):
        return [(run.id, run.state, run.epoch, run.host, run.output_bytes) for run in found]
    return found


async def test_postgresql_does_what_the_tables_of_the_cases_did(database: Database) -> None:
    command = await CommandRepository(database).add("name", None, "true", by=BY)
    for seed in SEEDS:
        await does_the_same(database, command.id, seed)


async def does_the_same(database: Database, command_id: UUID, seed: int) -> None:
    played = await asyncio.to_thread(play, seed)  # its time is of its own
    real = Real(database, command_id, played.plan.places)
    assert len(played.statements) > 10
    for name, arguments, found in played.statements:
        assert plain(await getattr(real, name)(*arguments)) == plain(found), (name, arguments)
    for run_id, chunks in played.chunks.items():
        assert await OutputRepository(database).chunks(run_id, 0, 1000) == chunks
