"""A reader of output that takes bytes at the rate it is told to, over a bare socket.

It keeps what came and looks at it afterwards; of a WebSocket it answers pings as it gets to them.
"""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import NamedTuple
from urllib.parse import urlsplit

import orjson

from tests.support.client import Client

KINDS = {
    "ws text": "ws?format=text",
    "ws json": "ws?format=json",
    "ws raw": "ws?format=raw",
    "follow": "output?follow=true",
    "events": "output?format=sse",
    "plain": "output",
}
"""Every way to be sent output, by its path below the run's."""

TEXT, BINARY, CLOSE, PING = 0x1, 0x2, 0x8, 0x9
UPGRADE = (
    "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)


class Frame(NamedTuple):
    """A frame of a server, which is never masked, in [start, end) of what came."""

    opcode: int
    start: int
    end: int


def frames(data: bytes | bytearray, offset: int) -> Iterator[Frame]:
    """Iterate over the whole frames from `offset` on (RFC 6455, section 5.2)."""
    while offset + 2 <= len(data):
        opcode, length, start = data[offset] & 15, data[offset + 1], offset + 2
        if length >= 126:
            start += 2 if length == 126 else 8
            length = int.from_bytes(data[offset + 2 : start], "big")
        if start + length > len(data):
            return
        offset = start + length
        yield Frame(opcode, start, offset)


class Reader:
    """One connection that asks for output."""

    def __init__(self, connection: socket.socket, kind: str) -> None:
        self.kind = kind
        self.cut = False
        self._connection = connection
        self._data = bytearray()
        self._looked_at = 0

    async def take(self, size: int) -> None:
        """Read up to `size` bytes; at the end of the connection `cut` is set."""
        loop = asyncio.get_running_loop()
        try:
            piece = await loop.sock_recv(self._connection, size)
        except ConnectionError:
            piece = b""
        self.cut = not piece
        self._data += piece
        if self.kind.startswith("ws"):
            await self._answer_pings()

    async def read_for(self, seconds: float, bytes_a_second: int) -> None:
        """Read at a steady rate, ten times a second."""
        loop = asyncio.get_running_loop()
        ends_at = loop.time() + seconds
        while loop.time() < ends_at and not self.cut:
            next_at = loop.time() + 0.1
            await self.take(bytes_a_second // 10)
            await asyncio.sleep(max(0.0, next_at - loop.time()))

    async def _answer_pings(self) -> None:
        start = self._looked_at or self._data.find(b"\r\n\r\n") + 4
        for frame in frames(self._data, start):
            self._looked_at = frame.end
            if frame.opcode == PING:
                payload = bytes(self._data[frame.start : frame.end])
                answer = bytes([0x8A, 0x80 | len(payload), 0, 0, 0, 0]) + payload
                await asyncio.get_running_loop().sock_sendall(self._connection, answer)

    def output(self) -> bytes:
        """Return the output in what came; the last part that is not whole is left out."""
        head, _, body = bytes(self._data).partition(b"\r\n\r\n")
        if self.kind.startswith("ws"):
            messages = [body[one.start : one.end] for one in frames(body, 0) if one.opcode < CLOSE]
            if self.kind == "ws text":
                return b"".join(message + b"\n" for message in messages)
            return b"".join(messages) if self.kind == "ws raw" else told(messages)
        if b"chunked" in head:
            body = b"".join(chunks(body))
        if self.kind == "events":
            fields = [line for line in body.split(b"\n")[:-1] if line.startswith(b"data: ")]
            return told([line.removeprefix(b"data: ") for line in fields])
        return body


def told(messages: list[bytes]) -> bytes:
    """Return the output that messages of json tell."""
    values = [orjson.loads(message) for message in messages]
    return b"".join(one["text"].encode() for one in values if one["type"] == "output")


def chunks(body: bytes) -> Iterator[bytes]:
    """Iterate over the whole chunks of a body in chunked encoding (RFC 9112, section 7.1)."""
    offset = 0
    while (line_end := body.find(b"\r\n", offset)) >= 0:
        size = int(body[offset:line_end], 16)
        end = line_end + 2 + size
        if size == 0 or end + 2 > len(body):
            return
        yield body[line_end + 2 : end]
        offset = end + 2


@asynccontextmanager
async def reader(
    client: Client, run_id: str, kind: str, *, headers: str = "", receive_bytes: int | None = None
) -> AsyncIterator[Reader]:
    """Ask for a run's output, and read nothing yet."""
    address = urlsplit(client.service.address)
    with socket.socket() as connection:
        if receive_bytes is not None:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        connection.setblocking(False)  # noqa: FBT003
        loop = asyncio.get_running_loop()
        await loop.sock_connect(connection, (address.hostname, address.port))
        path = f"/api/v1/runs/{run_id}/{KINDS[kind]}"
        headers += UPGRADE if kind.startswith("ws") else ""
        request = f"GET {path} HTTP/1.1\r\nHost: {address.netloc}\r\n{headers}\r\n"
        await loop.sock_sendall(connection, request.encode())
        yield Reader(connection, kind)
