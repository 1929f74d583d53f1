"""From write(2) to the viewer when the run has written much before: a run's age, by its output."""

import shlex
import sys
from collections.abc import Iterator

from bench import peers, viewer
from bench.generate import LINE_BYTES
from bench.latency import CAPACITY, INTERVAL_SECONDS, LINES, TICK, peer_view, samples
from bench.samples import Sample
from bench.session import MB, Session, Taker
from bench.tailrun import API, Tailrun

MEASURE = "aged"
BEFORE_MB = (10, 100, 1_000)


def aged(session: Session) -> Iterator[Sample]:
    """Measure ours (text) at each age and websocketd, which keeps nothing that ages, in turn."""
    ticks = session.sized(LINES)
    command = [sys.executable, "-I", "-S", str(TICK), str(ticks), str(INTERVAL_SECONDS)]
    taker = Taker(MEASURE, session)
    with session.tailrun() as service:
        for _ in range(session.runs):
            for megabytes in session.up_to(BEFORE_MB):
                result = _late_ticks(taker, session, service, command, megabytes)
                details = {"MB before": float(megabytes)}
                yield from samples(taker, f"after {megabytes:,} MB", result, ticks, details)
            if peers.has_websocketd():
                taker.look()
                result = peer_view(peers.websocketd, "lines", command)
                yield from samples(taker, "websocketd", result, ticks)


def _late_ticks(
    taker: Taker, session: Session, service: Tailrun, command: list[str], megabytes: int
) -> viewer.Result:
    """Have the output written and archived; watch the ticks that come when the viewer is there."""
    flag = session.directory / "wait"
    flag.touch()
    size = megabytes * MB
    first = session.generator(size // LINE_BYTES)
    run_id = service.run(f"{shlex.join(first)} && exec {shlex.join([*command, str(flag)])}")
    service.await_archive(run_id, size)
    taker.look()
    watching = viewer.start(
        viewer.Job(
            port=service.port,
            kind="text",
            path=f"{API}/runs/{run_id}/ws?format=text&offset={size}",
            capacity=CAPACITY,
            want_ticks=True,
        )
    )
    service.await_viewer()
    flag.unlink()
    return viewer.result_of(watching)
