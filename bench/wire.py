"""The little of HTTP and WebSocket that the viewers speak. Pure: bytes in, values out.

A viewer's *kind* is how it is sent output: `raw`, `json` or `text` (formats of Tailrun's stream),
`messages` (websocketd: a line each, no close frame), `body` (the bare relay's answer) or `events`
(cronstable's log of a job).
"""

import re
from collections.abc import Iterator, Mapping

import orjson

TEXT, BINARY, CLOSE = 0x1, 0x2, 0x8
# A client's frame (RFC 6455): a normal closure, with a mask of zeros.
CLOSING = bytes([0x80 | CLOSE, 0x80 | 2, 0, 0, 0, 0]) + (1000).to_bytes(2, "big")
HEADER_END = b"\r\n\r\n"
GZIP = b"\x1f\x8b"
STREAMS = {"raw", "json", "text"}
# The lines of what is sent until the connection's end.
LINES = {"events": re.compile(rb'"line":"([^"]*)"'), "body": re.compile(rb"([^\n]*)\n")}
HANDSHAKE = {
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Version": "13",
}
NO_HEADERS: Mapping[str, str] = {}


def view(port: int, kind: str, path: str, token: str = "") -> bytes:
    headers = {"Connection": "close"} if kind in LINES else HANDSHAKE
    return request("GET", path, port, b"", headers | by(token))


def by(token: str) -> dict[str, str]:
    """Return the header of a request by a token; without one, it is a local user's."""
    return {"Authorization": f"Bearer {token}"} if token else {}


def request(
    method: str, path: str, port: int, body: object = b"", headers: Mapping[str, str] = NO_HEADERS
) -> bytes:
    content = body if isinstance(body, bytes) else orjson.dumps(body)
    fields = {"Host": f"127.0.0.1:{port}", **headers}
    if content:
        fields |= {"Content-Type": "application/json", "Content-Length": str(len(content))}
        fields |= {"Content-Encoding": "gzip"} if content[:2] == GZIP else {}
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode() + content


def frames(buffer: memoryview, offset: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Iterate over the whole frames of a server (RFC 6455): opcode, where the payload lies."""
    while end - offset >= 2:
        opcode, length, start = buffer[offset] & 15, buffer[offset + 1], offset + 2
        if length >= 126:
            size = 2 if length == 126 else 8
            length = int.from_bytes(buffer[start : start + size], "big")
            start += size
        offset = start + length
        if offset > end:
            return
        yield opcode, start, offset


def output(
    kind: str, buffer: memoryview, start: int
) -> Iterator[tuple[int, int, bytes | memoryview]]:
    """Iterate over the output from `start` on, as it came: where in the buffer, and the bytes."""
    if kind in LINES:
        for line in LINES[kind].finditer(buffer, start):
            yield line.start(), line.end(), line[1] + b"\n"
        return
    for opcode, first, end in frames(buffer, start, len(buffer)):
        message = buffer[first:end]
        if opcode == TEXT and kind == "json":
            value = orjson.loads(message)
            if value["type"] == "output":
                yield first, end, value["text"].encode()
        elif opcode == TEXT:
            yield first, end, bytes(message) + b"\n"
        elif opcode == BINARY:
            yield first, end, message
