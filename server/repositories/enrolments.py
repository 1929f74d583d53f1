"""Enrolment: tokens, what workers are let in with, and what is changed of a worker afterwards."""

# ruff: noqa: S608  what is put into the SQL are lists of columns and fragments of this layer

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from uuid import UUID, uuid4

from server.access import Act, Actor
from server.errors import ConflictError
from server.repositories.access.audit import audit_parameters, audit_sql
from server.repositories.database.database import Database

MAX_TOKENS = 1000
"""That wait to be used."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """What a worker is to be: of which pools, with which labels, for how many runs at once."""

    pools: tuple[str, ...]
    labels: tuple[str, ...]
    places: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EnrolmentToken:
    """A token, without its secret; `used_by` is the id of the worker that was enrolled with it."""

    id: UUID
    pools: tuple[str, ...]
    labels: tuple[str, ...]
    places: int
    made_by: str
    expires_at: datetime
    used_by: str | None
    expired: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Newcomer:
    """A host that asks to be enrolled."""

    id: str
    name: str
    version: str
    public_key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """A host that is known already, with which a newcomer may be in conflict."""

    id: str
    name: str
    role: str
    state: str
    pools: tuple[str, ...]
    public_key: str | None


# What nobody used goes with the next ones; the audit has who made it.
ADD_TOKEN = f"""
    WITH gone AS (
        DELETE FROM workers_tokens WHERE expires_at < now() - interval '7 days'
    ), t AS (
        INSERT INTO workers_tokens
            (id, hash, pools, labels, places, made_by, made_at, expires_at)
        SELECT %(id)s, %(hash)s, %(pools)s::text[], %(labels)s::text[], %(places)s, %(made_by)s,
            now(), now() + make_interval(secs => %(seconds)s)
        WHERE (
            SELECT count(*) FROM workers_tokens WHERE used_at IS NULL AND expires_at > now()
        ) < %(limit)s
        RETURNING expires_at
    ), audited AS ({audit_sql("t")})
    SELECT expires_at FROM t
"""

FIND = """
    SELECT id, pools, labels, places, made_by, expires_at, used_by, expires_at <= now()
    FROM workers_tokens WHERE hash = %(hash)s
"""

KNOWN_COLUMNS = ", ".join(one.name for one in fields(Known))

IN_CONFLICT = f"""
    SELECT {KNOWN_COLUMNS} FROM workers
    WHERE id = %(id)s OR public_key = %(public_key)s
        OR (name = %(name)s AND role = 'worker' AND state <> 'removed')
    ORDER BY id
"""

# The token is used up with the row that it gives. One is enrolled after the other: the second
# statement's snapshot is taken after the lock, and shows whose id, key and name others have by now.
ENROL = f"""
    SELECT pg_advisory_xact_lock(hashtextextended('tailrun enrolments', 0));
    WITH t AS (
        UPDATE workers_tokens SET used_at = now(), used_by = %(id)s
        WHERE id = %(token)s AND used_at IS NULL AND expires_at > now()
            AND NOT EXISTS (
                SELECT FROM workers o WHERE CASE
                    WHEN o.public_key = %(public_key)s AND o.state = 'removed' THEN true
                    WHEN o.id = %(id)s THEN o.role <> 'worker'
                        OR (o.state <> 'removed' AND o.public_key <> %(public_key)s)
                    ELSE o.public_key = %(public_key)s
                        OR (o.name = %(name)s AND o.role = 'worker' AND o.state <> 'removed')
                END
            )
        RETURNING pools, labels, places, made_by
    ), w AS (
        INSERT INTO workers AS w (
            id, name, version, pools, labels, places, public_key, enrolled_at, enrolled_by,
            first_seen_at, seen_at, lease_until
        )
        SELECT %(id)s, %(name)s, %(version)s, pools, labels, places, %(public_key)s, now(), made_by,
            now(), now(), now()
        FROM t
        ON CONFLICT (id) DO UPDATE SET
            name = excluded.name, version = excluded.version, pools = excluded.pools,
            labels = excluded.labels, places = excluded.places, public_key = excluded.public_key,
            enrolled_at = excluded.enrolled_at, enrolled_by = excluded.enrolled_by, state = 'active'
        RETURNING w.id
    ), audited AS ({audit_sql("w")})
    SELECT id FROM w
"""

CHANGE = f"""
    WITH w AS (
        UPDATE workers w SET
            state = coalesce(%(state)s, w.state), pools = coalesce(%(pools)s::text[], w.pools),
            labels = coalesce(%(labels)s::text[], w.labels),
            places = coalesce(%(places)s, w.places)
        WHERE w.id = %(id)s AND w.state <> 'removed' AND (w.role = 'worker' OR %(of_any)s)
        RETURNING w.id
    ), audited AS ({audit_sql("w")})
    SELECT id FROM w
"""

# The row stays, with the key: it is never to be let in again. So does its lease: until that is over
# its keeper holds runs that another host may begin then.
REMOVE = f"""
    WITH w AS (
        UPDATE workers w SET state = 'removed'
        WHERE w.id = %(id)s AND w.state <> 'removed'
            AND (w.role = 'worker' OR w.lease_until <= now())
        RETURNING w.id
    ), key AS (
        DELETE FROM fleet_keys k USING w WHERE k.role = 'server' AND k.host = w.id
    ), audited AS ({audit_sql("w")})
    SELECT id FROM w
"""

GET = f"SELECT {KNOWN_COLUMNS} FROM workers WHERE id = %(id)s"

REMOVED = "SELECT id FROM workers WHERE state = 'removed'"

KEYS = f"""
    SELECT {KNOWN_COLUMNS} FROM workers
    WHERE public_key IS NOT NULL AND state <> 'removed' AND role = 'worker' ORDER BY enrolled_at, id
"""


class EnrolmentRepository:
    """The table `workers_tokens`, and of `workers` what enrolment says."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add_token(
        self, digest: bytes, place: Place, *, seconds: float, by: Actor
    ) -> datetime:
        """Store a token; return until when it is good.

        Raises:
            ConflictError: MAX_TOKENS wait to be used.
        """
        identifier = uuid4()
        details = {"token": str(identifier), **_given(place)}
        parameters = {
            "id": identifier,
            "hash": digest,
            **_given(place),
            "made_by": by.principal.name,
            "seconds": seconds,
            "limit": MAX_TOKENS,
            **audit_parameters(Act.WORKER_TOKEN, by, details=details),
        }
        row = await self._database.fetch_one(ADD_TOKEN, parameters)
        if row is None:
            raise ConflictError(
                f"{MAX_TOKENS} tokens of workers wait to be used. Use some, or wait an hour."
            )
        expires_at: datetime = row[0]
        return expires_at

    async def find_token(self, digest: bytes) -> EnrolmentToken | None:
        """Return the token whose secret has this SHA-256, used or late as it may be."""
        row = await self._database.fetch_one(FIND, {"hash": digest})
        if row is None:
            return None
        values = dict(zip((one.name for one in fields(EnrolmentToken)), row, strict=True))
        lists = {name: tuple(values[name]) for name in ("pools", "labels")}
        return EnrolmentToken(**values | lists)

    async def in_conflict(self, host: Newcomer) -> Sequence[Known]:
        """Return the hosts that have a newcomer's id, key, or name."""
        parameters = {"id": host.id, "public_key": host.public_key, "name": host.name}
        return await self._known(IN_CONFLICT, parameters)

    async def enrol(self, host: Newcomer, token: EnrolmentToken, *, by: Actor) -> bool:
        """Use a token up for a worker; False: it was used meanwhile, or is good no more."""
        details = {"worker": host.id, "name": host.name, "pools": [*token.pools]}
        parameters = {
            "token": token.id,
            "id": host.id,
            "name": host.name,
            "version": host.version,
            "public_key": host.public_key,
            **audit_parameters(Act.WORKER_ENROL, by, details=details),
        }
        return await self._database.fetch_one(ENROL, parameters) is not None

    async def get(self, worker_id: str) -> Known | None:
        """Return a host that is known."""
        found = await self._known(GET, {"id": worker_id})
        return found[0] if found else None

    async def change(
        self,
        worker: Known,
        *,
        state: str | None,
        pools: Collection[str] | None,
        labels: Collection[str] | None,
        places: int | None,
        by: Actor,
    ) -> bool:
        """Change what is given of a host; False: it was removed, or is a server's.

        Of a server's host the state alone changes: the rest are its settings.
        """
        given = {
            "state": state,
            "pools": None if pools is None else list(pools),
            "labels": None if labels is None else list(labels),
            "places": places,
        }
        said = {name: value for name, value in given.items() if value is not None}
        details = {"worker": worker.id, "name": worker.name, **said}
        parameters = {
            "id": worker.id,
            **given,
            "of_any": said.keys() <= {"state"},
            **audit_parameters(Act.WORKER_CHANGE, by, details=details),
        }
        return await self._database.fetch_one(CHANGE, parameters) is not None

    async def remove(self, worker: Known, *, by: Actor) -> bool:
        """Remove a host for good; False: it was before, or is a server that is there."""
        details = {"worker": worker.id, "name": worker.name}
        parameters = {
            "id": worker.id,
            **audit_parameters(Act.WORKER_REMOVE, by, details=details),
        }
        return await self._database.fetch_one(REMOVE, parameters) is not None

    async def removed(self) -> frozenset[str]:
        """Return the ids of all hosts that were removed."""
        return frozenset(host for (host,) in await self._database.fetch_all(REMOVED))

    async def with_keys(self) -> Sequence[Known]:
        """Return the workers that are enrolled, the first one first."""
        return await self._known(KEYS, {})

    async def _known(self, sql: str, parameters: Mapping[str, object]) -> Sequence[Known]:
        names = [one.name for one in fields(Known)]
        rows = [
            dict(zip(names, row, strict=True))
            for row in await self._database.fetch_all(sql, parameters)
        ]
        return [Known(**row | {"pools": tuple(row["pools"])}) for row in rows]


def _given(place: Place) -> dict[str, object]:
    return {"pools": list(place.pools), "labels": list(place.labels), "places": place.places}
