"""Whether the service can do its work: each part by itself."""

from server.keeper.client import KeeperClient
from server.keeper.protocol import KeeperError
from server.repositories.database import Database


class Readiness:
    """Asks the parts that the service needs."""

    def __init__(self, database: Database, keeper: KeeperClient) -> None:
        self._database = database
        self._keeper = keeper

    async def check(self) -> dict[str, str]:
        """Return `ok` or what is wrong, by part."""
        return {
            "database": "ok" if await self._database.ready() else "cannot be reached",
            "keeper": await self._check_keeper(),
        }

    async def _check_keeper(self) -> str:
        try:
            await self._keeper.open()
        except KeeperError as error:
            return str(error)
        return "ok"
