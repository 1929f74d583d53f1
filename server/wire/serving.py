"""Answering the others: so many at once, and an error as an error."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any

from server.errors import (
    EngineUnavailableError,
    NotSignedError,
    OtherHostFailedError,
    TailrunError,
)
from server.wire import signing, subjects
from server.wire.codec import Parts, decode, encode
from server.wire.connection import Wire
from server.wire.failures import failure
from server.wire.messages import EXCHANGES
from server.wire.values import parts_of, value_of

AT_ONCE = 64
"""Requests of one word that are answered at once; others wait, and then are dropped, as whoever
asked does so again."""

WAITING_AT_ONCE = 1024
"""The same of those that mostly wait: for output, or for beats that are stored with them."""

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
    wire: Wire, host: str, handlers: Mapping[str, FromServer]
) -> AsyncIterator[None]:
    """Answer what servers ask the worker of a host, by words; what they have not signed is not."""
    places = {
        subjects.to_worker(host, word): _without_host(handler) for word, handler in handlers.items()
    }
    async with _serving(wire, places, ""):
        yield


def _without_host(handler: FromServer) -> FromWorker:
    async def handle(_host: str, request: Any) -> object:
        return await handler(request)

    return handle


@asynccontextmanager
async def _serving(
    wire: Wire, handlers: Mapping[str, FromWorker], group: str
) -> AsyncIterator[None]:
    answers = [
        _Answers(wire, handler, at_once=_at_once(subject)) for subject, handler in handlers.items()
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


def _at_once(subject: str) -> int:
    return WAITING_AT_ONCE if subject.endswith((".read", ".beat")) else AT_ONCE


class _Answers:
    """Answers the requests of one word."""

    def __init__(self, wire: Wire, handler: FromWorker, *, at_once: int) -> None:
        self._wire = wire
        self._handler = handler
        self._unsigned = 0
        self._places = asyncio.Semaphore(at_once)
        self._tasks: set[asyncio.Task[None]] = set()

    async def take(self, subject: str, reply: str, data: bytes) -> None:
        """Answer a request beside others, as soon as there is a place."""
        if not subjects.is_answered(subject, reply):
            logger.warning("%s is not answered: %r is no inbox of whoever asks", subject, reply)
            return
        await self._places.acquire()
        task = asyncio.create_task(self._answer(subject, reply, data), name=f"answer {subject}")
        self._tasks.add(task)
        task.add_done_callback(self._done)

    async def end(self) -> None:
        """Wait a moment for what is being answered, then leave it."""
        tasks = [*self._tasks]
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=END_SECONDS)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._places.release()

    async def _answer(self, subject: str, reply: str, data: bytes) -> None:
        try:
            parts = await self._parts(subject, reply, data)
        except NotSignedError as error:
            self._tell_unsigned(subject, error)
            return
        try:
            answer = self._written(subject, reply, parts)
        except TailrunError as error:
            logger.warning("the answer to %s cannot be sent: %s", subject, error)
            answer = self._written(subject, reply, failure(error))
        with suppress(EngineUnavailableError):  # it is asked again
            await self._wire.send(reply, answer)

    async def _parts(self, subject: str, reply: str, data: bytes) -> Parts:
        """Return what is answered to a request.

        Raises:
            NotSignedError: it is to be a server's, and is not.
        """
        try:
            asked = subjects.parse(subject)
            request = value_of(EXCHANGES[asked.word].request, self._read(subject, reply, data))
            return parts_of(await self._handler(asked.host, request))
        except NotSignedError:
            raise
        except TailrunError as error:
            return failure(error)
        except Exception:
            logger.exception("%s cannot be answered", subject)
            return failure(OtherHostFailedError("The other host failed; its log says why."))

    def _read(self, subject: str, reply: str, data: bytes) -> Parts:
        if subjects.is_to_worker(subject):
            return self._wire.signing.read(data, about=signing.request(subject, reply))
        return decode(data)

    def _written(self, subject: str, reply: str, parts: Parts) -> bytes:
        max_bytes = self._wire.max_payload
        if subjects.is_to_worker(subject):
            return encode(parts, max_bytes)
        return self._wire.signing.written(parts, max_bytes, about=signing.answer(reply))

    def _tell_unsigned(self, subject: str, error: NotSignedError) -> None:
        """Log what is not answered, the first of each thousand: whoever forges it may go on."""
        if self._unsigned % 1000 == 0:
            logger.warning("%s is not answered: %s", subject, error)
        self._unsigned += 1
