"""What a byte, a viewer and a run cost, as there are more of them."""

import resource
from collections.abc import Iterator

from bench import crowd, large, many, peers
from bench.generate import LINE_BYTES
from bench.samples import Sample
from bench.session import MB, Session, Taker
from bench.tailrun import Cpu, Tailrun

MEASURE = "growth"
MEGABYTES = (1, 10, 100, 1_000, 10_000)
COUNTS = (1, 10, 100, 500, 1_000)
SECONDS = 10
"""How long lines come, from one run to many viewers and from many runs."""

LEAST_MB = 50
"""What a sample moves at least, in several runs: one of a megabyte is over too soon to tell."""

ONCE_MB = 10_000
"""Measured in the first round alone, as it takes minutes."""

CPU, WALL, BARE = "CPU a MB", "time a MB", "CPU a MB, bare command"
CPU_OF_VIEWER, CPU_OF_RUN = "CPU a viewer", "CPU a run"
DELAY = "99th percentile, write to viewer"


def growth(session: Session) -> Iterator[Sample]:
    """Measure each size in turn; with a smaller scale the large ones are left out."""
    for number in range(session.runs):
        yield from _bytes(session, first_round=number == 0)
        yield from _viewers(session)
        yield from _runs(session)


def _bytes(session: Session, *, first_round: bool) -> Iterator[Sample]:
    taker = Taker(MEASURE, session)
    with session.tailrun() as service:
        for megabytes in session.up_to(MEGABYTES):
            if first_round or megabytes < ONCE_MB:
                taker.look()
                yield from _flows(taker, session, service, megabytes)
                yield _bare(taker, session, megabytes)


def _flows(taker: Taker, session: Session, service: Tailrun, size: int) -> Iterator[Sample]:
    """Have so many megabytes written, watched and archived, some times when they are few."""
    lines = large.fitting(session, size * MB // LINE_BYTES)
    flows = [large.flow(session, service, lines) for _ in range(-(-LEAST_MB // size))]
    total = len(flows) * lines * LINE_BYTES / MB
    who, details = f"{size:,} MB", {"MB": float(lines * LINE_BYTES / MB)}
    spent = Cpu(*(sum(times) for times in zip(*(flow.used for flow in flows), strict=True)))
    parts = {f"{name} ms": 1000 * seconds / total for name, seconds in spent._asdict().items()}
    yield taker.sample(CPU, who, sum(parts.values()), "ms", details | parts)
    delivered = sum(flow.result.delivered_seconds for flow in flows)
    archived = sum(flow.archived_seconds for flow in flows)
    more = {"delivered ms": 1000 * delivered / total}
    yield taker.sample(WALL, who, 1000 * archived / total, "ms", details | more)


def _bare(taker: Taker, session: Session, size: int) -> Sample:
    """Have the bare command write as much to a file: what the kernel takes for it in any case."""
    lines = large.fitting(session, size * MB // LINE_BYTES)
    path = session.directory / "bare"
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    peers.bare(session.generator(lines), path)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    path.unlink()
    megabytes = lines * LINE_BYTES / MB
    seconds = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    return taker.sample(BARE, f"{size:,} MB", 1000 * seconds / megabytes, "ms", {"MB": megabytes})


def _viewers(session: Session) -> Iterator[Sample]:
    """Tell the server's CPU time of a viewer for each second, in which a hundred lines come."""
    taker = Taker(MEASURE, session)
    for viewers in session.up_to(COUNTS):
        with session.tailrun() as service:
            taker.look()
            shown = crowd.show(session, service, viewers, SECONDS * crowd.LINES_A_SECOND)
        who, details = number_of(viewers, "viewer"), {"viewers": float(viewers)}
        cores = shown.used.server / shown.seconds
        more = {"server cores": cores, "messages": float(shown.result.receives)}
        yield taker.sample(CPU_OF_VIEWER, who, 1000 * cores / viewers, "ms/s", details | more)
        yield taker.sample(DELAY, who, shown.result.p99_ms, "ms", details)


def _runs(session: Session) -> Iterator[Sample]:
    """Tell the service's CPU time of a run for each second, in which it writes a line."""
    taker = Taker(MEASURE, session)
    for runs in session.up_to(COUNTS):
        with session.tailrun(**many.bounds(runs)) as service:
            taker.look()
            worked = many.work(session, service, runs, SECONDS)
        cores = sum(worked.used) / worked.seconds
        details = {"runs": float(runs), "cores": cores}
        who = number_of(runs, "run")
        yield taker.sample(CPU_OF_RUN, who, 1000 * cores / runs, "ms/s", details)


def number_of(count: int, what: str) -> str:
    """Name so many of them."""
    return f"{count:,} {what}" if count == 1 else f"{count:,} {what}s"
