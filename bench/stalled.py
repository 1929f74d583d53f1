"""A hundred readers of each kind that ask for 60 MB and read nothing: memory, and when they go.

Of output that hardly compresses, the worst for the archive's readers; with the default settings.
"""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Self

from bench import machine, wire
from bench.samples import Sample
from bench.session import MB, Session, Taker
from bench.tailrun import API, Tailrun

MEASURE = "stalled"
READERS = 100
OUTPUT = "head -c 45000000 /dev/urandom | base64"
LOOK_SECONDS = 0.02
KINDS = {
    "text": "ws",
    "json": "ws?format=json",
    "raw": "ws?format=raw",
    "followed": "output?follow=true",
    "events": "output?format=sse",
    "plain": "output",
    "zstd": "output",
}


def stalled(session: Session) -> Iterator[Sample]:
    """Measure each kind of reader, of a finished run and of a live one."""
    taker = Taker(MEASURE, session)
    with session.tailrun() as service:
        finished = service.finish(OUTPUT)
        live = service.run(f"{OUTPUT}; exec sleep 100000")
        service.until(live, lambda run: run["output_bytes"] > 60 * MB)
        service.await_archive(live, 60 * MB)
        for _ in range(session.runs):
            for state, run_id in (("archived", finished), ("live", live)):
                for kind in KINDS:
                    if (state, kind) != ("live", "zstd"):
                        taker.look()
                        yield from _stall(taker, service, f"{kind}, {state}", kind, run_id)
        service.call("POST", f"runs/{live}/stop")


def _stall(taker: Taker, service: Tailrun, who: str, kind: str, run_id: str) -> Iterator[Sample]:
    with ExitStack() as stack, _Peak(service.pid) as peak:
        came_at = time.monotonic()
        for _ in range(READERS):
            stack.enter_context(_ask(service.port, kind, run_id))
        while _viewers(service) < READERS and time.monotonic() < came_at + 10:
            time.sleep(LOOK_SECONDS)
        while _viewers(service):
            time.sleep(LOOK_SECONDS)
        gone = time.monotonic() - came_at
    yield taker.sample(f"memory of {READERS}", who, peak.grown / MB, "MB")
    yield taker.sample("gone after", who, gone, "s")


def _ask(port: int, kind: str, run_id: str) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port))
    path, host = f"{API}/runs/{run_id}/{KINDS[kind]}", f"127.0.0.1:{port}"
    if KINDS[kind].startswith("ws"):
        connection.sendall(wire.handshake(path, host))
    else:
        encoding = "zstd" if kind == "zstd" else "identity"
        connection.sendall(wire.request("GET", path, host, Accept_Encoding=encoding))
    return connection


def _viewers(service: Tailrun) -> int:
    return service.metric("tailrun_viewers")


class _Peak:
    """Looks at a process's memory again and again, in a thread; `grown` is the most of it."""

    def __init__(self, pid: int) -> None:
        self.grown = 0
        self._pid = pid
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        before = machine.memory(self._pid).rss
        while not self._over.wait(LOOK_SECONDS):
            self.grown = max(self.grown, machine.memory(self._pid).rss - before)
