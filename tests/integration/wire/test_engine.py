"""In which order a host speaks to the engine, by one that notes what it hears."""

import asyncio
import os

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
        assert heard == ["CONNECT", "PING", "SUB", "SUB", "PING"]
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


async def test_what_is_sent_is_on_its_way_at_once_and_what_follows_in_order() -> None:
    """Somebody may wait for it: it does not wait for what else is to be done here."""
    stands, left = asyncio.Event(), asyncio.Event()
    streams: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b'INFO {"max_payload": 1048576, "headers": true}\r\n')
        while not (line := await reader.readline()).startswith(b"SUB"):
            if line == b"PING\r\n":
                writer.write(b"PONG\r\n")
        streams.append((reader, writer))
        stands.set()
        await left.wait()
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(speak, "127.0.0.1", 0)
    url = f"nats://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    engine = await Engine.open(url, Address((url,)), name="host", inbox="inbox")
    try:
        await stands.wait()
        [(reader, writer)] = streams
        await engine.send("a", b"1")
        assert os.read(writer.get_extra_info("socket").fileno(), 100) == b"PUB a  1\r\n1\r\n"
        await engine.send("b", b"2")
        await engine.send("c", b"3")
        following = b"PUB b  1\r\n2\r\nPUB c  1\r\n3\r\n"
        assert await reader.readexactly(len(following)) == following
    finally:
        left.set()
        await engine.drop()
        server.close()
        await server.wait_closed()


async def test_what_is_answered_twice_ends_no_connection() -> None:
    """Whoever answers may do so as often as the engine lets it."""
    left = asyncio.Event()

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        number = b""
        writer.write(b'INFO {"max_payload": 1048576, "headers": true}\r\n')
        while line := (await reader.readline()).split():
            if line[0] == b"PING":
                writer.write(b"PONG\r\n")
            elif line[0] == b"SUB":
                number = line[-1]
            elif line[0] == b"PUB":
                data = await reader.readexactly(int(line[-1]) + 2)
                message = b"MSG %b %b %b\r\n%b" % (line[2], number, line[-1], data)
                writer.write(2 * message)
        writer.close()
        await writer.wait_closed()
        left.set()

    server = await asyncio.start_server(speak, "127.0.0.1", 0)
    url = f"nats://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    engine = await Engine.open(url, Address((url,)), name="host", inbox="inbox")
    try:
        for said in (b"some", b"more"):
            assert await engine.asked("echo", said, 1000.0) == said
        assert not engine.lost.is_set()
    finally:
        await engine.drop()
        await left.wait()
        server.close()
        await server.wait_closed()
