"""A line passes on, falls silent one way or both, and is cut."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest

from tests.support.waiting import patience, until
from tests.torture.hosts.line import BOTH_WAYS, Ends, Line, Way


class Echo:
    """Answers what it hears, and knows what it has heard."""

    def __init__(self) -> None:
        self.heard = b""
        self.port = 0

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while data := await reader.read(100):
                self.heard += data
                writer.write(data)
        writer.transport.abort()


@pytest.fixture
async def echo() -> AsyncIterator[Echo]:
    echo = Echo()
    async with await asyncio.start_server(echo.answer, "127.0.0.1", 0) as listening:
        echo.port = listening.sockets[0].getsockname()[1]
        yield echo


@pytest.fixture
async def line(echo: Echo) -> AsyncIterator[Line]:
    line = Line(lambda: asyncio.open_connection("127.0.0.1", echo.port))
    await line.start()
    yield line
    await line.end()


@pytest.fixture
async def ends(line: Line) -> AsyncIterator[Ends]:
    reader, writer = await asyncio.open_connection("127.0.0.1", line.port)
    writer.write(b"1")
    assert await reader.readexactly(1) == b"1"
    yield reader, writer
    writer.transport.abort()


async def test_what_is_sent_into_a_silent_line_is_not_heard_and_comes_late(
    line: Line, echo: Echo, ends: Ends
) -> None:
    reader, writer = ends
    line.swallow(Way.OUT)
    writer.write(b"2")
    other_reader, other = await asyncio.open_connection("127.0.0.1", line.port)
    other.write(b"3")
    silent = asyncio.create_task(reader.read(1))
    await asyncio.wait({silent}, timeout=0.1)
    assert not silent.done()
    assert echo.heard == b"1"
    line.mend(Way.OUT, late=True)
    async with patience():
        assert await silent == b"2"
        assert await other_reader.read(1) == b"3"
    other.transport.abort()


async def test_a_line_that_is_silent_one_way_lets_through_what_goes_the_other(
    line: Line, echo: Echo, ends: Ends
) -> None:
    reader, writer = ends
    line.swallow(Way.IN)
    writer.write(b"2")
    await until(lambda: echo.heard == b"12")
    silent = asyncio.create_task(reader.read(1))
    await asyncio.wait({silent}, timeout=0.1)
    assert not silent.done()
    line.mend(Way.IN, late=True)
    async with patience():
        assert await silent == b"2"


async def test_what_was_swallowed_is_lost_where_who_waited_is_cut_off(
    line: Line, echo: Echo, ends: Ends
) -> None:
    reader, writer = ends
    line.swallow(*BOTH_WAYS)
    writer.write(b"2")
    line.mend(*BOTH_WAYS, late=False)
    with pytest.raises(ConnectionResetError):
        await reader.read(1)
    again_reader, again = await asyncio.open_connection("127.0.0.1", line.port)
    again.write(b"3")
    assert await again_reader.read(1) == b"3"
    assert echo.heard == b"13"
    again.transport.abort()


async def test_a_line_that_fell_silent_twice_is_mended_twice(line: Line, ends: Ends) -> None:
    reader, writer = ends
    line.swallow(Way.OUT)
    line.swallow(*BOTH_WAYS)
    line.mend(*BOTH_WAYS, late=True)
    writer.write(b"2")
    silent = asyncio.create_task(reader.read(1))
    await asyncio.wait({silent}, timeout=0.1)
    assert not silent.done()
    line.mend(Way.OUT, late=True)
    async with patience():
        assert await silent == b"2"


async def test_who_speaks_where_nobody_is_is_cut_off() -> None:
    async def nobody() -> Ends:
        raise ConnectionRefusedError

    line = Line(nobody)
    await line.start()
    reader, writer = await asyncio.open_connection("127.0.0.1", line.port)
    with pytest.raises(ConnectionResetError):
        await reader.read(1)
    writer.transport.abort()
    await line.end()
