"""The little of HTTP and WebSocket that the viewer speaks. Pure: bytes in, values out."""

import struct
from collections.abc import Iterator
from typing import NamedTuple

import orjson

TEXT, BINARY, CLOSE, PING, PONG = 0x1, 0x2, 0x8, 0x9, 0xA
NORMAL_CLOSURE = (1000).to_bytes(2, "big")
HEADER_END = b"\r\n\r\n"


class Frame(NamedTuple):
    """One frame of a server (never masked, RFC 6455 section 5.1) in [start, end) of a buffer."""

    opcode: int
    start: int
    end: int


def handshake(path: str, host: str) -> bytes:
    """Return the request that opens a WebSocket."""
    return (
        f"GET {path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    ).encode()


def request(method: str, path: str, host: str, *, body: object = None, **headers: str) -> bytes:
    """Return an HTTP request."""
    content = b"" if body is None else orjson.dumps(body)
    fields = {"Host": host, **{name.replace("_", "-"): value for name, value in headers.items()}}
    if content:
        fields |= {"Content-Type": "application/json", "Content-Length": str(len(content))}
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode() + content


def frame_at(buffer: memoryview | bytes, offset: int, end: int) -> Frame | None:
    """Return the frame whose header is at `offset`; None while the header is not whole."""
    if end - offset < 2:
        return None
    opcode, length, start = buffer[offset] & 15, buffer[offset + 1], offset + 2
    if length >= 126:
        size = 2 if length == 126 else 8
        if end - start < size:
            return None
        length = int.from_bytes(buffer[start : start + size], "big")
        start += size
    return Frame(opcode, start, start + length)


def frames(buffer: memoryview | bytes, offset: int, end: int) -> Iterator[Frame]:
    """Iterate over the whole frames in [offset, end)."""
    while (frame := frame_at(buffer, offset, end)) is not None and frame.end <= end:
        yield frame
        offset = frame.end


def masked(opcode: int, payload: bytes) -> bytes:
    """Return a client's frame; its mask is all zeros, which leaves the payload as it is."""
    return struct.pack("!BBI", 0x80 | opcode, 0x80 | len(payload), 0) + payload


def header(opcode: int, size: int) -> bytes:
    """Return the header of a server's frame with a payload of `size` bytes."""
    if size < 126:
        return struct.pack("!BB", 0x80 | opcode, size)
    if size < 1 << 16:
        return struct.pack("!BBH", 0x80 | opcode, 126, size)
    return struct.pack("!BBQ", 0x80 | opcode, 127, size)


def chunks(body: memoryview) -> Iterator[memoryview]:
    """Iterate over the chunks of a body in chunked encoding (RFC 9112 section 7.1)."""
    offset = 0
    while True:
        line = bytes(body[offset : offset + 20]).split(b"\r\n", 1)[0]
        size = int(line, 16)
        offset += len(line) + 2
        if size == 0:
            return
        yield body[offset : offset + size]
        offset += size + 2


def http_payload(head: bytes, body: memoryview) -> Iterator[memoryview]:
    """Iterate over the body's bytes, whichever way the head says they come."""
    if b"transfer-encoding: chunked" in head.lower():
        return chunks(body)
    return iter((body,))
