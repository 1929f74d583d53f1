"""From write(2) to the viewer: a line every 10 ms, stamped by its writer."""

import shlex
import statistics
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from bench import peers, schedulers, sink, viewer
from bench.peers import Serving
from bench.samples import Sample
from bench.session import Session, Taker
from bench.tailrun import API, Tailrun

MEASURE = "latency"
TICK = Path(__file__).with_name("tick.py")
LINES = 1_000
INTERVAL_SECONDS = 0.01
CAPACITY = 2_000_000
SSE = "/jobs/tick/logs"
LOUD_LINES = 100_000_000
BESIDE = "beside a loud run"


def latency(session: Session) -> Iterator[Sample]:
    """Measure ours (text, the format nearest to websocketd's, and raw) and the peers in turn."""
    lines = session.sized(LINES)
    command = [sys.executable, "-I", "-S", str(TICK), str(lines), str(INTERVAL_SECONDS)]
    taker = Taker(MEASURE, session)
    with session.tailrun() as service:
        for _ in range(session.runs):
            for kind in ("text", "raw"):
                taker.look()
                found = _view(service.port, kind, script=f"exec {shlex.join(command)}")
                yield from samples(taker, f"tailrun {kind}", found, lines)
            for who, kind, serving in peers.all_there():
                taker.look()
                yield from samples(taker, who, peer_view(serving, kind, command), lines)
            if schedulers.are_there():
                taker.look()
                with schedulers.cronstable(session.directory, {"tick": command}) as port:
                    yield from samples(taker, "cronstable", _view(port, "sse", SSE), lines)
            yield from _beside(taker, session, service, command, lines)


def _beside(
    taker: Taker, session: Session, service: Tailrun, command: list[str], lines: int
) -> Iterator[Sample]:
    """Measure the same ticks beside a run that writes, for a viewer, all the while."""
    loud = session.generator(LOUD_LINES)
    taker.look()
    run_id = service.run(f"exec {shlex.join(loud)}")
    with sink.watching(service.port, f"{API}/runs/{run_id}/ws?format=raw"):
        found = _view(service.port, "text", script=f"exec {shlex.join(command)}")
        yield from samples(taker, f"tailrun text, {BESIDE}", found, lines)
    service.call("POST", f"runs/{run_id}/stop", {"signal": "SIGKILL"})
    service.until(run_id, lambda run: run["state"] == "stopped")
    if peers.has_websocketd():
        taker.look()
        both = {"loud": loud, "quiet": command}
        with peers.websocketd_of(session.directory, both) as port, sink.watching(port, "/loud"):
            found = _view(port, "lines", "/quiet")
            yield from samples(taker, f"websocketd, {BESIDE}", found, lines)


def _view(port: int, kind: str, path: str = "", script: str | None = None) -> viewer.Result:
    return viewer.view(
        viewer.Job(
            port=port, kind=kind, path=path, script=script, capacity=CAPACITY, want_ticks=True
        )
    )


def peer_view(serving: Serving, kind: str, command: Sequence[str]) -> viewer.Result:
    """Have a peer run a command for one viewer."""
    with serving(command) as port:
        return _view(port, kind, "/")


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
