"""The pool of connections to PostgreSQL: the one place that talks to the driver."""

from collections.abc import Mapping
from typing import Any

Row = tuple[Any, ...]


class Database:
    """A PostgreSQL database behind a bounded pool of connections.

    It takes a libpq URL or connection string. No call waits longer than
    `statement_timeout_seconds` for a connection, and as long again for the answer, even of a
    server that is frozen.
    """

    def __init__(
        self, url: str, *, max_connections: int = 8, statement_timeout_seconds: float = 15.0
    ) -> None:
        self._url = url
        self._max_connections = max_connections
        self._timeout_seconds = statement_timeout_seconds

    async def open(self) -> None:
        """Connect.

        Raises:
            StartupError: the URL is none.
            DatabaseUnavailableError: the server cannot be reached.
        """
        raise NotImplementedError

    async def close(self) -> None:
        """Close all connections; calls under way fail."""
        raise NotImplementedError

    async def ready(self) -> bool:
        """Tell whether the database answers."""
        raise NotImplementedError

    async def fetch_all(
        self,
        sql: str,
        parameters: Mapping[str, object] | None = None,
        *,
        timeout_seconds: float | None = None,
    ) -> list[Row]:
        """Run one statement and return its rows.

        Raises:
            DatabaseUnavailableError: the server cannot be reached, or did not answer in time.
        """
        raise NotImplementedError

    async def fetch_one(
        self, sql: str, parameters: Mapping[str, object] | None = None
    ) -> Row | None:
        """Run one statement and return its first row, None when there is none."""
        raise NotImplementedError
