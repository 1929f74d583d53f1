"""A viewer that comes when a gigabyte is there already, live and archived."""

import hashlib
import statistics
import time
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPConnection
from typing import NamedTuple

import zstandard

from bench import content
from bench.service import API, Service, ask, start_run
from bench.session import Figure, Session
from bench.viewers import Job, Stream, view
from bench.write import BLOCK_LINES, LINE_BYTES, MB

LINES, QUESTIONS = 10_000_000, 20


class Run(NamedTuple):
    """A run whose output is there."""

    service: Service
    id: str
    lines: int
    sha256: str

    def as_stream(self) -> Iterator[Figure]:
        size = self.lines * LINE_BYTES
        stream, before = Stream.of(self.service.port, self.id, "raw"), self.service.cpu()
        job = Job(stream, capacity=size * 5 // 4, until_bytes=size)
        result = view(job, self.sha256)
        rate, details = size / (result.last_at - result.start) / MB, self.service.cpu(before)
        yield Figure("all", rate, "MB/s", details)
        yield Figure("first byte", 1000 * (result.first_at - result.start), "ms")

    def as_stored(self) -> Iterator[Figure]:
        room = memoryview(bytearray(b"\1") * (self.lines * LINE_BYTES))
        headers, start = {"Accept-Encoding": "zstd"}, time.monotonic()
        with closing(HTTPConnection("127.0.0.1", self.service.port)) as connection:
            connection.request("GET", f"{API}/runs/{self.id}/output", headers=headers)
            answer = connection.getresponse()
            came, first_at = answer.readinto(room[:1]), time.monotonic()
            while count := answer.readinto(room[came:]):
                came += count
            seconds = time.monotonic() - start
        text = zstandard.ZstdDecompressor().stream_reader(room[:came], read_across_frames=True)
        assert hashlib.file_digest(text, "sha256").hexdigest() == self.sha256
        yield Figure("all", self.lines * LINE_BYTES / seconds / MB, "MB/s")
        yield Figure("first byte", 1000 * (first_at - start), "ms")

    def parts(self) -> Iterator[Figure]:
        """Ask for the last 100 lines, and for 100 lines at several places in the middle."""
        tail = [self._ask("tail=100", self.lines - 100) for _ in range(QUESTIONS)]
        yield Figure("last 100 lines", statistics.median(tail), "ms")
        firsts = [self.lines * number // (QUESTIONS + 1) for number in range(1, QUESTIONS + 1)]
        middle = [self._ask(f"lines={first + 1}-{first + 100}", first) for first in firsts]
        yield Figure("100 lines in the middle", statistics.median(middle), "ms")

    def _ask(self, what: str, first: int) -> float:
        start = time.monotonic()
        data = ask(self.service.port, "GET", f"{API}/runs/{self.id}/output?{what}")
        milliseconds = 1000 * (time.monotonic() - start)
        assert (len(data), int(data[:10])) == (100 * LINE_BYTES, first), what
        return milliseconds


def late(session: Session) -> None:
    """Measure a live run's spool, then the same run's archive."""
    lines, flag = session.sized(LINES, BLOCK_LINES), session.directory / "stay"
    flag.touch()
    with session.service() as service:
        script = content.script(content.writing(session.directory, lines, flag))
        run = Run(service, start_run(service.port, script), lines, content.digest(lines))
        service.await_archived(run.id, lines * LINE_BYTES)
        session.in_turn({"spool, raw": run.as_stream, "spool": run.parts})
        flag.unlink()
        service.await_state(run.id, "succeeded")
        whole = {"archive, raw": run.as_stream, "archive, zstd": run.as_stored}
        session.in_turn({**whole, "archive": run.parts})
