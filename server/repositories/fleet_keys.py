"""Public parts of servers' keys: the one that all sign with, and those that the engine knows."""

from collections.abc import Sequence

from server.repositories.database.database import Database

FLEET_KEY = """
    INSERT INTO fleet_keys (role, host, public_key, noted_at)
    VALUES ('fleet', '', %(public_key)s, now())
    ON CONFLICT (role, host) DO UPDATE SET role = excluded.role RETURNING public_key
"""

NOTE_SERVER = """
    INSERT INTO fleet_keys (role, host, public_key, noted_at)
    VALUES ('server', %(host)s, %(public_key)s, now())
    ON CONFLICT (role, host) DO UPDATE
        SET public_key = excluded.public_key, noted_at = excluded.noted_at
    RETURNING host
"""

SERVERS = "SELECT public_key FROM fleet_keys WHERE role = 'server' ORDER BY noted_at, host"


class FleetKeyRepository:
    """The table `fleet_keys`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def servers(self) -> Sequence[str]:
        """Return the public keys by which the engine is to know servers."""
        return [key for (key,) in await self._database.fetch_all(SERVERS)]

    async def note_server(self, host: str, public_key: str) -> None:
        """Note the key by which the engine is to know a server."""
        await self._database.fetch_all(NOTE_SERVER, {"host": host, "public_key": public_key})

    async def fleet_key(self, public_key: str) -> str:
        """Return the fleet's key, public part; this one becomes it, if there is none yet."""
        [(stored,)] = await self._database.fetch_all(FLEET_KEY, {"public_key": public_key})
        return str(stored)
