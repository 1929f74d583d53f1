"""Joins what many callers ask for at the same time into one statement and one commit."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from server.errors import DatabaseRefusedError, DatabaseUnavailableError
from server.repositories.database.halving import in_parts

BATCH_ITEMS = 64
BATCH_BYTES = 1024 * 1024
"""A batch with so much gets no further item: writing a statement blocks the event loop."""

Item = TypeVar("Item")
Result = TypeVar("Result")


class Batches(Generic[Item, Result]):
    """Collects the items that come while a statement is under way, and does them by the next one.

    No item waits for others to come: with fewer than `at_once` statements under way it is done at
    once. `act` returns a result for each item, in their order; `size` returns an item's bytes. An
    item that the database refuses fails alone, and a caller that goes leaves alone.
    """

    def __init__(
        self,
        act: Callable[[Sequence[Item]], Awaitable[Sequence[Result]]],
        size: Callable[[Item], int],
        *,
        timeout_seconds: float,
        at_once: int = 1,
    ) -> None:
        self._act = act
        self._size = size
        self._timeout_seconds = timeout_seconds
        self._turn = asyncio.Semaphore(at_once)
        self._waiting = deque[tuple[Item, asyncio.Future[Result]]]()
        self._acting = set[asyncio.Task[None]]()

    async def do(self, item: Item) -> Result:
        """Return what became of an item, once it is committed.

        Raises:
            DatabaseUnavailableError: the statement failed, or no turn came in time.
            DatabaseRefusedError: the database refuses this item.
        """
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, future))
        try:
            async with asyncio.timeout(self._timeout_seconds):
                await self._turn.acquire()
        except BaseException as error:
            future.cancel()  # the batches leave it out
            if isinstance(error, TimeoutError):
                raise DatabaseUnavailableError("The database did not answer in time.") from error
            raise
        if future.done():  # the caller before has acted for this item, too
            self._turn.release()
        else:
            await self._act_now(future)
        return await future

    async def _act_now(self, own: asyncio.Future[Result]) -> None:
        """Do the next batch, and give the turn back; whose caller goes stays for the others'."""
        batch = self._next()
        acting = asyncio.create_task(self._act_for(batch), name="batch")
        self._acting.add(acting)
        acting.add_done_callback(self._acted)
        try:
            await asyncio.shield(acting)
        except asyncio.CancelledError:
            own.cancel()
            await _leave(acting, [future for _, future in batch if not future.done()])
            raise

    def _acted(self, acting: asyncio.Task[None]) -> None:
        self._acting.discard(acting)
        self._turn.release()

    def _next(self) -> "list[tuple[Item, asyncio.Future[Result]]]":
        """Dequeue the next batch: one item at least."""
        batch: list[tuple[Item, asyncio.Future[Result]]] = []
        room = BATCH_BYTES
        while self._waiting and len(batch) < BATCH_ITEMS and room > 0:
            item, future = self._waiting.popleft()
            if not future.done():  # else its caller was cancelled
                room -= self._size(item)
                batch.append((item, future))
        return batch

    async def _act_for(self, batch: "Sequence[tuple[Item, asyncio.Future[Result]]]") -> None:
        """Do a batch, and give each caller its result."""

        async def act(part: "Sequence[tuple[Item, asyncio.Future[Result]]]") -> None:
            results = await self._act([item for item, _ in part])
            for (_, future), result in zip(part, results, strict=True):
                if not future.done():
                    future.set_result(result)

        def refused(
            waiting: "tuple[Item, asyncio.Future[Result]]", error: DatabaseRefusedError
        ) -> None:
            if not waiting[1].done():
                waiting[1].set_exception(error)

        try:
            await in_parts(batch, act, refused)
        except BaseException as error:
            # Its callers wait for this, and none of them may wait forever.
            gone = isinstance(error, asyncio.CancelledError)
            reason = DatabaseUnavailableError("The statement was cancelled.") if gone else error
            for _, future in batch:
                if not future.done():
                    future.set_exception(reason)
            if gone:
                raise


async def _leave(acting: asyncio.Task[None], others: Sequence[asyncio.Future[Result]]) -> None:
    """Let a batch be done for its other callers; without any left it is given up."""

    def look(_: object) -> None:
        if all(future.done() for future in others):
            acting.cancel()

    for future in others:
        future.add_done_callback(look)
    if not others:
        acting.cancel()
        await asyncio.wait({acting})
