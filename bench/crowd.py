"""Hundreds of viewers of one run that writes a hundred lines a second."""

import shlex
import sys
import time
from collections.abc import Iterator
from typing import NamedTuple

from bench import audience
from bench.latency import TICK
from bench.peak import Peak
from bench.samples import Sample
from bench.session import Session, Taker
from bench.tailrun import API, Cpu, Tailrun

MEASURE = "crowd"
VIEWERS = 500
LINES = 2_000
LEAST_LINES = 100
LINES_A_SECOND = 100
KB = 1_000


class Show(NamedTuple):
    """What a crowd got, what the service took for it while lines came, and for how long."""

    result: audience.Result
    used: Cpu
    seconds: float
    grown_bytes: int


def crowd(session: Session) -> Iterator[Sample]:
    """Measure a new service each time: memory that was given back before would hide growth."""
    viewers = session.sized(VIEWERS)
    lines = max(LEAST_LINES, session.sized(LINES))
    taker = Taker(MEASURE, session)
    for _ in range(session.runs):
        with session.tailrun() as service:
            service.finish("echo hi")
            taker.look()
            yield from _samples(taker, show(session, service, viewers, lines), viewers)


def show(session: Session, service: Tailrun, viewers: int, lines: int) -> Show:
    """Have a run watched by so many, all of them there before its first line; verify it all.

    Raises:
        RuntimeError: a viewer, or PostgreSQL, has other bytes than the rest.
    """
    flag = session.directory / "wait"
    flag.touch()
    program = [sys.executable, "-I", "-S", str(TICK)]
    command = [*program, str(lines), str(1 / LINES_A_SECOND), str(flag)]
    run_id = service.run("exec " + shlex.join(command))
    service.until(run_id, lambda run: run["state"] == "running")
    path = f"{API}/runs/{run_id}/ws?format=text"
    with Peak(service.pid) as peak:
        crowd = audience.start(audience.Job(port=service.port, path=path, viewers=viewers))
        audience.until(crowd, b"ready")
        before, start = service.cpu(), time.monotonic()
        flag.unlink()
        audience.until(crowd, b"done")
        seconds, used = time.monotonic() - start, service.cpu().since(before)
    result = audience.result_of(crowd)
    if result.lines != lines:
        raise RuntimeError(f"each viewer got {result.lines} lines of {lines}")
    service.until(run_id, lambda run: run["state"] == "succeeded")
    if service.archived_digest(run_id) != result.sha256:
        raise RuntimeError(f"run {run_id} was archived with other bytes than the viewers got")
    return Show(result, used, seconds, peak.grown(service.pid))


def _samples(taker: Taker, shown: Show, viewers: int) -> Iterator[Sample]:
    result, seconds = shown.result, shown.seconds
    who = f"{viewers} viewers"
    details = {"median ms": result.median_ms, "most ms": result.most_ms}
    yield taker.sample("99th percentile", who, result.p99_ms, "ms", details)
    others = {
        "keeper": shown.used.keeper / seconds,
        "database": shown.used.database / seconds,
        "audience": result.cpu_seconds / seconds,
        "audience CPU s": result.cpu_seconds,
        "messages": result.receives,
    }
    yield taker.sample("server CPU", who, shown.used.server / seconds, "cores", others)
    yield taker.sample("memory a viewer", who, shown.grown_bytes / viewers / KB, "kB")
