"""The service under measurement: a server, keeper and PostgreSQL of its own, in a new directory."""

import hashlib
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, NamedTuple, Self

import psycopg2
import zstandard

from bench import machine
from server.keeper.protocol import SOCKET_NAME

API = "/api/v1"
POLL_SECONDS = 0.01
END_SECONDS = 30
CONTENT = """
    SELECT data FROM commands_info_output WHERE commands_info_id = %s ORDER BY byte_offset
"""

STATE = "SELECT state FROM commands_info WHERE id = %s"
ARCHIVED = "SELECT output_bytes FROM commands_info WHERE id = %s"


class Cpu(NamedTuple):
    """CPU seconds since some start: of the server, of the keeper, of PostgreSQL."""

    server: float
    keeper: float
    database: float

    def since(self, before: "Cpu") -> "Cpu":
        """Return what was used between two looks."""
        return Cpu(*(after - first for after, first in zip(self, before, strict=True)))


class Tailrun:
    """A running service; a context manager that leaves no process behind."""

    def __init__(self, directory: Path, *, module: str = "server", **settings: str) -> None:
        self._module = module
        self.state_dir = directory
        self._log = directory.with_suffix(".log")
        self._settings = settings
        self._process: subprocess.Popen[str]
        self.port = 0
        self.keeper_pid = 0

    @property
    def pid(self) -> int:
        """The server's."""
        return self._process.pid

    @property
    def database_pid(self) -> int:
        """PostgreSQL's first process."""
        lock = self.state_dir / "database" / "postmaster.pid"
        return int(lock.read_text(encoding="ascii").split()[0])

    def __enter__(self) -> Self:
        own = {"PORT": "0", "STATE_DIR": str(self.state_dir), **self._settings}
        inherited = {n: v for n, v in os.environ.items() if not n.startswith("TAILRUN_")}
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", self._module],
                cwd=machine.ROOT,
                env=inherited | {f"TAILRUN_{name}": value for name, value in own.items()},
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        match = re.search(r"serves http://\S+?:(\d+)/", line)
        if match is None:
            raise RuntimeError(f"the server did not start: {line}{self._log.read_text()}")
        self.port = int(match[1])
        self.keeper_pid = ask_keeper(self.state_dir)
        return self

    def __exit__(self, *_: object) -> None:
        self._process.send_signal(signal.SIGTERM)
        self._process.communicate(timeout=END_SECONDS)
        with suppress(ProcessLookupError):
            os.kill(self.keeper_pid, signal.SIGTERM)

    def call(self, method: str, path: str, body: object = None) -> Any:
        """Call the API; return the JSON."""
        with closing(http.client.HTTPConnection("127.0.0.1", self.port)) as connection:
            content = None if body is None else json.dumps(body)
            headers = {} if body is None else {"Content-Type": "application/json"}
            connection.request(method, f"{API}/{path}", content, headers)
            answer = connection.getresponse()
            data = answer.read()
            if answer.status >= 400:
                raise RuntimeError(f"{method} {path}: {data.decode()}")
            return json.loads(data)

    def run(self, script: str) -> str:
        """Start a run; return its id."""
        body = {"name": "bench", "script": script}
        run_id: str = self.call("POST", "commands/", body)["run"]["id"]
        return run_id

    def until(self, run_id: str, condition: Callable[[dict[str, Any]], bool]) -> None:
        """Wait until a run is as wanted."""
        while not condition(self.call("GET", f"runs/{run_id}")):
            time.sleep(POLL_SECONDS)

    def finish(self, script: str) -> str:
        """Run a script to its end, which is to be a success; return the run's id."""
        run_id = self.run(script)
        self.until(run_id, lambda run: run["state"] == "succeeded")
        return run_id

    def cpu(self) -> Cpu:
        """Return the CPU time used up to now."""
        server, keeper = machine.cpu_seconds(self.pid), machine.cpu_seconds(self.keeper_pid)
        while True:
            with suppress(OSError):  # a backend ended meanwhile
                return Cpu(server, keeper, self._database_cpu())

    def _database_cpu(self) -> float:
        first, *backends = machine.family(self.database_pid)
        alive = sum(machine.cpu_seconds(pid) for pid in (first, *backends))
        return alive + machine.reaped_cpu_seconds(first)

    def archived_digest(self, run_id: str) -> str:
        """Return the SHA-256 of what PostgreSQL has of a run, read without the server's help."""
        sha256 = hashlib.sha256()
        decompressor = zstandard.ZstdDecompressor()
        with closing(self.connect()) as connection, connection.cursor("content") as cursor:
            cursor.itersize = 16
            cursor.execute(CONTENT, (run_id,))
            for (data,) in cursor:
                sha256.update(decompressor.decompress(data))
        return sha256.hexdigest()

    def await_archive(self, run_id: str, size: int) -> None:
        """Wait until so much of a live run is archived."""
        archived = 0
        with closing(self.connect()) as connection, connection.cursor() as cursor:
            connection.autocommit = True
            while archived < size:
                time.sleep(POLL_SECONDS)
                cursor.execute(ARCHIVED, (run_id,))
                [(archived,)] = cursor.fetchall()

    def await_viewer(self) -> None:
        """Wait until somebody watches."""
        while self.metric("tailrun_viewers") != 1:
            time.sleep(POLL_SECONDS)

    def metric(self, name: str) -> int:
        """Return one of the service's figures, a whole one."""
        with closing(http.client.HTTPConnection("127.0.0.1", self.port)) as connection:
            connection.request("GET", "/metrics")
            lines = connection.getresponse().read().decode().splitlines()
        [value] = [line.split()[1] for line in lines if line.split()[0] == name]
        return int(float(value))

    def archived_at(self, run_id: str, closed_at: float) -> float:
        """Return when a run was archived to its end; its stream was closed at `closed_at`.

        The server closes a stream when the run's end is stored, or when the archive is more than
        END_STORED_SECONDS behind. Both times are of CLOCK_MONOTONIC, in seconds.
        """
        at = closed_at
        with closing(self.connect()) as connection, connection.cursor() as cursor:
            connection.autocommit = True
            while True:
                cursor.execute(STATE, (run_id,))
                if cursor.fetchall() == [("succeeded",)]:
                    return at
                time.sleep(POLL_SECONDS)
                at = time.monotonic()

    @property
    def database_url(self) -> str:
        """Where the service's database is."""
        return f"postgresql://postgres@/postgres?host={self.state_dir / 'database'}"

    def connect(self) -> "psycopg2.extensions.connection":
        """Connect to the service's database."""
        return psycopg2.connect(self.database_url)


def ask_keeper(state_dir: Path) -> int:
    """Return the pid of a state directory's keeper."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(state_dir / "keeper" / SOCKET_NAME))
        connection.sendall(b'{"id": 1, "op": "hello"}\n')
        pid: int = json.loads(connection.makefile().readline())["pid"]
        return pid
