"""The owner of side tasks: each is named, and the death of one is heard."""

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any

CANCEL_AGAIN_SECONDS = 0.1

logger = logging.getLogger(__name__)


class Tasks:
    """Named tasks of the service; one that dies of an exception ends the service.

    `failed` is set then: there shall be no half-dead server.
    """

    def __init__(self) -> None:
        self.failed = asyncio.Event()
        self._tasks: set[asyncio.Task[Any]] = set()

    def start(self, work: Coroutine[Any, Any, Any], name: str) -> "asyncio.Task[Any]":
        """Run `work` as a task of this name."""
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    async def cancel(self) -> None:
        """Cancel every task and wait until all have ended."""
        await asyncio.gather(*map(end, self._tasks))

    def _done(self, task: "asyncio.Task[Any]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.critical("the task %r died", task.get_name(), exc_info=error)
            self.failed.set()


async def end(task: "asyncio.Task[Any]") -> None:
    """Cancel a task and wait until it has ended, however it ends.

    It is cancelled again and again: asyncio.wait_for of Python 3.11, which aiopg uses, loses a
    cancellation that comes together with its result
    (https://github.com/python/cpython/issues/86296).
    """
    while not task.done():
        task.cancel()
        await asyncio.wait({task}, timeout=CANCEL_AGAIN_SECONDS)
    if not task.cancelled():
        task.exception()  # asyncio shall not call it one that nobody retrieved
