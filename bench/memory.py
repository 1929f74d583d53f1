"""Memory of server and keeper: idle, and after a gigabyte of output."""

import shlex
import time
from collections.abc import Iterator

from bench import content, machine, viewer
from bench.generate import BLOCK_LINES, LINE_BYTES
from bench.samples import Sample
from bench.session import MB, Session, Taker
from bench.tailrun import Tailrun

MEASURE = "memory"
LINES = 10_000_000
SETTLE_SECONDS = 2.0


def memory(session: Session) -> Iterator[Sample]:
    """Measure a new service each time: idle, after the output with a viewer, and the peak."""
    lines = session.sized(LINES, BLOCK_LINES)
    taker = Taker(MEASURE, session)
    for _ in range(session.runs):
        with session.tailrun() as service:
            service.finish("echo hi")
            yield from _samples(taker, service, "idle")
            result = viewer.view(
                viewer.Job(
                    port=service.port,
                    kind="json",
                    script="exec " + shlex.join(session.generator(lines)),
                    capacity=lines * LINE_BYTES * 5 // 4,
                    sha256=content.digest(lines),
                )
            )
            service.until(result.run_id, lambda run: run["state"] == "succeeded")
            yield from _samples(taker, service, f"after {lines * LINE_BYTES / MB:.0f} MB")


def _samples(taker: Taker, service: Tailrun, when: str) -> Iterator[Sample]:
    time.sleep(SETTLE_SECONDS)
    taker.look()
    for who, pid in (("server", service.pid), ("keeper", service.keeper_pid)):
        used = machine.memory(pid)
        details = {"RSS MB": used.rss / MB, "peak RSS MB": machine.peak_memory(pid) / MB}
        yield taker.sample(f"PSS {when}", who, used.pss / MB, "MB", details)
