"""The service under measurement: a server, keeper and PostgreSQL of its own, as users run them."""

import hashlib
import http.client
import json
import os
import re
import signal
import socket
import struct
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg2
import zstandard

from bench import machine
from server.keeper.protocol import SOCKET_NAME

ROOT = Path(__file__).parents[1]
API = "/api/v1"
POLL_SECONDS, END_SECONDS = 0.01, 30
ENDED = {"succeeded", "failed", "stopped", "timed_out", "lost"}
STATE = "SELECT state, output_bytes FROM commands_info WHERE id = %s"
CHUNKS = """
    SELECT byte_offset, data FROM commands_info_output
    WHERE commands_info_id = %s AND byte_offset > %s ORDER BY byte_offset LIMIT 16
"""


@contextmanager
def serving(command: list[str], state: Path, cwd: Path, **settings: str) -> Iterator["Service"]:
    """Run a service; at the end nothing of it is left, and no run."""
    own = {"PORT": "0", "STATE_DIR": str(state), "ON_SHUTDOWN": "stop", **settings}
    environment = {name: v for name, v in os.environ.items() if not name.startswith("TAILRUN_")}
    with state.with_suffix(".log").open("wb") as log:
        process = subprocess.Popen(
            command,
            cwd=cwd,
            env=environment | {f"TAILRUN_{name}": value for name, value in own.items()},
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            start_new_session=True,  # so that what `make` starts can be ended with it
        )
    try:
        yield Service(process, state, settings.get("DATABASE_URL"))
    finally:
        with suppress(ProcessLookupError), ExitStack() as stack:
            for keeper in _keepers(state):  # it outlives its server
                stack.callback(os.kill, keeper, signal.SIGTERM)
            stack.callback(process.kill)
            os.killpg(process.pid, signal.SIGTERM)
            process.communicate(timeout=END_SECONDS)


def _keepers(state: Path) -> Iterator[int]:
    """Yield the pid of a state directory's keeper, if there is one."""
    with suppress(FileNotFoundError), socket.socket(socket.AF_UNIX) as keeper:
        keeper.connect(str(state / "keeper" / SOCKET_NAME))
        size = struct.calcsize("3i")
        yield struct.unpack("3i", keeper.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size))[0]


def ask(port: int, method: str, path: str, body: object = None) -> bytes:
    with closing(http.client.HTTPConnection("127.0.0.1", port)) as connection:
        headers = {"Content-Type": "application/json"}
        connection.request(method, path, None if body is None else json.dumps(body), headers)
        answer = connection.getresponse()
        data = answer.read()
    assert answer.status < 400, data
    return data


def start_run(port: int, script: str, pool: str = "") -> str:
    answer = ask(port, "POST", f"{API}/commands/", definition(script, pool))
    return str(json.loads(answer)["run"]["id"])


def definition(script: str, pool: str = "") -> dict[str, str]:
    """Return the command that is measured; of a pool, if it is to be run by workers."""
    return {"name": "bench", "script": script} | ({"pool": pool} if pool else {})


class Served:
    """A server's API and database; what is started there is of the pool, if there is one."""

    def __init__(self, port: int, database_url: str, pool: str = "") -> None:
        self.port, self.pool, self.database_url = port, pool, database_url
        self._connection = psycopg2.connect(database_url)
        self._connection.autocommit = True

    def call(self, method: str, path: str, body: object = None) -> Any:
        return json.loads(ask(self.port, method, f"{API}/{path}", body))

    def query(self, sql: str, parameters: Any = None) -> list[tuple[Any, ...]]:
        with self._connection.cursor() as cursor:
            cursor.execute(sql, parameters)
            return cursor.fetchall() if cursor.description else []

    def finish(self, script: str) -> str:
        run_id = start_run(self.port, script, self.pool)
        self.await_state(run_id, "succeeded")
        return run_id

    def await_state(self, run_id: str, wanted: str) -> float:
        while (state := self.query(STATE, [run_id])[0][0]) != wanted:
            assert state not in ENDED, f"run {run_id} ended as {state}"
            time.sleep(POLL_SECONDS)
        return time.monotonic()

    def await_archived(self, run_id: str, size: int) -> None:
        while self.query(STATE, [run_id])[0][1] < size:
            time.sleep(POLL_SECONDS)

    def archived_at(self, run_id: str, closed_at: float) -> float:
        """Return when all was: at the stream's close, unless the archive lags by seconds."""
        is_there = self.query(STATE, [run_id])[0][0] == "succeeded"
        return closed_at if is_there else self.await_state(run_id, "succeeded")

    def archived(self, run_id: str) -> Iterator[bytes]:
        offset = -1
        while chunks := self.query(CHUNKS, [run_id, offset]):
            yield from (zstandard.decompress(data) for _, data in chunks)
            offset = chunks[-1][0]

    def verify(self, run_id: str, sha256: str) -> None:
        digest = hashlib.sha256()
        for data in self.archived(run_id):
            digest.update(data)
        assert digest.hexdigest() == sha256, f"run {run_id} was archived with other bytes"

    def used(self) -> dict[str, float]:
        """Return the seconds of CPU time that it has taken, by who has."""
        raise NotImplementedError

    def cpu(self, since: Mapping[str, float] | None = None) -> dict[str, float]:
        now = self.used()
        return {who: seconds - (since[who] if since else 0) for who, seconds in now.items()}


class Service(Served):
    """A running service: its API, its database, its processes.

    Without a `database_url` it has its own PostgreSQL, below its state directory.
    """

    def __init__(
        self, process: "subprocess.Popen[str]", state: Path, database_url: str | None = None
    ) -> None:
        assert process.stdout is not None
        lines = (re.search(r"http://\S+?:(\d+)/", line) for line in process.stdout)
        port = next(int(found[1]) for found in lines if found)
        own = f"postgresql://postgres@/postgres?host={state / 'database'}"
        super().__init__(port, database_url or own)
        self.pid = process.pid
        [self.keeper_pid] = _keepers(state)
        self._lock = state / "database" / "postmaster.pid"

    def used(self) -> dict[str, float]:
        """Return the seconds of CPU time that it has taken, by who has."""
        return {
            "server CPU s": machine.cpu_seconds(self.pid),
            "keeper CPU s": machine.cpu_seconds(self.keeper_pid),
            "database CPU s": self.database_cpu_seconds(),
        }

    @property
    def database_pid(self) -> int:
        return int(self._lock.read_text().split()[0])

    def database_cpu_seconds(self) -> float:
        return machine.family_cpu_seconds(self.database_pid)
