"""Workers: what they are, and until when each may claim runs."""

# ruff: noqa: S608  what is put into the SQL are lists of columns, constants of this layer

import json
from collections.abc import Collection, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, fields
from datetime import datetime
from uuid import UUID

from server.repositories.claims import UNCLAIMED
from server.repositories.database.database import Database
from server.repositories.database.types import Row
from server.repositories.run_statements import ACTIVE_RUN, WAITS


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """A worker, by the identity of its state directory. All moments are the database's.

    `role` is worker, or server: the host inside one. `state` is active, draining or removed.
    """

    id: str
    role: str
    name: str
    version: str
    pools: tuple[str, ...]
    labels: tuple[str, ...]
    places: int
    state: str
    first_seen_at: datetime
    seen_at: datetime
    lease_until: datetime
    enrolled_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class NotedStop:
    """A stop that a worker is to do once it is back."""

    host: str
    run_id: UUID
    signal: str
    grace_seconds: float


@dataclass(frozen=True, slots=True)
class Waiting:
    """Runs that wait in a pool for a worker that has some labels: how many, and since when."""

    pool: str
    requires: tuple[str, ...]
    runs: int
    oldest_at: datetime


MAX_STOPS = 100
"""Stops that a worker is told at a time; the others once these have ended their runs."""

COLUMNS = ", ".join(f"w.{one.name}" for one in fields(Worker))

# Its state, pools, labels and places stay: they are what its enrolment gave it.
# A lease never becomes shorter: its host counts on what it was told.
HELLO = f"""
    UPDATE workers w
    SET version = %(version)s, seen_at = now(),
        lease_until = greatest(w.lease_until, now() + make_interval(secs => %(lease_seconds)s))
    WHERE w.id = %(id)s
    RETURNING {COLUMNS}
"""

# A server is let in by the database itself: it is what it says.
HELLO_OF_SERVER = f"""
    INSERT INTO workers AS w
        (id, role, name, version, pools, labels, places, first_seen_at, seen_at, lease_until)
    VALUES (
        %(id)s, 'server', %(name)s, %(version)s, %(pools)s::text[], %(labels)s::text[], %(places)s,
        now(), now(), now() + make_interval(secs => %(lease_seconds)s)
    )
    ON CONFLICT (id) DO UPDATE SET
        role = excluded.role, name = excluded.name, version = excluded.version,
        pools = excluded.pools, labels = excluded.labels, places = excluded.places,
        state = CASE w.state WHEN 'removed' THEN 'active' ELSE w.state END,
        seen_at = excluded.seen_at, lease_until = greatest(w.lease_until, excluded.lease_until)
    RETURNING {COLUMNS}
"""

# A host by itself has no row: nobody would hear its beats, and its runs would be given up.
GOOD_BYE = "DELETE FROM workers WHERE id = %(id)s AND role = 'server' RETURNING id"

# In the order of their ids: two servers that have heard the same ones never wait for each other.
BEAT = f"""
    WITH held AS (
        SELECT id FROM workers WHERE id = ANY(%(ids)s::text[]) AND state <> 'removed'
        ORDER BY id FOR UPDATE
    ), beaten AS (
        UPDATE workers w SET
            seen_at = now(),
            lease_until = greatest(
                w.lease_until, now() + make_interval(secs => %(lease_seconds)s)
            )
        FROM held WHERE w.id = held.id
        RETURNING {COLUMNS}
    )
    SELECT * FROM beaten
    UNION ALL
    SELECT {COLUMNS} FROM workers w WHERE w.id = ANY(%(ids)s::text[]) AND w.state = 'removed'
"""

KNOWS = "SELECT FROM workers WHERE id = %(id)s"

WANT_STOP = """
    UPDATE commands_info SET stop_wanted = %(stop)s::jsonb
    WHERE id = %(id)s AND end_time IS NULL RETURNING id
"""

# So many of each: one that takes none of its own keeps none from another.
STOPS = """
    SELECT host, id, stop_wanted FROM (
        SELECT host, id, stop_wanted, row_number() OVER (PARTITION BY host ORDER BY id) AS place
        FROM commands_info
        WHERE host = ANY(%(ids)s::text[]) AND stop_wanted IS NOT NULL AND end_time IS NULL
    ) noted WHERE place <= %(limit)s ORDER BY id
"""

STOPPED = """
    UPDATE commands_info r SET stop_wanted = NULL
    FROM unnest(%(hosts)s::text[], %(ids)s::uuid[]) AS done (host, id)
    WHERE r.id = done.id AND r.host = done.host AND r.stop_wanted IS NOT NULL
    RETURNING r.id
"""

LIST = f"SELECT {COLUMNS}, w.lease_until > now() FROM workers w ORDER BY w.name, w.id"


# What waits for its turn or its time waits for no worker yet.
WAITING = f"""
    SELECT r.pool, coalesce(r.requires, '{{}}'), count(*), min(r.created_at)
    FROM commands_info r
    WHERE {UNCLAIMED} AND NOT {WAITS} AND (
        %(groups)s::text[] IS NULL OR EXISTS (
            SELECT FROM commands c
            WHERE c.id = r.commands_id AND c.group_name = ANY(%(groups)s::text[])
        )
    )
    GROUP BY r.pool, r.requires ORDER BY min(r.created_at) LIMIT %(limit)s
"""

MAX_WAITING = 1000
"""Pools with labels, of which is told what waits."""

RUNNING = f"""
    SELECT r.host, count(*) FROM commands_info r
    WHERE {ACTIVE_RUN} AND NOT {WAITS} AND r.host IS NOT NULL GROUP BY r.host
"""

# How the workers stand, and what waits and runs, each as one value: another one where it changes.
STATE_OF_ALL = f"""
    SELECT (
        SELECT md5(string_agg(
            concat_ws(' ', w.id, w.name, w.state, w.pools, w.labels, w.places,
                w.lease_until > now()), ',' ORDER BY w.id
        )) FROM workers w
    ), (
        SELECT md5(string_agg(concat_ws(' ', pool, host, n), ',' ORDER BY pool, host)) FROM (
            SELECT r.pool, r.host, count(*) AS n FROM commands_info r
            WHERE {ACTIVE_RUN} AND r.pool IS NOT NULL GROUP BY r.pool, r.host
        ) counted
    )
"""


class WorkerRepository:
    """The table `workers`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def hello(self, worker_id: str, *, version: str, lease_seconds: float) -> Worker | None:
        """Give a worker a lease, and store which version it is; None: it is not known."""
        parameters = {"id": worker_id, "version": version, "lease_seconds": lease_seconds}
        row = await self._database.fetch_one(HELLO, parameters)
        return None if row is None else _worker_of(row)

    async def hello_of_server(
        self,
        host: str,
        *,
        name: str,
        version: str,
        pools: Collection[str],
        labels: Collection[str],
        places: int,
        lease_seconds: float,
    ) -> Worker:
        """Do the same for the host inside a server; one that was removed is active again."""
        parameters = {
            "id": host,
            "name": name,
            "version": version,
            "pools": list(pools),
            "labels": list(labels),
            "places": places,
            "lease_seconds": lease_seconds,
        }
        [row] = await self._database.fetch_all(HELLO_OF_SERVER, parameters)
        return _worker_of(row)

    async def good_bye(self, host: str) -> bool:
        """Forget the host inside a server; False: it was not known."""
        return await self._database.fetch_one(GOOD_BYE, {"id": host}) is not None

    async def beat(self, worker_ids: Collection[str], lease_seconds: float) -> dict[str, Worker]:
        """Extend the leases of workers, but of those that were removed.

        Those that are not known are left out.
        """
        parameters = {"ids": list(worker_ids), "lease_seconds": lease_seconds}
        rows = await self._database.fetch_all(BEAT, parameters)
        return {row[0]: _worker_of(row) for row in rows}

    async def knows(self, worker_id: str) -> bool:
        """Return whether a host is, or was, a worker of these servers."""
        return await self._database.fetch_one(KNOWS, {"id": worker_id}) is not None

    async def want_stop(self, run_id: UUID, *, signal: str, grace_seconds: float) -> bool:
        """Note a stop for when a run's worker is back; False: the run has ended."""
        stop = json.dumps({"signal": signal, "grace_seconds": grace_seconds})
        parameters = {"id": run_id, "stop": stop}
        return await self._database.fetch_one(WANT_STOP, parameters) is not None

    async def stops(self, worker_ids: Collection[str]) -> Sequence[NotedStop]:
        """Return the stops that were noted for these workers, of runs that have not ended."""
        parameters = {"ids": list(worker_ids), "limit": MAX_STOPS}
        rows = await self._database.fetch_all(STOPS, parameters)
        return [NotedStop(host, run_id, **stop) for host, run_id, stop in rows]

    async def waiting(self, groups: AbstractSet[str] | None) -> Sequence[Waiting]:
        """Return what waits for a worker, of the commands of some groups, None: of all."""
        named = None if groups is None else sorted(groups)
        rows = await self._database.fetch_all(WAITING, {"groups": named, "limit": MAX_WAITING})
        return [Waiting(pool, tuple(requires), runs, at) for pool, requires, runs, at in rows]

    async def running(self) -> dict[str, int]:
        """Return how many places each host has taken; those with none are left out."""
        return dict(await self._database.fetch_all(RUNNING))

    async def state_of_all(self) -> tuple[str | None, str | None]:
        """Return how workers stand, and what waits and runs: another value where it changes."""
        [(workers, runs)] = await self._database.fetch_all(STATE_OF_ALL)
        return workers, runs

    async def note_stopped(self, stopped: Collection[tuple[str, UUID]]) -> None:
        """Note that hosts have taken stops of their runs: they are told of them no more."""
        parameters = {
            "hosts": [host for host, _ in stopped],
            "ids": [run_id for _, run_id in stopped],
        }
        await self._database.fetch_all(STOPPED, parameters)

    async def list(self) -> Sequence[tuple[Worker, bool]]:
        """Return all workers, by name, and whether each is within its lease."""
        return [(_worker_of(row[:-1]), row[-1]) for row in await self._database.fetch_all(LIST)]


def _worker_of(row: Row) -> Worker:
    values = dict(zip((one.name for one in fields(Worker)), row, strict=True))
    lists = {name: tuple(values[name]) for name in ("pools", "labels")}
    return Worker(**values | lists)
