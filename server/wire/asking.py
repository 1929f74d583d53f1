"""Asking the others: again where no answer comes, as every request may be asked again."""

import asyncio
import logging
import random
from collections.abc import Callable, Collection
from typing import Any

from server.errors import EngineUnavailableError, NoAnswerError, NotSignedError, TailrunError
from server.wire import signing, subjects
from server.wire.codec import Parts, decode, encode, within
from server.wire.connection import Wire
from server.wire.engine import NobodyListensError
from server.wire.failures import OF_WORKERS, raise_failure
from server.wire.messages import EXCHANGES, Exchange
from server.wire.values import parts_of, value_of

TIMEOUT_SECONDS = 2.0
ATTEMPTS = 3
PAUSE_SECONDS = (0.05, 0.25)
"""Between two attempts, by chance between these, where nobody listens or the connection is lost:
those who listened before are about to be back."""

WORDS = {exchange.request: word for word, exchange in EXCHANGES.items()}

logger = logging.getLogger(__name__)


class Servers:
    """The servers, as a worker asks them: whichever is there answers."""

    def __init__(self, wire: Wire, host: str) -> None:
        self._wire = wire
        self._host = host

    async def ask(self, request: object, *, attempts: int | None = None) -> Any:
        """Ask, and return the answer that belongs to the request (`messages.EXCHANGES`).

        `attempts` None: as often as usual.

        Raises:
            NoAnswerError: no server has answered, in `attempts` of `TIMEOUT_SECONDS`.
            TailrunError: the server could not do it; the error is the one that it had.
        """
        word = WORDS[type(request)]
        wire, parts = self._wire, within(parts_of(request), TIMEOUT_SECONDS)
        data = encode(parts, wire.max_payload)
        subject = subjects.to_servers(self._host, word)
        return await _ask(
            wire,
            subject,
            word,
            lambda _: data,
            lambda reply, answer: wire.signing.read(
                answer, about=signing.answer(subject, reply, data)
            ),
            timeout_seconds=TIMEOUT_SECONDS,
            attempts=ATTEMPTS if attempts is None else attempts,
        )


class Workers:
    """The workers, as servers ask them."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    async def ask(
        self, host: str, request: object, *, wait_seconds: float = 0.0, attempts: int | None = None
    ) -> Any:
        """Ask the worker of a host, and return the answer that belongs to the request.

        `wait_seconds`: so long it may wait before it answers. `attempts` None: as often as usual.

        Raises:
            NoAnswerError: it has not answered.
            TailrunError: it could not do it; the error is the one that it had.
        """
        word = WORDS[type(request)]
        timeout_seconds = TIMEOUT_SECONDS + wait_seconds
        wire, subject = self._wire, subjects.to_worker(host, word)
        parts = within(parts_of(request), timeout_seconds)
        return await _ask(
            wire,
            subject,
            word,
            lambda reply: wire.signing.written(
                parts, wire.max_payload, about=signing.request(subject, reply)
            ),
            lambda _, answer: decode(answer),
            timeout_seconds=timeout_seconds,
            attempts=ATTEMPTS if attempts is None else attempts,
            kinds=OF_WORKERS,
        )


async def _ask(
    wire: Wire,
    subject: str,
    word: str,
    write: Callable[[str], bytes],
    read: Callable[[str, bytes], Parts],
    *,
    timeout_seconds: float,
    attempts: int,
    kinds: Collection[type[TailrunError]] | None = None,
) -> Any:
    """Ask until it is answered; a request is written, and its answer read, by where that comes.

    `kinds` are those of errors that may be answered, None: all.
    """
    reply = ""

    def written(where: str) -> bytes:
        nonlocal reply
        reply = where
        return write(where)

    failed: Exception | None = None
    for attempt in range(attempts):
        if attempt and not isinstance(failed, TimeoutError):
            await asyncio.sleep(random.uniform(*PAUSE_SECONDS) * 2**attempt)  # noqa: S311
        try:
            await wire.until_connected(TIMEOUT_SECONDS)
            data = await wire.request(subject, written, timeout_seconds)
            return _answered(read(reply, data), EXCHANGES[word], kinds)
        except (
            *(TimeoutError, NobodyListensError),
            *(EngineUnavailableError, NotSignedError),
        ) as error:
            failed = error
    raise _no_answer(failed, word, attempts) from failed


def _answered(
    parts: Parts, exchange: Exchange, kinds: Collection[type[TailrunError]] | None
) -> Any:
    """Return the answer, or raise the error that was answered.

    Raises:
        TailrunError: one was.
        WireError: it is no answer.
    """
    raise_failure(parts, kinds)
    return value_of(exchange.answer, parts)


def _no_answer(failed: Exception | None, word: str, attempts: int) -> NoAnswerError:
    if isinstance(failed, EngineUnavailableError):
        return failed
    if isinstance(failed, NotSignedError):
        return NoAnswerError(f"{word} was asked {attempts} times, and was answered: {failed}")
    why = "nobody is there" if isinstance(failed, NobodyListensError) else "no answer came in time"
    return NoAnswerError(f"{word} was asked {attempts} times: {why}.")
