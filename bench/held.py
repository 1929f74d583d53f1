"""For how long one request holds the server's event loop, when it is meant to.

Each request is sent alone, and the longest callback of the loop while it is answered is taken: the
time of the loop's thread on a processor, as other processes lengthen the time on the clock.
"""

import json
import os
import socket
import time
import zlib
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from bench.samples import Sample
from bench.session import Session, Taker
from bench.tailrun import API, Tailrun
from bench.watched import HELD, LAYOUT

MEASURE = "held"
BODY_BYTES = 1_000_000
HEADER_BYTES = 7_000
COMMANDS = 500
SETTLE_SECONDS = 0.2
JSON = {"Content-Type": "application/json"}

FILL = """
    INSERT INTO commands (name, description, script)
    SELECT 'large ' || n, repeat('a description ', 300),
        repeat('echo a line of a script' || chr(10), %(n)s)
    FROM generate_series(1, %(commands)s) n;
    INSERT INTO commands_info (commands_id, script, host, state, end_time, exitcode)
    SELECT id, script, 'elsewhere', 'succeeded', now(), 0 FROM commands WHERE name LIKE 'large %%'
"""


class Request(NamedTuple):
    """A request that may hold the loop."""

    method: str
    path: str
    body: bytes = b""
    headers: Mapping[str, str] = {}


def held(session: Session) -> Iterator[Sample]:
    """Send each request, and take the longest callback."""
    size, taker = session.sized(BODY_BYTES), Taker(MEASURE, session)
    file = session.directory / "held"
    file.write_bytes(bytes(LAYOUT.size))
    os.environ[HELD] = str(file)
    with session.tailrun(module="bench.watched", ON_SHUTDOWN="stop") as service:
        with closing(service.connect()) as connection, connection.cursor() as cursor:
            cursor.execute(FILL, {"n": size // 24, "commands": session.sized(COMMANDS)})
            connection.commit()
        cases = {
            **_bodies(service, size),
            **_lists(),
            **_headers(service),
            **_outputs(service, size),
        }
        for name, request in cases.items():
            taker.look()
            for _ in range(session.runs):
                cpu, clock = _longest(service, file, request)
                yield taker.sample(
                    name, "longest callback", cpu * 1000, "ms", {"on the clock": clock * 1000}
                )


def _bodies(service: Tailrun, size: int) -> dict[str, Request]:
    path = _command(service)
    bodies: dict[str, object] = {
        "unknown fields": {f"field {n}": 1 for n in range(size // 20)},
        "one unknown field of that length": {"x" * size: 1},
        "lists in a list": {"name": [[]] * (size // 4), "script": "x"},
        "objects in a list": {"name": [{"a": 1}] * (size // 10), "script": "x"},
        "numbers in a list": {"name": [1] * (size // 3), "script": "x"},
        "a name of that length": {"name": "\u200b" * (size // 6), "script": "x"},
        "a description of that length": {"name": "x", "script": "x", "description": "x" * size},
        "a script of control characters": {"name": "x", "script": "\x01" * (size // 6)},
        "a script with Windows line ends": {"name": "x", "script": "x\r\n" * (size // 6)},
    }
    post, put = ("POST", f"{API}/commands/"), ("PUT", path)
    cases = {
        name: (*post, {"start": False} | body)
        for name, body in bodies.items()
        if isinstance(body, dict)
    }
    texts = {
        f"1 MB: {name}": Request(m, p, json.dumps(b).encode(), JSON)
        for name, (m, p, b) in cases.items()
    }
    whole = json.dumps({"name": "x", "script": "x" * size, "id": path.rpartition("/")[2]}).encode()
    return {
        **texts,
        "1 MB: deep": Request(*post, b"[" * size, JSON),
        "1 MB: lists that are 900 deep": Request(*post, _deep(size), JSON),
        "1 MB: texts and escapes": Request(*post, _texts(size), JSON),
        "1 MB that grows to 1 GB": Request(
            *post, _grows(size), {**JSON, "Content-Encoding": "gzip"}
        ),
        "1 MB: a number": Request(*post, b'{"x": 1' + b"0" * size + b"}", JSON),
        "1 MB: replaced": Request(*put, whole, JSON),
        "1 MB: replaced, of another version": Request(*put, whole, {**JSON, "If-Match": '"0"'}),
    }


def _deep(size: int) -> bytes:
    one = b"[" * 900 + b"]" * 900
    return b'{"name": [' + b",".join([one] * (size // len(one))) + b"]}"


def _texts(size: int) -> bytes:
    return b'{"name": [' + b'"[",' * 2000 + b'"' + b"\\n" * (size // 2 - 5000) + b'"]}'


def _grows(size: int) -> bytes:
    compressor = zlib.compressobj(wbits=31)
    zeros = bytes(size)
    return b"".join(compressor.compress(zeros) for _ in range(1000)) + compressor.flush()


def _command(service: Tailrun) -> str:
    body = {"name": "x", "script": "x" * BODY_BYTES, "start": False}
    return f"{API}/commands/{service.call('POST', 'commands/', body)['id']}"


def _lists() -> dict[str, Request]:
    commands, runs = f"{API}/commands/", f"{API}/runs/"
    search = f"{commands}?limit=500&q="
    return {
        "500 commands with scripts of 1 MB": Request("GET", f"{commands}?limit=500"),
        "500 runs": Request("GET", f"{runs}?limit=500"),
        "search: found 500 times": Request("GET", f"{search}description"),
        "search: 3,000 words": Request("GET", search + "+".join(["a"] * 3000)),
        "search: %": Request("GET", search + "%25" * 2000),
        "search: a text that is not there": Request("GET", search + "x" * HEADER_BYTES),
        "3,000 unknown parameters": Request("GET", runs + "?" + "&".join(["a"] * 3000)),
    }


def _headers(service: Tailrun) -> dict[str, Request]:
    path = _command(service)
    many = ",".join(['"a"'] * (HEADER_BYTES // 4))
    return {
        "If-Match: many": Request("PATCH", path, b'{"name": "y"}', {**JSON, "If-Match": many}),
        "If-Match: quotes": Request(
            "PATCH", path, b'{"name": "y"}', {**JSON, "If-Match": '"' * HEADER_BYTES}
        ),
        "Origin of 7 kB": Request("GET", path, headers={"Origin": "http://" + "a." * 3500}),
        "a path of 7 kB": Request("GET", f"{API}/" + "a/" * 3500),
        "the documentation": Request("GET", "/swagger/swagger.json"),
        "the figures": Request("GET", "/metrics"),
    }


def _outputs(service: Tailrun, size: int) -> dict[str, Request]:
    lines = size * 5 // 100
    run = service.finish(f"yes {'x' * 99} | head -n {lines * 10}")
    output = f"{API}/runs/{run}/output"
    accept = {"Accept-Encoding": ",".join(["gzip;q=0.1"] * (HEADER_BYTES // 11))}
    live = service.run(f"yes {'x' * 99} | head -n {lines * 10}; exec sleep 1000")
    service.until(live, lambda run: run["output_bytes"] == lines * 1000)
    watched = f"{API}/runs/{live}/output"
    infos = {
        "info: text": f"yes {'ю' * 40} | head -c {size * 2}",
        "info: NUL": f"head -c {size * 2} /dev/zero",
        "info: no UTF-8": f"head -c {size * 2} /dev/urandom",
        "info: newlines": f"yes '' | head -c {size * 2}",
    }
    return {
        "lines far away, 50 MB live": Request("GET", f"{watched}?lines={lines * 10}-"),
        "the last lines of 50 MB live": Request("GET", f"{watched}?tail={lines}"),
        "lines far away, 50 MB archived": Request("GET", f"{output}?lines={lines * 10}-"),
        "the last lines of 50 MB": Request("GET", f"{output}?tail={lines}"),
        "all of 50 MB": Request("GET", output),
        "Accept-Encoding of 7 kB": Request("GET", f"{output}?tail=1", headers=accept),
        "Range of 7 kB": Request("GET", output, headers={"Range": "bytes=" + "1-2," * 1700}),
        **{name: Request("GET", _info(service, script)) for name, script in infos.items()},
    }


def _info(service: Tailrun, script: str) -> str:
    created = service.call("POST", "commands/", {"name": "info", "script": script})
    service.until(created["run"]["id"], lambda run: run["state"] == "succeeded")
    return f"{API}/commands/{created['id']}/info"


def _longest(service: Tailrun, file: Path, request: Request) -> tuple[float, float]:
    """Send a request; return its longest callback: on a processor, on the clock, in seconds."""
    time.sleep(SETTLE_SECONDS)
    _reset(file)
    head = {"Host": f"127.0.0.1:{service.port}", "Connection": "close", **request.headers}
    if request.body:
        head["Content-Length"] = str(len(request.body))
    text = f"{request.method} {request.path} HTTP/1.1\r\n"
    text += "".join(f"{name}: {value}\r\n" for name, value in head.items())
    with socket.create_connection(("127.0.0.1", service.port)) as connection:
        connection.sendall(text.encode() + b"\r\n" + request.body)
        while connection.recv(1 << 20):
            pass
    cpu, clock = LAYOUT.unpack(file.read_bytes())
    return cpu, clock


def _reset(file: Path) -> None:
    """Write zeros, in place: the server has the file mapped."""
    with file.open("r+b") as opened:
        opened.write(bytes(LAYOUT.size))
