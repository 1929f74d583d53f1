"""A run's output, byte for byte, whatever becomes of the connections and the server meanwhile."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import TYPE_CHECKING

from tailrun.connection import Connection
from tailrun.ending import ended
from tailrun.errors import AwayError, IncompleteError
from tailrun.patience import FIRST_DELAY_SECONDS, Patience

if TYPE_CHECKING:
    from tailrun.values import Run

STEADY_SECONDS = 1.0
"""An answer that was open for so long, or brought output, is no failure when it breaks off."""

END_TRIES = 5
"""How often the end of a run that has ended is asked for, if it does not come."""


class Output:
    """The output of a run from an offset on: iterate over it, once, for its bytes in order.

    Each byte comes once. Where a connection breaks, or the server is away, it goes on at `offset`.
    """

    def __init__(self, connection: Connection, run_id: str, *, offset: int, follow: bool) -> None:
        self.offset = offset
        """The offset behind the last byte that was handed out."""

        self.run: Run | None = None
        """The run once all is read; None before, and where it is not followed."""

        self._connection = connection
        self._path = f"runs/{run_id}"
        self._follow = follow

    async def __aiter__(self) -> AsyncGenerator[bytes, None]:
        """Iterate over the output.

        Raises:
            AwayError: the server is away for longer than the client's patience.
            IncompleteError: it ends too early, again and again.
            DamagedError: it is damaged at `offset`.
            NotFoundError: there is no such run, or it was deleted meanwhile.
        """
        patience, ends = Patience(self._connection.patience_seconds), 0
        while True:
            began, opened_at = self.offset, _now()
            try:
                async with aclosing(self._answer()) as chunks:
                    async for chunk in chunks:
                        yield chunk
            except AwayError as error:
                if self.offset == began and _now() - opened_at < STEADY_SECONDS:
                    await self._connection.failed(patience, error)
                else:  # it was there, or the run was silent: no failure yet
                    patience.succeeded()
                    await asyncio.sleep(FIRST_DELAY_SECONDS)
                continue
            patience.succeeded()
            ends = ends + 1 if self.offset == began else 0
            if await self._is_whole(ends):
                return

    async def _answer(self) -> AsyncGenerator[bytes, None]:
        query = {"offset": str(self.offset)} | ({"follow": "true"} if self._follow else {})
        async with self._connection.opened(f"{self._path}/output", query) as answer:
            async for chunk in answer.content.iter_any():
                self.offset += len(chunk)
                yield chunk

    async def _is_whole(self, ends: int) -> bool:
        """Return whether the run has ended, and its last byte was read; wait for its end."""
        if not self._follow:
            return True
        run = await ended(self._connection, self._path)
        if self.offset < run.output_bytes and ends >= END_TRIES:
            raise IncompleteError(
                f"The output of run {run.id} has {run.output_bytes} bytes, and ends after"
                f" {self.offset}."
            )
        self.run = run if self.offset >= run.output_bytes else None
        return self.run is not None


def _now() -> float:
    return asyncio.get_running_loop().time()
