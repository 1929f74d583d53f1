"""Schedulers of jobs that Tailrun is measured beside; `make bench` installs both (peers.txt).

cronstable is one process, without a database, with a live log (server-sent events). procrastinate
keeps its jobs in PostgreSQL; its task spawns `sh`, and nobody can watch it.
"""

import asyncio
import http.client
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from bench import peers, wire
from bench.spawn import ECHO
from bench.tailrun import Tailrun

PROGRAMS = Path(sys.prefix, "peers", "bin")
ENDED = 'cronstable_job_runs_total{job_name="echo",status="success"} '
WORKER = Path(__file__).with_name("worker.py")
POLL_SECONDS = 0.02


def are_there() -> bool:
    """Whether they are installed."""
    return PROGRAMS.is_dir()


@contextmanager
def cronstable(directory: Path, jobs: Mapping[str, Sequence[str]]) -> Iterator[int]:
    """Run cronstable with jobs that are started on demand alone; yields its port."""
    port = peers.free_port()
    lines = ["jobs:"]
    for name, command in jobs.items():
        lines += [f"  - name: {name}", '    schedule: "0 0 1 1 *"', "    captureStdout: true"]
        lines += ["    concurrencyPolicy: Allow", "    command:"]
        lines += [f'      - "{argument}"' for argument in command]
    lines += ["web:", "  listen:", f"    - http://127.0.0.1:{port}", ""]
    configuration = directory / "cronstable.yaml"
    configuration.write_text("\n".join(lines), encoding="utf-8")
    with peers.serving([str(PROGRAMS / "cronstable"), "-c", str(configuration)], quiet=True):
        peers.await_port(port)
        yield port


def cronstable_starts(directory: Path, runs: int, at_a_time: int) -> float:
    """Return the seconds that so many runs of ECHO take, asked for over HTTP, to the last end."""
    with cronstable(directory, {"echo": ["sh", "-c", ECHO]}) as port:
        start = time.monotonic()
        asyncio.run(_ask(port, runs, at_a_time))
        while _ended(port) < runs:
            time.sleep(POLL_SECONDS)
        return time.monotonic() - start


async def _ask(port: int, runs: int, at_a_time: int) -> None:
    numbers = iter(range(runs))

    async def ask() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for _ in numbers:
            writer.write(wire.request("POST", "/jobs/echo/start", f"127.0.0.1:{port}"))
            head = await reader.readuntil(wire.HEADER_END)
            assert head.startswith(b"HTTP/1.1 200"), head
            length = head.lower().split(b"content-length:")[1].split(b"\r\n")[0]
            await reader.readexactly(int(length))
        writer.close()

    await asyncio.gather(*(ask() for _ in range(at_a_time)))


def _ended(port: int) -> int:
    with closing(http.client.HTTPConnection("127.0.0.1", port)) as connection:
        connection.request("GET", "/metrics")
        text = connection.getresponse().read().decode()
    return int(float(text.split(ENDED)[1].split("\n")[0]))


def procrastinate_starts(service: Tailrun, runs: int, at_a_time: int) -> float:
    """Return the seconds that so many jobs take, deferred and worked off, in the PostgreSQL."""
    with closing(service.connect()) as connection, connection.cursor() as cursor:
        connection.autocommit = True
        cursor.execute("DROP DATABASE IF EXISTS procrastinate WITH (FORCE)")
        cursor.execute("CREATE DATABASE procrastinate")
    url = service.database_url.replace("/postgres?", "/procrastinate?")
    done = subprocess.run(
        [str(PROGRAMS / "python"), str(WORKER), url, str(runs), str(at_a_time)],
        stdout=subprocess.PIPE,
        check=True,
    )
    return float(done.stdout)
