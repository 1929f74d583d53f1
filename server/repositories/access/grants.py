"""Grants: which role a principal has in which group."""

# ruff: noqa: S608  what is put into the SQL are lists of columns and fragments of this layer

from datetime import UTC, datetime
from uuid import UUID, uuid4

from server.access import Act, Actor, Grant, Role
from server.errors import ConflictError, GrantNotFoundError
from server.repositories.access.audit import audit_parameters, audit_sql
from server.repositories.database.database import Database
from server.repositories.database.types import Row
from server.repositories.page import Page, SortKey

COLUMNS = "g.id, g.principal, g.role, g.group_name, g.created_at, g.created_by"

# What the last sign-in gave stands with the principal.
OF = """
    SELECT group_name, role FROM grants WHERE principal = %(principal)s
    UNION ALL
    SELECT given.key, given.value
    FROM principals p, jsonb_each_text(p.grants) given WHERE p.name = %(principal)s
"""

LIST = f"""
    SELECT {COLUMNS} FROM grants g
    WHERE (%(principal)s IS NULL OR g.principal = %(principal)s)
        AND (%(id)s IS NULL OR (g.created_at, g.id) < (%(created_at)s, %(id)s))
    ORDER BY g.created_at DESC, g.id DESC LIMIT %(rows)s
"""

ADD = f"""
    WITH g AS (
        INSERT INTO grants AS g (id, principal, role, group_name, created_at, created_by)
        VALUES (%(id)s, %(principal)s, %(role)s, %(group)s, %(now)s, %(by)s)
        ON CONFLICT (principal, group_name) DO NOTHING
        RETURNING {COLUMNS}
    ), audited AS ({audit_sql("g")})
    SELECT {COLUMNS} FROM g
"""

DELETE = f"""
    WITH g AS (DELETE FROM grants g WHERE g.id = %(id)s RETURNING {COLUMNS}),
    audited AS ({audit_sql("g")})
    SELECT {COLUMNS} FROM g
"""

GET = f"SELECT {COLUMNS} FROM grants g WHERE g.id = %(id)s"


class GrantRepository:
    """The table `grants`, and what the last sign-in gave (`principals.grants`)."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def of(self, principal: str) -> list[tuple[str, Role]]:
        """Return the groups and roles of a principal; a group may come twice.

        A role that this version does not know gives nothing.
        """
        rows = await self._database.fetch_all(OF, {"principal": principal})
        known = {role.value: role for role in Role}
        return [(group, known[role]) for group, role in rows if role in known]

    async def list(
        self, *, principal: str | None = None, limit: int, cursor: str | None = None
    ) -> Page[Grant]:
        """Return grants, of one principal or of all, newest first.

        Raises:
            InvalidCursorError: the cursor is none of ours.
        """
        parameters = {**SortKey.parameters(cursor), "principal": principal, "rows": limit + 1}
        rows = await self._database.fetch_all(LIST, parameters)
        return Page.cut(
            [_grant_of(row) for row in rows], limit, lambda one: SortKey(one.created_at, one.id)
        )

    async def add(self, principal: str, role: Role, group: str, *, by: Actor) -> Grant:
        """Store a grant.

        Raises:
            ConflictError: the principal has one in this group.
        """
        parameters = {
            "id": uuid4(),
            "principal": principal,
            "role": role.value,
            "group": group,
            "now": datetime.now(UTC),
            "by": by.principal.name,
            **audit_parameters(
                Act.GRANT_CREATE, by, details={"principal": principal, "role": role, "group": group}
            ),
        }
        row = await self._database.fetch_one(ADD, parameters)
        if row is None:
            raise ConflictError(
                f"{principal} has a grant in this group. Delete that one first, to give another."
            )
        return _grant_of(row)

    async def delete(self, grant_id: UUID, *, by: Actor) -> Grant:
        """Delete a grant, and return what it was.

        Raises:
            GrantNotFoundError: there is no such grant.
        """
        row = await self._database.fetch_one(GET, {"id": grant_id})
        if row is not None:
            found = _grant_of(row)
            details = {"principal": found.principal, "role": found.role, "group": found.group}
            parameters = {"id": grant_id, **audit_parameters(Act.GRANT_DELETE, by, details=details)}
            row = await self._database.fetch_one(DELETE, parameters)
        if row is None:
            raise GrantNotFoundError(f"There is no grant {grant_id}.")
        return _grant_of(row)


def _grant_of(row: Row) -> Grant:
    identifier, principal, role, group, created_at, created_by = row
    return Grant(
        id=identifier,
        principal=principal,
        role=Role(role),
        group=group,
        created_at=created_at,
        created_by=created_by,
    )
