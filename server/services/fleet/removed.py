"""Workers that were removed: nothing that they ask is done, whatever NATS still lets through."""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Collection, Mapping
from contextlib import suppress
from typing import Any

from server.errors import DatabaseUnavailableError, ForbiddenError
from server.wire.serving import FromWorker

FRESH_SECONDS = 1.0
"""For so long what was asked last counts: another server may have removed a worker since."""

WAS_REMOVED = (
    "This worker was removed. It is let in again when it is enrolled anew, with another key: remove"
    " nats.seed from its state directory, then `tailrun worker enroll URL --token TOKEN`."
)


class Removed:
    """Who was removed, as the database said it at most FRESH_SECONDS ago; asked while one asks."""

    def __init__(
        self,
        ask: Callable[[], Awaitable[Collection[str]]],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ask = ask
        self._clock = clock
        self._hosts: Collection[str] = ()
        self._asked_at = -math.inf
        self._asking = asyncio.Lock()

    def forget(self) -> None:
        """Have it asked anew: somebody was removed here, just now."""
        self._asked_at = -math.inf

    def guarding(self, handlers: Mapping[str, FromWorker]) -> Mapping[str, FromWorker]:
        """Return handlers that do nothing for who was removed."""
        return {word: self._guarding(handler) for word, handler in handlers.items()}

    def _guarding(self, handler: FromWorker) -> FromWorker:
        async def handle(host: str, request: Any) -> object:
            await self._check(host)
            return await handler(host, request)

        return handle

    async def _check(self, host: str) -> None:
        """Refuse who was removed; while the database is away, who was so before.

        Raises:
            ForbiddenError: this host was.
        """
        if self._clock() - self._asked_at >= FRESH_SECONDS:
            async with self._asking:
                if self._clock() - self._asked_at >= FRESH_SECONDS:
                    self._asked_at = self._clock()
                    with suppress(DatabaseUnavailableError):
                        self._hosts = await self._ask()
        if host in self._hosts:
            raise ForbiddenError(WAS_REMOVED)
