"""Runs of pools: stored for whichever worker claims them, each claimed once."""

# ruff: noqa: S608  what is put into the SQL are lists of columns, constants of this layer

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from server.errors import RunNotFoundError
from server.models import Run, RunEnd
from server.repositories.database.batches import Batches
from server.repositories.database.database import Database
from server.repositories.rows import END_ASSIGNMENTS, RUN_COLUMNS, end_parameters, run_of
from server.repositories.run_statements import ACTIVE_RUN, WAITS

UNCLAIMED = "r.host IS NULL AND r.end_time IS NULL AND r.state = 'queued'"

MAX_WATCHED = 1000
"""Active runs of pools that are looked after, the oldest: a page of that is no small one."""

# Of one host one claim is made at a time: the second statement's snapshot is taken after the lock,
# and counts what those before it have got. Rows that another host is about to claim are passed
# over; one that it has claimed meanwhile is looked at again, and left to it (EvalPlanQual).
_CLAIM = f"""
    SELECT pg_advisory_xact_lock(hashtextextended('tailrun claims of ' || %(host)s, 0));
    WITH w AS ({{worker}}), free AS (
        SELECT greatest((SELECT places FROM w) - count(*), 0) AS n FROM commands_info r
        WHERE r.host = %(host)s AND {ACTIVE_RUN} AND NOT {WAITS}
    ), next AS (
        SELECT r.id FROM commands_info r
        WHERE {UNCLAIMED} AND r.pool = ANY((SELECT pools FROM w)::text[])
            AND r.held_at IS NULL AND NOT {WAITS}
            AND coalesce(r.requires <@ (SELECT labels FROM w), true)
        ORDER BY r.created_at, r.id LIMIT (SELECT least(n, %(limit)s) FROM free)
        FOR UPDATE OF r SKIP LOCKED
    )
    UPDATE commands_info r SET host = %(host)s, epoch = r.epoch + 1 FROM next WHERE r.id = next.id
    RETURNING {RUN_COLUMNS}
"""

CLAIM = _CLAIM.format(
    worker="SELECT %(pools)s::text[] AS pools, %(labels)s::text[] AS labels, %(places)s AS places"
)

CLAIM_WITHIN_LEASE = _CLAIM.format(
    worker="""
        SELECT pools, labels, places FROM workers
        WHERE id = %(host)s AND state = 'active' AND lease_until > now()
            AND (life IS NULL OR life = %(life)s)
    """
)
"""As the worker is known: nothing for one that has no lease, or is not to have more. Of a copied
state directory there are several, and one has the lease; none is noted where a server of a version
before was the one to hear of it."""

RELEASE = f"""
    UPDATE commands_info r SET held_at = NULL
    WHERE r.id = ANY(%(ids)s::uuid[]) AND {UNCLAIMED} AND r.held_at IS NOT NULL
    RETURNING r.id
"""

END = f"""
    UPDATE commands_info r SET {END_ASSIGNMENTS} WHERE r.id = %(id)s AND {UNCLAIMED}
    RETURNING {RUN_COLUMNS}
"""

END_HELD = f"""
    UPDATE commands_info r SET {END_ASSIGNMENTS}
    WHERE r.id = %(id)s AND {UNCLAIMED} AND r.held_at IS NOT NULL
    RETURNING {RUN_COLUMNS}
"""

LOOK = f"SELECT {RUN_COLUMNS} FROM commands_info r WHERE r.id = ANY(%(ids)s::uuid[])"

# Those that another run of their command may replace have their turn, perhaps, and wait for nothing
# but a worker.
LIMITED = f"""
    SELECT r.commands_id, r.id, r.created_at, {WAITS}, r.not_before, r.pool,
        coalesce(cardinality(r.requires), 0) > 0
    FROM commands_info r
    WHERE {UNCLAIMED} AND r.held_at IS NULL AND (
        r.options -> 'concurrency' IS NOT NULL OR r.not_before IS NOT NULL AND r.claimed_at IS NULL
    )
    ORDER BY coalesce(r.not_before, r.created_at), r.id LIMIT %(limit)s
"""


# Of those that somebody wants to hear of when they start late or take long.
WATCHED = f"""
    SELECT {RUN_COLUMNS} FROM commands_info r
    WHERE {ACTIVE_RUN} AND r.pool IS NOT NULL AND r.host IS DISTINCT FROM %(host)s
        AND r.created_at < now() - interval '60 s'
        AND (r.options -> 'notify' IS NOT NULL OR r.cause ->> 'kind' = 'schedule')
    ORDER BY r.created_at, r.id LIMIT {MAX_WATCHED}
"""


@dataclass(frozen=True, slots=True)
class Limited:
    """A run that nobody has claimed, and that has or needs a turn, or has its time still to come.

    `waits`: it is not to be claimed yet. `requires_labels`: not each worker of its pool may.
    """

    command_id: UUID
    run_id: UUID
    created_at: datetime
    waits: bool
    not_before: datetime | None
    pool: str
    requires_labels: bool

    def is_due(self, now: datetime) -> bool:
        """Return whether its time has come."""
        return self.not_before is None or self.not_before <= now


class ClaimRepository:
    """The runs in `commands_info` that are no host's yet."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._looks: Batches[UUID, Run | None] = Batches(
            self._look_at, lambda _: 1, timeout_seconds=database.statement_timeout_seconds
        )
        self._releases: Batches[UUID, None] = Batches(
            self._release, lambda _: 1, timeout_seconds=database.statement_timeout_seconds
        )

    async def claim(
        self,
        host: str,
        *,
        pools: Collection[str],
        labels: Collection[str],
        places: int,
        limit: int,
    ) -> Sequence[Run]:
        """Make up to `limit` runs that wait in these pools a host's own; return them, oldest first.

        No more than it has `places` for, by its active runs, and none that requires a label that
        it has not. Where an answer is lost its runs are among the host's active ones.
        """
        parameters = {
            "host": host,
            "pools": list(pools),
            "labels": list(labels),
            "places": places,
            "limit": limit,
        }
        return await self._claim(CLAIM, parameters)

    async def claim_within_lease(
        self, host: str, limit: int, life: str | None = None
    ) -> Sequence[Run]:
        """Do the same for a host that has a row in `workers`: what that says of it counts.

        One that has no lease, drains or was removed gets nothing, nor does a process of the host
        that is not the one which has the lease; None: of a version that does not tell.
        """
        parameters = {"host": host, "limit": limit, "life": life}
        return await self._claim(CLAIM_WITHIN_LEASE, parameters)

    async def _claim(self, sql: str, parameters: Mapping[str, object]) -> Sequence[Run]:
        runs = [run_of(row) for row in await self._database.fetch_all(sql, parameters)]
        return sorted(runs, key=lambda run: (run.created_at, run.id))

    async def release(self, run_ids: Collection[UUID]) -> None:
        """Let workers have runs: it is known now that they are stored. Again: harmless.

        All who release at the same time share a statement.
        """
        await asyncio.gather(*map(self._releases.do, run_ids))

    async def _release(self, run_ids: Sequence[UUID]) -> Sequence[None]:
        await self._database.fetch_all(RELEASE, {"ids": list(run_ids)})
        return [None] * len(run_ids)

    async def end(self, run_id: UUID, end: RunEnd) -> Run | None:
        """End a run that nobody has claimed; None: somebody has, or it has ended."""
        row = await self._database.fetch_one(END, {"id": run_id, **end_parameters(end)})
        return None if row is None else run_of(row)

    async def end_held(self, run_id: UUID, end: RunEnd) -> Run | None:
        """End a run that is held; None: it is not, or not any more."""
        row = await self._database.fetch_one(END_HELD, {"id": run_id, **end_parameters(end)})
        return None if row is None else run_of(row)

    async def look(self, run_id: UUID) -> Run:
        """Return a run; all who look at the same time share a statement.

        Raises:
            RunNotFoundError: there is no such run.
        """
        run = await self._looks.do(run_id)
        if run is None:
            raise RunNotFoundError.of(run_id)
        return run

    async def _look_at(self, run_ids: Sequence[UUID]) -> Sequence[Run | None]:
        rows = await self._database.fetch_all(LOOK, {"ids": list(run_ids)})
        found = {run.id: run for run in map(run_of, rows)}
        return [found.get(run_id) for run_id in run_ids]

    async def watched(self, but_of: str) -> Sequence[Run]:
        """Return active runs of pools that other hosts have, or none yet, and somebody watches."""
        return [run_of(row) for row in await self._database.fetch_all(WATCHED, {"host": but_of})]

    async def limited(self, limit: int) -> Sequence[Limited]:
        """Return the unclaimed runs that need a turn, a time, or an eye; the first due first."""
        rows = await self._database.fetch_all(LIMITED, {"limit": limit})
        return [Limited(*row) for row in rows]
