"""In which order a host speaks to the engine, by one that notes what it hears."""

import asyncio

import pytest

from server.errors import EngineUnavailableError
from server.wire.address import Address
from server.wire.engine import Engine


async def test_what_waits_to_be_sent_goes_before_the_question_whether_it_has_come() -> None:
    """Else a host would take itself for one that is heard, and listened to, before it is."""
    heard: list[str] = []
    left = asyncio.Event()

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b'INFO {"max_payload": 1048576, "headers": true}\r\n')
        while line := (await reader.readline()).decode().strip():
            heard.append(line.split()[0])
            if line == "PING":
                writer.write(b"PONG\r\n")
        writer.close()
        await writer.wait_closed()
        left.set()

    async def take(_subject: str, _reply: str, _data: bytes) -> None:
        raise AssertionError("nothing comes")

    server = await asyncio.start_server(speak, "127.0.0.1", 0)
    url = f"nats://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    engine = await Engine.open(url, Address((url,)), name="host", inbox="inbox")
    try:
        await engine.listen("some", "", take)
        await engine.settled()
        assert heard == ["CONNECT", "PING", "SUB", "PING"]
    finally:
        await engine.drop()
        await left.wait()
        server.close()
        await server.wait_closed()


async def test_an_answer_that_nobody_waits_for_any_more_ends_no_connection() -> None:
    """An engine that stood still answers what was asked before, late."""
    asked, wakes, left = 0, asyncio.Event(), asyncio.Event()

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        writer.write(b'INFO {"max_payload": 1048576, "headers": true}\r\n')
        while line := (await reader.readline()).decode().strip():
            if line == "PING":
                asked += 1
                if asked == 2:
                    await wakes.wait()
                writer.write(b"PONG\r\n")
        writer.close()
        await writer.wait_closed()
        left.set()

    server = await asyncio.start_server(speak, "127.0.0.1", 0)
    url = f"nats://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    engine = await Engine.open(url, Address((url,)), name="host", inbox="inbox")
    try:
        with pytest.raises(EngineUnavailableError):
            await engine.settled(1)
        wakes.set()
        await engine.settled(1000)
        assert asked == 3
        assert not engine.lost.is_set()
    finally:
        await engine.drop()
        await left.wait()
        server.close()
        await server.wait_closed()
