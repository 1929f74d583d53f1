"""The viewers: how many there may be, and the end of those that take nothing any more."""

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

SWEEP_SECONDS = 1.0  # a viewer is dropped, or sent a sign of life, so much later at most

CLOSE_SECONDS = 1.0
"""How long viewers have to answer the server's close frame."""

MAX_RECEIVED_BYTES = 256 * 1024
"""What a WebSocket viewer may send between two sweeps, in whatever frames."""

GOODBYE = b"the server is shutting down"

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class Place:
    """The place of one viewer; `writer` and `websocket` are set once its answer has begun.

    `pace` says how much it is sent at a time. `send_alive` is called when it was sent nothing for
    `alive_seconds`. Of one that is `closing` nothing but its close frame is awaited.
    """

    transport: asyncio.WriteTransport
    peer: Peer
    task: asyncio.Task[object]
    writer: AbstractStreamWriter | None = None
    websocket: web.WebSocketResponse | None = None
    pace: Pace = field(default_factory=Pace)
    closing: bool = False
    acknowledged: int = 0
    received_bytes: int = 0
    progress_at: float = 0.0
    sent_at: float = 0.0
    alive_seconds: float = 0.0
    send_alive: Callable[[], Awaitable[object]] | None = None

    async def drain(self, size: int) -> None:
        """Wait until the kernel has the `size` bytes just sent; the pace is how long that takes.

        The caller holds no reference to what was sent, as a viewer may let it wait for long.
        """
        began = self.sent_at = asyncio.get_running_loop().time()
        if self.writer is not None:
            await self.writer.drain()
        self.pace.took(size, asyncio.get_running_loop().time() - began)

    def progressed(self) -> bool:
        """Return whether the peer has acknowledged anything meanwhile, or has nothing to."""
        # An acknowledgement is the one sign of life. A slow viewer gives it, however far behind it
        # is; a pong would prove less, as the ping waits behind output.
        if not self.peer.outstanding():
            return not self.closing
        before, self.acknowledged = self.acknowledged, self.peer.acknowledged()
        return self.acknowledged != before

    def is_flooding(self) -> bool:
        """Return whether a WebSocket viewer has sent too much since the last sweep."""
        if self.websocket is None:
            return False
        before, self.received_bytes = self.received_bytes, self.peer.received()
        return self.received_bytes - before > MAX_RECEIVED_BYTES

    def keep_alive(self, alive_seconds: float, send_alive: Callable[[], Awaitable[object]]) -> None:
        """Have `send_alive` called whenever the viewer was sent nothing for so long."""
        self.alive_seconds, self.send_alive = alive_seconds, send_alive
        self.sent_at = asyncio.get_running_loop().time()

    def is_silent(self, now: float) -> bool:
        """Return whether the viewer is to be sent a sign of life."""
        return (
            self.send_alive is not None
            and now - self.sent_at >= self.alive_seconds
            # What waits to be taken is a sign of life already, and another would wait behind it.
            and not self.transport.get_write_buffer_size()
        )

    def cut_off(self) -> None:
        """End the connection and what is done for the viewer, at once."""
        self.transport.abort()
        self.task.cancel()


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
        self.ping_seconds = settings.ping_seconds
        self._max_viewers = settings.max_viewers
        self._max_per_run = settings.max_viewers_per_run
        self._stall_seconds = settings.viewer_stall_seconds
        self._on_dropped = on_dropped
        self._peer_of = peer_of
        self._sweep_seconds = sweep_seconds
        self._places: dict[int, Place] = {}  # by the id of the viewer's task
        self._per_run: Counter[UUID] = Counter()

    def __len__(self) -> int:
        return len(self._places)

    @contextmanager
    def admit(self, run_id: UUID, request: web.Request) -> Iterator[Place]:
        """Count the current task as a viewer of a run, and watch that it makes progress.

        It is called before the answer begins, so that also of viewers that come at once those
        beyond a limit are refused by a status.

        Raises:
            LimitReachedError: a limit on viewers is reached.
            ConnectionResetError: the viewer has gone.
        """
        self._check_room(run_id)
        task, transport = asyncio.current_task(), request.transport
        if task is None or transport is None:
            raise ConnectionResetError("the viewer has gone already")
        try:
            peer = self._peer_of(transport, self._stall_seconds)
            received_bytes = peer.received()
        except OSError as error:
            raise ConnectionResetError("the viewer has gone already") from error
        now = asyncio.get_running_loop().time()
        place = Place(transport, peer, task, received_bytes=received_bytes, progress_at=now)
        self._places[id(task)] = place
        self._per_run[run_id] += 1
        try:
            yield place
        finally:
            place.send_alive = None
            del self._places[id(task)]
            self._per_run[run_id] -= 1
            if not self._per_run[run_id]:
                del self._per_run[run_id]

    async def watch(self) -> None:
        """Drop viewers that are gone or stalled, and send signs of life to silent ones, forever.

        The service's owner cancels it.
        """
        while True:
            await asyncio.sleep(self._sweep_seconds)
            self.sweep(asyncio.get_running_loop().time())
            await self.send_alive()

    async def send_alive(self) -> None:
        """Send a sign of life to each viewer that was sent nothing for a while."""
        for place in list(self._places.values()):
            now = asyncio.get_running_loop().time()
            if place.send_alive is None or not place.is_silent(now):
                continue
            place.sent_at = now
            try:
                await place.send_alive()
            except ConnectionError:
                place.transport.abort()
            except Exception:
                logger.exception("viewer dropped: sending it a sign of life failed")
                place.transport.abort()
            await asyncio.sleep(0)  # yield: a thousand may be silent at the same time

    def sweep(self, now: float) -> None:
        """Drop the viewers that are gone, that flood, or took nothing for `stall_seconds`."""
        for place in list(self._places.values()):
            if place.transport.is_closing():
                place.task.cancel()
                continue
            try:
                if place.is_flooding():
                    place.cut_off()
                elif place.progressed():
                    place.progress_at = now
                elif now - place.progress_at >= self._stall_seconds:
                    self._drop(place)
            except (OSError, ValueError):  # its descriptor is closed
                place.cut_off()

    def _drop(self, place: Place) -> None:
        """End a viewer that took nothing, or one that does not answer the close frame."""
        if place.peer.outstanding():
            self._on_dropped()
            place.cut_off()
        else:
            place.transport.close()
            place.task.cancel()

    async def close(self, _app: web.Application) -> None:
        """Close all WebSocket viewers with code 1001, so that they come back.

        Those that do not answer within CLOSE_SECONDS are cut off.
        """
        places = list(self._places.values())
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_SECONDS), asyncio.TaskGroup() as group:
                for place in places:
                    if place.websocket is not None:
                        group.create_task(place.websocket.close(code=1001, message=GOODBYE))
        for place in places:
            place.cut_off()

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
