"""Whom Tailrun is measured beside: websocketd, the bare relay, cronstable and procrastinate.

websocketd starts a command for each viewer. cronstable is a scheduler of one process, without a
database, with a live log. procrastinate keeps its jobs in PostgreSQL; nobody can watch them.
`make bench` installs them (peers.txt).
"""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from unittest import mock

from bench import content
from bench.service import ROOT, Service, ask
from bench.viewers import Stream

Serving = AbstractContextManager[Stream]  # serves a command's output for as long as it is entered
AT_A_TIME = 16  # jobs that are started, by whoever starts some
START_SECONDS = END_SECONDS = 10
PROGRAMS = Path(sys.prefix, "peers", "bin")
HERE = Path(__file__).parent
MEASURE = "import asyncio, sys, worker; asyncio.run(worker.measure(int(sys.argv[1])))"
JOB = """
jobs:
  - name: job
    schedule: "0 0 1 1 *"
    captureStdout: true
    concurrencyPolicy: Allow
    command: {command}
web:
  listen:
    - http://127.0.0.1:{port}
"""


@contextmanager
def websocketd(directory: Path, *commands: list[str]) -> Iterator[Stream]:
    """Run websocketd; yields the stream of the first command. The others are at /1 and so on."""
    scripts, port = directory / "scripts", _free_port()
    scripts.mkdir(exist_ok=True)
    for number, command in enumerate(commands):
        script = scripts / str(number)
        script.write_text(f"#!/bin/sh\n{content.script(command)}\n", encoding="utf-8")
        script.chmod(0o755)
    arguments = ["--address=127.0.0.1", "--loglevel=fatal", f"--dir={scripts}", f"--port={port}"]
    with _running(["websocketd", *arguments], port):
        yield Stream(port, "messages", "/0")


@contextmanager
def relay(command: list[str], module: str = "bench.relay") -> Iterator[Stream]:
    port = _free_port()
    with _running([sys.executable, "-m", module, str(port), *command], port):
        yield Stream(port, "body", "/")


@contextmanager
def cronstable(directory: Path, command: list[str]) -> Iterator[int]:
    """Run cronstable with one job, `job`, that is started on demand alone; yields its port."""
    port, configuration = _free_port(), directory / "cronstable.yaml"
    arguments = "".join(f'\n      - "{argument}"' for argument in command)
    configuration.write_text(JOB.format(command=arguments, port=port), encoding="utf-8")
    with _running([str(PROGRAMS / "cronstable"), "-c", str(configuration)], port):
        yield port


@contextmanager
def cronstable_log(directory: Path, command: list[str]) -> Iterator[Stream]:
    with cronstable(directory, command) as port:
        ask(port, "POST", "/jobs/job/start")
        yield Stream(port, "events", "/jobs/job/logs")


@contextmanager
def procrastinate(service: Service) -> Iterator[list[str]]:
    """Have procrastinate work in the PostgreSQL of a service; yields the command for worker.py."""
    url = service.database_url.replace("/postgres?", "/procrastinate?")
    own = {"BENCH_DATABASE": url, "BENCH_AT_A_TIME": str(AT_A_TIME), "PYTHONPATH": str(HERE)}
    program = [str(PROGRAMS / "procrastinate"), "--app=worker.app"]
    service.query("CREATE DATABASE procrastinate")
    try:
        with mock.patch.dict(os.environ, own):
            subprocess.run([*program, "schema", "--apply"], check=True, capture_output=True)
            with _running([*program, "worker", f"--concurrency={AT_A_TIME}"]):
                yield [str(PROGRAMS / "python"), "-c", MEASURE]
    finally:
        service.query("DROP DATABASE procrastinate WITH (FORCE)")


@contextmanager
def _running(command: list[str], port: int | None = None) -> Iterator[None]:
    """Run somebody, whose log is thrown away; `port` is where it is to listen."""
    log, deadline = subprocess.DEVNULL, time.monotonic() + START_SECONDS
    with subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log) as process:
        try:
            while port is not None and socket.socket().connect_ex(("127.0.0.1", port)) != 0:
                if time.monotonic() > deadline:
                    raise TimeoutError(f"{command[0]} does not listen")
                time.sleep(0.02)
            yield
        finally:
            process.terminate()
            with suppress(subprocess.TimeoutExpired):  # it may wait for a run that waits for us
                process.wait(END_SECONDS)
            process.kill()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])
