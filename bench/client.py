"""`tailrun run` beside `curl -N` and a shell of this host: from a start to an exit code."""

import hashlib
import os
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
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
TIME = "from start to exit code"
POLL_SECONDS = 0.005


class Wanted(NamedTuple):
    """What a command writes, and its script, which ends with EXIT_CODE."""

    size: int
    sha256: str
    script: str
    file: Path
    """Where it is to be."""


Begin = Callable[[Service, int, str, Path], AbstractContextManager[subprocess.Popen[bytes]]]
"""Starts a command of a service, by its id, and follows it from a port into a file."""


def client(session: Session) -> None:
    """Measure the whole of it; of `tailrun run`, bytes and exit code are right each time."""
    wanted = {name: _wanted(session, size) for name, size in SIZES.items()}
    large = wanted[LARGE]
    with session.service() as service:
        contenders = {}
        for name, one in wanted.items():
            for who, begin in FOLLOWERS.items():
                contenders[f"{who}, {name}"] = partial(_followed, service, one, begin)
            contenders[f"a shell, {name}"] = partial(_shell, one)
        for who, begin in FOLLOWERS.items():
            cut = f"{who}, {LARGE}, connections cut after a twentieth"
            contenders[cut] = partial(_cut, service, large, begin)
        session.in_turn(contenders)
    killed = f"{LARGE}, the server killed"
    session.in_turn(
        {
            f"{who}, {killed}": partial(_killed, session, large, begin)
            for who, begin in FOLLOWERS.items()
        }
    )


def _wanted(session: Session, size: int) -> Wanted:
    lines = session.sized(size // LINE_BYTES, BLOCK_LINES) if size > MB else size // LINE_BYTES
    writing = shlex.join(content.writing(session.directory, lines)) if lines else ":"
    sha256 = content.digest(lines) if lines else hashlib.sha256().hexdigest()
    script = f"{writing}; exit {EXIT_CODE}"
    return Wanted(lines * LINE_BYTES, sha256, script, session.directory / "output")


def _followed(
    service: Service, wanted: Wanted, begin: Begin, port: int | None = None
) -> Iterator[Figure]:
    command = _stored(service, wanted)
    start = time.monotonic()
    with begin(service, port or service.port, command, wanted.file) as process:
        code = process.wait()
    yield from _taken(wanted, start, code, begin, is_whole=begin is _tailrun or port is None)


def _shell(wanted: Wanted) -> Iterator[Figure]:
    start = time.monotonic()
    with wanted.file.open("wb") as file:
        code = subprocess.run(["bash", "-c", wanted.script], stdout=file, check=False).returncode
    yield from _taken(wanted, start, code, None)


def _cut(service: Service, wanted: Wanted, begin: Begin) -> Iterator[Figure]:
    """Follow through a relay that cuts each connection after a part of the output."""
    part = max(wanted.size // CUTS, 1)
    words = [sys.executable, "-m", "bench.cutting", str(service.port), str(part)]
    with subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, text=True) as relay:
        assert relay.stdout is not None
        try:
            yield from _followed(service, wanted, begin, int(relay.stdout.readline()))
        finally:
            relay.terminate()


def _killed(session: Session, wanted: Wanted, begin: Begin) -> Iterator[Figure]:
    """Kill the server when a fifth has come, and start it again."""
    state, settings = session.directory / "killed", {"PORT": str(_free_port())}
    server = [sys.executable, "-m", "server"]
    with ExitStack() as stack:
        service = stack.enter_context(serving(server, state, ROOT, **settings))
        command = _stored(service, wanted)
        start = time.monotonic()
        process = stack.enter_context(begin(service, service.port, command, wanted.file))
        while process.poll() is None and wanted.file.stat().st_size < wanted.size // 5:
            time.sleep(POLL_SECONDS)
        os.kill(service.pid, signal.SIGKILL)
        again = _server_again(server, state, settings)
        stack.callback(again.wait)
        stack.callback(again.terminate)
        yield from _taken(wanted, start, process.wait(), begin, is_whole=begin is _tailrun)


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
def _tailrun(_: Service, port: int, command: str, file: Path) -> Iterator[subprocess.Popen[bytes]]:
    words = [sys.executable, "-m", "server", "run", command]
    environment = os.environ | {"TAILRUN_URL": f"http://127.0.0.1:{port}"}
    with (
        file.open("wb") as output,
        subprocess.Popen(words, cwd=ROOT, env=environment, stdout=output) as process,
    ):
        yield process


@contextmanager
def _curl(
    service: Service, port: int, command: str, file: Path
) -> Iterator[subprocess.Popen[bytes]]:
    run = service.call("POST", f"commands/{command}/runs")["id"]
    url = f"http://127.0.0.1:{port}{API}/runs/{run}/output?follow=true"
    with (
        file.open("wb") as output,
        subprocess.Popen(["curl", "-sN", url], stdout=output) as process,
    ):
        yield process


FOLLOWERS: Mapping[str, Begin] = {"tailrun run": _tailrun, "curl -N": _curl}


def _taken(
    wanted: Wanted, start: float, code: int, begin: Begin | None, *, is_whole: bool = True
) -> Iterator[Figure]:
    """Tell time, bytes and exit code; the time of what came whole alone."""
    seconds, size = time.monotonic() - start, wanted.file.stat().st_size
    with wanted.file.open("rb") as file:
        is_right = hashlib.file_digest(file, "sha256").hexdigest() == wanted.sha256
    wanted.file.unlink()
    right_code = 0 if begin is _curl else EXIT_CODE  # which curl cannot tell
    assert not is_whole or (is_right, code) == (True, right_code), f"{is_right=}, {code=}"
    if is_right:
        is_large = wanted.size > MB
        speed = Figure(TIME, size / MB / seconds, "MB/s")
        yield speed if is_large else Figure(TIME, seconds * 1000, "ms")
    yield Figure("bytes", size / MB, "MB")
    yield Figure("exit code", code, "")


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])
