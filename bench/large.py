"""One run of ten gigabytes with a viewer: throughput, and the memory it takes."""

import shlex
import shutil
from collections.abc import Iterator
from typing import NamedTuple

from bench import content, drain
from bench.generate import BLOCK_LINES, LINE_BYTES
from bench.peak import Peak
from bench.samples import Sample
from bench.session import MB, Session, Taker
from bench.tailrun import Cpu, Tailrun

MEASURE = "large run"
LINES = 100_000_000
ROOM = 2.5
"""Free disk that is wanted, as a multiple of the output: spool, archive, PostgreSQL's log."""


class Flow(NamedTuple):
    """How one run's output came, and what the service took for it."""

    result: drain.Result
    archived_seconds: float
    used: Cpu


def large(session: Session) -> Iterator[Sample]:
    """Measure once: it takes minutes, and is long enough to be its own average."""
    lines = fitting(session, session.sized(LINES, BLOCK_LINES))
    taker = Taker(MEASURE, session)
    with session.tailrun() as service:
        service.finish("echo hi")
        taker.look()
        with Peak(service.pid, service.keeper_pid) as peak:
            result, archived_seconds, used = flow(session, service, lines)
        size = lines * LINE_BYTES / MB
        who = f"{size:,.0f} MB"
        details = {f"{name} CPU s": seconds for name, seconds in used._asdict().items()}
        details["viewer CPU s"] = result.cpu_seconds
        yield taker.sample("delivered", who, size / result.delivered_seconds, "MB/s", details)
        yield taker.sample("archived", who, size / archived_seconds, "MB/s")
        for process, pid in (("server", service.pid), ("keeper", service.keeper_pid)):
            figure = f"memory of the {process}, growth"
            details = {"before MB": peak.before[pid] / MB}
            yield taker.sample(figure, who, peak.grown(pid) / MB, "MB", details)


def fitting(session: Session, lines: int) -> int:
    """Return how many lines the disk has room for, at most `lines`; say so if it is fewer."""
    free = shutil.disk_usage(session.directory).free
    fit = int(free / ROOM) // (BLOCK_LINES * LINE_BYTES) * BLOCK_LINES
    if fit < lines:
        asked, room = (count * LINE_BYTES / MB for count in (lines, fit))
        print(
            f"  {free / MB:,.0f} MB of disk are free: {room:,.0f} MB are written, not {asked:,.0f}"
        )
    return min(fit, lines)


def flow(session: Session, service: Tailrun, lines: int) -> Flow:
    """Have a viewer watch a run of so many lines; verify what it got and what is archived.

    Raises:
        RuntimeError: the viewer, or PostgreSQL, has other bytes.
    """
    before = service.cpu()
    script = "exec " + shlex.join(session.generator(lines))
    result = drain.drain(drain.Job(port=service.port, script=script))
    archived_at = service.archived_at(result.run_id, result.start + result.end_seconds)
    used = service.cpu().since(before)
    sha256 = content.digest(lines)
    if (result.output_bytes, result.sha256) != (lines * LINE_BYTES, sha256):
        raise RuntimeError(f"wrong bytes were delivered: {result}")
    if service.archived_digest(result.run_id) != sha256:
        raise RuntimeError(f"run {result.run_id} was archived with other bytes")
    return Flow(result, archived_at - result.start, used)
