"""The embedded PostgreSQL: a server of our own in the state directory."""

from pathlib import Path


class EmbeddedDatabase:
    """A PostgreSQL server whose data, socket and log live in one directory.

    The caller sees to it that one process owns the directory at a time.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    async def start(self) -> str:
        """Start the server, or find it running; return its URL.

        Raises:
            StartupError: it cannot be started; the message says why and how to mend it.
        """
        raise NotImplementedError

    async def ensure(self) -> None:
        """Start the server again if it has died; costs next to nothing when it has not."""
        raise NotImplementedError

    async def stop(self) -> None:
        """Stop the server; its data is on disk when this returns."""
        raise NotImplementedError
