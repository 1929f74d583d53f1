"""Runs that are given up while their host is away, by the database's clock alone."""

# ruff: noqa: S608  what is put into the SQL are lists of columns, constants of this layer

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from server.access import Act, Actor
from server.definition import LOST_AFTER_SECONDS, OnUnreachable
from server.models import Run
from server.repositories.access.audit import audit_parameters, audit_sql
from server.repositories.database.database import Database
from server.repositories.rows import KEPT_SECRETS, RUN_COLUMNS, run_of
from server.repositories.run_statements import ACTIVE_RUN

ENDING_SECONDS = 30.0
"""In which a host ends what is not to outlast its lease; more than its keeper takes for that."""

HOSTS = f"""
    SELECT w.id, w.seen_at, w.lease_until < now() FROM workers w
    WHERE w.state <> 'removed'
        OR EXISTS (SELECT FROM commands_info r WHERE r.host = w.id AND {ACTIVE_RUN})
"""

AWAY = f"""
    SELECT w.name, w.seen_at, count(r.id)
    FROM workers w LEFT JOIN commands_info r ON r.host = w.id AND {ACTIVE_RUN}
    WHERE w.lease_until < now()
    GROUP BY w.id HAVING w.state <> 'removed' OR count(r.id) > 0
    ORDER BY w.seen_at, w.id LIMIT %(limit)s
"""

SINCE = "to_char(w.seen_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS') || ' UTC'"

GIVEN_UP = f"""
    state = 'lost', exitcode = NULL, signal = NULL, given_up_at = now(),
    end_time = greatest(now(), r.start_time), secrets = {KEPT_SECRETS}
"""

LOST_AFTER = f"""
    CASE jsonb_typeof(r.options -> 'lost_after_seconds') WHEN 'number'
    THEN (r.options ->> 'lost_after_seconds')::float8 ELSE {LOST_AFTER_SECONDS} END
"""

# The row of a host is locked first, and looked at again where a beat was just being stored
# (EvalPlanQual): a host that was heard of meanwhile keeps its runs. Then those of the runs, in the
# order of their ids, as append() does.
LOSE = f"""
    WITH w AS MATERIALIZED (
        SELECT w.id, w.name, w.seen_at, {SINCE} AS since FROM workers w
        WHERE w.id = ANY(%(hosts)s::text[])
            AND w.lease_until + make_interval(secs => %(ending_seconds)s) < now()
        ORDER BY w.id FOR SHARE
    ), due AS (
        SELECT r.id, w.name, w.since, {LOST_AFTER} AS seconds,
            r.options ->> 'on_unreachable' AS policy
        FROM w JOIN commands_info r ON r.host = w.id
        WHERE {ACTIVE_RUN} AND r.options ->> 'on_unreachable' = ANY(%(policies)s::text[])
            AND w.seen_at + make_interval(secs => {LOST_AFTER}) < now()
        ORDER BY r.id FOR UPDATE OF r
    )
    UPDATE commands_info r SET {GIVEN_UP}, reason = format(
        'its host %%s was away since %%s, for more than %%s s (on_unreachable: %%s)',
        due.name, due.since, due.seconds, due.policy
    )
    FROM due WHERE r.id = due.id AND {ACTIVE_RUN}
    RETURNING {RUN_COLUMNS}
"""

# What another host may begin is given up once its own has certainly ended it.
ABANDON = f"""
    WITH w AS MATERIALIZED (
        SELECT w.id, w.name, {SINCE} AS since FROM workers w JOIN commands_info r ON r.host = w.id
        WHERE r.id = %(id)s AND w.lease_until + make_interval(
            secs => CASE r.options ->> 'on_unreachable' WHEN 'retry' THEN %(ending_seconds)s
            ELSE 0 END
        ) < now()
        FOR SHARE OF w
    ), r AS (
        UPDATE commands_info r SET {GIVEN_UP}, reason = format(
            'abandoned by %%s: its host %%s was away since %%s', %(by)s, w.name, w.since
        )
        FROM w WHERE r.id = %(id)s AND r.host = w.id AND {ACTIVE_RUN}
        RETURNING r.*
    ), audited AS (
        {audit_sql("r", command="r.commands_id", run="r.id", script="r.script")}
    )
    SELECT {RUN_COLUMNS} FROM r
"""


@dataclass(frozen=True, slots=True)
class Host:
    """When a host was heard of last, and whether its lease is over."""

    seen_at: datetime
    away: bool


@dataclass(frozen=True, slots=True)
class Away:
    """A host that is away: what it is called, since when, and how many active runs it has."""

    name: str
    since: datetime
    runs: int


class LossRepository:
    """The runs in `commands_info` whose hosts, by `workers`, are away."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def hosts(self) -> Mapping[str, Host]:
        """Return all hosts that others know of, by their ids; those removed if they have runs."""
        return {row[0]: Host(*row[1:]) for row in await self._database.fetch_all(HOSTS)}

    async def away(self, limit: int) -> Sequence[Away]:
        """Return hosts that are away, the first of them first; those removed if they have runs."""
        return [Away(*row) for row in await self._database.fetch_all(AWAY, {"limit": limit})]

    async def lose(self, hosts: Collection[str]) -> Sequence[Run]:
        """End the runs of hosts as lost that are to be given up by now; return them.

        Of a host that has a lease, or had one until a moment ago, none is. Again: harmless.
        """
        parameters = {
            "hosts": list(hosts),
            "ending_seconds": ENDING_SECONDS,
            "policies": [OnUnreachable.LOSE.value, OnUnreachable.RETRY.value],
        }
        return [run_of(row) for row in await self._database.fetch_all(LOSE, parameters)]

    async def abandon(self, run_id: UUID, *, by: Actor) -> Run | None:
        """End a run as lost whose host is away; None: it is not, or the run has ended."""
        parameters = {
            "id": run_id,
            "ending_seconds": ENDING_SECONDS,
            "by": by.principal.name,
            **audit_parameters(Act.RUN_ABANDON, by),
        }
        row = await self._database.fetch_one(ABANDON, parameters)
        return None if row is None else run_of(row)
