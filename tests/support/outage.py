"""A database that is away, as clients of it see that, while others of its server are not."""

from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from tests.support.postgres import execute, with_name


class Outage:
    """A database that can be away: it lets nobody in, and throws out who is."""

    def __init__(self, url: str) -> None:
        self._name = urlsplit(url).path.removeprefix("/")
        self._server = with_name(url, "postgres")

    def begin(self) -> None:
        execute(
            self._server,
            f"ALTER DATABASE {self._name} ALLOW_CONNECTIONS false",
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"  # noqa: S608
            f" WHERE datname = '{self._name}'",
        )

    def end(self) -> None:
        execute(self._server, f"ALTER DATABASE {self._name} ALLOW_CONNECTIONS true")


@pytest.fixture
def outage(database_url: str) -> Iterator[Outage]:
    """Have outages of the test's database; the last one ends with the test."""
    outage = Outage(database_url)
    yield outage
    outage.end()
