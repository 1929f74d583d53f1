"""A viewer that keeps nothing of what comes but its length and digest: for tens of gigabytes.

`python -m bench.drain` reads a Job as JSON, has the run of its script started, watches it in the
format `raw`, and writes a Result as JSON. Unlike the viewer's, its clock runs while it digests.
"""

import hashlib
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass

import orjson

from bench import wire
from bench.viewer import ROOT, post

BUFFER_BYTES = 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class Job:
    """The script whose run is to be watched."""

    port: int
    script: str


@dataclass(frozen=True, kw_only=True)
class Result:
    """What came, timed in seconds from `start` (CLOCK_MONOTONIC), just before the connect."""

    run_id: str
    start: float
    delivered_seconds: float
    end_seconds: float
    output_bytes: int
    sha256: str
    cpu_seconds: float


class Frames:
    """Digests binary messages, piece by piece; `reply` sends what control frames call for."""

    def __init__(self, reply: Callable[[bytes], None]) -> None:
        self._reply = reply
        self._left = 0
        self.sha256 = hashlib.sha256()
        self.output_bytes = 0
        self.ended = False

    def feed(self, data: memoryview) -> int:
        """Take what came; return how much of it is done with, the rest is to come again."""
        offset = self._digest(data, 0)
        while not self.ended and (frame := self._next(data, offset)) is not None:
            if frame.opcode == wire.BINARY:
                self._left = frame.end - frame.start
                offset = self._digest(data, frame.start)
            else:
                self._control(frame.opcode, bytes(data[frame.start : frame.end]))
                offset = frame.end
        return offset

    def _next(self, data: memoryview, offset: int) -> wire.Frame | None:
        """Return the next message's header, or the next control frame when it is whole."""
        frame = wire.frame_at(data, offset, len(data))
        whole = frame is not None and (frame.opcode == wire.BINARY or frame.end <= len(data))
        return frame if whole else None

    def _digest(self, data: memoryview, offset: int) -> int:
        """Digest what is there of the message under way; return where that ends."""
        stop = min(len(data), offset + self._left)
        self.sha256.update(data[offset:stop])
        self.output_bytes += stop - offset
        self._left -= stop - offset
        return stop

    def _control(self, opcode: int, payload: bytes) -> None:
        self.ended = opcode == wire.CLOSE
        if self.ended:
            self._reply(wire.masked(wire.CLOSE, wire.NORMAL_CLOSURE))
        elif opcode == wire.PING:
            self._reply(wire.masked(wire.PONG, payload))


def watch(job: Job) -> Result:
    """Do one job."""
    cpu, start = time.process_time(), time.monotonic()
    with socket.create_connection(("127.0.0.1", job.port)) as connection:
        run_id = post(connection, job.port, job.script)
        path = f"/api/v1/runs/{run_id}/ws?format=raw"
        connection.sendall(wire.handshake(path, f"127.0.0.1:{job.port}"))
        frames = Frames(connection.sendall)
        delivered_at = _take(connection, frames, _head(connection))
    return Result(
        run_id=run_id,
        start=start,
        delivered_seconds=delivered_at - start,
        end_seconds=time.monotonic() - start,
        output_bytes=frames.output_bytes,
        sha256=frames.sha256.hexdigest(),
        cpu_seconds=time.process_time() - cpu,
    )


def _take(connection: socket.socket, frames: Frames, first: bytes) -> float:
    """Take all there is; return when the last of the output was there."""
    buffer = memoryview(bytearray(BUFFER_BYTES))
    buffer[: len(first)] = first
    kept, came, at = len(first), 0, 0.0
    while True:
        done = frames.feed(buffer[:kept])
        if frames.output_bytes > came:
            came, at = frames.output_bytes, time.monotonic()
        if frames.ended:
            return at
        buffer[: kept - done] = buffer[done:kept]
        kept -= done
        count = connection.recv_into(buffer[kept:])
        if count == 0:
            raise ConnectionError("the server hung up without a close frame")
        kept += count


def _head(connection: socket.socket) -> bytes:
    """Take the answer to the handshake; return what came behind it."""
    answer = b""
    while wire.HEADER_END not in answer:
        piece = connection.recv(BUFFER_BYTES // 2)
        if not piece:
            raise ConnectionError("the server hung up")
        answer += piece
    if not answer.startswith(b"HTTP/1.1 101"):
        raise ConnectionError(answer.decode(errors="replace"))
    return answer.split(wire.HEADER_END, 1)[1]


def drain(job: Job) -> Result:
    """Have a job done in a process of its own.

    Raises:
        subprocess.CalledProcessError: it failed.
    """
    done = subprocess.run(
        [sys.executable, "-m", "bench.drain"],
        cwd=ROOT,
        input=orjson.dumps(asdict(job)),
        stdout=subprocess.PIPE,
        check=True,
    )
    return Result(**orjson.loads(done.stdout))


if __name__ == "__main__":
    sys.stdout.buffer.write(
        orjson.dumps(asdict(watch(Job(**orjson.loads(sys.stdin.buffer.read())))))
    )
