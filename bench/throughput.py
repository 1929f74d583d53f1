"""One run of a million lines to one viewer, and until it is archived to the last byte."""

import hashlib
import shlex
from collections.abc import Iterator
from dataclasses import dataclass

from bench import content, peers, viewer
from bench.generate import BLOCK_LINES, LINE_BYTES
from bench.peers import Serving
from bench.samples import Sample
from bench.session import MB, Session, Taker
from bench.tailrun import Tailrun

MEASURE = "throughput"
LINES = 1_000_000
FRAME_BYTES = 16
MEMORY_SPEED, PRINTING = "memory speed", "print a line"


@dataclass(frozen=True, slots=True)
class _Work:
    """The lines of one run, the command that writes them, its name, and their digest."""

    name: str
    command: list[str]
    lines: int
    sha256: str

    @property
    def size(self) -> int:
        return self.lines * LINE_BYTES


def throughput(session: Session) -> Iterator[Sample]:
    """Measure ours, the peers and the bare command in turn.

    All with a command that writes at memory speed; ours (raw, json) and the bare command also with
    one that prints a line at a time.
    """
    lines = session.sized(LINES, BLOCK_LINES)
    sha256 = content.digest(lines)
    fast = _Work(MEMORY_SPEED, session.generator(lines), lines, sha256)
    ordinary = _Work(PRINTING, session.printer(lines), lines, sha256)
    taker = Taker(MEASURE, session)
    with session.tailrun() as service:
        for _ in range(session.runs):
            for kind in ("raw", "json", "text"):
                taker.look()
                yield from _ours(taker, service, fast, kind)
            for who, kind, serving in peers.all_there():
                taker.look()
                yield _peer(taker, who, kind, serving, fast)
            taker.look()
            yield _bare(taker, session, fast)
            for kind in ("raw", "json"):
                taker.look()
                yield from _ours(taker, service, ordinary, kind)
            taker.look()
            yield _bare(taker, session, ordinary)


def _ours(taker: Taker, service: Tailrun, work: _Work, kind: str) -> Iterator[Sample]:
    before = service.cpu()
    result = viewer.view(
        viewer.Job(
            port=service.port,
            kind=kind,
            script="exec " + shlex.join(work.command),
            capacity=work.size * 5 // 4,
            sha256=work.sha256,
        )
    )
    archived_at = service.archived_at(result.run_id, result.start + result.end_seconds)
    used = service.cpu().since(before)
    if service.archived_digest(result.run_id) != work.sha256:
        raise RuntimeError(f"run {result.run_id} was archived with other bytes")
    cpu = {f"{name} CPU s": seconds for name, seconds in used._asdict().items()}
    details = {**cpu, "viewer CPU s": result.cpu_seconds, "messages": result.pieces}
    who = f"tailrun {kind}, {work.name}"
    yield taker.sample("delivered", who, work.size / result.delivered_seconds / MB, "MB/s", details)
    value = work.size / (archived_at - result.start) / MB
    yield taker.sample("archived", who, value, "MB/s")


def _peer(taker: Taker, who: str, kind: str, serving: Serving, work: _Work) -> Sample:
    with serving(work.command) as port:
        result = viewer.view(
            viewer.Job(
                port=port,
                kind=kind,
                path="/",
                capacity=work.size + work.lines * FRAME_BYTES,
                sha256=work.sha256,
            )
        )
    details = {"viewer CPU s": result.cpu_seconds, "messages": result.pieces}
    value = work.size / result.delivered_seconds / MB
    return taker.sample("delivered", f"{who}, {work.name}", value, "MB/s", details)


def _bare(taker: Taker, session: Session, work: _Work) -> Sample:
    path = session.directory / "bare"
    seconds = peers.bare(work.command, path)
    with path.open("rb") as file:
        if hashlib.file_digest(file, "sha256").hexdigest() != work.sha256:
            raise RuntimeError("the bare command wrote other bytes")
    path.unlink()
    who = f"bare command, {work.name}"
    return taker.sample("delivered", who, work.size / seconds / MB, "MB/s")
