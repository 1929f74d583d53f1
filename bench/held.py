"""For how long one request can block the server's event loop, when it is meant to.

Each is sent alone to `python -m bench.held`, a server that notes its callbacks in a file. The
longest is taken, in seconds on a processor, as others lengthen those on the clock.
"""

import os
import socket
import time
import zlib
from asyncio import events
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from unittest import mock

from bench import wire
from bench.service import API, Service, start_run
from bench.session import Figure, Session
from bench.write import MB
from server.__main__ import main

HELD, LINES, TIMES = "BENCH_HELD", 500_000, 3
NOTED_SECONDS, SETTLE_SECONDS = 0.001, 0.2
FILL = """INSERT INTO commands (name, description, script)
    SELECT 'large ' || n, repeat('a description ', 300), repeat('echo a line' || chr(10), 80000)
    FROM generate_series(1, 500) n"""


def held(session: Session) -> None:
    file = session.directory / "held"
    environment = mock.patch.dict(os.environ, {HELD: str(file)})
    with environment, session.service(module="bench.held") as service:
        service.query(FILL)
        ask = partial(wire.request, port=service.port, headers={"Connection": "close"})
        posts = {what: ask("POST", f"{API}/commands/", body=b) for what, b in _bodies().items()}
        gets = {what: ask("GET", f"{API}/{path}") for what, path in _paths(service).items()}
        requests = (posts | gets).items()
        longest = {what: partial(_longest, service.port, file, sent) for what, sent in requests}
        session.in_turn(longest, most=TIMES)


def _longest(port: int, file: Path, sent: bytes) -> Iterator[Figure]:
    time.sleep(SETTLE_SECONDS)
    file.write_text("", encoding="ascii")
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(sent)
        while connection.recv(MB):
            pass
    longest = max(map(float, file.read_text(encoding="ascii").split()), default=NOTED_SECONDS)
    yield Figure("longest callback", 1000 * longest, "ms")


def _bodies() -> dict[str, object]:
    deep = b"[" * 900 + b"]" * 900
    return {
        "1 MB of unknown fields": {f"field {n}": 1 for n in range(MB // 20)},
        "1 MB of objects": {"name": [{"a": 1}] * (MB // 10), "script": "x"},
        "1 MB of lists, 900 deep": b'{"name": [' + b",".join([deep] * (MB // 1800)) + b"]}",
        "1 MB of escapes": b'{"name": ["' + b"\\n" * (MB // 2 - 10) + b'"]}',
        "1 MB of digits": b'{"x": 1' + b"0" * (MB - 10) + b"}",
        "1 MB of a name": {"name": "\u200b" * (MB // 6), "script": "x"},
        "1 MB of a script": {"name": "x", "script": "x\r\n" * (MB // 6), "start": False},
        "900 large patterns": {"name": "x", "script": "x", "parameters": _large(900)},
        "the largest patterns of a command": {"name": "x", "script": "x", "parameters": _large(99)},
        "1 GB in 1 MB, compressed": zlib.compress(bytes(1000 * MB), wbits=31),
    }


def _large(count: int) -> list[dict[str, str]]:
    return [{"name": f"P{n}", "pattern": rf"\pL{{9}}|{n}"} for n in range(count)]


def _paths(service: Service) -> dict[str, str]:
    script = f"yes {'x' * 99} | head -n {LINES}"
    archived, live = service.finish(script), start_run(service.port, f"{script}; exec sleep 1000")
    service.await_archived(live, LINES * 100)
    zeros = service.call("GET", f"runs/{service.finish('head -c 2M /dev/zero')}")["command_id"]
    return {
        "500 commands with scripts of 1 MB": "commands/?limit=500",
        "500 commands that are found": "commands/?limit=500&q=description",
        "a search for 3,000 words": f"commands/?limit=500&q={'+'.join(['a'] * 3000)}",
        "3,000 unknown parameters": f"runs/?{'&'.join(['a'] * 3000)}",
        "the last line of 50 MB live": f"runs/{live}/output?lines={LINES}-",
        "the last line of 50 MB archived": f"runs/{archived}/output?lines={LINES}-",
        "many last lines of 50 MB": f"runs/{archived}/output?tail={LINES // 10}",
        "2 MB of NUL as text": f"commands/{zeros}/info",
    }


def _serve() -> None:
    """Serve, and time each callback of this process's loops."""
    run = events.Handle._run  # noqa: SLF001  there is no other place that all callbacks pass

    def timed(handle: events.Handle) -> None:
        start = time.thread_time()
        run(handle)
        if (seconds := time.thread_time() - start) > NOTED_SECONDS:
            print(seconds, file=file, flush=True)

    with (
        Path(os.environ[HELD]).open("a", encoding="ascii") as file,
        mock.patch.object(events.Handle, "_run", timed),
    ):
        main()


if __name__ == "__main__":
    _serve()
