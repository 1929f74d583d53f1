"""The end of a stream: the close frame, and what is waited for after it."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from unittest.mock import AsyncMock, Mock

import pytest
from aiohttp import WSMsgType

from server.handlers import websocket
from server.handlers.websocket import Socket
from server.output.cursor import StreamFormat
from tests.support.waiting import patience, until

FRAME = b"\x03\xe8exit 0"


class Viewer:
    """A viewer whose answer to the close frame comes when `answers` is set."""

    def __init__(self, outstanding: list[int]) -> None:
        self.answers = asyncio.Event()
        self.websocket = Mock(send_frame=AsyncMock(), close=AsyncMock())
        self.websocket.__aiter__ = lambda _: self._messages()
        self.place = Mock()
        self.place.peer.outstanding.side_effect = outstanding
        self.socket = Socket(self.websocket, StreamFormat.RAW, "")
        self.socket.take(self.place, 20, Mock())

    async def _messages(self) -> AsyncIterator[Any]:
        await self.answers.wait()
        return
        yield  # an iterator that ends

    async def close(self) -> None:
        async with patience():
            await self.socket.close(1000, "exit 0")


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(websocket, "ANSWER_SECONDS", 0.01)


async def test_the_answer_to_the_close_frame_is_waited_for() -> None:
    """As long as the viewer has something to take, and nothing follows the frame."""
    viewer = Viewer([1] * 1000)
    receiving = asyncio.create_task(viewer.socket.receive())
    await asyncio.sleep(0)
    closing = asyncio.create_task(viewer.close())
    await until(lambda: viewer.place.peer.outstanding.call_count > 2)
    viewer.websocket.send_frame.assert_awaited_once_with(FRAME, WSMsgType.CLOSE)
    assert viewer.place.closing is True
    assert viewer.place.send_alive is None
    viewer.place.transport.close.assert_not_called()
    viewer.answers.set()
    await closing
    assert await receiving is False
    viewer.place.transport.close.assert_called_once_with()


@pytest.mark.parametrize("outstanding", [[1, 1, 0], [OSError()]])
async def test_a_viewer_that_has_taken_all_and_does_not_answer_is_closed(
    outstanding: list[Any],
) -> None:
    viewer = Viewer(outstanding)
    receiving = asyncio.create_task(viewer.socket.receive())
    await asyncio.sleep(0)
    await viewer.close()
    viewer.place.transport.close.assert_called_once_with()
    assert viewer.place.peer.outstanding.call_count == len(outstanding)
    viewer.answers.set()
    await receiving


async def test_where_nobody_reads_beside_the_library_waits_for_the_answer() -> None:
    viewer = Viewer([])
    await viewer.close()
    viewer.websocket.close.assert_awaited_once_with(code=1000, message=b"exit 0")
    viewer.websocket.send_frame.assert_not_awaited()
