"""The viewers: they take bytes as fast as they come, in a process of their own.

While the clock runs it does nothing but recv_into a buffer whose pages are there already, look at
the time, and skip from frame to frame; what came is looked at afterwards.
"""

import hashlib
import select
import socket
import statistics
import time
from bisect import bisect_left
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any, NamedTuple, Self

from bench import wire
from bench.service import API, start_run

PROCESSES = get_context("forkserver")
RECEIVE_BYTES, HEAD_BYTES = 1024 * 1024, 64 * 1024
LOW_WATER_BYTES = 64 * 1024  # a call for each of websocketd's messages would take its processor
SHORT_TEXT = 0x80 | wire.TEXT  # begins a whole text message; its length follows, when below 126
AT_A_TIME = 64  # handshakes under way: beyond the server's backlog, of 128, SYNs are dropped


class Stream(NamedTuple):
    """Where output is to be had, in which of wire.py's kinds, and by which token, if by one."""

    port: int
    kind: str
    path: str = ""
    token: str = ""

    @classmethod
    def of(cls, port: int, run_id: str, kind: str, token: str = "") -> Self:
        return cls(port, kind, f"{API}/runs/{run_id}/ws?format={kind}", token)


class Job(NamedTuple):
    """What to watch, and by how many: a stream, or the run of a `script` that is started first.

    Each viewer keeps up to `capacity` bytes. Of 0 it keeps nothing: what comes in the format raw is
    digested while the clock runs, or, `blind`, not even looked at. Who watches a run that does not
    end leaves after `until_bytes` (raw). With `ticks` each line ends with when it was written.
    """

    stream: Stream
    script: str | None = None
    pool: str = ""  # of the run that is started
    viewers: int = 1
    capacity: int = 0
    blind: bool = False
    until_bytes: int | None = None
    ticks: bool = False


class Result(NamedTuple):
    """What came, the same to each viewer.

    Seconds of CLOCK_MONOTONIC: just before the first connect, when the first viewer had the first
    byte of output, and the last one, and when all had the end. Milliseconds: of all ticks at all
    viewers, from write(2) to recv(2).
    """

    run_id: str
    sha256: str
    start: float
    first_at: float
    last_at: float
    closed_at: float
    cpu_seconds: float
    ticks: int
    median_ms: float
    p99_ms: float


class Viewer:
    """A connection, what came over it, and when. Its steps tell whether more is to come."""

    def __init__(self, job: Job) -> None:
        self.job, self.kind, self.run_id = job, job.stream.kind, ""
        self.connection = socket.socket()
        self.sha256, self.delays = hashlib.sha256(), list[int]()
        self.first_at = self.last_at = 0
        room = HEAD_BYTES if job.viewers > 1 else 2 * RECEIVE_BYTES
        self._buffer = memoryview(bytearray(b"\1") * (job.capacity + room))
        self._size = self._parsed = self._head_size = self._position = 0
        self._sizes, self._times = list[int](), list[int]()

    def ask(self) -> None:
        stream = self.job.stream
        if self.job.script is not None:
            self.run_id = start_run(stream.port, self.job.script, self.job.pool)
            stream = Stream.of(stream.port, self.run_id, self.kind, stream.token)
        self.connection.connect(("127.0.0.1", stream.port))
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.connection.sendall(wire.view(*stream))

    def arrive(self) -> bool:
        came = b""
        while wire.HEADER_END not in came:
            self._receive()
            came = bytes(self._buffer[: min(self._size, HEAD_BYTES)])
        if came[:12] not in {b"HTTP/1.1 101", b"HTTP/1.1 200"}:
            raise ConnectionError(came.decode(errors="replace"))
        self._parsed = self._head_size = came.index(wire.HEADER_END) + len(wire.HEADER_END)
        if self.job.blind or (self.kind == "messages" and not self.job.ticks):
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, LOW_WATER_BYTES)
        return self.job.blind or self.kind not in wire.STREAMS or self._parse()

    def take(self) -> bool:
        if self.job.blind:
            return self.connection.recv_into(self._buffer) > 0
        start, count = self._size, self._receive()
        if self.kind not in wire.STREAMS:
            return count > 0
        is_text = self._buffer[start] == SHORT_TEXT and self._buffer[start + 1] == count - 2 < 126
        if is_text and self._parsed == start:
            self._parsed = self._size  # as nearly always in a crowd, which has no time for more
            return True
        return self._parse()

    def _receive(self) -> int:
        room = self._buffer[self._size : self._size + RECEIVE_BYTES]
        count = self.connection.recv_into(room)  # none, too, where more came than was to come
        if count == 0 and (self.kind in wire.STREAMS or not self._head_size):
            raise ConnectionError("the server hung up without a close frame")
        self._times.append(time.monotonic_ns())
        self._size += count
        self._sizes.append(self._size)
        return count

    def _parse(self) -> bool:
        for opcode, start, end in wire.frames(self._buffer, self._parsed, self._size):
            self._parsed = end
            if opcode != wire.CLOSE:
                self._position += end - start
                if not self.job.capacity:
                    self._account(self._buffer[start:end], self._times[-1], self._times[-1])
            if opcode == wire.CLOSE or self._position == self.job.until_bytes:
                self.connection.sendall(wire.CLOSING)
                return False
        if not self.job.capacity:  # make room
            rest = self._size - self._parsed
            self._buffer[:rest] = self._buffer[self._parsed : self._size]
            self._size, self._parsed = rest, 0
        return True

    def _account(self, data: bytes | memoryview, first_at: int, last_at: int) -> None:
        self.sha256.update(data)
        self.first_at, self.last_at = self.first_at or first_at, last_at
        if self.job.ticks:
            lines = bytes(data).splitlines()
            self.delays += [last_at - int(line.split()[-1]) for line in lines]

    def look(self) -> None:
        for start, end, data in wire.output(self.kind, self._buffer[: self._size], self._head_size):
            first, last = (bisect_left(self._sizes, offset) for offset in (start + 1, end))
            self._account(data, self._times[first], self._times[last])


def _watch(job: Job, pipe: Connection) -> None:
    """Tell "ready" when all viewers are there, "done" when all have the end, and the result."""
    viewers = [Viewer(job) for _ in range(job.viewers)]
    waiting: dict[int, Viewer] = {}
    cpu, start = time.process_time(), time.monotonic()
    for number in range(0, job.viewers, AT_A_TIME):
        group = viewers[number : number + AT_A_TIME]
        for viewer in group:
            viewer.ask()
        waiting |= {viewer.connection.fileno(): viewer for viewer in group if viewer.arrive()}
    pipe.send("ready")
    with select.epoll() as poll:
        for descriptor in waiting:
            poll.register(descriptor, select.EPOLLIN)
        while waiting:
            for descriptor, _ in poll.poll():
                if not waiting[descriptor].take():
                    poll.unregister(descriptor)
                    del waiting[descriptor]
    cpu, closed_at = time.process_time() - cpu, time.monotonic()
    pipe.send("done")
    for viewer in viewers if job.capacity else ():
        viewer.look()
    assert len({viewer.sha256.digest() for viewer in viewers}) == 1, "the outputs differ"
    first, delays = viewers[0], [delay / 1e6 for viewer in viewers for delay in viewer.delays]
    result = Result(
        run_id=first.run_id,
        sha256=first.sha256.hexdigest(),
        start=start,
        first_at=first.first_at / 1e9,
        last_at=first.last_at / 1e9,
        closed_at=closed_at,
        cpu_seconds=cpu,
        ticks=len(first.delays),
        median_ms=statistics.median(delays or [0.0]),
        p99_ms=statistics.quantiles(delays or [0.0, 0.0], n=100)[-1],
    )
    pipe.send(result)


@contextmanager
def watching(job: Job) -> Iterator[Callable[[], Any]]:
    """Have a job done; yields what waits for the next it tells, or raises EOFError: it failed."""
    ours, theirs = PROCESSES.Pipe(duplex=False)
    process = PROCESSES.Process(target=_watch, args=(job, theirs))
    process.start()
    theirs.close()
    try:
        yield ours.recv
    finally:
        process.kill()
        process.join()


def view(job: Job, sha256: str) -> Result:
    with watching(job) as told:
        assert (told(), told()) == ("ready", "done")
        result: Result = told()
    assert result.sha256 == sha256, f"wrong bytes were delivered: {result}"
    return result
