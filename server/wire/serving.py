"""Answering the others: so many at once, and an error as an error."""

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any, NamedTuple

from server.errors import (
    EngineUnavailableError,
    NotSignedError,
    OtherHostFailedError,
    TailrunError,
)
from server.wire import signing, subjects
from server.wire.codec import Parts, decode, encode, is_late
from server.wire.connection import Wire
from server.wire.failures import failure
from server.wire.line import Bounds, Line
from server.wire.messages import EXCHANGES
from server.wire.values import parts_of, value_of

AT_ONCE = 64
"""Requests of one word that are answered at once; others wait."""

SHARE = 16
"""Of one worker: another's are answered beside them."""

SHARE_BYTES = 8 * 1024 * 1024
"""The same in bytes, or one request that is larger: each is read without a pause."""

WAITING_AT_ONCE = 1024
"""The same of those that mostly wait: for output, or for beats that are stored with them."""

WAITING = 4096
WAITING_BYTES = 64 * 1024 * 1024
"""Of one word, what waits; beyond it requests are dropped, as whoever asked does so again."""

TOLD_EACH = 1000
"""Of what is wrong in one way the first of so many is logged: whoever does it may go on."""

END_SECONDS = 2.0
"""How long those that are being answered may take at the end."""

FromWorker = Callable[[str, Any], Awaitable[object]]
FromServer = Callable[[Any], Awaitable[object]]

logger = logging.getLogger(__name__)


@asynccontextmanager
async def serve_workers(wire: Wire, handlers: Mapping[str, FromWorker]) -> AsyncIterator[None]:
    """Answer what workers ask, by words; a handler gets the host that asks, and the request.

    The answers are signed.
    """
    places = {subjects.any_worker_asks(word): handler for word, handler in handlers.items()}
    async with _serving(wire, places, subjects.SERVERS):
        yield


@asynccontextmanager
async def serve_servers(
    wire: Wire,
    host: str,
    handlers: Mapping[str, FromServer],
    *,
    may_answer: Callable[[], bool] = lambda: True,
) -> AsyncIterator[None]:
    """Answer what servers ask the worker of a host, by words; what they have not signed is not.

    Nor is anything while it may not answer for the host, as another process does.
    """
    places = {
        subjects.to_worker(host, word): _without_host(handler) for word, handler in handlers.items()
    }
    async with _serving(wire, places, "", may_answer):
        yield


def _without_host(handler: FromServer) -> FromWorker:
    async def handle(_host: str, request: Any) -> object:
        return await handler(request)

    return handle


@asynccontextmanager
async def _serving(
    wire: Wire,
    handlers: Mapping[str, FromWorker],
    group: str,
    may_answer: Callable[[], bool] = lambda: True,
) -> AsyncIterator[None]:
    answers = [
        _Answers(wire, handler, _bounds(subject), may_answer)
        for subject, handler in handlers.items()
    ]
    listeners = [
        await wire.listen(subject, one.take, group=group)
        for subject, one in zip(handlers, answers, strict=True)
    ]
    await wire.flush()  # from here on it is answered
    try:
        yield
    finally:
        for listener in listeners:
            await wire.ignore(listener)
        for one in answers:
            await one.end()


def _bounds(subject: str) -> Bounds:
    waits = subject.endswith((".read", ".beat"))
    at_once = WAITING_AT_ONCE if waits else AT_ONCE
    share = at_once if waits or subjects.is_to_worker(subject) else SHARE
    return Bounds(
        at_once=at_once,
        share=share,
        share_bytes=SHARE_BYTES,
        waiting=WAITING,
        waiting_bytes=WAITING_BYTES,
    )


class _Request(NamedTuple):
    """A request, and when it came."""

    subject: str
    reply: str
    data: bytes
    came_at: float


class _LateError(Exception):
    """Whoever asked waits no more."""


class _Answers:
    """Answers the requests of one word."""

    def __init__(
        self, wire: Wire, handler: FromWorker, bounds: Bounds, may_answer: Callable[[], bool]
    ) -> None:
        self._may_answer = may_answer
        self._wire = wire
        self._handler = handler
        self._told = Counter[tuple[str, type[Exception] | None]]()
        self._ending = False
        self._line = Line[_Request](bounds)
        self._clock = asyncio.get_running_loop().time
        self._tasks: set[asyncio.Task[None]] = set()

    async def take(self, subject: str, reply: str, data: bytes) -> None:
        """Answer a request beside others, as soon as there is a place for its asker."""
        if not self._may_answer():
            return
        if not subjects.is_answered(subject, reply):
            self._tell("%s is not answered: %r is no inbox of whoever asks", subject, reply)
            return
        request = _Request(subject, reply, data, self._clock())
        self._line.add(subjects.asker(reply), request, len(data))
        self._fill()

    async def end(self) -> None:
        """Wait a moment for what is being answered, then leave it, and what waits."""
        self._ending = True
        tasks = [*self._tasks]
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=END_SECONDS)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    def _fill(self) -> None:
        """Answer as many of those that wait as may be."""
        while (following := self._line.next()) is not None:
            asker, request, size = following
            task = asyncio.create_task(self._answer(*request), name=f"answer {request.subject}")
            self._tasks.add(task)
            task.add_done_callback(partial(self._done, asker, size))

    def _done(self, asker: str, size: int, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._line.done(asker, size)
        if not self._ending:
            self._fill()

    async def _answer(self, subject: str, reply: str, data: bytes, came_at: float) -> None:
        try:
            parts = await self._parts(subject, reply, data, came_at)
        except _LateError:
            logger.debug("%s is not done: whoever asked waits no more", subject)
            return
        except NotSignedError as error:
            self._tell("%s is not answered: %s", subject, error)
            return
        try:
            answer = self._written(subject, reply, data, parts)
        except TailrunError as error:
            self._tell("the answer to %s cannot be sent: %s", subject, error)
            answer = self._written(subject, reply, data, failure(error))
        with suppress(EngineUnavailableError):  # it is asked again
            await self._wire.send(reply, answer)

    async def _parts(self, subject: str, reply: str, data: bytes, came_at: float) -> Parts:
        """Return what is answered to a request.

        Raises:
            NotSignedError: it is to be a server's, and is not.
            _LateError: nobody waits for it any more.
        """
        try:
            asked = subjects.parse(subject)
            parts = self._read(subject, reply, data)
            self._check_in_time(parts, came_at)
            request = value_of(EXCHANGES[asked.word].request, parts)
            return parts_of(await self._handler(asked.host, request))
        except (NotSignedError, _LateError):
            raise
        except TailrunError as error:
            return failure(error)
        except Exception as error:
            self._tell("%s cannot be answered", subject, defect=error)
            return failure(OtherHostFailedError("The other host failed; its log says why."))

    def _check_in_time(self, parts: Parts, came_at: float) -> None:
        if is_late(parts, self._clock() - came_at):
            raise _LateError

    def _read(self, subject: str, reply: str, data: bytes) -> Parts:
        if subjects.is_to_worker(subject):
            return self._wire.signing.read(data, about=signing.request(subject, reply))
        return decode(data)

    def _written(self, subject: str, reply: str, asked: bytes, parts: Parts) -> bytes:
        max_bytes = self._wire.max_payload
        if subjects.is_to_worker(subject):
            return encode(parts, max_bytes)
        about = signing.answer(subject, reply, asked)
        return self._wire.signing.written(parts, max_bytes, about=about)

    def _tell(self, message: str, *said: object, defect: Exception | None = None) -> None:
        """Log what is wrong, the first of TOLD_EACH; a `defect` of ours with its traceback."""
        kind = message, None if defect is None else type(defect)
        if self._told[kind] % TOLD_EACH == 0:
            level = logging.WARNING if defect is None else logging.ERROR
            logger.log(level, message, *said, exc_info=defect)
        self._told[kind] += 1
