"""From write(2) to the viewer: a line every 10 ms, stamped by its writer."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from bench import content, peers
from bench.marks import LOUD
from bench.peers import Serving
from bench.service import Served, Service, start_run
from bench.session import Figure, Session
from bench.viewers import Job, Stream, watching
from bench.write import LINE_BYTES, MB

LINES, INTERVAL_SECONDS = 400, 0.01
CAPACITY, LOUD_LINES = 2 * MB, 100_000_000
BEFORE_MB = (10, 100, 1_000)


def latency(session: Session) -> None:
    """Measure ours: in text, the format nearest to websocketd's, in raw, and late in a run."""
    own, lines = session.directory, session.sized(LINES)
    ticks, _ = content.ticking(own, lines, INTERVAL_SECONDS)
    loud = content.writing(own, LOUD_LINES)
    with session.service() as service:
        contenders: dict[str, Callable[[], Serving]] = {
            "tailrun text": partial(ours, service, "text", ticks),
            "websocketd": partial(peers.websocketd, own, ticks),
            "cronstable": partial(peers.cronstable_log, own, ticks),
            "bare relay": partial(peers.relay, ticks),
            "tailrun raw": partial(ours, service, "raw", ticks),
            f"websocketd, {LOUD}": partial(_websocketd_beside, own, ticks, loud),
            f"tailrun text, {LOUD}": partial(_ours_beside, service, ticks, loud),
        }
        for size in session.up_to(BEFORE_MB):
            before = content.writing(own, size * MB // LINE_BYTES)
            late = partial(ours, service, "text", ticks, before, size * MB)
            contenders[f"tailrun text, after {size:,} MB"] = late
        session.in_turn({who: partial(viewed, own, lines, of) for who, of in contenders.items()})


def viewed(own: Path, lines: int, serving: Callable[[], Serving]) -> Iterator[Figure]:
    """Have the ticks viewed; a flag holds them back until their viewer is there."""
    _, flag = content.ticking(own, lines, INTERVAL_SECONDS)
    with serving() as stream, watching(Job(stream, capacity=CAPACITY, ticks=True)) as told:
        told()
        flag.unlink()
        *_, result = told(), told()
    assert result.ticks == lines
    yield Figure("median", result.median_ms, "ms")
    yield Figure("99th percentile", result.p99_ms, "ms")


@contextmanager
def ours(
    service: Served, kind: str, ticks: list[str], before: list[str] | None = None, size: int = 0
) -> Iterator[Stream]:
    """Have them written by a run that has written, and had archived, so much before."""
    first = "" if before is None else content.script(before).removeprefix("exec ") + " && "
    run_id = start_run(service.port, first + content.script(ticks), service.pool)
    service.await_archived(run_id, size)
    stream = Stream.of(service.port, run_id, kind)
    yield stream._replace(path=f"{stream.path}&offset={size}")


@contextmanager
def _ours_beside(service: Service, ticks: list[str], loud: list[str]) -> Iterator[Stream]:
    """Have them written beside a run that writes, for a viewer of its own, all the while."""
    run_id = start_run(service.port, content.script(loud))
    with _watched(Stream.of(service.port, run_id, "raw")), ours(service, "text", ticks) as quiet:
        yield quiet
    service.call("POST", f"runs/{run_id}/stop", {"signal": "SIGKILL"})
    service.await_state(run_id, "stopped")


@contextmanager
def _websocketd_beside(own: Path, ticks: list[str], loud: list[str]) -> Iterator[Stream]:
    with peers.websocketd(own, ticks, loud) as quiet, _watched(quiet._replace(path="/1")):
        yield quiet


@contextmanager
def _watched(stream: Stream) -> Iterator[None]:
    with watching(Job(stream, blind=True)) as told:
        told()
        yield
