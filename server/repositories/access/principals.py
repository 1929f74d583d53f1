"""Those who were seen, with what their last sign-in gave them."""

from collections.abc import Mapping
from datetime import UTC, datetime

import orjson

from server.access import Role
from server.repositories.database.database import Database

# Who gets nothing is not stored: everybody whom a provider knows could fill the table.
REMEMBER = """
    INSERT INTO principals (name, grants, seen_at)
    VALUES (%(name)s, %(grants)s::jsonb, %(now)s)
    ON CONFLICT (name) DO UPDATE SET grants = excluded.grants, seen_at = excluded.seen_at
    RETURNING name
"""
SEEN = "SELECT name, seen_at FROM principals WHERE grants <> '{}'"
FORGET = """
    UPDATE principals SET grants = '{}', seen_at = %(now)s WHERE name = %(name)s RETURNING name
"""


class PrincipalRepository:
    """The table `principals`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def seen(self) -> Mapping[str, datetime]:
        """Return when each principal that a sign-in gives something signed in last."""
        rows = await self._database.fetch_all(SEEN, {})
        return dict(rows)

    async def remember(self, name: str, grants: Mapping[str, Role]) -> None:
        """Store what a principal's sign-in gives, in place of what the one before gave.

        Raises:
            DatabaseUnavailableError: it cannot be stored now.
        """
        parameters = {
            "name": name,
            "grants": orjson.dumps(dict(grants)).decode(),
            "now": datetime.now(UTC),
        }
        await self._database.fetch_all(REMEMBER if grants else FORGET, parameters)
