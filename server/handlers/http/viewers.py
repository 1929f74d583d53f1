"""Who is watching: the bound on viewers, and the end of those that take nothing any more."""

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from uuid import UUID

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter

from server.errors import LimitReachedError
from server.handlers.http.peer import Peer, TcpPeer
from server.output.cursor import Pace
from server.settings.groups import ViewerSettings

SWEEP_SECONDS = 1.0

CLOSE_SECONDS = 1.0
"""How long viewers have to answer the server's good-bye."""

MAX_HEARD_BYTES = 256 * 1024
"""What a WebSocket viewer may say between two sweeps, in whatever frames."""

GOODBYE = b"the server is shutting down"

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class Place:
    """The place of one viewer; `writer` and `websocket` are set once its answer has begun.

    `pace` tells how much it is sent at a time. `speak` says something to a viewer that was sent
    nothing for `silence_seconds`. Of one that is `closing` nothing but its good-bye is awaited.
    """

    transport: asyncio.WriteTransport
    peer: Peer
    task: asyncio.Task[object]
    writer: AbstractStreamWriter | None = None
    websocket: web.WebSocketResponse | None = None
    pace: Pace = field(default_factory=Pace)
    closing: bool = False
    acknowledged: int = 0
    heard_bytes: int = 0
    progress_at: float = 0.0
    spoken_at: float = 0.0
    silence_seconds: float = 0.0
    speak: Callable[[], Awaitable[object]] | None = None

    async def taken(self, size: int) -> None:
        """Wait until the kernel has what was just sent; the pace is how long that takes.

        Who calls this holds no reference to what was sent: a viewer may let it wait for long.
        """
        began = self.spoken_at = asyncio.get_running_loop().time()
        if self.writer is not None:
            await self.writer.drain()
        self.pace.took(size, asyncio.get_running_loop().time() - began)

    def progressed(self) -> bool:
        """Tell whether the peer has acknowledged anything since the last look, or has nothing to.

        That is the one sign of life: a slow viewer gives it, however far behind it is, and a ping
        that waits behind output is no matter. A pong would prove no more.
        """
        if not self.peer.outstanding():
            return not self.closing
        before, self.acknowledged = self.acknowledged, self.peer.acknowledged()
        return self.acknowledged != before

    def is_flooding(self) -> bool:
        """Tell whether a WebSocket viewer has said too much since the last look."""
        if self.websocket is None:
            return False
        before, self.heard_bytes = self.heard_bytes, self.peer.received()
        return self.heard_bytes - before > MAX_HEARD_BYTES

    def break_silence(self, silence_seconds: float, speak: Callable[[], Awaitable[object]]) -> None:
        """Have `speak` called whenever the viewer was sent nothing for so long."""
        self.silence_seconds, self.speak = silence_seconds, speak
        self.spoken_at = asyncio.get_running_loop().time()

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
        settings: ViewerSettings,
        *,
        on_dropped: Callable[[], None],
        peer_of: Callable[[asyncio.WriteTransport, float], Peer] = TcpPeer,
        sweep_seconds: float = SWEEP_SECONDS,
    ) -> None:
        self._max_viewers = settings.max_viewers
        self._max_per_run = settings.max_viewers_per_run
        self._stall_seconds = settings.viewer_stall_seconds
        self._on_dropped = on_dropped
        self._peer_of = peer_of
        self._sweep_seconds = sweep_seconds
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
        try:
            peer = self._peer_of(transport, self._stall_seconds)
            heard_bytes = peer.received()
        except OSError as error:
            raise ConnectionResetError("the viewer is gone already") from error
        now = asyncio.get_running_loop().time()
        place = Place(transport, peer, task, heard_bytes=heard_bytes, progress_at=now)
        self._places[id(task)] = place
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
            await asyncio.sleep(self._sweep_seconds)
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
        place.spoken_at = asyncio.get_running_loop().time()
        try:
            await place.speak()
        except ConnectionError:
            place.transport.abort()
        except Exception:
            logger.exception("a viewer could not be told anything")
            place.transport.abort()

    def sweep(self, now: float) -> None:
        """Drop the viewers that are gone, that flood, or took nothing for `stall_seconds`."""
        for place in list(self._places.values()):
            if place.transport.is_closing():
                place.task.cancel()
                continue
            try:
                self._look_at(place, now)
            except (OSError, ValueError):  # its descriptor is closed
                _cut_off(place)

    def _look_at(self, place: Place, now: float) -> None:
        if place.is_flooding():
            _cut_off(place)
        elif place.progressed():
            place.progress_at = now
        elif now - place.progress_at >= self._stall_seconds:
            if place.peer.outstanding():
                self._on_dropped()
                _cut_off(place)
            else:
                place.transport.close()
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
            _cut_off(place)

    def _check_room(self, run_id: UUID) -> None:
        if len(self._places) >= self._max_viewers:
            raise LimitReachedError(
                f"No more viewers are served: the limit TAILRUN_MAX_VIEWERS is {self._max_viewers}."
            )
        if self._per_run[run_id] >= self._max_per_run:
            raise LimitReachedError(
                "No more viewers of this run are served: the limit TAILRUN_MAX_VIEWERS_PER_RUN is"
                f" {self._max_per_run}."
            )


def _cut_off(place: Place) -> None:
    place.transport.abort()
    place.task.cancel()
