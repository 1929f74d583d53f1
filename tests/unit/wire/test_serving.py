"""How requests are answered: by turns, and in time."""

import asyncio
from contextlib import AsyncExitStack
from typing import Any, cast

import pytest

from server.wire import subjects
from server.wire.codec import decode, encode, within
from server.wire.connection import Listener
from server.wire.engine import Take
from server.wire.messages import Claim, Claimed
from server.wire.serving import SHARE, TOLD_EACH, serve_workers
from server.wire.signing import Signing
from server.wire.values import parts_of
from tests.simulation import clock


class Wire:
    """A way to the others: what is asked is given to who listens."""

    max_payload = 1024 * 1024

    def __init__(self) -> None:
        self.signing = Signing()
        self.answered: list[str] = []
        self._take: Take | None = None

    async def listen(self, subject: str, take: Take, *, group: str = "") -> Listener:
        self._take = take
        return Listener(subject, group, take)

    async def ignore(self, _: Listener) -> None:
        self._take = None

    async def flush(self) -> None:
        return

    async def send(self, reply: str, data: bytes) -> None:
        assert "error" not in decode(data).head
        self.answered.append(reply)

    async def ask(self, host: str, number: int, seconds: float = 2.0) -> None:
        """Have a worker ask, which waits so long."""
        data = encode(within(parts_of(Claim(places=1)), seconds))
        await self.say(host, f"{subjects.inbox(host)}.{number}", data)

    async def say(self, host: str, reply: str, data: bytes) -> None:
        """Have a worker say something that is to be answered there."""
        assert self._take is not None
        await self._take(subjects.to_servers(host, "claim"), reply, data)


class Hands:
    """Answers once it may."""

    def __init__(self) -> None:
        self.may = asyncio.Event()
        self.asked: list[str] = []

    async def claim(self, host: str, _: Claim) -> Claimed:
        self.asked.append(host)
        await self.may.wait()
        return Claimed(runs=())


async def serving(stack: AsyncExitStack) -> tuple[Wire, Hands]:
    wire, hands = Wire(), Hands()
    handlers = {"claim": hands.claim}
    await stack.enter_async_context(serve_workers(cast("Any", wire), handlers))
    return wire, hands


def test_one_that_asks_all_the_time_keeps_no_other_from_its_answer() -> None:
    async def ask() -> None:
        async with AsyncExitStack() as stack:
            wire, hands = await serving(stack)
            for number in range(3 * SHARE):
                await wire.ask("loud", number)
            await wire.ask("quiet", 0)
            await asyncio.sleep(0.1)
            assert hands.asked == [*["loud"] * SHARE, "quiet"]
            hands.may.set()
            await asyncio.sleep(0.1)
            assert len(wire.answered) == 3 * SHARE + 1

    clock.run(ask())


def test_what_has_waited_for_longer_than_its_asker_is_not_done() -> None:
    async def ask() -> None:
        async with AsyncExitStack() as stack:
            wire, hands = await serving(stack)
            for number in range(SHARE):
                await wire.ask("w", number)
            await wire.ask("w", 100, seconds=2.0)
            await wire.ask("w", 101, seconds=10.0)
            await asyncio.sleep(3.0)
            hands.may.set()
            await asyncio.sleep(0.1)
            assert len(hands.asked) == SHARE + 1
            assert f"{subjects.inbox('w')}.100" not in wire.answered
            assert f"{subjects.inbox('w')}.101" in wire.answered

    clock.run(ask())


def test_at_the_end_what_waits_is_left() -> None:
    async def ask() -> None:
        stack = AsyncExitStack()
        wire, hands = await serving(stack)
        for number in range(SHARE + 1):
            await wire.ask("w", number)
        await asyncio.sleep(0.1)
        closing = asyncio.create_task(stack.aclose())
        await asyncio.sleep(0.1)
        hands.may.set()
        await closing
        assert len(hands.asked) == len(wire.answered) == SHARE

    clock.run(ask())


def test_what_goes_wrong_again_and_again_is_logged_now_and_then(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Whoever stole a worker's key may go on with it for as long as he likes."""

    async def fail(host: str, _: Claim) -> Claimed:
        raise KeyError(host) if host == "w" else ValueError(host)

    class Deaf(Wire):
        async def send(self, reply: str, _data: bytes) -> None:
            self.answered.append(reply)

    async def ask() -> None:
        wire = Deaf()
        async with serve_workers(cast("Any", wire), {"claim": fail}):
            for number in range(TOLD_EACH + 1):
                await wire.say("w", "tailrun.v1.w.another.stop", b"")
                await wire.ask("w", number)
            await wire.ask("x", 0)
            await asyncio.sleep(0.1)
        assert len(wire.answered) == TOLD_EACH + 2

    clock.run(ask())
    assert caplog.text.count("is no inbox of whoever asks") == 2
    assert caplog.text.count("KeyError: 'w'") == 2
    assert caplog.text.count("ValueError: x") == 1
