"""Workers: what they are, and until when each may claim runs."""

# ruff: noqa: S608  what is put into the SQL are lists of columns, constants of this layer

import json
from collections.abc import Collection, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, fields
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from server.repositories.claims import UNCLAIMED
from server.repositories.database.database import Database
from server.repositories.database.types import Row
from server.repositories.losses import ENDING_SECONDS, GIVEN_UP, SINCE
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
    life: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """Which process of a host says something: `id` None is one of a version before this.

    `before` are those that it comes after, `are_over`: they have certainly ended. `age` is what its
    state directory has counted up to.
    """

    id: str | None = None
    before: Collection[str] = ()
    are_over: bool = False
    age: int = 0


OF_BEFORE = Said()


class LetIn(NamedTuple):
    """A worker that has said hello: whether it got the lease, and which runs were given up."""

    worker: Worker
    is_in: bool
    given_up: Sequence[UUID]


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

# Which process of a host has the lease is noted: a state directory may have been copied, and each
# copy is the same host. The one that is noted stays, until whoever says hello comes after it and
# knows by the directory's lock that it is over; or until its lease is over. `follows`: whoever says
# hello knows what the noted one did. Another one, as of a copy that was made before, does not know
# what was started meanwhile: then all that this host has is given up, once its keeper has ended
# what is not to outlast the lease. A copy may also have been made in the last moment, or the disk
# have lost that: then what was claimed and is not known to be started is given up.
_SAYS_HELLO = f"""
    SELECT s.*, s.life IS NULL OR s.follows AND s.goes_on
        OR s.lease_until + make_interval(
            secs => CASE WHEN s.follows THEN 0 ELSE {ENDING_SECONDS} END
        ) < now() AS is_in
    FROM (
        SELECT w.id, w.life, w.lease_until, {SINCE} AS since,
            %(are_over)s OR w.life IS NULL OR %(life)s::text IS NOT DISTINCT FROM w.life AS goes_on,
            w.life IS NULL OR %(life)s::text IS NULL OR (
                w.life = ANY(%(before)s::text[] || %(life)s::text) AND w.life_age <= %(age)s
            ) AS follows
        FROM workers w WHERE w.id = %(id)s FOR UPDATE
    ) s
"""

# In the order of their ids, as append() does. What waits for its time or turn was not started.
_GIVE_UP = f"""
    due AS (
        SELECT r.id FROM said JOIN commands_info r ON r.host = said.id
        WHERE said.is_in AND {ACTIVE_RUN} AND NOT {WAITS} AND (
            NOT said.follows
            OR NOT said.goes_on AND r.state = 'queued' AND r.pool IS NOT NULL
                AND %(life)s::text IS NOT NULL
        )
        ORDER BY r.id FOR UPDATE OF r
    ), given_up AS (
        UPDATE commands_info r SET {GIVEN_UP}, reason = format(
            'its host was away since %%s, and came back with a state directory that may not know'
            ' what became of it: a copy, an older one, or of a machine that was started again',
            said.since
        )
        FROM due, said WHERE r.id = due.id AND {ACTIVE_RUN}
        RETURNING r.id
    )
"""

# Its state, pools, labels and places stay: they are what its enrolment gave it.
# A lease never becomes shorter: its host counts on what it was told.
HELLO = f"""
    WITH said AS MATERIALIZED ({_SAYS_HELLO}), {_GIVE_UP}, let_in AS (
        UPDATE workers w
        SET version = %(version)s, seen_at = now(), life = %(life)s, life_age = %(age)s,
            lease_until = greatest(w.lease_until, now() + make_interval(secs => %(lease_seconds)s))
        FROM said WHERE w.id = said.id AND said.is_in
        RETURNING {COLUMNS}
    ), w AS (
        SELECT * FROM let_in
        UNION ALL SELECT {COLUMNS} FROM workers w JOIN said USING (id) WHERE NOT said.is_in
    )
    SELECT w.*, EXISTS (SELECT FROM let_in), ARRAY (SELECT id FROM given_up) FROM w
"""

# A server is let in by the database itself: it is what it says.
HELLO_OF_SERVER = f"""
    WITH said AS MATERIALIZED ({_SAYS_HELLO}), {_GIVE_UP}, let_in AS (
        INSERT INTO workers AS w (
            id, role, name, version, pools, labels, places, life, life_age, first_seen_at, seen_at,
            lease_until
        )
        SELECT
            %(id)s, 'server', %(name)s, %(version)s, %(pools)s::text[], %(labels)s::text[],
            %(places)s, %(life)s, %(age)s, now(), now(),
            now() + make_interval(secs => %(lease_seconds)s)
        WHERE NOT EXISTS (SELECT FROM said WHERE NOT is_in)
        ON CONFLICT (id) DO UPDATE SET
            role = excluded.role, name = excluded.name, version = excluded.version,
            pools = excluded.pools, labels = excluded.labels, places = excluded.places,
            life = excluded.life, life_age = excluded.life_age,
            state = CASE w.state WHEN 'removed' THEN 'active' ELSE w.state END,
            seen_at = excluded.seen_at, lease_until = greatest(w.lease_until, excluded.lease_until)
        RETURNING {COLUMNS}
    ), w AS (
        SELECT * FROM let_in
        UNION ALL SELECT {COLUMNS} FROM workers w JOIN said USING (id) WHERE NOT said.is_in
    )
    SELECT w.*, EXISTS (SELECT FROM let_in), ARRAY (SELECT id FROM given_up) FROM w
"""

# A host by itself has no row: nobody would hear its beats, and its runs would be given up.
GOOD_BYE = "DELETE FROM workers WHERE id = %(id)s AND role = 'server' RETURNING id"

# In the order of their ids: two servers that have heard the same ones never wait for each other.
# Who was removed, or has the lease no more, is told so. That none is noted is where a server of a
# version before has heard the hello.
BEAT = f"""
    WITH said AS (
        SELECT * FROM unnest(%(ids)s::text[], %(lives)s::text[], %(ages)s::bigint[])
            AS s (id, life, age)
    ), held AS (
        SELECT w.id, said.life, said.age FROM workers w JOIN said USING (id)
        WHERE w.state <> 'removed' AND (w.life IS NULL OR w.life = said.life)
            AND w.life_age <= said.age
        ORDER BY w.id FOR UPDATE OF w
    ), beaten AS (
        UPDATE workers w SET
            seen_at = now(), life = coalesce(w.life, held.life), life_age = held.age,
            lease_until = greatest(
                w.lease_until, now() + make_interval(secs => %(lease_seconds)s)
            )
        FROM held WHERE w.id = held.id
        RETURNING {COLUMNS}
    )
    SELECT beaten.*, true FROM beaten
    UNION ALL
    SELECT {COLUMNS}, false FROM workers w
    WHERE w.id = ANY(%(ids)s::text[]) AND NOT EXISTS (SELECT FROM beaten WHERE beaten.id = w.id)
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

    async def hello(
        self, worker_id: str, said: Said = OF_BEFORE, *, version: str, lease_seconds: float
    ) -> LetIn | None:
        """Give a worker a lease, and store which version it is; None: it is not known.

        It gets none while another process of the same host may have it.
        """
        parameters = {"id": worker_id, "version": version, "lease_seconds": lease_seconds}
        row = await self._database.fetch_one(HELLO, parameters | _parameters_of(said))
        return None if row is None else _let_in(row)

    async def hello_of_server(
        self,
        host: str,
        said: Said = OF_BEFORE,
        *,
        name: str,
        version: str,
        pools: Collection[str],
        labels: Collection[str],
        places: int,
        lease_seconds: float,
    ) -> LetIn:
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
        [row] = await self._database.fetch_all(HELLO_OF_SERVER, parameters | _parameters_of(said))
        return _let_in(row)

    async def good_bye(self, host: str) -> bool:
        """Forget the host inside a server; False: it was not known."""
        return await self._database.fetch_one(GOOD_BYE, {"id": host}) is not None

    async def beat(
        self, said: Collection[tuple[str, Said]], lease_seconds: float
    ) -> dict[str, tuple[Worker, bool]]:
        """Extend the leases of workers; return each, and whether it was extended.

        It is not for one that was removed, nor for what has the lease no more; those that are not
        known are left out. Of one host one process is heard at a time.
        """
        parameters = {
            "ids": [host for host, _ in said],
            "lives": [one.id for _, one in said],
            "ages": [one.age for _, one in said],
            "lease_seconds": lease_seconds,
        }
        rows = await self._database.fetch_all(BEAT, parameters)
        return {row[0]: (_worker_of(row[:-1]), row[-1]) for row in rows}

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


def _parameters_of(said: Said) -> dict[str, object]:
    return {
        "life": said.id,
        "before": list(said.before),
        "are_over": said.are_over,
        "age": said.age,
    }


def _let_in(row: Row) -> LetIn:
    return LetIn(_worker_of(row[:-2]), row[-2], row[-1])


def _worker_of(row: Row) -> Worker:
    values = dict(zip((one.name for one in fields(Worker)), row, strict=True))
    lists = {name: tuple(values[name]) for name in ("pools", "labels")}
    return Worker(**values | lists)
