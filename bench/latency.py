"""From write(2) to the viewer: a line every 10 ms, stamped by its writer."""

import shlex
import statistics
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from bench import peers, viewer
from bench.peers import Serving
from bench.samples import Sample
from bench.session import Session, Taker

MEASURE = "latency"
TICK = Path(__file__).with_name("tick.py")
LINES = 1_000
INTERVAL_SECONDS = 0.01
CAPACITY = 1_000_000


def latency(session: Session) -> Iterator[Sample]:
    """Measure ours (text, the format nearest to websocketd's, and raw) and the peers in turn."""
    lines = session.sized(LINES)
    command = [sys.executable, "-I", "-S", str(TICK), str(lines), str(INTERVAL_SECONDS)]
    taker = Taker(MEASURE, session)
    with session.tailrun() as service:
        for _ in range(session.runs):
            for kind in ("text", "raw"):
                taker.look()
                script = "exec " + shlex.join(command)
                job = viewer.Job(
                    port=service.port, kind=kind, script=script, capacity=CAPACITY, want_ticks=True
                )
                yield from samples(taker, f"tailrun {kind}", viewer.view(job), lines)
            with_aiohttp = ("bare relay, aiohttp", "raw", peers.relay_aiohttp)
            for who, kind, serving in (*peers.all_there(), with_aiohttp):
                taker.look()
                yield from samples(taker, who, peer_view(serving, kind, command), lines)


def peer_view(serving: Serving, kind: str, command: Sequence[str]) -> viewer.Result:
    """Have a peer run a command for one viewer."""
    with serving(command) as port:
        return viewer.view(
            viewer.Job(port=port, kind=kind, path="/", capacity=CAPACITY, want_ticks=True)
        )


def samples(
    taker: Taker,
    who: str,
    result: viewer.Result,
    lines: int,
    details: Mapping[str, float] | None = None,
) -> Iterator[Sample]:
    """Make the samples of what a viewer got.

    Raises:
        RuntimeError: lines are missing.
    """
    if len(result.ticks) != lines:
        raise RuntimeError(f"{who} delivered {len(result.ticks)} lines of {lines}")
    delays = [(received - written) / 1e6 for written, received in result.ticks]
    yield taker.sample("median", who, statistics.median(delays), "ms", details)
    p99 = statistics.quantiles(delays, n=100)[-1]
    yield taker.sample("99th percentile", who, p99, "ms", details)
    yield taker.sample("most", who, max(delays), "ms", details)
