"""What is listened to, while the connection with the engine is being made."""

import asyncio
from typing import Any, Self, cast

import pytest

from server.wire import connection as module
from server.wire.address import Address
from server.wire.connection import Listener, Wire
from server.wire.engine import Take
from tests.simulation import clock


class Engine:
    """A connection, on which it takes a second until something is listened to."""

    max_payload = 1024
    opened: list["Engine"]

    def __init__(self) -> None:
        self.lost = asyncio.Event()
        self.listened: list[str] = []
        self.ignored: list[str] = []

    @classmethod
    async def open(cls, _url: str, _address: Address, **_: Any) -> Self:
        engine = cls()
        cls.opened.append(engine)
        return engine

    async def listen(self, subject: str, _group: str, _take: Take) -> str:
        await asyncio.sleep(1.0)
        self.listened.append(subject)
        return subject

    async def ignore(self, subscription: str) -> None:
        self.ignored.append(subscription)

    async def settled(self, _seconds: float = 0.0) -> None:
        return

    async def drop(self) -> None:
        return


async def take(_subject: str, _reply: str, _data: bytes) -> None:
    """Take what comes."""


@pytest.mark.parametrize("seconds", [0.5, 1.5, 2.5, 5.0])
def test_what_is_ignored_is_not_listened_to_however_far_the_connection_is(
    monkeypatch: pytest.MonkeyPatch, seconds: float
) -> None:
    """It takes three seconds to listen to all three; the second one is ignored meanwhile."""
    monkeypatch.setattr(Engine, "opened", [], raising=False)
    monkeypatch.setattr(module, "Engine", Engine)

    async def connect() -> None:
        wire = Wire(cast("Any", Address(("nats://127.0.0.1",))), host="w", name="w")
        listeners: list[Listener] = [await wire.listen(name, take) for name in ("a", "b", "c")]
        running = asyncio.create_task(wire.run())
        await asyncio.sleep(seconds)
        await wire.ignore(listeners[1])
        await wire.until_connected(10.0)
        await asyncio.sleep(1.0)
        [engine] = Engine.opened
        assert set(engine.listened) - set(engine.ignored) == {"a", "c"}
        running.cancel()

    clock.run(connect())
