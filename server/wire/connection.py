"""The Wire: a host's connection to the engine, made anew whenever it is lost."""

import asyncio
import logging
import math
import random
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from server.errors import EngineUnavailableError
from server.wire import subjects
from server.wire.address import Address
from server.wire.engine import Engine, Listening, Take, Write
from server.wire.signing import Signing

RETRY_SECONDS = (0.1, 0.5)
"""The pause between two attempts, by chance between these: all hosts come at once."""

TIMEOUTS = 3
"""After so many requests in a row without an answer, one after the other, while nothing else came
either, the connection is made anew: what lies between may swallow all that is sent."""

FLUSH_SECONDS = 1
DEFAULT_MAX_PAYLOAD = 1024 * 1024

OK = "ok"

Told = Callable[[], None]

logger = logging.getLogger(__name__)


@dataclass(eq=False, slots=True)
class Listener:
    """What is listened to, on whichever connection stands."""

    subject: str
    group: str
    take: Take


class Silence:
    """Counts requests without an answer, while nothing comes at all. Pure."""

    def __init__(self) -> None:
        self._count = 0
        self._counted_at = -math.inf
        self._received = 0

    def lasts(self, *, begun_at: float, now: float, received: int) -> bool:
        """Note a request that timed out; return whether it was the last of so many.

        `received` is how many messages have come so far. Those that waited beside each other are
        one, and prove less than those that waited one after the other.
        """
        if received != self._received:
            self._received, self._count = received, 0
        if begun_at >= self._counted_at:
            self._count, self._counted_at = self._count + 1, now
        return self._count >= TIMEOUTS


class Wire:
    """A host's way to the others. Nothing is kept for when it is back: what failed is asked again.

    `on_connect` are called whenever there is a new connection: what was sent meanwhile is lost.
    `signing` is what is signed, and checked, of what goes over it.
    """

    def __init__(
        self, address: Address, *, host: str, name: str, signing: Signing | None = None
    ) -> None:
        self.signing = signing or Signing()
        self._address = address
        self._inbox = subjects.inbox(host)
        self._name = name
        self._engine: Engine | None = None
        self._listening: Engine | None = None
        self._connected = asyncio.Event()
        self._renew = asyncio.Event()
        self._listeners: set[Listener] = set()
        self._subscriptions: dict[Listener, Listening] = {}
        self._silence = Silence()
        self._max_payload = DEFAULT_MAX_PAYLOAD
        self.problem = "there is no connection yet"
        self.stands_since: float | None = None
        self.on_connect: list[Told] = []

    @property
    def connected(self) -> bool:
        """Whether there is a connection, as far as is known."""
        return self._engine is not None

    @property
    def max_payload(self) -> int:
        """How large a message may be, in bytes, as the engine has said last."""
        return self._max_payload

    @property
    def stands_for(self) -> float | None:
        """For how many seconds the connection has stood; None: it does not."""
        since = self.stands_since
        return None if since is None else asyncio.get_running_loop().time() - since

    async def run(self) -> None:
        """Keep a connection, forever; the service's owner cancels it."""
        urls = [*self._address.urls]
        random.shuffle(urls)
        while True:
            for url in urls:
                await self._connect(url)

    async def flush(self) -> None:
        """Have the engine take all that was sent: at the end, before `run` is cancelled."""
        if self._engine is not None:
            with suppress(EngineUnavailableError):
                await self._engine.settled(FLUSH_SECONDS)

    async def request(self, subject: str, write: bytes | Write, timeout_seconds: float) -> bytes:
        """Ask once, and return the answer; what is asked may depend on where that comes.

        Raises:
            TimeoutError: none came in time.
            NobodyListensError: there is nobody to answer.
            EngineUnavailableError: there is no connection, or it was lost meanwhile.
            MessageTooLargeError: the engine takes no message of this size.
        """
        engine = self._engine
        if engine is None:
            raise EngineUnavailableError(self.problem)
        clock = asyncio.get_running_loop().time
        begun_at = clock()
        try:
            return await engine.asked(subject, write, timeout_seconds)
        except TimeoutError:
            silent = self._silence.lasts(begun_at=begun_at, now=clock(), received=engine.received)
            if silent and engine is self._engine:
                logger.warning("NATS has not answered %d times; connecting anew", TIMEOUTS)
                self._renew.set()
            raise

    async def send(self, subject: str, data: bytes = b"") -> None:
        """Send what is not answered.

        Raises:
            EngineUnavailableError: there is no connection.
            MessageTooLargeError: the engine takes no message of this size.
        """
        if self._engine is None:
            raise EngineUnavailableError(self.problem)
        await self._engine.send(subject, data)

    async def listen(self, subject: str, take: Take, *, group: str = "") -> Listener:
        """Have what comes taken, now or as soon as there is a connection, and on each new one."""
        listener = Listener(subject, group, take)
        self._listeners.add(listener)
        engine = self._engine
        if engine is not None:
            with suppress(EngineUnavailableError):  # else it is listened to on the next one
                await self._subscribe(engine, listener)
        return listener

    async def ignore(self, listener: Listener) -> None:
        """Listen no more; what has come already may still be taken."""
        self._listeners.discard(listener)
        subscription = self._subscriptions.pop(listener, None)
        if subscription is not None and self._listening is not None:
            await self._listening.ignore(subscription)

    async def _subscribe(self, engine: Engine, listener: Listener) -> None:
        subscription = await engine.listen(listener.subject, listener.group, listener.take)
        if listener not in self._listeners:  # it was ignored meanwhile
            await engine.ignore(subscription)
        elif engine is self._listening:
            self._subscriptions[listener] = subscription

    async def until_connected(self, seconds: float | None = None) -> bool:
        """Wait for a connection, so long or for ever; return whether there is one."""
        if self.connected:
            return True
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._connected.wait()
        return self.connected

    async def _connect(self, url: str) -> None:
        """Connect once, and go on until the connection is lost; else wait a moment."""
        try:
            engine = await Engine.open(url, self._address, name=self._name, inbox=self._inbox)
        except EngineUnavailableError as error:
            self._report(str(error))
            await asyncio.sleep(random.uniform(*RETRY_SECONDS))  # noqa: S311  no secret
            return
        try:
            await self._listen_on(engine)
            await self._stand(engine)
        except EngineUnavailableError as error:
            self._report(str(error))
        finally:
            await self._leave(engine)

    async def _listen_on(self, engine: Engine) -> None:
        """Listen to all that is listened to, and have the connection be the one that stands."""
        self._listening, self._subscriptions = engine, {}
        while missing := self._listeners - self._subscriptions.keys():
            for one in missing:
                await self._subscribe(engine, one)
            await engine.settled()
        self._engine = engine

    async def _stand(self, engine: Engine) -> None:
        """Tell that there is a connection, and wait until it is to be made anew."""
        self._silence = Silence()
        self._renew.clear()
        self._max_payload = engine.max_payload
        self.stands_since = asyncio.get_running_loop().time()
        if self.problem != OK:
            logger.info("NATS is connected")
        self.problem = OK
        self._connected.set()
        for call in self.on_connect:
            call()
        await _first(engine.lost, self._renew)
        self._report("the connection to NATS was lost")

    async def _leave(self, engine: Engine) -> None:
        self._engine = self._listening = None
        self.stands_since = None
        self._connected.clear()
        await engine.drop()

    def _report(self, problem: str) -> None:
        if problem != self.problem:
            self.problem = problem
            logger.warning("%s", problem)


async def _first(*events: asyncio.Event) -> None:
    """Return as soon as one of the events is set."""
    waits = [asyncio.create_task(event.wait()) for event in events]
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
