"""What Tailrun is measured beside: the bare command, websocketd, and the bare relay."""

import shlex
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

START_SECONDS = 10
ROOT = Path(__file__).parents[1]

Serving = Callable[[Sequence[str]], AbstractContextManager[int]]
"""A peer that runs a command for each viewer, for as long as it is entered: its port."""


def bare(command: Sequence[str], path: Path) -> float:
    """Run a command that writes to a new file; return the seconds it took."""
    with path.open("wb") as file:
        start = time.monotonic()
        subprocess.run(command, stdin=subprocess.DEVNULL, stdout=file, check=True)
        return time.monotonic() - start


def all_there() -> Iterator[tuple[str, str, Serving]]:
    """Yield those who serve viewers: what each is called, the viewer's kind for it, and itself."""
    if has_websocketd():
        yield "websocketd", "lines", websocketd
    yield "bare relay", "raw", relay


def has_websocketd() -> bool:
    """Whether websocketd is installed (Debian: apt-get install websocketd)."""
    return shutil.which("websocketd") is not None


@contextmanager
def websocketd(command: Sequence[str]) -> Iterator[int]:
    """Run websocketd, which starts the command for each viewer; yields its port."""
    port = free_port()
    arguments = ["--address=127.0.0.1", f"--port={port}", "--loglevel=fatal"]
    with serving(["websocketd", *arguments, *command]):
        await_port(port)
        yield port


@contextmanager
def websocketd_of(directory: Path, commands: Mapping[str, Sequence[str]]) -> Iterator[int]:
    """Run one websocketd for several commands, each at the path of its name; yields its port."""
    scripts = directory / "scripts"
    scripts.mkdir(exist_ok=True)
    for name, command in commands.items():
        script = scripts / name
        script.write_text(f"#!/bin/sh\nexec {shlex.join(command)}\n", encoding="utf-8")
        script.chmod(0o755)
    port = free_port()
    arguments = ["--address=127.0.0.1", f"--port={port}", "--loglevel=fatal", f"--dir={scripts}"]
    with serving(["websocketd", *arguments]):
        await_port(port)
        yield port


@contextmanager
def relay(command: Sequence[str]) -> Iterator[int]:
    """Run the bare relay (see relay.py), for one viewer; yields its port."""
    port = free_port()
    with serving([sys.executable, "-m", "bench.relay", str(port), *command]):
        await_port(port)
        yield port


@contextmanager
def serving(command: Sequence[str], *, quiet: bool = False) -> Iterator[None]:
    """Run a server for as long as this is entered; a `quiet` one's log is thrown away, too."""
    errors = subprocess.DEVNULL if quiet else None
    server = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=errors)
    try:
        yield
    finally:
        server.terminate()
        server.wait()


def free_port() -> int:
    """Return a port that nobody listens at."""
    with socket.create_server(("127.0.0.1", 0)) as found:
        port: int = found.getsockname()[1]
        return port


def await_port(port: int) -> None:
    """Wait until somebody listens."""
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except ConnectionRefusedError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)
        else:
            return
