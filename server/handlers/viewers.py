"""Who is watching: the bound on viewers, and the end of those that take nothing any more."""

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from uuid import UUID

from aiohttp import web

from server.errors import LimitReachedError

SWEEP_SECONDS = 1.0

CLOSE_SECONDS = 1.0
"""How long viewers have to answer the server's good-bye."""

GOODBYE = b"the server is shutting down"

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class Place:
    """The place of one viewer; `websocket` is set once its handshake is done.

    `speak` says something to a viewer that was sent nothing for `silence_seconds`.
    """

    transport: asyncio.WriteTransport
    task: asyncio.Task[object]
    websocket: web.WebSocketResponse | None = None
    waiting_bytes: int = 0
    progress_at: float = 0.0
    spoken_at: float = 0.0
    silence_seconds: float = 0.0
    speak: Callable[[], Awaitable[object]] | None = None

    def spoken(self) -> None:
        """Tell that the viewer was just sent something."""
        self.spoken_at = asyncio.get_running_loop().time()

    def break_silence(self, silence_seconds: float, speak: Callable[[], Awaitable[object]]) -> None:
        """Have `speak` called whenever the viewer was sent nothing for so long."""
        self.silence_seconds, self.speak = silence_seconds, speak
        self.spoken()

    def is_due(self, now: float) -> bool:
        """Tell whether something should be said; not to who has not yet taken what was."""
        return (
            self.speak is not None
            and now - self.spoken_at >= self.silence_seconds
            and not self.transport.get_write_buffer_size()
        )


class Viewers:
    """All viewers, WebSocket and HTTP."""

    def __init__(
        self,
        *,
        max_viewers: int,
        max_per_run: int,
        stall_seconds: float,
        on_dropped: Callable[[], None],
    ) -> None:
        self._max_viewers = max_viewers
        self._max_per_run = max_per_run
        self._stall_seconds = stall_seconds
        self._on_dropped = on_dropped
        self._places: dict[int, Place] = {}
        self._per_run: Counter[UUID] = Counter()

    def __len__(self) -> int:
        return len(self._places)

    @contextmanager
    def admit(self, run_id: UUID, request: web.Request) -> Iterator[Place]:
        """Count the current task as a viewer of a run, and watch that it makes progress.

        Before its answer begins: of viewers that come at once, too, those beyond the bound are
        told so by a status.

        Raises:
            LimitReachedError: a bound on viewers is reached.
        """
        self._check_room(run_id)
        task, transport = asyncio.current_task(), request.transport
        if task is None or transport is None:
            raise ConnectionResetError("the viewer is gone already")
        now = asyncio.get_running_loop().time()
        place = self._places[id(task)] = Place(transport, task, progress_at=now)
        self._per_run[run_id] += 1
        try:
            yield place
        finally:
            place.speak = None
            del self._places[id(task)]
            self._per_run[run_id] -= 1
            if not self._per_run[run_id]:
                del self._per_run[run_id]

    async def watch(self) -> None:
        """Drop viewers that are gone or stalled, and speak to those who hear nothing, for ever.

        The service's owner cancels it.
        """
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            self.sweep(asyncio.get_running_loop().time())
            await self.break_silence()

    async def break_silence(self) -> None:
        """Say something to each viewer that was sent nothing for a while.

        What is due to many at a time is said to one after the other; others have their turn.
        """
        for place in list(self._places.values()):
            if place.is_due(asyncio.get_running_loop().time()):
                await self._speak(place)
                await asyncio.sleep(0)

    async def _speak(self, place: Place) -> None:
        if place.speak is None:
            return
        place.spoken()
        try:
            await place.speak()
        except ConnectionError:
            place.transport.abort()
        except Exception:
            logger.exception("a viewer could not be told anything")
            place.transport.abort()

    def sweep(self, now: float) -> None:
        """Drop the viewers that are gone or have taken nothing for `stall_seconds`.

        aiohttp's heartbeat does not free a peer whose socket buffer is full; abort() does.
        """
        for place in list(self._places.values()):
            waiting = place.transport.get_write_buffer_size()
            if waiting == 0 or waiting != place.waiting_bytes:
                place.waiting_bytes, place.progress_at = waiting, now
            stalled = now - place.progress_at >= self._stall_seconds
            if stalled or place.transport.is_closing():
                if stalled:
                    self._on_dropped()
                place.transport.abort()
                place.task.cancel()

    async def close(self, _app: web.Application) -> None:
        """Tell all WebSocket viewers that the server goes, so that they come back (code 1001).

        Those that do not answer within CLOSE_SECONDS are cut off.
        """
        places = list(self._places.values())
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_SECONDS), asyncio.TaskGroup() as group:
                for place in places:
                    if place.websocket is not None:
                        group.create_task(place.websocket.close(code=1001, message=GOODBYE))
        for place in places:
            place.transport.abort()
            place.task.cancel()

    def _check_room(self, run_id: UUID) -> None:
        if len(self._places) >= self._max_viewers:
            raise LimitReachedError(f"There are {self._max_viewers} viewers: TAILRUN_MAX_VIEWERS.")
        if self._per_run[run_id] >= self._max_per_run:
            raise LimitReachedError(
                f"The run has {self._max_per_run} viewers: TAILRUN_MAX_VIEWERS_PER_RUN."
            )
