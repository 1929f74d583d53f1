"""What a torture says to whichever server serves: patiently, for servers come and go."""

import asyncio
from collections.abc import Mapping
from typing import Any, Protocol

import aiohttp
import orjson
from yarl import URL

from tests.torture.tally import Tally

PATIENCE_SECONDS = 90.0
PAUSE_SECONDS = 0.1
ANSWER_SECONDS = 6.0


class UnansweredError(Exception):
    """No answer, or that it cannot be given now; what was asked may have been done."""


class Entrance(Protocol):
    """Where servers are asked; what is wrong there is in the tally."""

    tally: Tally

    async def address(self) -> str:
        """Wait until a server serves, and return its address."""
        ...


class Api:
    """Asks the server of a site. An answer that no fault excuses is a violation.

    It is patient for `outage_seconds` more than servers need to come back.
    """

    def __init__(
        self, session: aiohttp.ClientSession, site: Entrance, *, outage_seconds: float
    ) -> None:
        self.session = session
        self._site = site
        self._patience_seconds = PATIENCE_SECONDS + outage_seconds

    async def url(self, path: str) -> URL:
        """Return where a path of the API is, as soon as a server serves."""
        return URL(f"{await self._site.address()}/api/v1/{path}")

    async def ask(
        self,
        method: str,
        path: str,
        body: object = None,
        headers: Mapping[str, str] | None = None,
    ) -> bytes:
        """Ask once.

        Raises:
            UnansweredError: there was no answer, or a 409 or 503.
        """
        url = await self.url(path)
        try:
            async with (
                asyncio.timeout(ANSWER_SECONDS),
                self.session.request(method, url, json=body, headers=headers) as response,
            ):
                answer = await response.read()
        except (TimeoutError, OSError, aiohttp.ClientError) as error:
            raise UnansweredError(repr(error)) from error
        if not response.ok:
            if response.status not in {409, 503}:
                self._site.tally.violation(f"{method} {path}: {response.status} {answer.decode()}")
            raise UnansweredError(f"{response.status} {answer.decode()}")
        return answer

    async def get(self, path: str) -> bytes:
        """Ask until there is an answer."""
        async with asyncio.timeout(self._patience_seconds):
            while True:
                try:
                    return await self.ask("GET", path)
                except UnansweredError:
                    await asyncio.sleep(PAUSE_SECONDS)

    async def items(self, path: str) -> list[dict[str, Any]]:
        """Return all items of a list."""
        found: list[dict[str, Any]] = []
        cursor = ""
        while True:
            page = orjson.loads(await self.get(f"{path}{cursor}"))
            found += page["items"]
            if page["next"] is None:
                return found
            cursor = f"&cursor={page['next']}"
