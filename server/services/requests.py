"""Requests that come again after a lost answer: what they ask for is made once."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from server.errors import RequestChangedError, RequestRepeatedError
from server.models import MadeBefore, RequestKey
from server.repositories.requests import RequestRepository

Made = TypeVar("Made")


class Requests:
    """Gives the first answer again to a request whose key was used before."""

    def __init__(self, repository: RequestRepository) -> None:
        self._repository = repository

    async def once(
        self,
        request: RequestKey | None,
        make: Callable[[], Awaitable[Made]],
        again: Callable[[MadeBefore], Awaitable[Made]],
    ) -> tuple[Made, bool]:
        """Make what is asked for, or find with `again` what was made before (then True).

        `make` notes the request's key in the same statement. Without a key all is made anew.

        Raises:
            RequestChangedError: the key was used for another request.
            RequestRepeatedError: the key was used, and forgotten, at this moment.
        """
        if request is None:
            return await make(), False
        before = await self._repository.find(request.key)
        if before is None:
            try:
                return await make(), False
            except RequestRepeatedError:  # another one with this key came at the same time
                before = await self._repository.find(request.key)
                if before is None:
                    raise
        # A client that uses a key for all of its requests must not get the first one's answer.
        if before.fingerprint != request.fingerprint:
            raise RequestChangedError(
                "The Idempotency-Key was used for another request. Take a new key for each."
            )
        return await again(before), True
