"""The viewer: takes bytes as fast as they come, in a process of its own.

`python -m bench.viewer` reads a Job as JSON and writes a Result as JSON. While the clock runs it
does nothing but recv_into a buffer whose pages are there already, look at the time, and skip from
frame to frame; what came is verified afterwards.
"""

import hashlib
import re
import socket
import subprocess
import sys
import time
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import NamedTuple

import orjson
import zstandard

from bench import wire

ROOT = Path(__file__).parents[1]
RECEIVE_BYTES = 1024 * 1024
HEAD_BYTES = 64 * 1024
LOW_WATER_BYTES = 64 * 1024
"""Taken at once from websocketd: with a call for each of its messages the viewer would need a third
of a core that websocketd has better use for."""


_SSE_LINE = re.compile(rb'"line":"([^"]*)"')
_NEXT = re.compile(rb'"next":([0-9]+)')


@dataclass(frozen=True, kw_only=True)
class Job:
    """What to watch: a `path`, or the run of a `script` that the viewer has started first.

    `kind`: "raw", "json" or "text" of Tailrun's stream, "lines" (websocketd: a message a line,
    and the end of the connection as the end), "http" (a response's body) or "zstd" (the same,
    compressed) or "sse" (cronstable's log of a job, which is started first). `capacity` bounds what
    may come; a viewer of a raw or json stream that has no end leaves when it has `until_bytes` of
    the output. `sha256` is the output's, where it is known.
    """

    port: int
    kind: str
    path: str = ""
    script: str | None = None
    capacity: int
    until_bytes: int | None = None
    sha256: str | None = None
    want_ticks: bool = False


@dataclass(frozen=True, kw_only=True)
class Result:
    """What came, timed in seconds from `start` (CLOCK_MONOTONIC), just before the first connect.

    `delivered_seconds`: when the output's last byte was there; `end_seconds`: the close. `receives`
    and `cpu_seconds` tell how far the viewer was from being the bottleneck. `ticks`: for each
    line, its own text and the nanoseconds when it was received.
    """

    start: float
    first_seconds: float
    delivered_seconds: float
    end_seconds: float
    output_bytes: int
    verified: bool
    pieces: int
    receives: int
    cpu_seconds: float
    run_id: str = ""
    ticks: list[tuple[int, int]] = field(default_factory=list)


class Capture:
    """A connection's bytes, and when each of them was there."""

    def __init__(self, capacity: int) -> None:
        self.buffer = memoryview(bytearray(b"\1") * (capacity + HEAD_BYTES + RECEIVE_BYTES))
        self.size = 0
        self._sizes: list[int] = []
        self._times: list[int] = []

    @property
    def receives(self) -> int:
        """How often something was taken."""
        return len(self._times)

    def receive(self, connection: socket.socket) -> bool:
        """Take what is there; False at the end of the connection."""
        room = self.buffer[self.size : self.size + RECEIVE_BYTES]
        if not room:
            raise OverflowError("more came than was to come")
        count = connection.recv_into(room)
        self.size += count
        self._times.append(time.monotonic_ns())
        self._sizes.append(self.size)
        return count > 0

    def head(self, connection: socket.socket) -> bytes:
        """Take a response's head; return it. What follows stays in the buffer."""
        while True:
            end = bytes(self.buffer[: min(self.size, HEAD_BYTES)]).find(wire.HEADER_END)
            if end >= 0:
                return bytes(self.buffer[: end + 4])
            if not self.receive(connection):
                raise ConnectionError("the server hung up")

    def when(self, offset: int) -> int:
        """Return when all before `offset` was there, in nanoseconds."""
        return self._times[bisect_left(self._sizes, offset)]

    def closed_at(self) -> int:
        """Return when the last was taken, be it the end of the connection."""
        return self._times[-1]


def watch(job: Job) -> Result:
    """Do one job."""
    capture = Capture(job.capacity)
    cpu, start = time.process_time(), time.monotonic_ns()
    with socket.create_connection(("127.0.0.1", job.port)) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        path, run_id = job.path, ""
        if job.script is not None:
            run_id = post(connection, job.port, job.script)
            path = f"/api/v1/runs/{run_id}/ws?format={job.kind}"
        if job.kind == "sse":
            _start_job(job)
        head = _open(connection, capture, job, path)
        if job.kind == "lines" and not job.want_ticks:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, LOW_WATER_BYTES)
        if job.kind in {"raw", "json", "text"}:
            _until_close(connection, capture, job, len(head))
        else:
            while capture.receive(connection):
                pass
    cpu = time.process_time() - cpu
    return _result(job, capture, head, start=start, cpu=cpu, run_id=run_id)


def post(connection: socket.socket, port: int, script: str) -> str:
    """Store and start a command; return its run's id."""
    body = {"name": "bench", "script": script}
    connection.sendall(wire.request("POST", "/api/v1/commands/", f"127.0.0.1:{port}", body=body))
    answer = b""
    while wire.HEADER_END not in answer or not answer.rstrip().endswith(b"}"):
        answer += connection.recv(HEAD_BYTES)
    if not answer.startswith(b"HTTP/1.1 201"):
        raise ConnectionError(answer.decode())
    run_id: str = orjson.loads(answer.split(wire.HEADER_END, 1)[1])["run"]["id"]
    return run_id


def _start_job(job: Job) -> None:
    with socket.create_connection(("127.0.0.1", job.port)) as connection:
        path = job.path.replace("/logs", "/start")
        connection.sendall(wire.request("POST", path, f"127.0.0.1:{job.port}"))
        answer = connection.recv(HEAD_BYTES)
        if not answer.startswith(b"HTTP/1.1 200"):
            raise ConnectionError(answer.decode())


def _open(connection: socket.socket, capture: Capture, job: Job, path: str) -> bytes:
    host = f"127.0.0.1:{job.port}"
    if job.kind in {"http", "zstd", "sse"}:
        encoding = "zstd" if job.kind == "zstd" else "identity"
        asked = {"Connection": "close", "Accept_Encoding": encoding}
        connection.sendall(wire.request("GET", path, host, **asked))
        expected = b"HTTP/1.1 20"
    else:
        connection.sendall(wire.handshake(path, host))
        expected = b"HTTP/1.1 101"
    head = capture.head(connection)
    if not head.startswith(expected):
        raise ConnectionError(bytes(capture.buffer[: capture.size]).decode(errors="replace"))
    return head


def _until_close(connection: socket.socket, capture: Capture, job: Job, offset: int) -> None:
    """Take frames until the close frame, or all there was to come, and answer pings."""
    came = 0
    while True:
        for frame in wire.frames(capture.buffer, offset, capture.size):
            offset = frame.end
            if frame.opcode == wire.PING:
                payload = bytes(capture.buffer[frame.start : frame.end])
                connection.sendall(wire.masked(wire.PONG, payload))
            elif frame.opcode != wire.CLOSE:
                came = _next(job.kind, capture.buffer[frame.start : frame.end], came)
            if frame.opcode == wire.CLOSE or came == job.until_bytes:
                connection.sendall(wire.masked(wire.CLOSE, wire.NORMAL_CLOSURE))
                return
        if not capture.receive(connection):
            raise ConnectionError("the server hung up without a close frame")


def _next(kind: str, message: memoryview, came: int) -> int:
    """Return the output's offset behind a message, looking at its start alone."""
    if kind != "json":
        return came + len(message)
    found = _NEXT.search(bytes(message[:100]))
    return came if found is None else int(found[1])


def _result(
    job: Job, capture: Capture, head: bytes, *, start: int, cpu: float, run_id: str
) -> Result:
    sha256, output_bytes, pieces = hashlib.sha256(), 0, 0
    first, last = 0, len(head)
    for piece in _pieces(job.kind, capture, head):
        sha256.update(piece.data)
        output_bytes += len(piece.data)
        pieces += 1
        first, last = first or piece.start, piece.end
    return Result(
        start=start / 1e9,
        first_seconds=(capture.when(first + 1) - start) / 1e9,
        delivered_seconds=(capture.when(last) - start) / 1e9,
        end_seconds=(capture.closed_at() - start) / 1e9,
        output_bytes=output_bytes,
        verified=job.sha256 in {None, sha256.hexdigest()},
        pieces=pieces,
        receives=capture.receives,
        cpu_seconds=cpu,
        run_id=run_id,
        ticks=_ticks(job.kind, capture, head) if job.want_ticks else [],
    )


class _Piece(NamedTuple):
    """A piece of the output, and where in the capture it came."""

    start: int
    end: int
    data: bytes | memoryview


def _pieces(kind: str, capture: Capture, head: bytes) -> Iterator[_Piece]:
    """Iterate over the output as it came."""
    start, end = len(head), capture.size
    if kind in {"http", "zstd"}:
        pieces = wire.http_payload(head, capture.buffer[start:end])
        for data in pieces if kind == "http" else _decompressed(pieces):
            yield _Piece(start, end, data)
        return
    if kind == "sse":
        for found in _SSE_LINE.finditer(capture.buffer[:end], start):
            yield _Piece(found.start(), found.end(), found[1] + b"\n")
        return
    for frame in wire.frames(capture.buffer, start, end):
        message = capture.buffer[frame.start : frame.end]
        if frame.opcode in {wire.TEXT, wire.BINARY}:
            text = _text(kind, message)
            if text is not None:
                yield _Piece(frame.start, frame.end, text)


def _text(kind: str, message: memoryview) -> bytes | memoryview | None:
    """Return the output in a message, None when it tells something else."""
    if kind == "raw":
        return message
    return _json_text(bytes(message)) if kind == "json" else bytes(message) + b"\n"


def _json_text(message: bytes) -> bytes | None:
    """Return the output in a message of the json format, None when it is none."""
    value = orjson.loads(message)
    return value["text"].encode() if value["type"] == "output" else None


def _decompressed(pieces: Iterator[memoryview]) -> Iterator[bytes]:
    with zstandard.ZstdDecompressor().stream_reader(
        b"".join(pieces), read_across_frames=True
    ) as reader:
        while data := reader.read(RECEIVE_BYTES):
            yield data


def _ticks(kind: str, capture: Capture, head: bytes) -> list[tuple[int, int]]:
    """Return what each line says, and when it was there."""
    return [
        (int(line), capture.when(piece.end))
        for piece in _pieces(kind, capture, head)
        for line in bytes(piece.data).split()
    ]


def start(job: Job) -> "subprocess.Popen[bytes]":
    """Have a viewer do a job in a process of its own."""
    viewer = subprocess.Popen(
        [sys.executable, "-m", "bench.viewer"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert viewer.stdin is not None
    viewer.stdin.write(orjson.dumps(asdict(job)))
    viewer.stdin.close()
    return viewer


def result_of(viewer: "subprocess.Popen[bytes]") -> Result:
    """Wait for a viewer's result."""
    assert viewer.stdout is not None
    with viewer.stdout:
        answer = viewer.stdout.read()
    if viewer.wait() != 0:
        raise RuntimeError("the viewer failed")
    result = Result(**orjson.loads(answer))
    if not result.verified:
        raise RuntimeError(f"wrong bytes were delivered: {result}")
    return result


def view(job: Job) -> Result:
    """Have a job done; return the result.

    Raises:
        RuntimeError: it failed, or the bytes that came are not those of the output.
    """
    return result_of(start(job))


if __name__ == "__main__":
    sys.stdout.buffer.write(
        orjson.dumps(asdict(watch(Job(**orjson.loads(sys.stdin.buffer.read())))))
    )
