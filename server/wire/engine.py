"""One connection to the engine, from when it stands until it is lost: all that knows nats-py.

The library could make it anew by itself; that is done by the Wire, with a connection that is new
from the ground up, as one that was lost halfway cannot be trusted with what it remembers.
"""

import asyncio
import logging
import ssl
from collections.abc import Awaitable, Callable
from contextlib import suppress
from secrets import token_hex
from typing import Any, Self
from urllib.parse import urlsplit

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.errors import (
    Error,
    MaxPayloadError,
    NoServersError,
    SecureConnWantedError,
    StaleConnectionError,
)
from nats.js.api import Header

from server.errors import EngineUnavailableError, MessageTooLargeError, NoAnswerError
from server.wire.address import CA_FILE, Address

CONNECT_SECONDS = 5.0
SETTLE_SECONDS = 5
CLOCK_CODES = (9, 10)
"""A certificate is not yet valid, or not any more: X509_verify_cert_error_string(3)."""

CLOSE_SECONDS = 1.0
PING_SECONDS = 5
"""So long after nothing came it is asked for a sign of life, which two times may be missing."""

SENDING_BYTES = 8 * 1024 * 1024
"""What waits to be sent, at most, before those who send wait themselves."""

WAITING_MESSAGES = 1024
WAITING_BYTES = 64 * 1024 * 1024
"""What has come for one subscription and waits; what comes beyond it is dropped, and asked again
by whoever asked."""

TOKEN_BYTES = 8
"""By so much chance the answer to a question is told from all others of a connection."""

NOBODY = "503"
"""The status that the engine answers with where nobody listens."""

LOST = "The connection to NATS was lost."

Listening = Subscription
Write = Callable[[str], bytes]
"""Writes a request, by the subject on which it is answered."""
Take = Callable[[str, str, bytes], Awaitable[None]]
"""Takes a message: its subject, where to answer (or nothing), and its bytes. It does not fail."""

logger = logging.getLogger(__name__)


class NobodyListensError(NoAnswerError):
    """Nobody listens to the subject at the moment, says the engine."""


class _AtOnce:
    """Takes messages as a future does, for which the library wakes no task of its own.

    Each round of the event loop that a line takes less is with its viewer so much earlier.
    """

    def __init__(self, take: Callable[[Msg], None]) -> None:
        self.set_result = take

    def cancelled(self) -> bool:
        """Return whether it takes nothing any more."""
        return False


class Engine(Client):
    """A connection to the engine. `lost` is set once it is none any more."""

    def __init__(self, url: str, address: Address) -> None:
        super().__init__()
        self.lost = asyncio.Event()
        self._url = url
        self._address = address
        self._said = ""
        self._cause: Exception | None = None
        self._replies = ""
        self._answers: dict[str, asyncio.Future[Msg]] = {}
        self._has_written = False
        if address.key is not None:
            self._public_nkey = address.key.public

    @classmethod
    async def open(cls, url: str, address: Address, *, name: str, inbox: str) -> Self:
        """Connect to the engine at one of the addresses, once.

        Raises:
            EngineUnavailableError: there is no connection; the message says why.
        """
        engine = cls(url, address)
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                await engine.connect(
                    url,
                    name=name,
                    inbox_prefix=inbox,
                    tls=address.tls,
                    signature_cb=None if address.key is None else address.key.sign,
                    allow_reconnect=False,
                    max_reconnect_attempts=1,
                    reconnect_time_wait=0,
                    ping_interval=PING_SECONDS,
                    pending_size=SENDING_BYTES,
                    flush_timeout=CLOSE_SECONDS,
                    skip_subject_validation=True,  # they are ours, or the engine has told them
                    error_cb=engine.note,
                    closed_cb=engine.lose,
                )
                await engine.await_answers()
        except (Error, OSError) as error:
            problem = engine.why_not(error)
            await engine.drop()
            raise EngineUnavailableError(problem) from error
        except BaseException:
            await engine.drop()
            raise
        return engine

    async def await_answers(self) -> None:
        """Listen to what is answered on this connection."""
        self._replies = self.new_inbox()
        taken: Any = _AtOnce(self._take_answer)
        await self.subscribe(f"{self._replies}.*", future=taken)

    def _take_answer(self, message: Msg) -> None:
        answer = self._answers.get(message.subject)
        if answer is not None and not answer.done():
            answer.set_result(message)

    async def asked(self, subject: str, write: bytes | Write, timeout_seconds: float) -> bytes:
        """Send a request and return the answer; what is sent may depend on where that comes.

        Raises:
            TimeoutError: none came in time.
            NobodyListensError: there is nobody to answer.
            EngineUnavailableError: the connection is lost.
            MessageTooLargeError: the engine takes no message of this size.
        """
        reply = f"{self._replies}.{token_hex(TOKEN_BYTES)}"
        data = write(reply) if callable(write) else write
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Msg] = loop.create_future()
        self._answers[reply] = answer
        timer = loop.call_later(timeout_seconds, _fail, answer, TimeoutError())
        try:
            await self.send(subject, data, reply)
            message = await answer
        finally:
            timer.cancel()
            del self._answers[reply]
        if message.headers is not None and message.headers.get(Header.STATUS) == NOBODY:
            raise NobodyListensError(f"Nobody listens to {subject}.")
        return message.data

    async def send(self, subject: str, data: bytes, reply: str = "") -> None:
        """Send what is not answered, or is answered on another subject.

        Raises:
            EngineUnavailableError: the connection is lost.
            MessageTooLargeError: the engine takes no message of this size.
        """
        try:
            await self.publish(subject, data, reply)
        except MaxPayloadError as error:
            raise MessageTooLargeError.of(len(data), self.max_payload) from error
        except (Error, OSError) as error:
            raise EngineUnavailableError(f"NATS cannot be reached: {error}") from error

    async def listen(self, subject: str, group: str, take: Take) -> Listening:
        """Have what comes taken, one message after the other; in a group one of its members.

        Raises:
            EngineUnavailableError: the connection is lost.
        """

        async def call(message: Msg) -> None:
            await take(message.subject, message.reply, message.data)

        try:
            return await self.subscribe(
                subject,
                queue=group,
                cb=call,
                pending_msgs_limit=WAITING_MESSAGES,
                pending_bytes_limit=WAITING_BYTES,
            )
        except (Error, OSError) as error:
            raise EngineUnavailableError(f"NATS cannot be reached: {error}") from error

    async def ignore(self, subscription: Listening) -> None:
        """Have no more taken of what is listened to."""
        with suppress(Error, OSError):  # it ends with the connection
            await subscription.unsubscribe()

    async def settled(self, seconds: int = SETTLE_SECONDS) -> None:
        """Return once the engine has taken all that was sent, subscriptions too.

        Raises:
            EngineUnavailableError: the connection is lost.
        """
        try:
            # The library's ping overtakes what waits to be sent.
            await self._flush_pending(force_flush=True)
            await self.flush(timeout=seconds)
        except (Error, OSError) as error:
            raise EngineUnavailableError(f"NATS cannot be reached: {error}") from error

    async def _flush_pending(self, force_flush: bool = False) -> Any:  # noqa: FBT001, FBT002  its own
        # The library has it done by a task, which is woken in the next round of the event loop. So
        # goes what more is sent in the same round, in one piece, and what waits for the network.
        writer = None if force_flush or self._has_written or not self.is_connected else self._writer
        if writer is None or writer.transport.get_write_buffer_size():
            return await super()._flush_pending(force_flush)
        self._has_written = True
        asyncio.get_running_loop().call_soon(self._end_round)
        pending, self._pending, self._pending_data_size = self._pending, [], 0
        writer.writelines(pending)
        return None

    def _end_round(self) -> None:
        self._has_written = False

    @property
    def _writer(self) -> asyncio.StreamWriter | None:
        return getattr(self._transport, "_io_writer", None)

    async def _process_pong(self) -> None:
        # Whoever gave up waiting for it has cancelled what the library is about to set: the error
        # of that would end its reading, and with it the connection.
        if self._pongs and self._pongs[0].done():
            self._pongs[0] = asyncio.get_running_loop().create_future()
        await super()._process_pong()

    @property
    def received(self) -> int:
        """How many messages have come."""
        return int(self.stats["in_msgs"])

    async def drop(self) -> None:
        """End the connection at once, whatever waits to be sent."""
        self._pending, self._pending_data_size = [], 0
        writer = self._writer
        if writer is not None:  # else it would wait for a peer that takes nothing
            writer.transport.abort()
        with suppress(Error, OSError, TimeoutError):
            async with asyncio.timeout(CLOSE_SECONDS):
                await self.close()
        await self.lose()

    async def lose(self) -> None:
        """Note that the connection is none any more, and fail what waits for an answer."""
        self.lost.set()
        for answer in self._answers.values():
            _fail(answer, EngineUnavailableError(LOST))

    async def note(self, error: Exception) -> None:
        """Log what the library reports, such as a subject that we may not use; once in a row."""
        self._cause = error
        expected = isinstance(error, OSError | StaleConnectionError)  # which the Wire tells of
        if str(error) != self._said and not expected:
            self._said = str(error)
            logger.warning("NATS at %s: %s", self._url, error)

    def why_not(self, error: Exception) -> str:
        """Say why there is no connection, and how to mend it."""
        # What it says in the end, that there is no server, is no cause.
        cause = self._cause if isinstance(error, NoServersError) and self._cause else error
        match cause:
            case ssl.SSLCertVerificationError():
                mend = f"{CA_FILE} names whose certificates are trusted"
                if cause.verify_code in CLOCK_CODES:
                    mend = "look at its certificate, and at this host's clock"
                why = f"its certificate is not trusted ({cause.verify_message}); {mend}"
            case ssl.SSLError():
                why = f"TLS with it fails ({cause.reason})"
            case SecureConnWantedError():
                why = "it does not offer TLS; configure tls in nats-server"
            case TimeoutError():
                why = f"it does not answer within {CONNECT_SECONDS:g} s"
            case OSError():
                why = cause.strerror or str(cause)
            case _ if "authorization" in str(cause).lower():
                why = f"it refuses this host, {self._who}"
            case _:
                why = str(cause)
        return f"NATS at {self._url} cannot be reached: {why}."

    @property
    def _who(self) -> str:
        key = self._address.key
        if key is None:
            return "which has no key"
        return (
            f"whose key is {key.public}: nats-server is to know it, by what `tailrun nats-config`"
            " writes"
        )

    async def _process_op_err(self, e: Exception) -> None:
        """Note what broke the connection; whoever has it drops it, and waits for no peer then."""
        self._err = e
        await self.lose()

    def _connect_command(self) -> bytes:
        """Return what is sent first, once it is known that it goes to the engine alone."""
        # The library takes whatever is offered, also what somebody between has struck out.
        if urlsplit(self._url).scheme == "tls" and not self._server_info.get("tls_required"):
            raise SecureConnWantedError
        command: bytes = super()._connect_command()
        return command


def _fail(answer: asyncio.Future[Msg], error: Exception) -> None:
    if not answer.done():
        answer.set_exception(error)
