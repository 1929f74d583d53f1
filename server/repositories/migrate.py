"""Brings a database's tables up to date."""

from pathlib import Path


async def apply(url: str, directory: Path) -> None:
    """Apply the migrations in `directory` that the database does not have yet.

    Raises:
        DatabaseUnavailableError: the server cannot be reached.
    """
    raise NotImplementedError
