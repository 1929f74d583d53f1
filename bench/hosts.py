"""What it costs that a worker runs a command: the same on this host by the default, beside it.

A worker, a server and NATS, with TLS and keys, beside a server that has none of them. Both use one
PostgreSQL, a database each.
"""

import asyncio
import os
import statistics
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import partial
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit

from bench import bare, content, latency, machine, starts, throughput
from bench.peers import AT_A_TIME
from bench.service import ROOT, Served, Service, serving, start_run
from bench.session import Figure, Session
from bench.viewers import Job, Stream, Viewer
from bench.write import BLOCK_LINES, LINE_BYTES, MB
from server.wire.enrolment import SEED_FILE
from tests.support.cluster import EVERY_POOL, Cluster

DISPATCHES, LINES = 20, 200
BEAT_LINES, BEAT_SECONDS = 100_000, 0.01  # of a run that goes on while NATS is away
AWAY_SECONDS = 1.5
SETTLE_SECONDS = 1.0
SERVERS_OWN = ("server", "database")  # what further hosts do not take over
DATABASE = "hosts"
BEFORE = "e74a0fd"  # the last commit that knows of one host alone


class Fleet(Served):
    """A server, a worker and NATS: all that is started there is of the worker's pool."""

    def __init__(self, cluster: Cluster, run: asyncio.Runner, local: Service, url: str) -> None:
        [self._server], [self._worker] = cluster.servers, cluster.workers
        super().__init__(urlsplit(self._server.address).port or 0, url, EVERY_POOL)
        self.nats, self.run, self._local = cluster.nats, run, local
        self.engine = bare.Engine(
            cluster.nats.url, cluster.certificate, self._server.state_dir / SEED_FILE
        )
        self._keepers = {
            "server's keeper": run.run(self._server.keeper_pid()),
            "keeper": run.run(self._worker.keeper_pid()),
        }

    @property
    def pids(self) -> dict[str, int]:
        return {"server": self._server.pid, "worker": self._worker.pid, "engine": self.nats.pid}

    @property
    def apart(self) -> tuple[list[int], list[int]]:
        """Return the pids of what is the server's host, with NATS, and of what is the worker's."""
        of_server = [self._server.pid, self.nats.pid, self._keepers["server's keeper"]]
        return of_server, [self._worker.pid, self._keepers["keeper"]]

    def used(self) -> dict[str, float]:
        """Return the seconds of CPU time that all of it has taken, by who has."""
        pids = {**self.pids, **self._keepers}
        used = {f"{who} CPU s": machine.cpu_seconds(pid) for who, pid in pids.items()}
        return used | {"database CPU s": self._local.database_cpu_seconds()}


def hosts(session: Session) -> None:
    with session.service() as local, _fleet(session.directory, local) as fleet:
        both = {"local": local, "worker": fleet}
        for served in both.values():
            served.finish("echo hi")
        idle = _memory(fleet)
        for what, measured in _measures(session).items():
            contenders = _floors(session, fleet).get(what, {})
            for who, served in both.items():
                contenders[f"{who}, {what}"] = partial(measured, served)
            session.in_turn(contenders)
        if len(os.sched_getaffinity(0)) > 1:
            session.in_turn(_apart(session, local, fleet))
        session.in_turn({"NATS is back": partial(_back, session.directory, fleet)})
        for who in ("engine", "worker"):
            session.in_turn({who: partial(_told, fleet, who, idle[who])}, most=1)
    with _defaults(session.directory) as defaults:
        session.in_turn(defaults)


def _measures(session: Session) -> dict[str, Callable[[Served], Iterator[Figure]]]:
    own, lines = session.directory, session.sized(LINES)
    ticks, _ = content.ticking(own, lines, latency.INTERVAL_SECONDS)
    output = session.sized(throughput.LINES, BLOCK_LINES)
    writing, sha256 = content.writing(own, output), content.digest(output)

    def a_line(served: Served) -> Iterator[Figure]:
        return latency.viewed(own, lines, partial(latency.ours, served, "text", ticks))

    def bytes_(served: Served) -> Iterator[Figure]:
        return throughput.ours(output * LINE_BYTES, sha256, served, writing, "raw")

    at_once = partial(_at_once, session)
    return {"echo hi": _dispatched, "a line": a_line, "100 MB": bytes_, "at once": at_once}


def _at_once(session: Session, served: Served) -> Iterator[Figure]:
    runs = session.sized(starts.RUNS, AT_A_TIME)
    for figure in starts.ours(served, runs):
        yield figure
        yield from _a_run(figure.details, runs)


def _apart(
    session: Session, local: Service, fleet: Fleet
) -> dict[str, Callable[[], Iterator[Figure]]]:
    """Return what measures hosts of one processor each: a server alone, and beside a worker.

    PostgreSQL and NATS have the server's, and who asks for the runs has the other one.
    """
    first, second, *_ = sorted(os.sched_getaffinity(0))
    servers, workers = fleet.apart

    def pinned(served: Served, here: list[int], there: list[int]) -> Iterator[Figure]:
        with machine.pinned({first: [local.database_pid, *here], second: [os.getpid(), *there]}):
            yield from _at_once(session, served)

    return {
        "local, at once on a processor": partial(pinned, local, [local.pid, local.keeper_pid], []),
        "worker, at once on another": partial(pinned, fleet, servers, workers),
    }


def _floors(session: Session, fleet: Fleet) -> dict[str, dict[str, Callable[[], Iterator[Figure]]]]:
    """Return by measures what the way over NATS costs alone, without Tailrun's code."""
    own, lines = session.directory, session.sized(LINES)
    ticks, _ = content.ticking(own, lines, latency.INTERVAL_SECONDS)
    a_line = partial(latency.viewed, own, lines, partial(bare.over, fleet.engine, ticks))
    output = session.sized(throughput.LINES, BLOCK_LINES)
    writing, sha256 = content.writing(own, output), content.digest(output)
    handed = partial(bare.handed, fleet.engine, fleet.nats.pid, writing, own / "bare", sha256)
    return {"a line": {"bare NATS, a line": a_line}, "100 MB": {"bare NATS, 100 MB": handed}}


def _dispatched(served: Served) -> Iterator[Figure]:
    """Start one run after the other where none is; each viewer comes when its run is stored."""
    job = Job(Stream(served.port, "raw"), "echo hi", served.pool, capacity=MB)
    seconds = []
    for _ in range(DISPATCHES):
        viewer, start = Viewer(job), time.monotonic()
        with viewer.connection:
            _watch(viewer)
        served.await_state(viewer.run_id, "succeeded")
        seconds.append(viewer.first_at / 1e9 - start)
    yield Figure("first byte", 1000 * statistics.median(seconds), "ms")


def _a_run(cpu_seconds: Mapping[str, float], runs: int) -> Iterator[Figure]:
    """Tell what a run takes of the processors: in all, and where its worker has its own."""
    each = {who.removesuffix(" s") + " ms": 1000 * s / runs for who, s in cpu_seconds.items()}
    yield Figure("CPU a run", sum(each.values()), "ms", each)
    yield Figure("CPU a run at the server", sum(each[f"{who} CPU ms"] for who in SERVERS_OWN), "ms")


def _watch(viewer: Viewer) -> None:
    viewer.ask()
    more = viewer.arrive()
    while more:
        more = viewer.take()
    viewer.look()


def _back(own: Path, fleet: Fleet) -> Iterator[Figure]:
    """Have NATS away for a while, and see what was under way go on, and what is new begin."""
    ticks, flag = content.ticking(own, BEAT_LINES, BEAT_SECONDS)
    flag.unlink()
    going, other = (
        start_run(fleet.port, script, fleet.pool)
        for script in (content.script(ticks), "exec sleep 1000")
    )
    for run_id in (going, other):
        fleet.await_state(run_id, "running")
    viewer = Viewer(Job(Stream.of(fleet.port, going, "raw"), ticks=True))
    viewer.ask()
    viewer.arrive()
    with viewer.connection, ThreadPoolExecutor() as threads:
        fleet.run.run(fleet.nats.kill())
        time.sleep(AWAY_SECONDS)
        waiting = start_run(fleet.port, "echo hi", fleet.pool)
        fleet.run.run(fleet.nats.start())
        back_at = time.monotonic()
        flows = {
            "a line": threads.submit(_line_written_since, viewer, back_at),
            "a start": threads.submit(_first_byte, Stream.of(fleet.port, waiting, "raw")),
            "a stop": threads.submit(_stop, fleet, other),
        }
        for what, flow in flows.items():
            yield Figure(what, flow.result() - back_at, "s")
    _stop(fleet, going)


def _line_written_since(viewer: Viewer, moment: float) -> float:
    """Return when the viewer had a line that was written after a moment."""
    more, written_at = True, 0.0
    while more and written_at < moment:
        more = viewer.take()
        written_at = (viewer.last_at - viewer.delays[-1]) / 1e9
    return viewer.last_at / 1e9


def _first_byte(stream: Stream) -> float:
    viewer = Viewer(Job(stream, capacity=MB))
    with viewer.connection:
        _watch(viewer)
    return viewer.first_at / 1e9


def _stop(fleet: Fleet, run_id: str) -> float:
    fleet.call("POST", f"runs/{run_id}/stop", {"signal": "SIGKILL"})
    return fleet.await_state(run_id, "stopped")


def _memory(fleet: Fleet) -> dict[str, dict[str, int]]:
    time.sleep(SETTLE_SECONDS)
    return {who: machine.own_memory(pid) for who, pid in fleet.pids.items()}


def _told(fleet: Fleet, who: str, idle: dict[str, int]) -> Iterator[Figure]:
    """Tell what somebody takes after all that was measured, and what it took before it."""
    now = _memory(fleet)[who]
    details = {"USS MB": now["USS"] / MB, "idle MB": idle["PSS"] / MB}
    yield Figure("memory", now["PSS"] / MB, "MB", details)


@contextmanager
def _fleet(own: Path, local: Service) -> Iterator[Fleet]:
    """Run a fleet in the PostgreSQL of a service; at the end nothing of it is left."""
    url = local.database_url.replace("/postgres?", f"/{DATABASE}?")
    local.query(f"CREATE DATABASE {DATABASE}")
    with asyncio.Runner() as run, TemporaryDirectory(prefix="fleet-", dir=own) as directory:
        cluster = Cluster(Path(directory), url, servers=1, workers=1)
        try:
            run.run(cluster.start())
            yield Fleet(cluster, run, local, url)
        finally:
            run.run(cluster.end())
            local.query(f"DROP DATABASE {DATABASE} WITH (FORCE)")


@contextmanager
def _defaults(own: Path) -> Iterator[Mapping[str, Callable[[], Iterator[Figure]]]]:
    """Have the default of today and of before there were other hosts, each started once already."""
    with TemporaryDirectory(prefix="trees-", dir=own) as directory:
        before = Path(directory, "before")
        archive = ["git", "-C", str(ROOT), "archive", "--format=tar", BEFORE]
        told = subprocess.run(archive, stdout=subprocess.PIPE, check=False).stdout
        with suppress(tarfile.ReadError), tarfile.open(fileobj=BytesIO(told)) as tar:
            tar.extractall(before, filter="data")
        trees = {"default": ROOT, "default, before": before}
        started = {
            who: partial(_started, tree, Path(directory, f"state{number}"))
            for number, (who, tree) in enumerate(trees.items())
            if tree.exists()  # a clone may have no history
        }
        for first in started.values():
            list(first())
        yield started


def _started(tree: Path, state: Path) -> Iterator[Figure]:
    start = time.monotonic()
    with serving([sys.executable, "-m", "server"], state, tree) as service:
        yield Figure("started", time.monotonic() - start, "s")
        service.finish("echo hi")
        time.sleep(SETTLE_SECONDS)
        memory = machine.own_memory(service.pid)
        details = {"USS MB": memory["USS"] / MB}
        yield Figure("memory", memory["PSS"] / MB, "MB", details)
