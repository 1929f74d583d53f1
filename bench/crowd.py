"""Many viewers of one run, many runs, many readers that read nothing: what each of them costs."""

import re
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial

from bench import content, wire
from bench.machine import growth
from bench.service import API, Service, ask, start_run
from bench.session import Figure, Session
from bench.viewers import Job, Stream, watching
from bench.write import MB

COUNTS, READERS, KB = (1, 100, 500, 1_000), 100, 1_000
LINES, LINES_A_SECOND, LINE_ROOM = 500, 100, 80
SECONDS = 7  # for which each of many runs writes a line a second
EDGE_SECONDS = 1.0  # after the start and before the first run's end, which are not measured
MEASURED_SECONDS = SECONDS - 2 * EDGE_SECONDS
IN_STATE = "SELECT id::text FROM commands_info WHERE commands_id = %s AND state = %s"
VIEWERS = re.compile(r"^tailrun_viewers (\d+)", re.MULTILINE)
RANDOM = "head -c 45000000 /dev/urandom | base64"  # hardly compresses: the archive's worst
WAYS = "ws ws?format=json ws?format=raw output?follow=true output?format=sse output zstd"


def crowd(session: Session) -> None:
    """Measure viewers of one run, and a new service each time: memory given back hides growth."""
    sizes = {f"{n:,} viewer{'s' * (n > 1)}": n for n in session.up_to(COUNTS)}
    session.in_turn({who: partial(_crowd, session, count) for who, count in sizes.items()})


def _crowd(session: Session, count: int) -> Iterator[Figure]:
    """Have a run watched by so many, all of them there before its first line; verify it all."""
    command, flag = content.ticking(session.directory, LINES, 1 / LINES_A_SECOND)
    with session.service() as service:
        service.finish("echo hi")
        run_id = start_run(service.port, content.script(command))
        service.await_state(run_id, "running")
        stream = Stream.of(service.port, run_id, "text")
        job = Job(stream, viewers=count, capacity=LINES * LINE_ROOM, ticks=True)
        with growth(service.pid) as grown, watching(job) as told:
            told()
            before, start = service.cpu(), time.monotonic()
            flag.unlink()
            told()
            used, seconds = service.cpu(before), time.monotonic() - start
            result = told()
        service.await_state(run_id, "succeeded")
        service.verify(run_id, result.sha256)
    assert result.ticks == LINES
    used["viewers CPU s"] = result.cpu_seconds
    cores = used["server CPU s"] / seconds
    yield Figure("99th percentile", result.p99_ms, "ms", {"median ms": result.median_ms})
    yield Figure("server CPU", cores, "cores", used)
    yield Figure("CPU a viewer", 1000 * cores / count, "ms/s")
    yield Figure("memory a viewer", grown[service.pid] / count / KB, "kB")


def many(session: Session) -> None:
    """Measure runs at the same time, each of which writes a line a second."""
    sizes = {f"{n:,} run{'s' * (n > 1)}": n for n in session.up_to(COUNTS)}
    session.in_turn({who: partial(_many, session, count) for who, count in sizes.items()})


def _many(session: Session, count: int) -> Iterator[Figure]:
    command, flag = content.ticking(session.directory, SECONDS, 1)
    body = {"name": "many", "script": content.script(command), "start": False}
    bounds = {"MAX_CONCURRENT_RUNS": str(count), "MAX_ACTIVE_RUNS_PER_COMMAND": str(count)}
    with session.service(**bounds) as service:
        service.finish("echo hi")
        command_id = service.call("POST", "commands/", body)["id"]
        with growth(service.pid, service.keeper_pid) as grown:
            for _ in range(count):
                service.call("POST", f"commands/{command_id}/runs")
            while len(service.query(IN_STATE, [command_id, "running"])) < count:
                time.sleep(0.05)
            flag.unlink()
            time.sleep(1 + EDGE_SECONDS)  # the runs look for the flag once a second
            before = service.cpu()
            time.sleep(MEASURED_SECONDS)
            used = service.cpu(before)
        while len(ended := service.query(IN_STATE, [command_id, "succeeded"])) < count:
            time.sleep(0.05)
        for (run_id,) in ended:
            lines = b"".join(service.archived(run_id)).decode().splitlines()
            expected = [[run_id, str(number)] for number in range(SECONDS)]
            assert [line.split()[:2] for line in lines] == expected
    cores = sum(used.values()) / MEASURED_SECONDS
    yield Figure("service CPU", cores, "cores", used)
    yield Figure("CPU a run", 1000 * cores / count, "ms/s")
    yield Figure("memory a run", sum(grown.values()) / count / KB, "kB")


def stalled(session: Session) -> None:
    with session.service() as service:
        live = start_run(service.port, f"{RANDOM}; exec sleep 100000")
        runs = (service.finish(RANDOM), live)
        service.await_archived(live, 60 * MB)
        ways = {way: partial(_stall, service, runs, way) for way in WAYS.split()}
        session.in_turn(ways, most=1)


def _stall(service: Service, runs: tuple[str, str], way: str) -> Iterator[Figure]:
    """Have readers of each run stall, as many of the finished one as of the live one."""
    came_at, path = time.monotonic(), way.replace("zstd", "output")
    headers = wire.HANDSHAKE if way.startswith("ws") else {"Accept-Encoding": way}
    with ExitStack() as stack, growth(service.pid) as grown:
        for run_id in [*runs] * READERS:
            asked = f"{API}/runs/{run_id}/{path}"
            reader = stack.enter_context(socket.create_connection(("127.0.0.1", service.port)))
            reader.sendall(wire.request("GET", asked, service.port, headers=headers))
        viewers = READERS
        while viewers or time.monotonic() < came_at + 1:  # until then not all may have come
            time.sleep(0.02)
            viewers = int(VIEWERS.findall(ask(service.port, "GET", "/metrics").decode())[0])
        gone = time.monotonic() - came_at
    yield Figure(f"memory of {2 * READERS}", grown[service.pid] / MB, "MB")
    yield Figure("gone after", gone, "s")
