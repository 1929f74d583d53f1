"""The keeper's socket, served in the test's own loop."""

import asyncio
import os
import socket
import struct
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from server.keeper.listener import Listener, Message
from server.keeper.protocol import decode, encode, socket_address
from tests.support.strangers import STRANGERS


class Service:
    """A listener that answers with what it was asked, or fails when told."""

    def __init__(self, directory: Path, **bounds: Any) -> None:
        self.directory = directory
        self.changed = asyncio.Event()
        self.listener = Listener(directory, self.answer, self.changed.set, **bounds)

    async def answer(self, message: Message) -> Message:
        if message["op"] == "fail":
            raise RuntimeError("out of order")
        return {"asked": message["op"]}

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        directory = os.open(self.directory, os.O_PATH)
        try:
            return await asyncio.open_unix_connection(socket_address(directory))
        finally:
            os.close(directory)


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[Service]:
    directory = tmp_path / "keeper"
    directory.mkdir()
    service = Service(directory)
    await service.listener.open()
    yield service
    await service.listener.close()


async def ask(service: Service, operation: str) -> dict[str, Any]:
    reader, writer = await service.connect()
    writer.write(encode({"id": 7, "op": operation}))
    answer = decode(await reader.readline())
    writer.close()
    await writer.wait_closed()
    return answer


async def test_an_answer_has_the_number_of_the_request(service: Service) -> None:
    assert await ask(service, "x") == {"id": 7, "ok": True, "asked": "x"}


async def test_a_request_that_fails_does_not_end_the_service(
    service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    answer = await ask(service, "fail")
    error = "internal error: RuntimeError('out of order')"
    assert answer == {"id": 7, "ok": False, "error": error}
    assert "request failed" in caplog.text
    assert (await ask(service, "x"))["ok"]


async def test_a_client_that_breaks_off_is_dropped(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    service = Service(tmp_path, max_message_bytes=10)
    await service.listener.open()
    reader, writer = await service.connect()
    writer.write(b"x" * 100)
    assert await reader.read() == b""
    assert not service.listener.connected
    assert "client dropped" in caplog.text
    writer.close()
    await service.listener.close()


async def test_clients_are_counted_and_told_of(service: Service) -> None:
    assert not service.listener.connected
    _, writer = await service.connect()
    await service.changed.wait()
    assert service.listener.connected
    service.changed.clear()
    # Closed with SO_LINGER 0, so that it breaks off.
    linger = struct.pack("ii", 1, 0)
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    writer.transport.abort()
    await service.changed.wait()
    assert not service.listener.connected


async def test_closing_closes_the_connections_of_clients(service: Service) -> None:
    reader, writer = await service.connect()
    await service.changed.wait()
    await service.listener.close()
    assert await reader.read() == b""
    assert not (service.directory / "socket").exists()
    writer.close()


@pytest.mark.parametrize("kind", ["nothing", *STRANGERS])
async def test_a_socket_that_was_removed_or_replaced_is_there_again(
    service: Service, caplog: pytest.LogCaptureFixture, kind: str
) -> None:
    reader, writer = await service.connect()
    path = service.directory / "socket"
    await service.listener.check()
    assert caplog.text == ""
    path.unlink()
    if kind != "nothing":
        STRANGERS[kind](path)
    await service.listener.check()
    assert "socket was removed: listening anew" in caplog.text
    assert (await ask(service, "x"))["ok"]
    assert path.stat().st_mode & 0o777 == 0o600
    writer.write(encode({"id": 1, "op": "y"}))
    assert decode(await reader.readline())["asked"] == "y"
    writer.close()


async def test_a_socket_that_cannot_be_bound_anew_is_tried_again(
    service: Service, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError("no room")

    (service.directory / "socket").unlink()
    with monkeypatch.context() as patch:
        patch.setattr(os, "chmod", refuse)
        await service.listener.check()
    assert "listening anew failed, trying again: no room" in caplog.text
    await service.listener.check()
    assert (await ask(service, "x"))["ok"]
