"""Hundreds of concurrent runs, each of which writes a line a second."""

import shlex
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import zstandard

from bench.count import line
from bench.peak import Peak
from bench.samples import Sample
from bench.session import Session, Taker
from bench.tailrun import Cpu, Tailrun

MEASURE = "many runs"
COUNT = Path(__file__).with_name("count.py")
RUNS = 500
LINES = 20
LEAST_LINES = 6
INTERVAL_SECONDS = 1.0
EDGE_SECONDS = 1.5
"""After the start, and before the first run's end, that are not measured."""

POLL_SECONDS = 0.05
KB = 1_000

IN_STATE = "SELECT count(*) FROM commands_info WHERE commands_id = %s AND state = %s"
CONTENT = """
    SELECT r.id::text, o.data
    FROM commands_info r JOIN commands_info_output o ON o.commands_info_id = r.id
    WHERE r.commands_id = %s AND r.exitcode = 0 ORDER BY r.id, o.byte_offset
"""


class Work(NamedTuple):
    """What the service took while all runs wrote, and for how long; memory of server and keeper."""

    used: Cpu
    seconds: float
    server_grown_bytes: int
    keeper_grown_bytes: int


def many(session: Session) -> Iterator[Sample]:
    """Measure a new service each time: memory that was given back before would hide growth."""
    runs = session.sized(RUNS)
    lines = max(LEAST_LINES, session.sized(LINES))
    taker = Taker(MEASURE, session)
    for _ in range(session.runs):
        with session.tailrun(**bounds(runs)) as service:
            service.finish("echo hi")
            taker.look()
            yield from _samples(taker, work(session, service, runs, lines), runs)


def bounds(runs: int) -> dict[str, str]:
    """Return the settings that so many runs of one command need."""
    return {"MAX_CONCURRENT_RUNS": str(runs), "MAX_ACTIVE_RUNS_PER_COMMAND": str(runs)}


def work(session: Session, service: Tailrun, runs: int, lines: int) -> Work:
    """Have so many runs write at the same time; verify what PostgreSQL has of each.

    Raises:
        RuntimeError: PostgreSQL has other bytes.
    """
    flag = session.directory / "wait"
    flag.touch()
    program = [sys.executable, "-I", "-S", str(COUNT)]
    script = "exec " + shlex.join([*program, str(lines), str(INTERVAL_SECONDS), str(flag)])
    body = {"name": "many", "script": script, "start": False}
    command_id: str = service.call("POST", "commands/", body)["id"]
    with Peak(service.pid, service.keeper_pid) as peak:
        for _ in range(runs):
            service.call("POST", f"commands/{command_id}/runs")
        _until(service, command_id, "running", runs)
        flag.unlink()
        time.sleep(INTERVAL_SECONDS + EDGE_SECONDS)
        before, start = service.cpu(), time.monotonic()
        time.sleep(lines * INTERVAL_SECONDS - 2 * EDGE_SECONDS)
        seconds, used = time.monotonic() - start, service.cpu().since(before)
    _until(service, command_id, "succeeded", runs)
    _verify(service, command_id, runs, lines)
    return Work(used, seconds, peak.grown(service.pid), peak.grown(service.keeper_pid))


def _until(service: Tailrun, command_id: str, state: str, runs: int) -> None:
    """Wait until all runs are in a state."""
    found = -1
    with closing(service.connect()) as connection, connection.cursor() as cursor:
        connection.autocommit = True
        while found < runs:
            time.sleep(POLL_SECONDS)
            cursor.execute(IN_STATE, (command_id, state))
            [(found,)] = cursor.fetchall()


def _verify(service: Tailrun, command_id: str, runs: int, lines: int) -> None:
    outputs: dict[str, bytes] = {}
    with closing(service.connect()) as connection, connection.cursor() as cursor:
        cursor.execute(CONTENT, (command_id,))
        for run_id, data in cursor:
            outputs[run_id] = outputs.get(run_id, b"") + zstandard.decompress(data)
    expected = {
        run_id: b"".join(line(run_id, number) for number in range(lines)) for run_id in outputs
    }
    if len(outputs) != runs or outputs != expected:
        raise RuntimeError("the runs were archived with other bytes")


def _samples(taker: Taker, worked: Work, runs: int) -> Iterator[Sample]:
    who = f"{runs} runs"
    shares = {name: spent / worked.seconds for name, spent in worked.used._asdict().items()}
    yield taker.sample("service CPU", who, sum(shares.values()), "cores", shares)
    grown = {
        "server kB": worked.server_grown_bytes / runs / KB,
        "keeper kB": worked.keeper_grown_bytes / runs / KB,
    }
    yield taker.sample("memory a run", who, sum(grown.values()), "kB", grown)
