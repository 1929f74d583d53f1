"""A run's stop: which of several requests counts, and the grace period that it leaves."""

import asyncio
from collections.abc import Callable
from dataclasses import replace

from server.keeper.records import StopRecord


def due_at(stop: StopRecord) -> float:
    """Return when a stop's grace period ends, in Unix seconds."""
    return stop.requested_at + (0 if stop.signal == "SIGKILL" else stop.grace_seconds)


def sharpened(under_way: StopRecord | None, asked: StopRecord) -> StopRecord | None:
    """Return the stop to carry out now; None: the one under way is as sharp, and as soon.

    The first cause stays, and so does the earliest end of the grace period.
    """
    if under_way is None:
        return asked
    if asked.signal == under_way.signal and due_at(asked) >= due_at(under_way):
        return None
    due = min(due_at(asked), due_at(under_way))
    return replace(asked, cause=under_way.cause, grace_seconds=due - asked.requested_at)


class Grace:
    """The time that processes have to end by themselves; `on_over` is called at its end."""

    def __init__(self, on_over: Callable[[], object]) -> None:
        self.over = asyncio.Event()
        self._on_over = on_over
        self._timer: asyncio.TimerHandle | None = None

    def end_in(self, seconds: float) -> None:
        """Have it end so many seconds from now, whatever was set before."""
        self.cancel()
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(max(seconds, 0), self._end)

    def cancel(self) -> None:
        """Have it not end any more."""
        if self._timer is not None:
            self._timer.cancel()

    def _end(self) -> None:
        self.over.set()
        self._on_over()
