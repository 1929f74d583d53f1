"""The audience: many viewers of one run, in one process that does as little as it can.

`python -m bench.audience` reads a Job as JSON and opens its viewers; it writes a line "ready" when
all of them are there, "done" when all have the run's end, and then a Result as JSON. While lines
come it takes them with one recv(2) a viewer, notes the time, and looks whether what came is one
whole message; all else is done afterwards.
"""

import hashlib
import select
import socket
import statistics
import subprocess
import sys
import time
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import orjson

from bench import wire

ROOT = Path(__file__).parents[1]
RECEIVE_BYTES = 64 * 1024
AT_A_TIME = 64
"""Handshakes under way: fewer than the server's backlog of 128, beyond which SYNs are dropped."""

SHORT_TEXT = 0x80 | wire.TEXT
"""The first byte of a whole text message; the second is its length, when below 126."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """How many viewers, of which path: a stream of Tailrun's in the format `text`."""

    port: int
    path: str
    viewers: int


@dataclass(frozen=True, kw_only=True)
class Result:
    """What all viewers got, and how long after its writing each got each line.

    `sha256` is of the output that each viewer got, and `lines` their number: the same for all.
    `receives` and `cpu_seconds` (from "ready" to "done") tell what the audience itself took.
    """

    sha256: str
    lines: int
    median_ms: float
    p99_ms: float
    most_ms: float
    receives: int
    cpu_seconds: float


class _Viewer:
    """A connection, what came over it, and when."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.data = bytearray()
        self.sizes: list[int] = []
        self.times: list[int] = []
        self._parsed = 0

    def head(self) -> None:
        """Take the answer to the handshake, blocking; what follows it is output."""
        answer = b""
        while wire.HEADER_END not in answer:
            piece = self.connection.recv(RECEIVE_BYTES)
            if not piece:
                raise ConnectionError("the server hung up")
            answer += piece
        if not answer.startswith(b"HTTP/1.1 101"):
            raise ConnectionError(answer.decode(errors="replace"))
        self.data += answer.split(wire.HEADER_END, 1)[1]
        self.connection.settimeout(0)

    def take(self, buffer: memoryview) -> bool:
        """Take what is there; False when it was the end."""
        count = self.connection.recv_into(buffer)
        self.times.append(time.monotonic_ns())
        whole = buffer[0] == SHORT_TEXT and buffer[1] == count - 2
        if whole and self._parsed == len(self.data):
            self._parsed += count
        self.data += buffer[:count]
        self.sizes.append(len(self.data))
        return self._parsed == len(self.data) or self._parse(count)

    def _parse(self, count: int) -> bool:
        """Answer pings; False when the close frame is there."""
        if count == 0:
            raise ConnectionError("the server hung up without a close frame")
        rest = bytes(self.data[self._parsed :])
        end = 0
        for frame in wire.frames(rest, 0, len(rest)):
            end = frame.end
            if frame.opcode == wire.PING:
                self.connection.sendall(wire.masked(wire.PONG, rest[frame.start : frame.end]))
            elif frame.opcode == wire.CLOSE:
                self.connection.sendall(wire.masked(wire.CLOSE, wire.NORMAL_CLOSURE))
                return False
        self._parsed += end
        return True

    def messages(self) -> Iterator[tuple[int, bytes]]:
        """Iterate over the messages: when each was there, and its lines."""
        data = bytes(self.data)
        for frame in wire.frames(data, 0, len(data)):
            if frame.opcode == wire.TEXT:
                at = self.times[bisect_left(self.sizes, frame.end)]
                yield at, data[frame.start : frame.end] + b"\n"


def attend(job: Job) -> Result:
    """Do one job."""
    viewers = list(_arrive(job))
    _tell(b"ready")
    cpu = time.process_time()
    _take(viewers)
    cpu = time.process_time() - cpu
    _tell(b"done")
    return _result(viewers, cpu)


def _arrive(job: Job) -> Iterator[_Viewer]:
    """Open all connections, some at a time."""
    host = f"127.0.0.1:{job.port}"
    for first in range(0, job.viewers, AT_A_TIME):
        group = []
        for _ in range(min(AT_A_TIME, job.viewers - first)):
            connection = socket.create_connection(("127.0.0.1", job.port))
            connection.sendall(wire.handshake(job.path, host))
            group.append(_Viewer(connection))
        for viewer in group:
            viewer.head()
            yield viewer


def _take(viewers: list[_Viewer]) -> None:
    """Take what comes until every viewer has the end."""
    buffer = memoryview(bytearray(RECEIVE_BYTES))
    waiting = {viewer.connection.fileno(): viewer for viewer in viewers}
    with select.epoll() as poll:
        for descriptor in waiting:
            poll.register(descriptor, select.EPOLLIN)
        while waiting:
            for descriptor, _ in poll.poll():
                if not waiting[descriptor].take(buffer):
                    poll.unregister(descriptor)
                    del waiting[descriptor]


def _result(viewers: list[_Viewer], cpu: float) -> Result:
    delays: list[int] = []
    got = {_verify(viewer, delays) for viewer in viewers}
    if len(got) != 1:
        raise RuntimeError(f"the viewers got {len(got)} different outputs")
    [(sha256, lines)] = got
    return Result(
        sha256=sha256,
        lines=lines,
        median_ms=statistics.median(delays) / 1e6,
        p99_ms=statistics.quantiles(delays, n=100)[-1] / 1e6,
        most_ms=max(delays) / 1e6,
        receives=sum(len(viewer.times) for viewer in viewers),
        cpu_seconds=cpu,
    )


def _verify(viewer: _Viewer, delays: list[int]) -> tuple[str, int]:
    """Return the digest and the lines of what a viewer got; add each line's delay."""
    sha256, count = hashlib.sha256(), 0
    for at, text in viewer.messages():
        sha256.update(text)
        for line in text.split():
            delays.append(at - int(line))
            count += 1
    return sha256.hexdigest(), count


def _tell(word: bytes) -> None:
    sys.stdout.buffer.write(word + b"\n")
    sys.stdout.buffer.flush()


def start(job: Job) -> "subprocess.Popen[bytes]":
    """Have an audience do a job in a process of its own."""
    audience = subprocess.Popen(
        [sys.executable, "-m", "bench.audience"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert audience.stdin is not None
    audience.stdin.write(orjson.dumps(asdict(job)))
    audience.stdin.close()
    return audience


def until(audience: "subprocess.Popen[bytes]", word: bytes) -> None:
    """Wait for "ready" or "done".

    Raises:
        RuntimeError: it failed.
    """
    assert audience.stdout is not None
    if audience.stdout.readline().strip() != word:
        raise RuntimeError("the audience failed")


def result_of(audience: "subprocess.Popen[bytes]") -> Result:
    """Wait for the result of an audience that is done.

    Raises:
        RuntimeError: it failed, or not all viewers got the same.
    """
    assert audience.stdout is not None
    with audience.stdout:
        answer = audience.stdout.read()
    if audience.wait() != 0:
        raise RuntimeError("the audience failed")
    return Result(**orjson.loads(answer))


if __name__ == "__main__":
    sys.stdout.buffer.write(
        orjson.dumps(asdict(attend(Job(**orjson.loads(sys.stdin.buffer.read())))))
    )
