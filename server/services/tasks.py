"""The owner of background tasks, of which the death of one is noticed; and their loops."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from typing import Any, TypeVar

from server.errors import DatabaseUnavailableError, StartupError

CANCEL_AGAIN_SECONDS = 0.1

CLOSE_SECONDS = 2.0
"""For which at its end the service still stores what is left; the rest the next one does."""

Result = TypeVar("Result")

logger = logging.getLogger(__name__)


class Tasks:
    """Named tasks, of two kinds.

    One of the service that dies of an exception ends the service: `failed` is set then, as half
    a server helps nobody. One of a single run (or viewer, or row) takes that one alone with it.
    """

    def __init__(self) -> None:
        self.failed = asyncio.Event()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._closed_at: float | None = None

    def closing(self) -> asyncio.Timeout:
        """Return what bounds the storing of what is left: all who store it share CLOSE_SECONDS.

        A database that hangs would else hold each of them up for its own time.
        """
        if self._closed_at is None:
            self._closed_at = asyncio.get_running_loop().time() + CLOSE_SECONDS
        return asyncio.timeout_at(self._closed_at)

    def start(self, work: Coroutine[Any, Any, Any], name: str) -> "asyncio.Task[Any]":
        """Run `work` as a task of the service, of this name."""

        def on_death(error: BaseException) -> None:
            logger.critical("task %r died, the service ends", name, exc_info=error)
            self.failed.set()

        return self.start_for_run(work, name, on_death)

    def start_for_run(
        self, work: Coroutine[Any, Any, Any], name: str, on_fault: Callable[[BaseException], None]
    ) -> "asyncio.Task[Any]":
        """Run what is done for one run as a task; `on_fault` is called with what it dies of."""

        def done(task: "asyncio.Task[Any]") -> None:
            self._tasks.discard(task)
            if not task.cancelled() and (error := task.exception()) is not None:
                on_fault(error)

        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)  # the loop itself refers to a task only weakly
        task.add_done_callback(done)
        return task

    async def cancel(self) -> None:
        """Cancel every task and wait until all have ended."""
        await asyncio.gather(*map(cancel_and_wait, self._tasks))


async def retry(
    step: Callable[[], Awaitable[Result]], pause_after: Callable[[Exception], float]
) -> Result:
    """Take a step until it comes through, and return its result.

    `pause_after` is called with each failure: it returns after how many seconds the step is taken
    again, or raises what is not to be tried again.
    """
    while True:
        try:
            return await step()
        except Exception as error:
            pause_seconds = pause_after(error)
        await asyncio.sleep(pause_seconds)


class Retries:
    """How a loop of the service outlives errors that pass (`passing`): a step is taken again.

    `what` says in the log what waits meanwhile. It is logged once, until it is for another reason
    or a step comes through. The pauses are of `seconds`; where `first_seconds` are given, they
    begin with those, and each is twice as long as the one before, but of `seconds` at most.
    """

    def __init__(
        self,
        what: str,
        *,
        seconds: float,
        first_seconds: float | None = None,
        passing: tuple[type[Exception], ...] = (DatabaseUnavailableError,),
    ) -> None:
        self._what = what
        self._seconds = seconds
        self._first_seconds = seconds if first_seconds is None else first_seconds
        self._passing = passing
        self.over()

    async def take(self, step: Callable[[], Awaitable[Result]]) -> Result:
        """Take a step until it comes through, and return its result."""
        result = await retry(step, self.pause_after)
        self.over()
        return result

    def over(self) -> None:
        """Note that a step came through."""
        self._reported: str | None = None
        self._next_seconds = self._first_seconds

    def pause_after(self, error: Exception) -> float:
        """Return after how many seconds a step that failed is taken again; raise a defect."""
        if not isinstance(error, self._passing):
            raise error
        if str(error) != self._reported:
            self._reported = str(error)
            logger.warning("%s, retrying: %s", self._what, self._reported)
        pause_seconds = self._next_seconds
        self._next_seconds = min(2 * pause_seconds, self._seconds)
        return pause_seconds


async def forever(step: Callable[[], Awaitable[object]], *, seconds: float, name: str) -> None:
    """Take a step of the service again and again, with pauses; its owner cancels it.

    An error that passes (no database, no descriptor left, a full disk) is logged
    once, until it is something else or a step comes through; the loop goes on.
    """
    passing = (DatabaseUnavailableError, StartupError, OSError)
    retries = Retries(f"{name} failed", seconds=seconds, passing=passing)
    while True:
        await retries.take(step)
        await asyncio.sleep(seconds)


async def wait_for(bell: asyncio.Event, seconds: float | None) -> None:
    """Wait until a bell rings, but for so many seconds at most; None: for as long as it takes."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await bell.wait()


async def cancel_and_wait(task: "asyncio.Task[Any]") -> None:
    """Cancel a task and wait until it has ended, however it ends.

    It is cancelled again and again: asyncio.wait_for of Python 3.11, which aiopg uses, loses a
    cancellation that comes together with its result
    (https://github.com/python/cpython/issues/86296).
    """
    while not task.done():
        task.cancel()
        await asyncio.wait({task}, timeout=CANCEL_AGAIN_SECONDS)
    if not task.cancelled():
        task.exception()  # else asyncio logs that nobody retrieved it
