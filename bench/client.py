"""`tailrun run` beside `curl -N` and a shell of this host: from a start to an exit code."""

import hashlib
import os
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple

from bench import content
from bench.service import API, ROOT, Service, serving
from bench.session import Figure, Session
from bench.write import BLOCK_LINES, LINE_BYTES

MB = 1_000_000
SIZES = {"nothing": 0, "1 MB": MB, "1 GB": 1000 * MB}
LARGE = "1 GB"
CUTS = 20
EXIT_CODE = 7
POLL_SECONDS = 0.005


class Wanted(NamedTuple):
    """What a command writes, and its script, which ends with EXIT_CODE."""

    size: int
    sha256: str
    script: str
    file: Path
    """Where it is to be."""


def client(session: Session) -> None:
    """Measure the whole of it, and check bytes and exit code each time."""
    wanted = {name: _wanted(session, size) for name, size in SIZES.items()}
    with session.service() as service:
        contenders = {}
        for name, one in wanted.items():
            contenders[f"tailrun run, {name}"] = partial(_run, service, one)
            contenders[f"curl -N, {name}"] = partial(_curl, service, one)
            contenders[f"a shell, {name}"] = partial(_shell, one)
        cut = f"tailrun run, {LARGE}, {CUTS} connections cut"
        contenders[cut] = partial(_cut, service, wanted[LARGE])
        session.in_turn(contenders)
    killed = f"tailrun run, {LARGE}, the server killed"
    session.in_turn({killed: partial(_killed, session, wanted[LARGE])})


def _wanted(session: Session, size: int) -> Wanted:
    lines = session.sized(size // LINE_BYTES, BLOCK_LINES) if size > MB else size // LINE_BYTES
    writing = shlex.join(content.writing(session.directory, lines)) if lines else ":"
    sha256 = content.digest(lines) if lines else hashlib.sha256().hexdigest()
    script = f"{writing}; exit {EXIT_CODE}"
    return Wanted(lines * LINE_BYTES, sha256, script, session.directory / "output")


def _run(service: Service, wanted: Wanted, port: int | None = None) -> Iterator[Figure]:
    command = _stored(service, wanted)
    start = time.monotonic()
    with _following(port or service.port, command, wanted) as process:
        code = process.wait()
    yield _taken(wanted, start, code)


def _curl(service: Service, wanted: Wanted) -> Iterator[Figure]:
    command = _stored(service, wanted)
    start = time.monotonic()
    run = service.call("POST", f"commands/{command}/runs")["id"]
    url = f"http://127.0.0.1:{service.port}{API}/runs/{run}/output?follow=true"
    with wanted.file.open("wb") as file:
        subprocess.run(["curl", "-sN", url], stdout=file, check=True)
    yield _taken(wanted, start, EXIT_CODE)  # which curl cannot tell


def _shell(wanted: Wanted) -> Iterator[Figure]:
    start = time.monotonic()
    with wanted.file.open("wb") as file:
        code = subprocess.run(["bash", "-c", wanted.script], stdout=file, check=False).returncode
    yield _taken(wanted, start, code)


def _cut(service: Service, wanted: Wanted) -> Iterator[Figure]:
    """Run through a relay that cuts each connection after a part of the output."""
    part = max(wanted.size // CUTS, 1)
    words = [sys.executable, "-m", "bench.cutting", str(service.port), str(part)]
    with subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, text=True) as relay:
        assert relay.stdout is not None
        try:
            yield from _run(service, wanted, int(relay.stdout.readline()))
        finally:
            relay.terminate()


def _killed(session: Session, wanted: Wanted) -> Iterator[Figure]:
    """Kill the server when a fifth has come, and start it again."""
    state, settings = session.directory / "killed", {"PORT": str(_free_port())}
    server = [sys.executable, "-m", "server"]
    with ExitStack() as stack:
        service = stack.enter_context(serving(server, state, ROOT, **settings))
        command = _stored(service, wanted)
        start = time.monotonic()
        process = stack.enter_context(_following(service.port, command, wanted))
        while process.poll() is None and wanted.file.stat().st_size < wanted.size // 5:
            time.sleep(POLL_SECONDS)
        os.kill(service.pid, signal.SIGKILL)
        again = _server_again(server, state, settings)
        stack.callback(again.wait)
        stack.callback(again.terminate)
        yield _taken(wanted, start, process.wait())


def _server_again(
    server: Sequence[str], state: Path, settings: Mapping[str, str]
) -> subprocess.Popen[bytes]:
    own = {"TAILRUN_STATE_DIR": str(state), "TAILRUN_ON_SHUTDOWN": "stop"}
    own |= {f"TAILRUN_{name}": value for name, value in settings.items()}
    quiet = subprocess.DEVNULL
    return subprocess.Popen(server, cwd=ROOT, env=os.environ | own, stdout=quiet, stderr=quiet)


def _stored(service: Service, wanted: Wanted) -> str:
    body = {"name": "client", "script": wanted.script, "start": False}
    return str(service.call("POST", "commands/", body)["id"])


@contextmanager
def _following(port: int, command: str, wanted: Wanted) -> Iterator[subprocess.Popen[bytes]]:
    words = [sys.executable, "-m", "server", "run", command]
    environment = os.environ | {"TAILRUN_URL": f"http://127.0.0.1:{port}"}
    with (
        wanted.file.open("wb") as file,
        subprocess.Popen(words, cwd=ROOT, env=environment, stdout=file) as process,
    ):
        yield process


def _taken(wanted: Wanted, start: float, code: int) -> Figure:
    seconds = time.monotonic() - start
    assert code == EXIT_CODE, f"the exit code is {code}"
    with wanted.file.open("rb") as file:
        assert hashlib.file_digest(file, "sha256").hexdigest() == wanted.sha256, "other bytes"
    wanted.file.unlink()
    if wanted.size < 100 * MB:
        return Figure("from start to exit code", seconds * 1000, "ms")
    return Figure("from start to exit code", wanted.size / MB / seconds, "MB/s")


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])
