"""Searching a gigabyte, live and archived, beside `grep -c`; and what a viewer feels of it."""

import os
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlencode

import orjson

from bench import content
from bench.latency import ours, viewed
from bench.service import API, Service, start_run
from bench.session import Figure, Session
from bench.write import BLOCK_LINES, LINE_BYTES
from server.keeper.spool import Spool

LINES, FIRST_HITS, SEARCHES = 10_000_000, 50, 8
TICKS, INTERVAL_SECONDS = 400, 0.01


class Sought(NamedTuple):
    """What is searched for, as the API and as grep are asked for it."""

    text: str
    asked: dict[str, str]
    options: tuple[str, ...]


SOUGHT = {
    "a text": Sought("GET /login/777", {"case": "true"}, ("-F",)),
    "any case": Sought("get /LOGIN/777", {}, ("-F", "-i")),
    "a pattern": Sought(
        r"WARN .*/login/[0-9]+ 404 [0-9]{2}ms", {"regex": "true", "case": "true"}, ("-E",)
    ),
}


def search(session: Session) -> None:
    """Measure searches of a live run's spool, viewers beside them, then of the run's archive."""
    lines, flag = session.sized(LINES, BLOCK_LINES), session.directory / "stay"
    flag.touch()
    with session.service() as service:
        script = content.script(content.writing(session.directory, lines, flag))
        run_id = start_run(service.port, script)
        service.await_archived(run_id, lines * LINE_BYTES)
        spool = Spool.of(session.directory / "state")
        kept = session.directory / "kept"
        os.link(spool.output_path(run_id), kept)  # for grep, once the spool is gone
        _search(session, service, run_id, "spool", kept)
        _view(session, service, run_id)
        flag.unlink()
        service.await_state(run_id, "succeeded")
        while run_id in spool.run_ids():
            time.sleep(0.01)
        _search(session, service, run_id, "archive", kept)


def _search(session: Session, service: Service, run_id: str, where: str, kept: Path) -> None:
    for what, sought in SOUGHT.items():
        expected = _grep(sought, kept)
        ours = partial(_searched, service, run_id, sought, expected)
        beside = partial(_grepped, sought, kept)
        session.in_turn({f"{where}, {what}": ours, f"grep -c, {what}, beside {where}": beside})


def _grep(sought: Sought, kept: Path) -> int:
    command = ["grep", "-c", "-a", *sought.options, "-e", sought.text, str(kept)]
    environment = {**os.environ, "LC_ALL": "C.UTF-8"}
    return int(subprocess.run(command, check=True, env=environment, stdout=subprocess.PIPE).stdout)


def _grepped(sought: Sought, kept: Path) -> Iterator[Figure]:
    start = time.monotonic()
    _grep(sought, kept)
    yield Figure("all counted", time.monotonic() - start, "s")


def _searched(service: Service, run_id: str, sought: Sought, expected: int) -> Iterator[Figure]:
    calls = Calls(service.port, run_id, sought)
    before, start = service.cpu(), time.monotonic()
    assert calls.count() == expected, sought
    seconds = time.monotonic() - start
    yield Figure("all counted", seconds, "s", {**service.cpu(before), "calls": calls.made})
    start = time.monotonic()
    found = Calls(service.port, run_id, sought).call(limit=FIRST_HITS)
    milliseconds = 1000 * (time.monotonic() - start)
    assert len(found["items"]) == min(FIRST_HITS, expected), sought
    yield Figure("first hits", milliseconds, "ms")


class Calls:
    """The calls of one search, over one connection, as a page makes them."""

    def __init__(self, port: int, run_id: str, sought: Sought) -> None:
        self._path = f"{API}/runs/{run_id}/search?"
        self._asked = {"q": sought.text, **sought.asked}
        self._connection = HTTPConnection("127.0.0.1", port)
        self.made = 0

    def call(self, **asked: Any) -> dict[str, Any]:
        self._connection.request("GET", self._path + urlencode({**self._asked, **asked}))
        answer = self._connection.getresponse()
        data = answer.read()
        assert answer.status == 200, data
        self.made += 1
        found: dict[str, Any] = orjson.loads(data)
        return found

    def count(self, until: threading.Event | None = None) -> int:
        """Count all that matches, a call after the other."""
        found = self.call(limit=0)
        while not found["complete"] and not (until and until.is_set()):
            found = self.call(limit=0, cursor=found["next"])
        return int(found["count"])


def _view(session: Session, service: Service, run_id: str) -> None:
    """Have a quiet run viewed, alone and beside searches."""
    own, lines = session.directory, session.sized(TICKS)
    ticks, _ = content.ticking(own, lines, INTERVAL_SECONDS)
    alone = partial(viewed, own, lines, partial(ours, service, "text", ticks))

    def beside() -> Iterator[Figure]:
        with _searching(service.port, run_id):
            yield from alone()

    session.in_turn({"a viewer": alone, f"a viewer, beside {SEARCHES} searches": beside})


@contextmanager
def _searching(port: int, run_id: str) -> Iterator[None]:
    """Search for different things, from the start to the end and anew, until it is left."""
    left = threading.Event()

    def search_on(sought: Sought) -> None:
        calls = Calls(port, run_id, sought)
        while not left.is_set():
            calls.count(left)

    every = list(SOUGHT.values())
    threads = [
        threading.Thread(target=search_on, args=(every[number % len(every)],))
        for number in range(SEARCHES)
    ]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        left.set()
        for thread in threads:
            thread.join()
