"""The viewers: how many there may be, and the end of those that take nothing any more.

A viewer whose right to watch has ended is refused: it is sent nothing more, and told so.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from uuid import UUID

from aiohttp import web

from server.access import Principal, Watched, Whole
from server.errors import (
    CredentialRefusedError,
    DatabaseUnavailableError,
    ForbiddenError,
    LimitReachedError,
)
from server.handlers.http.peer import Peer, peer_of
from server.handlers.http.place import Place
from server.services.access.remembered import Held
from server.settings.groups import ViewerSettings

MayWatch = Callable[[Principal, Watched], Awaitable[Held[bool]]]
"""Returns whether a principal may see what is watched by now; raises DatabaseUnavailableError."""

SWEEP_SECONDS = 1.0  # a viewer is dropped, or sent a sign of life, so much later at most

CLOSE_SECONDS = 1.0
"""How long viewers have to answer the server's close frame."""

LOOK_SECONDS = 30.0
"""After so long it is looked at again whether a viewer may watch."""

UNSEEN_SECONDS = 600.0
"""For so long a viewer goes on whose right cannot be looked at, as the database is away."""

ENDED_SECONDS = 60.0
"""For so long it is known of a credential that it ended: a request may be on its way to here."""

RIGHT_ENDED = "Your right to watch this run has ended."
ENDED: Mapping[Watched, str] = {
    Whole.AUDIT: "Your right to read the audit has ended.",
    Whole.EVENTS: "What you may see has changed. Connect again.",
}
"""What is said in its place where it is no run."""

RIGHT_UNKNOWN = "whether a viewer may go on watching was not to be learnt for ten minutes"

GOODBYE = b"the server is shutting down"

logger = logging.getLogger(__name__)


class Viewers:
    """All viewers, WebSocket and HTTP."""

    def __init__(
        self,
        settings: ViewerSettings,
        *,
        on_dropped: Callable[[], None],
        peer_of: Callable[[asyncio.WriteTransport, float], Peer] = peer_of,
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
        self._per_run: Counter[Watched] = Counter()
        self._ended: dict[UUID, float] = {}  # credentials, and until when that is known

    def __len__(self) -> int:
        return len(self._places)

    @contextmanager
    def admit(
        self, watched: Watched, request: web.Request, principal: Principal
    ) -> Iterator[Place]:
        """Count the current task as a viewer of a run, and watch that it makes progress.

        Those that read the audit are counted together, and so are those that are sent events,
        apart from all others: whoever has the page open takes no place from one who watches.

        It is called before the answer begins, so that also of viewers that come at once those
        beyond a limit are refused by a status.

        Raises:
            CredentialRefusedError: what let him in has ended this moment.
            LimitReachedError: a limit on viewers is reached.
            ConnectionResetError: the viewer has gone.
        """
        if principal.credential in self._ended:
            raise CredentialRefusedError
        self._check_room(watched)
        task, transport = asyncio.current_task(), request.transport
        if task is None or transport is None:
            raise ConnectionResetError("the viewer has gone already")
        try:
            peer = self._peer_of(transport, self._stall_seconds)
            received_bytes = peer.received()
        except OSError as error:
            raise ConnectionResetError("the viewer has gone already") from error
        now = asyncio.get_running_loop().time()
        place = Place(
            transport,
            peer,
            task,
            watched,
            principal,
            seen_at=now,
            look_at=now + LOOK_SECONDS,
            received_bytes=received_bytes,
            progress_at=now,
        )
        self._places[id(task)] = place
        self._per_run[watched] += 1
        try:
            yield place
        finally:
            place.send_alive = None
            del self._places[id(task)]
            self._per_run[watched] -= 1
            if not self._per_run[watched]:
                del self._per_run[watched]

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
                if place.is_flooding() or place.is_long_refused(now):
                    place.cut_off()
                elif place.progressed():
                    place.progress_at = now
                elif now - place.progress_at >= self._stall_seconds:
                    self._drop(place)
            except (OSError, ValueError):  # its descriptor is closed
                place.cut_off()

    def end(self, credential: UUID) -> None:
        """Refuse all viewers that a token or a session let in, which has just ended."""
        now = asyncio.get_running_loop().time()
        self._ended = {one: until for one, until in self._ended.items() if now < until}
        self._ended[credential] = now + ENDED_SECONDS
        for place in list(self._places.values()):
            if place.principal.credential == credential:
                place.refuse(ForbiddenError(RIGHT_ENDED), now)

    def look_soon(self) -> None:
        """Have the rights of all viewers looked at again: grants, or a command's group, changed."""
        for place in self._places.values():
            place.look_at = 0.0

    async def watch_rights(self, may_watch: MayWatch) -> None:
        """Refuse viewers whose right has ended, forever. The service's owner cancels it."""
        while True:
            await asyncio.sleep(self._sweep_seconds)
            await self.look_again(asyncio.get_running_loop().time(), may_watch)

    async def look_again(self, now: float, may_watch: MayWatch) -> None:
        """Look at the rights of the viewers whose time has come; those who share one at once."""
        due: dict[object, list[Place]] = {}
        for place in self._places.values():
            if now >= place.look_at and place.refusal is None:
                who = place.principal
                key = who.known_by, who.ticket_of, who.name, who.credential, place.watched
                due.setdefault(key, []).append(place)
        is_away = False
        for places in due.values():
            found = None
            if not is_away:  # else each would wait for the database in turn
                try:
                    found = await may_watch(places[0].principal, places[0].watched)
                except DatabaseUnavailableError:
                    is_away = True
            for place in places:
                # One that has left meanwhile: its connection serves another request by now.
                if self._places.get(id(place.task)) is place:
                    _note_right(place, found, now)
            await asyncio.sleep(0)  # yield: thousands may be due at the same time

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

    def _check_room(self, watched: Watched) -> None:
        what = "this run" if isinstance(watched, UUID) else f"the {watched.value}"
        listeners = self._per_run[Whole.EVENTS]
        is_listener = watched is Whole.EVENTS
        if (listeners if is_listener else len(self._places) - listeners) >= self._max_viewers:
            whose = f"viewers of {what}" if is_listener else "viewers"
            raise LimitReachedError(
                f"No more {whose} are served: the limit TAILRUN_MAX_VIEWERS is {self._max_viewers}."
            )
        if self._per_run[watched] >= self._max_per_run:
            raise LimitReachedError(
                f"No more viewers of {what} are served: the limit TAILRUN_MAX_VIEWERS_PER_RUN is"
                f" {self._max_per_run}."
            )


def _note_right(place: Place, found: Held[bool] | None, now: float) -> None:
    """Take note of what was found of a viewer's right; None: the database is away."""
    place.look_at = now + LOOK_SECONDS
    if found is not None and not found.value:
        place.refuse(ForbiddenError(ENDED.get(place.watched, RIGHT_ENDED)), now)
    elif found is not None and not found.stale:
        place.seen_at = now
    elif now - place.seen_at >= UNSEEN_SECONDS:
        place.refuse(DatabaseUnavailableError(RIGHT_UNKNOWN), now)
