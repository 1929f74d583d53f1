"""A viewer that comes when a gigabyte is there already, live and archived."""

import http.client
import shlex
import statistics
import time
from collections.abc import Iterator
from contextlib import closing

from bench import content, viewer
from bench.generate import BLOCK_LINES, LINE_BYTES
from bench.samples import Sample
from bench.session import MB, Session, Taker
from bench.tailrun import API, Tailrun

MEASURE = "late viewer"
LINES = 10_000_000
QUESTIONS = 20


def late(session: Session) -> Iterator[Sample]:
    """Measure a live run's spool, then the same run's archive."""
    lines = session.sized(LINES, BLOCK_LINES)
    flag = session.directory / "stay"
    flag.touch()
    with session.tailrun() as service:
        run_id = service.run("exec " + shlex.join(session.generator(lines, str(flag))))
        size = lines * LINE_BYTES
        service.await_archive(run_id, size)
        yield from _spool(session, service, run_id, lines)
        flag.unlink()
        service.until(run_id, lambda run: run["state"] == "succeeded")
        yield from _archive(session, service, run_id, lines)


def _spool(session: Session, service: Tailrun, run_id: str, lines: int) -> Iterator[Sample]:
    taker = Taker(MEASURE, session)
    for _ in range(session.runs):
        for kind in ("raw", "json", "http"):
            yield from _whole(taker, service, f"spool, {kind}", _job(service, run_id, kind, lines))
        yield from _parts(taker, service, "spool", run_id, lines)


def _archive(session: Session, service: Tailrun, run_id: str, lines: int) -> Iterator[Sample]:
    taker = Taker(MEASURE, session)
    for _ in range(session.runs):
        for kind in ("raw", "json", "http", "zstd"):
            job = _job(service, run_id, kind, lines)
            yield from _whole(taker, service, f"archive, {kind}", job)
        yield from _parts(taker, service, "archive", run_id, lines)


def _job(service: Tailrun, run_id: str, kind: str, lines: int) -> viewer.Job:
    size = lines * LINE_BYTES
    way = "output" if kind in {"http", "zstd"} else f"ws?format={kind}"
    return viewer.Job(
        port=service.port,
        kind=kind,
        path=f"{API}/runs/{run_id}/{way}",
        capacity=size * 5 // 4,
        until_bytes=size,
        sha256=content.digest(lines),
    )


def _whole(taker: Taker, service: Tailrun, who: str, job: viewer.Job) -> Iterator[Sample]:
    taker.look()
    before = service.cpu()
    result = viewer.view(job)
    used = service.cpu().since(before)
    details = {"server CPU s": used.server, "database CPU s": used.database}
    value = result.output_bytes / result.delivered_seconds / MB
    yield taker.sample("all", who, value, "MB/s", details)
    yield taker.sample("first byte", who, 1000 * result.first_seconds, "ms")


def _parts(taker: Taker, service: Tailrun, where: str, run_id: str, lines: int) -> Iterator[Sample]:
    """Ask for the last 100 lines, and for 100 lines at several places in the middle."""
    taker.look()
    path = f"{API}/runs/{run_id}/output"
    tail = [_ask(service, f"{path}?tail=100", lines - 100) for _ in range(QUESTIONS)]
    yield taker.sample("last 100 lines", where, statistics.median(tail), "ms")
    firsts = [lines * number // (QUESTIONS + 1) for number in range(1, QUESTIONS + 1)]
    middle = [_ask(service, f"{path}?lines={first + 1}-{first + 100}", first) for first in firsts]
    yield taker.sample("100 lines in the middle", where, statistics.median(middle), "ms")


def _ask(service: Tailrun, path: str, first: int) -> float:
    """Ask for 100 lines, the first of which has this number; return the milliseconds it took."""
    start = time.monotonic()
    with closing(http.client.HTTPConnection("127.0.0.1", service.port)) as connection:
        connection.request("GET", path)
        data = connection.getresponse().read()
    milliseconds = 1000 * (time.monotonic() - start)
    assert len(data) == 100 * LINE_BYTES, path
    assert int(data[:10]) == first, path
    return milliseconds
