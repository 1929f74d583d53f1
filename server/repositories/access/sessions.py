"""Sessions: who is signed in, stored by the SHA-256 of the cookie's value alone."""

# ruff: noqa: S608  what is put into the SQL are lists of columns and fragments of this layer

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from uuid import UUID, uuid4

from server.access import Act, Actor
from server.repositories.access.audit import audit_parameters, audit_sql
from server.repositories.database.database import Database
from server.repositories.database.types import Row


@dataclass(frozen=True, slots=True)
class Session:
    """One sign-in: of whom, since when, used last, and until when at most."""

    id: UUID
    principal: str
    created_at: datetime
    used_at: datetime
    expires_at: datetime


COLUMNS = ", ".join(entry.name for entry in fields(Session))

FIND = f"SELECT {COLUMNS} FROM sessions WHERE hash = %(hash)s"
GET = f"SELECT {COLUMNS} FROM sessions WHERE id = %(id)s"

# What nobody can use any more goes with it, so the table stays as small as there are people.
CREATE = f"""
    WITH ended AS (
        DELETE FROM sessions
        WHERE hash = %(replaced)s OR expires_at <= %(now)s OR used_at <= %(idle_since)s
            OR id IN (
                SELECT id FROM sessions WHERE principal = %(principal)s
                ORDER BY created_at DESC, id DESC OFFSET %(others)s
            )
        RETURNING id
    ), made AS (
        INSERT INTO sessions (hash, {COLUMNS})
        VALUES (%(hash)s, %(id)s, %(principal)s, %(now)s, %(now)s, %(expires_at)s)
        RETURNING id
    ), audited AS ({audit_sql("made")})
    SELECT id FROM ended
"""

USE = "UPDATE sessions SET used_at = %(now)s WHERE id = %(id)s RETURNING id"

END = f"""
    WITH ended AS (DELETE FROM sessions WHERE id = %(id)s RETURNING id),
    audited AS ({audit_sql("ended")})
    SELECT id FROM ended
"""


class SessionRepository:
    """The table `sessions`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create(
        self,
        hashed: bytes,
        *,
        by: Actor,
        now: datetime,
        expires_at: datetime,
        idle_since: datetime,
        others: int,
        replaced: bytes | None,
    ) -> Sequence[UUID]:
        """Store a session of the one who acts; return the ids of those that end with it.

        Those are the one that it replaces, any that has expired or was not used after
        `idle_since`, and the eldest of the same principal's beyond `others`.
        """
        identifier = uuid4()
        parameters = {
            "id": identifier,
            "hash": hashed,
            "principal": by.principal.name,
            "now": now,
            "expires_at": expires_at,
            "idle_since": idle_since,
            "others": others,
            "replaced": replaced,
            **audit_parameters(Act.SESSION_CREATE, by, details={"session": str(identifier)}),
        }
        return [ended for (ended,) in await self._database.fetch_all(CREATE, parameters)]

    async def find(self, hashed: bytes) -> Session | None:
        """Return the session of the cookie's value with this SHA-256, valid or not."""
        return _found(await self._database.fetch_one(FIND, {"hash": hashed}))

    async def get(self, session_id: UUID) -> Session | None:
        """Return the session of this id, valid or not."""
        return _found(await self._database.fetch_one(GET, {"id": session_id}))

    async def use(self, session_id: UUID, now: datetime) -> None:
        """Store that a session was used."""
        await self._database.fetch_all(USE, {"id": session_id, "now": now})

    async def end(self, session_id: UUID, *, by: Actor) -> bool:
        """Delete a session; return whether there was one."""
        details = {"session": str(session_id)}
        parameters = {"id": session_id, **audit_parameters(Act.SESSION_END, by, details=details)}
        return await self._database.fetch_one(END, parameters) is not None


def _found(row: Row | None) -> Session | None:
    return None if row is None else Session(*row)
