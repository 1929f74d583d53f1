"""Runs of pools: stored for whichever worker claims them, each claimed once."""

# ruff: noqa: S608  what is put into the SQL are lists of columns, constants of this layer

from collections.abc import Collection, Sequence
from uuid import UUID

from server.models import Run, RunEnd
from server.repositories.database.database import Database
from server.repositories.rows import END_ASSIGNMENTS, RUN_COLUMNS, end_parameters, run_of
from server.repositories.run_statements import ACTIVE_RUN, WAITS

UNCLAIMED = "r.host IS NULL AND r.end_time IS NULL AND r.state = 'queued'"

# Of one host one claim is made at a time: the second statement's snapshot is taken after the lock,
# and counts what those before it have got. Rows that another host is about to claim are passed
# over; one that it has claimed meanwhile is looked at again, and left to it (EvalPlanQual).
CLAIM = f"""
    SELECT pg_advisory_xact_lock(hashtextextended('tailrun claims of ' || %(host)s, 0));
    WITH free AS (
        SELECT greatest(%(places)s - count(*), 0) AS n FROM commands_info r
        WHERE r.host = %(host)s AND {ACTIVE_RUN}
    ), next AS (
        SELECT r.id FROM commands_info r
        WHERE {UNCLAIMED} AND r.pool = ANY(%(pools)s::text[]) AND r.held_at IS NULL AND NOT {WAITS}
            AND coalesce(r.requires <@ %(labels)s::text[], true)
        ORDER BY r.created_at, r.id LIMIT (SELECT least(n, %(limit)s) FROM free)
        FOR UPDATE OF r SKIP LOCKED
    )
    UPDATE commands_info r SET host = %(host)s, epoch = r.epoch + 1 FROM next WHERE r.id = next.id
    RETURNING {RUN_COLUMNS}
"""

RELEASE = f"""
    UPDATE commands_info r SET held_at = NULL
    WHERE r.id = ANY(%(ids)s::uuid[]) AND {UNCLAIMED} AND r.held_at IS NOT NULL
    RETURNING r.id
"""

END = f"""
    UPDATE commands_info r SET {END_ASSIGNMENTS} WHERE r.id = %(id)s AND {UNCLAIMED}
    RETURNING {RUN_COLUMNS}
"""

# By the database's clock, as those of its servers may differ by more than that.
END_HELD = f"""
    UPDATE commands_info r SET {END_ASSIGNMENTS}
    WHERE {UNCLAIMED} AND r.held_at < now() - make_interval(secs => %(seconds)s)
    RETURNING {RUN_COLUMNS}
"""


class ClaimRepository:
    """The runs in `commands_info` that are no host's yet."""

    def __init__(self, database: Database) -> None:
        self._database = database

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
        runs = [run_of(row) for row in await self._database.fetch_all(CLAIM, parameters)]
        return sorted(runs, key=lambda run: (run.created_at, run.id))

    async def release(self, run_ids: Collection[UUID]) -> None:
        """Let workers have runs: it is known now that they are stored. Again: harmless."""
        await self._database.fetch_all(RELEASE, {"ids": list(run_ids)})

    async def end(self, run_id: UUID, end: RunEnd) -> Run | None:
        """End a run that nobody has claimed; None: somebody has, or it has ended."""
        row = await self._database.fetch_one(END, {"id": run_id, **end_parameters(end)})
        return None if row is None else run_of(row)

    async def end_held(self, seconds: float, end: RunEnd) -> Sequence[Run]:
        """End the runs that were stored so long ago, and whose servers do not know of it."""
        parameters = {"seconds": seconds, **end_parameters(end)}
        return [run_of(row) for row in await self._database.fetch_all(END_HELD, parameters)]
