"""One run of a megabyte to ten gigabytes: what its bytes cost, in time and in memory."""

import shutil
import time
from collections.abc import Iterator
from functools import partial

from bench import content, machine
from bench.session import Figure, Session
from bench.viewers import Job, Stream, view
from bench.write import BLOCK_LINES, LINE_BYTES, MB

SIZES_MB = (1, 100, 1_000, 10_000)
ONCE = "10,000 MB"  # takes minutes, and is long enough to be its own average
LEAST_MB = 20  # of a sample, in several runs: one of a megabyte is over too soon to tell
ROOM = 2.5  # free disk, as a multiple of the output: spool, archive, PostgreSQL's log
SETTLE_SECONDS = 1.0


def memory(session: Session) -> None:
    """Measure a new service each time; with a smaller scale the large sizes are left out."""
    flows = {f"{size:,} MB": partial(_flow, session, size) for size in session.up_to(SIZES_MB)}
    once = {ONCE: flows.pop(ONCE)} if ONCE in flows else {}
    session.in_turn(flows)
    session.in_turn(once, most=1)


def _flow(session: Session, size: int) -> Iterator[Figure]:
    """Have so many megabytes written, watched and archived, several times when they are few."""
    free = shutil.disk_usage(session.directory).free / ROOM / MB
    lines = int(min(size, free)) * MB // LINE_BYTES // BLOCK_LINES * BLOCK_LINES
    times, sha256 = -(-LEAST_MB // size), content.digest(lines)
    total, delivered, archived = times * lines * LINE_BYTES / MB, 0.0, 0.0
    with session.service() as service:
        service.finish("echo hi")
        time.sleep(SETTLE_SECONDS)
        script = content.script(content.writing(session.directory, lines))
        job = Job(Stream(service.port, "raw"), script=script)
        pids = {"server": service.pid, "keeper": service.keeper_pid}
        idle = {who: machine.memory(pid) / MB for who, pid in pids.items()}
        before, results = service.cpu(), []
        with machine.growth(*pids.values()) as grown:
            for _ in range(times):
                results.append(result := view(job, sha256))
                delivered += result.last_at - result.start
                archived += service.archived_at(result.run_id, result.closed_at) - result.start
        used = service.cpu(before)
        for result in results:
            service.verify(result.run_id, sha256)
    yield Figure("CPU a MB", 1000 * sum(used.values()) / total, "ms", used)
    rates = {"MB": total / times, "delivered MB/s": total / delivered}
    yield Figure("time a MB", 1000 * archived / total, "ms", rates)
    for who, pid in pids.items():
        yield Figure(f"growth of the {who}", grown[pid] / MB, "MB", {"idle MB": idle[who]})
