"""What a worker answers the servers of its runs: their output, and what becomes of them."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import nullcontext, suppress
from typing import Any

from server.errors import RunNotFollowedError
from server.models import Run, RunEnd
from server.output.log import LogClosedError, RunLog
from server.services.running import outcome
from server.services.running.active import ActiveRuns
from server.services.running.control import Control
from server.services.running.live import LiveRun
from server.wire.messages import (
    Lines,
    Marked,
    Marks,
    Piece,
    Place,
    Read,
    Seen,
    SeenAt,
    Signal,
    Sought,
    Stop,
)
from server.wire.packing import PACKED_BYTES, packed

MAX_WAIT_SECONDS = 10.0
"""So long a request for output waits for it, whatever it asks for."""

HEAD_BYTES = 32 * 1024
"""More than an answer has beside the output: `MARKS` times, and a reason."""

NOT_ACTIVE = "The run is not active on this worker."

MARKS = 512
"""Times that come with a piece of output; where there are more, whoever asked asks on."""


class Answers:
    """Answers what servers ask about the runs that are active here.

    A run that is not, or is not any more, is answered with RunNotFollowedError: then what is
    stored of it counts. `end_of` returns how a run ended whose output has ended; `max_bytes` how
    large an answer may be.
    """

    def __init__(
        self,
        active: ActiveRuns,
        control: Control,
        end_of: Callable[[Run], RunEnd],
        max_bytes: Callable[[], int],
    ) -> None:
        self._active = active
        self._control = control
        self._end_of = end_of
        self._max_bytes = max_bytes

    @property
    def handlers(self) -> Mapping[str, Callable[[Any], Awaitable[object]]]:
        """What answers each word."""
        return {
            "read": self.read,
            "lines": self.lines,
            "marks": self.marks,
            "stop": self.stop,
            "signal": self.signal,
        }

    async def read(self, request: Read) -> Piece:
        """Answer with output and with the run, as soon as there is something new of them."""
        live = self._live(request)
        seconds = min(request.wait_seconds, MAX_WAIT_SECONDS)
        held = nullcontext() if live.log is None else live.log.acquire()
        with held:  # its run may end meanwhile
            try:
                run = await self._wait(live, request, seconds)
                return await self._piece(live, run, request)
            except LogClosedError as error:  # it had none at first, and has ended already
                raise RunNotFollowedError(NOT_ACTIVE) from error

    async def lines(self, request: Lines) -> Place:
        """Answer where lines are in the output, or what lines are there."""
        with self._log(request).acquire() as log:
            match request.sought:
                case Sought.LINES_BEFORE:
                    number = await log.lines_before(request.number)
                case Sought.LINE_COUNT:
                    number = await log.line_count(request.number)
                case Sought.LINE_OFFSET:
                    number = await log.line_offset(request.number)
                case Sought.TAIL_OFFSET:
                    number = await log.tail_offset(request.number)
            return Place(number=number)

    async def marks(self, request: Marks) -> Marked:
        """Answer when output was first seen."""
        with self._log(request).acquire() as log:
            return Marked(marks=await _marks(log, request.start, request.end, request.limit))

    async def stop(self, request: Stop) -> Seen:
        """End a run (`Control.stop`)."""
        live = await self._control.stop(
            request.run_id, signal=request.signal, grace_seconds=request.grace_seconds
        )
        return _seen(live, live.run)

    async def signal(self, request: Signal) -> Seen:
        """Send a signal to a run's process group (`Control.signal`)."""
        live = await self._control.signal(request.run_id, request.name)
        return _seen(live, live.run)

    def _live(self, request: Read | Lines | Marks) -> LiveRun:
        live = self._active.get(request.run_id)
        if live is None:
            raise RunNotFollowedError(NOT_ACTIVE)
        return live

    def _log(self, request: Lines | Marks) -> RunLog:
        log = self._live(request).log
        if log is None:
            raise RunNotFollowedError("The run has no output on this worker yet.")
        return log

    async def _wait(self, live: LiveRun, request: Read, seconds: float) -> Run:
        """Wait for something new, so long; return the run, with its end if all of it was read."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await _news(live, request)
                log = live.log
                if log is not None and log.ended and log.size <= request.offset:
                    return await live.wait_ended(self._end_of)
        return live.run

    async def _piece(self, live: LiveRun, run: Run, request: Read) -> Piece:
        log = live.log
        if log is None:
            return Piece(seen=_seen(live, run))
        limit = min(request.limit, self._max_bytes() - HEAD_BYTES)
        data = await log.read(request.offset, limit)
        seen = _seen(live, run)
        if not data:
            return Piece(seen=seen)
        marks = await _marks(log, request.offset, request.offset + len(data), MARKS)
        if request.packed and len(data) >= PACKED_BYTES:
            frame = await asyncio.to_thread(packed, data)
            if frame is not None:
                return Piece(seen=seen, data=frame, marks=marks, packed_bytes=len(data))
        return Piece(seen=seen, data=data, marks=marks)


async def _news(live: LiveRun, request: Read) -> None:
    """Return as soon as there is output from the offset on, none will come, or the run changed."""
    while request.change in {None, live.changes}:
        log, change = live.log, live.change
        if log is None:
            if live.run.state.final:
                return
            await change.wait()
        elif log.size > request.offset or log.ended:
            return
        else:
            await log.grown_or_woken(request.offset)


async def _marks(log: RunLog, start: int, end: int, limit: int) -> tuple[SeenAt, ...]:
    return tuple(SeenAt(mark.offset, mark.time) for mark in await log.marks(start, end, limit))


def _seen(live: LiveRun, run: Run) -> Seen:
    """Return the run as it is seen here; `run` may have an end that is not stored yet."""
    view = live.view
    return Seen(
        state=view.run.state,
        start_time=view.run.start_time,
        change=live.changes,
        size=view.output_bytes,
        has_output=live.log is not None,
        ended=run.state.final if live.log is None else live.log.ended,
        stopping=view.stopping,
        paused=view.paused,
        reason=view.run.reason,
        end=outcome.stored_end(run) if run.state.final else None,
        lines=run.output_lines if run.state.final else None,
    )
