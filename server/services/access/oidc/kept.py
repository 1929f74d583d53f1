"""What a provider said of late: kept for a time, and asked for by one at a time."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from server.services.access.oidc.failures import Reason, SignInFailedError

Value = TypeVar("Value")


class Kept(Generic[Value]):
    """An answer of `ask`, for which nobody waits for longer than so many seconds.

    Those who come while one asks get what that one gets, an answer or a failure.
    """

    def __init__(
        self, ask: Callable[[], Awaitable[Value]], seconds: float, clock: Callable[[], float]
    ) -> None:
        self._ask = ask
        self._seconds = seconds
        self._clock = clock
        self._said: tuple[float, Value] | None = None
        self._failure: SignInFailedError | None = None
        self._asked = 0
        self._asking = asyncio.Lock()

    async def get(self, oldest_seconds: float) -> Value:
        """Return the answer, which is no older than that.

        Raises:
            SignInFailedError: the provider does not answer, or not well.
        """
        asked = self._asked
        if self._is_older(oldest_seconds):
            try:
                async with asyncio.timeout(self._seconds), self._asking:
                    if self._failure is not None and self._asked > asked:
                        raise SignInFailedError(self._failure.reason, str(self._failure))
                    if self._is_older(oldest_seconds):
                        await self._ask_anew()
            except TimeoutError as error:
                text = "the provider cannot be reached: it did not answer in time"
                raise SignInFailedError(Reason.UNAVAILABLE, text) from error
        assert self._said is not None
        return self._said[1]

    async def _ask_anew(self) -> None:
        self._failure = None
        try:
            answer = await self._ask()
        except SignInFailedError as error:
            self._failure = error
            raise
        finally:
            self._asked += 1
        self._said = self._clock(), answer

    def _is_older(self, seconds: float) -> bool:
        return self._said is None or self._clock() - self._said[0] > seconds
