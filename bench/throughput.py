"""One run of a million lines to one viewer, and until it is archived to the last byte."""

import hashlib
import shlex
from collections.abc import Iterator
from dataclasses import dataclass

from bench import content, peers, viewer
from bench.generate import BLOCK_LINES, LINE_BYTES
from bench.samples import Sample
from bench.session import MB, Session, Taker
from bench.tailrun import Tailrun

MEASURE = "throughput"
LINES = 1_000_000
FRAME_BYTES = 16


@dataclass(frozen=True, slots=True)
class _Work:
    """The lines of one run, the command that writes them, and their digest."""

    command: list[str]
    lines: int
    sha256: str

    @property
    def size(self) -> int:
        return self.lines * LINE_BYTES


def throughput(session: Session) -> Iterator[Sample]:
    """Measure ours (raw, json, text), websocketd and the bare command in turn."""
    lines = session.sized(LINES, BLOCK_LINES)
    work = _Work(session.generator(lines), lines, content.digest(lines))
    taker = Taker(MEASURE, session)
    with session.tailrun() as service:
        for _ in range(session.runs):
            for kind in ("raw", "json", "text"):
                taker.look()
                yield from _ours(taker, service, work, kind)
            if peers.has_websocketd():
                taker.look()
                yield _websocketd(taker, work)
            taker.look()
            yield _bare(taker, session, work)


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
    used = service.cpu().since(before)
    if service.archived_digest(result.run_id) != work.sha256:
        raise RuntimeError(f"run {result.run_id} was archived with other bytes")
    cpu = {f"{name} CPU s": seconds for name, seconds in used._asdict().items()}
    details = {**cpu, "viewer CPU s": result.cpu_seconds, "messages": result.pieces}
    who = f"tailrun {kind}"
    yield taker.sample("delivered", who, work.size / result.delivered_seconds / MB, "MB/s", details)
    yield taker.sample("archived", who, work.size / result.end_seconds / MB, "MB/s")


def _websocketd(taker: Taker, work: _Work) -> Sample:
    with peers.websocketd(work.command) as port:
        result = viewer.view(
            viewer.Job(
                port=port,
                kind="lines",
                path="/",
                capacity=work.size + work.lines * FRAME_BYTES,
                sha256=work.sha256,
            )
        )
    details = {"viewer CPU s": result.cpu_seconds, "messages": result.pieces}
    value = work.size / result.delivered_seconds / MB
    return taker.sample("delivered", "websocketd", value, "MB/s", details)


def _bare(taker: Taker, session: Session, work: _Work) -> Sample:
    path = session.directory / "bare"
    seconds = peers.bare(work.command, path)
    with path.open("rb") as file:
        if hashlib.file_digest(file, "sha256").hexdigest() != work.sha256:
            raise RuntimeError("the bare command wrote other bytes")
    path.unlink()
    return taker.sample("delivered", "bare command", work.size / seconds / MB, "MB/s")
