"""The engine between servers and workers, as they see it: it loses, delays and repeats."""

import asyncio
from collections.abc import Callable, Coroutine
from contextvars import ContextVar
from functools import partial
from itertools import count
from typing import Any, NamedTuple

from server.wire import subjects
from server.wire.connection import Listener
from server.wire.engine import NobodyListensError, Take, Write
from server.wire.signing import Signing
from tests.simulation.chance import Chance

HELD_SECONDS = 20.0
ANSWER_HELD_SECONDS = 1.8
"""Hardly shorter than it is waited for."""

HARMS = {"append": "take_over_known", "takeover": "take_over_known", "claim": "active_after"}
"""When what a worker has asked that is killed then comes at the worst moment: once this was done
for the next one."""

SOON_SECONDS = {"take_over_known": (0.0, 0.1), "active_after": (0.0, 0.1), "end": (0.1, 0.4)}
"""After which it comes then: a run's end is to be known to its worker before an answer comes that
is older."""

Bring = Callable[[], Coroutine[Any, Any, None]]

asking: ContextVar[int] = ContextVar("asking")
"""Which life of a worker asks, counted over all of them: the servers do not know, the test does."""


class Held(NamedTuple):
    """What is held up until something was done."""

    until: str
    bring: Bring


class Network:
    """All connections.

    `on_asked` is told of a word and of who asks, and returns whether that is held up: until it
    does most harm, if there is anything that it may harm.
    """

    def __init__(self, chance: Chance, now: Callable[[], float]) -> None:
        self.chance = chance
        self._now = now
        self._listeners: list[tuple[str, Take]] = []
        self._turn = count()
        self._inboxes = count()
        self._words: dict[str, str] = {}
        self._waiting: dict[str, asyncio.Future[bytes]] = {}
        self._under_way: set[asyncio.Task[None]] = set()
        self.asked = 0
        self.on_asked: Callable[[str, int], bool] = lambda _word, _life: False
        self._held: list[Held] = []

    @property
    def cut(self) -> bool:
        now = self._now()
        return any(begin <= now < end for begin, end in self.chance.plan.cuts)

    def listen(self, subject: str, group: str, take: Take) -> Listener:
        self._listeners.append((subject, take))
        return Listener(subject, group, take)

    async def ask(
        self, subject: str, write: bytes | Write, host: str, life: int, timeout_seconds: float
    ) -> bytes:
        """Ask once; the request may come much later, or several times, at several servers.

        A claim comes once at most, as all does over core NATS: it is the one request that a worker
        does not ask again by itself.
        """
        reply = f"{subjects.inbox(host)}.{next(self._inboxes)}"
        answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._waiting[reply] = answer
        self.asked += 1
        word = subject.rpartition(".")[2]
        self._words[reply] = word
        data = write if isinstance(write, bytes) else write(reply)
        bring = partial(self._bring, subject, reply, data, life)
        for seconds in self._coming(word, life, bring):
            self._later(seconds, bring)
        try:
            await asyncio.wait({answer}, timeout=timeout_seconds)
            if not answer.done():
                raise TimeoutError
            return answer.result()
        finally:
            del self._waiting[reply]

    def note(self, effect: str) -> None:
        """Let what is held up come, now that this was done."""
        held, self._held = self._held, []
        for one in held:
            if one.until == effect:
                self._later(self.chance.random.uniform(*SOON_SECONDS[effect]), one.bring)
            else:
                self._held.append(one)

    def _coming(self, word: str, life: int, bring: Bring) -> list[float]:
        """Return when a request comes, after so many seconds."""
        if self.on_asked(word, life):
            self._hold(HARMS[word], bring, HELD_SECONDS)
            return []
        times = [] if self.chance.happens(self.chance.plan.lost) else [self.chance.seconds()]
        if self.chance.happens(self.chance.plan.again):
            times.append(self.chance.late())
        return times[-1:] if word == "claim" else times

    def _hold(self, until: str, bring: Bring, seconds: float) -> None:
        held = Held(until, bring)
        self._held.append(held)

        def bring_late() -> None:
            if held in self._held:
                self._held.remove(held)
                self._later(0.0, bring)

        asyncio.get_running_loop().call_later(seconds, bring_late)

    async def answer(self, reply: str, data: bytes) -> None:
        word = self._words.pop(reply, "")
        hand_over = partial(self._hand_over, reply, data)
        if word == "active" and self.chance.happens(self.chance.plan.held):
            self._hold("end", hand_over, ANSWER_HELD_SECONDS)
            return
        if not self.chance.happens(self.chance.plan.lost):
            self._later(self.chance.seconds(), hand_over)
        if self.chance.happens(self.chance.plan.again):
            self._later(self.chance.late(), hand_over)

    def _later(self, seconds: float, bring: Bring) -> None:
        async def wait() -> None:
            await asyncio.sleep(seconds)
            if not self.cut:
                await bring()

        task = asyncio.create_task(wait())
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def _bring(self, subject: str, reply: str, data: bytes, life: int) -> None:
        word = subject.rpartition(".")[2]
        takes = [take for one, take in self._listeners if one.endswith(f".{word}")]
        asking.set(life)
        await takes[next(self._turn) % len(takes)](subject, reply, data)

    async def _hand_over(self, reply: str, data: bytes) -> None:
        answer = self._waiting.get(reply)
        if answer is not None and not answer.done():
            answer.set_result(data)


class ServerWire:
    """A server's way to the others, in the place of `Wire`."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self.max_payload = network.chance.plan.max_payload
        self.signing = Signing()

    async def listen(self, subject: str, take: Take, *, group: str = "") -> Listener:
        return self._network.listen(subject, group, take)

    async def ignore(self, _: Listener) -> None:
        return

    async def flush(self) -> None:
        return

    async def send(self, reply: str, data: bytes = b"") -> None:
        await self._network.answer(reply, data)


class WorkerWire:
    """The way of one life of a worker; once it is dead nobody hears it."""

    def __init__(self, network: Network, host: str, life: int) -> None:
        self._network = network
        self.max_payload = network.chance.plan.max_payload
        self.signing = Signing()
        self._host = host
        self._life = life

    async def until_connected(self, _seconds: float) -> bool:
        return True

    async def request(self, subject: str, write: bytes | Write, timeout_seconds: float) -> bytes:
        if self._network.cut and self._network.chance.happens(0.5):
            raise NobodyListensError("nobody listens")
        return await self._network.ask(subject, write, self._host, self._life, timeout_seconds)
