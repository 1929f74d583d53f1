"""The database of a server, asked by a word of the command line beside it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from server.repositories.database.database import Database
from server.repositories.embedded.server import EmbeddedDatabase
from server.settings.groups import Settings

CONNECTIONS = 2


@asynccontextmanager
async def beside_server(settings: Settings) -> AsyncIterator[Database]:
    """Name the database of the settings, or the embedded one that a server keeps running.

    It connects as it is opened, which raises what `Database.open` does.
    """
    database = Database(
        settings.database.url or EmbeddedDatabase(settings.state_dir / "database").url,
        max_connections=CONNECTIONS,
        statement_timeout_seconds=settings.database.timeout_seconds,
    )
    try:
        yield database
    finally:
        await database.close()
