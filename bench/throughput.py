"""One run of a million lines to one viewer, and until it is archived to the last byte."""

import hashlib
import subprocess
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from bench import content, peers
from bench.marks import SLOW
from bench.peers import Serving
from bench.service import Served
from bench.session import Figure, Session
from bench.viewers import Job, Stream, view
from bench.write import BLOCK_LINES, LINE_BYTES, MB

LINES = 1_000_000
ROOM = 1.3  # what framing makes of the output, at most


def throughput(session: Session) -> None:
    """Measure with a command that writes at memory speed, and with one that prints its lines."""
    lines, file = session.sized(LINES, BLOCK_LINES), session.directory / "bare"
    size, sha256 = lines * LINE_BYTES, content.digest(lines)
    fast = content.writing(session.directory, lines)
    slow = content.writing(session.directory, lines, mode="print")
    peer, bare = partial(_peer, size, sha256, fast), partial(_bare, size, sha256, file)
    with session.service() as service:
        here = partial(ours, size, sha256, service)
        contenders = {
            "tailrun raw": partial(here, fast, "raw"),
            "tailrun json": partial(here, fast, "json"),
            "websocketd": partial(peer, partial(peers.websocketd, session.directory)),
            "bare relay": partial(peer, peers.relay),
            "bare command": partial(bare, fast),
            f"tailrun raw, {SLOW}": partial(here, slow, "raw"),
            f"tailrun json, {SLOW}": partial(here, slow, "json"),
            f"bare command, {SLOW}": partial(bare, slow),
        }
        session.in_turn(contenders)


def ours(
    size: int, sha256: str, service: Served, command: list[str], kind: str, token: str = ""
) -> Iterator[Figure]:
    before, script = service.cpu(), content.script(command)
    stream, room = Stream(service.port, kind, token=token), int(size * ROOM)
    job = Job(stream, script=script, pool=service.pool, capacity=room)
    result = view(job, sha256)
    seconds = service.archived_at(result.run_id, result.closed_at) - result.start
    details = service.cpu(before) | {"viewer CPU s": result.cpu_seconds}
    service.verify(result.run_id, sha256)
    yield Figure("delivered", size / MB / (result.last_at - result.start), "MB/s", details)
    yield Figure("archived", size / MB / seconds, "MB/s")


def _peer(
    size: int, sha256: str, command: list[str], serving: Callable[[list[str]], Serving]
) -> Iterator[Figure]:
    with serving(command) as stream:
        result = view(Job(stream, capacity=int(size * ROOM)), sha256)
    details = {"viewer CPU s": result.cpu_seconds}
    yield Figure("delivered", size / MB / (result.last_at - result.start), "MB/s", details)


def _bare(size: int, sha256: str, path: Path, command: list[str]) -> Iterator[Figure]:
    with path.open("w+b") as file:
        start = time.monotonic()
        subprocess.run(command, stdin=subprocess.DEVNULL, stdout=file, check=True)
        seconds = time.monotonic() - start
        file.seek(0)
        assert hashlib.file_digest(file, "sha256").hexdigest() == sha256
    path.unlink()
    yield Figure("delivered", size / MB / seconds, "MB/s")
