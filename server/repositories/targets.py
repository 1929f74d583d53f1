"""Where notifications are sent to."""

# ruff: noqa: S608  what is put into the SQL are lists of columns and fragments of this layer

from collections.abc import Collection
from datetime import UTC, datetime
from uuid import UUID, uuid4

from server.access import Act, Actor
from server.errors import ConflictError, TargetNotFoundError
from server.notifications import Target, TargetChange, TargetType
from server.repositories.access.audit import audit_parameters, audit_sql
from server.repositories.database.database import Database
from server.repositories.database.types import Row

COLUMNS = "t.id, t.name, t.type, t.url, t.secret, t.created_at, t.created_by, t.updated_at"

LIST = f"SELECT {COLUMNS} FROM notification_targets t ORDER BY t.name"
GET = f"SELECT {COLUMNS} FROM notification_targets t WHERE t.id = %(id)s"
NAMED = f"SELECT {COLUMNS} FROM notification_targets t WHERE t.name = ANY(%(names)s::text[])"

AUDITED = audit_sql("t", name="t.name")

ADD = f"""
    WITH t AS (
        INSERT INTO notification_targets AS t (
            id, name, type, url, secret, created_at, created_by, updated_at
        )
        VALUES (
            %(id)s, %(name)s, %(type)s, %(url)s, %(secret)s, %(now)s, %(by)s, %(now)s
        )
        ON CONFLICT (name) DO NOTHING
        RETURNING {COLUMNS}
    ), audited AS ({AUDITED})
    SELECT {COLUMNS} FROM t
"""

# The names are looked at first: a unique index would have the whole statement refused. What waits
# for the target goes with it, and is tried now: what kept it may be what was changed.
CHANGE = f"""
    WITH before AS (
        SELECT name FROM notification_targets WHERE id = %(id)s
    ), t AS (
        UPDATE notification_targets t
        SET name = coalesce(%(name)s, t.name), url = coalesce(%(url)s, t.url),
            secret = coalesce(%(secret)s, t.secret), updated_at = %(now)s
        WHERE t.id = %(id)s AND NOT EXISTS (
            SELECT FROM notification_targets o WHERE o.name = %(name)s AND o.id <> %(id)s
        )
        RETURNING {COLUMNS}
    ), waiting AS (
        UPDATE notifications n SET target = t.name,
            next_try_at = CASE WHEN n.claimed_by IS NULL THEN %(now)s ELSE n.next_try_at END
        FROM t, before WHERE n.target = before.name AND n.next_try_at IS NOT NULL
    ), audited AS ({AUDITED})
    SELECT {COLUMNS} FROM t
"""

DELETE = f"""
    WITH t AS (DELETE FROM notification_targets t WHERE t.id = %(id)s RETURNING {COLUMNS}),
    audited AS ({AUDITED})
    SELECT {COLUMNS} FROM t
"""


class TargetRepository:
    """The table `notification_targets`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def list(self) -> list[Target]:
        """Return all targets, by name; there are few."""
        return [_target_of(row) for row in await self._database.fetch_all(LIST)]

    async def get(self, target_id: UUID) -> Target:
        """Return a target.

        Raises:
            TargetNotFoundError: there is no such target.
        """
        row = await self._database.fetch_one(GET, {"id": target_id})
        if row is None:
            raise TargetNotFoundError(f"There is no notification target {target_id}.")
        return _target_of(row)

    async def named(self, names: Collection[str]) -> dict[str, Target]:
        """Return the targets of these names that there are."""
        rows = await self._database.fetch_all(NAMED, {"names": list(names)})
        return {target.name: target for target in map(_target_of, rows)}

    async def add(
        self, *, name: str, kind: TargetType, url: str, secret: str | None, by: Actor
    ) -> Target:
        """Store a target.

        Raises:
            ConflictError: there is one of this name.
        """
        parameters = {
            "id": uuid4(),
            "name": name,
            "type": kind.value,
            "url": url,
            "secret": secret,
            "now": datetime.now(UTC),
            "by": by.principal.name,
            **audit_parameters(Act.TARGET_CREATE, by, details={"type": kind}),
        }
        row = await self._database.fetch_one(ADD, parameters)
        if row is None:
            raise _taken(name)
        return _target_of(row)

    async def change(self, target_id: UUID, change: TargetChange, *, by: Actor) -> Target:
        """Change a target.

        Raises:
            TargetNotFoundError: there is no such target.
            ConflictError: another one has this name.
        """
        parameters = {
            "id": target_id,
            "name": change.name,
            "url": change.url,
            "secret": change.secret,
            "now": datetime.now(UTC),
            **audit_parameters(Act.TARGET_CHANGE, by, details={"fields": change.named_fields}),
        }
        row = await self._database.fetch_one(CHANGE, parameters)
        if row is None:
            await self.get(target_id)  # or there is no such target
            raise _taken(change.name or "")
        return _target_of(row)

    async def delete(self, target_id: UUID, *, by: Actor) -> None:
        """Delete a target.

        Raises:
            TargetNotFoundError: there is no such target.
        """
        parameters = {"id": target_id, **audit_parameters(Act.TARGET_DELETE, by)}
        if await self._database.fetch_one(DELETE, parameters) is None:
            raise TargetNotFoundError(f"There is no notification target {target_id}.")


def _taken(name: str) -> ConflictError:
    return ConflictError(f"There is a notification target {name!r}. Take another name.")


def _target_of(row: Row) -> Target:
    identifier, name, kind, url, secret, created_at, created_by, updated_at = row
    return Target(
        id=identifier,
        name=name,
        type=TargetType(kind),
        url=url,
        secret=secret,
        created_at=created_at,
        created_by=created_by,
        updated_at=updated_at,
    )
