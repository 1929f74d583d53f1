"""Turns: which runs of a command with a limit may go on, decided by statements.

What is counted is counted while the command's row is held, so the limit holds whatever number of
servers works on one database. Whoever adds a run of such a command at once holds it, too.
"""

# ruff: noqa: S608  what is put into the SQL are expressions of this layer

from collections.abc import Collection, Sequence
from datetime import datetime
from uuid import UUID

from server.repositories.database.database import Database
from server.repositories.database.types import Row
from server.repositories.lines import Holder, Line, Replacing
from server.repositories.run_statements import ACTIVE_RUN, HOLD, LIMIT, WAITS

# Of the command's active runs the holders have had their turn. `newest` is the last one that was
# started to replace those before it, and `wants`: it waits for nothing but that.
LOOK = f"""
    SELECT asked.id, bound.n, held.ids, held.hosts, newest.id, newest.created_at, newest.wants,
        held.older
    FROM unnest(%(commands)s::uuid[]) AS asked (id)
    LEFT JOIN commands c ON c.id = asked.id
    CROSS JOIN LATERAL (SELECT {LIMIT} AS n) bound
    LEFT JOIN LATERAL (
        SELECT r.id, r.created_at,
            {WAITS} AND coalesce(r.not_before <= %(now)s, true) AS wants
        FROM commands_info r
        WHERE r.commands_id = asked.id AND {ACTIVE_RUN} AND r.retry_of IS NULL
            AND r.held_at IS NULL AND r.options -> 'concurrency' ->> 'beyond' = 'replace'
        ORDER BY r.created_at DESC, r.id DESC LIMIT 1
    ) newest ON true
    CROSS JOIN LATERAL (
        SELECT coalesce(array_agg(r.id ORDER BY r.created_at, r.id), '{{}}') AS ids,
            coalesce(array_agg(r.host ORDER BY r.created_at, r.id), '{{}}') AS hosts,
            count(*) FILTER (
                WHERE (r.created_at, r.id) < (newest.created_at, newest.id)
            ) AS older
        FROM commands_info r WHERE r.commands_id = asked.id AND {ACTIVE_RUN} AND NOT {WAITS}
    ) held
"""

# The second statement's snapshot is taken once the rows are held, and shows all that others have
# given until then. In the line are the runs that this server has, and those of other hosts, unless
# these were waited for long enough. A run that has its turn already is told again: the answer that
# gave it may have been lost.
CLAIM = f"""
    {HOLD};
    WITH active AS (
        SELECT r.id, r.commands_id, r.host, r.created_at, {WAITS} AS waits,
            coalesce(r.not_before <= %(now)s, true) AS due
        FROM commands_info r
        WHERE r.commands_id = ANY(%(commands)s::uuid[]) AND {ACTIVE_RUN}
    ), used AS (
        SELECT commands_id, count(*) AS n FROM active WHERE NOT waits GROUP BY commands_id
    ), line AS (
        SELECT id, commands_id,
            row_number() OVER (PARTITION BY commands_id ORDER BY created_at, id) AS place
        FROM active
        WHERE waits AND due AND (
            id = ANY(%(runs)s::uuid[])
            OR host IS DISTINCT FROM %(host)s AND commands_id <> ALL(%(passed)s::uuid[])
        )
    ), given AS (
        UPDATE commands_info r SET claimed_at = %(now)s
        FROM line JOIN commands c ON c.id = line.commands_id
            LEFT JOIN used ON used.commands_id = c.id
        WHERE r.id = line.id AND r.id = ANY(%(runs)s::uuid[])
            AND r.state = 'queued' AND r.claimed_at IS NULL
            AND coalesce(coalesce(used.n, 0) + line.place <= {LIMIT}, true)
        RETURNING r.id
    )
    SELECT id FROM given
    UNION SELECT id FROM active WHERE id = ANY(%(runs)s::uuid[]) AND NOT waits
"""


class TurnRepository:
    """The turns of the runs in `commands_info`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def look(self, commands: Collection[UUID], now: datetime) -> Sequence[Line]:
        """Return how it stands with the turns of these commands."""
        parameters = {"commands": list(commands), "now": now}
        return [_line_of(row) for row in await self._database.fetch_all(LOOK, parameters)]

    async def claim(
        self,
        commands: Collection[UUID],
        runs: Collection[UUID],
        host: str,
        now: datetime,
        *,
        passed: Collection[UUID] = (),
    ) -> set[UUID]:
        """Give those of a host's runs their turns whose time has come and that have room.

        First those that were stored first, of whatever host or of none yet; of the commands
        `passed` those of others are passed over. Returns the runs that have theirs now.
        """
        parameters = {
            "commands": list(commands),
            "runs": list(runs),
            "host": host,
            "now": now,
            "passed": list(passed),
        }
        return {run_id for (run_id,) in await self._database.fetch_all(CLAIM, parameters)}


def _line_of(row: Row) -> Line:
    command_id, limit, ids, hosts, newest_id, created_at, wants, older = row
    newest = None if newest_id is None else Replacing(newest_id, created_at, wants, older)
    holders = [Holder(*one) for one in zip(ids, hosts, strict=True)]
    return Line(command_id, limit, holders, newest)
