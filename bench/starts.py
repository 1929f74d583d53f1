"""How many runs of `echo hi` are started, and ended with all of it archived, a second.

And how long it is from `git clone` to the first one's line, with pip's packages from the network.
"""

import asyncio
import hashlib
import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from http.client import HTTPResponse
from pathlib import Path
from unittest import mock

from bench import peers, wire
from bench.peers import AT_A_TIME
from bench.service import API, ROOT, Served, Service, ask, definition, serving
from bench.session import Figure, Session
from bench.viewers import Job, Stream, view

RUNS = 500
ECHO = ["sh", "-c", "echo hi"]
FRESH_COPIES = 3  # few, as each takes long, and most of it is the network's and pip's
POLL_SECONDS = 0.05  # between two looks at who has ended, each of which reads a whole table
ENDED = "SELECT count(*) FROM commands_info WHERE state = 'succeeded' AND output = E'hi\\n'"
ENDED_JOBS = re.compile(r'cronstable_job_runs_total{job_name="job",status="success"} (\S+)')


def starts(session: Session) -> None:
    runs, own = session.sized(RUNS, AT_A_TIME), session.directory
    with session.service() as service:
        procrastinate = partial(_procrastinate, service, runs)
        others = {"cronstable": partial(_cronstable, own, runs), "procrastinate": procrastinate}
        contenders = {"tailrun": partial(ours, service, runs), **others}
        session.in_turn({**contenders, "bare asyncio": partial(_bare, own, runs)})


def ours(service: Served, runs: int, token: str = "") -> Iterator[Figure]:
    body = definition("echo hi", service.pool)
    post = wire.request("POST", f"{API}/commands/", service.port, body, wire.by(token))
    before, cpu = service.query(ENDED)[0][0], service.cpu()
    seconds = _seconds(service.port, post, runs, lambda: service.query(ENDED)[0][0] - before)
    yield Figure("started and ended", runs / seconds, "runs/s", service.cpu(cpu))


def _cronstable(own: Path, runs: int) -> Iterator[Figure]:
    def ended() -> float:
        return sum(map(float, ENDED_JOBS.findall(ask(port, "GET", "/metrics").decode())))

    with peers.cronstable(own, ECHO) as port:
        seconds = _seconds(port, wire.request("POST", "/jobs/job/start", port), runs, ended)
    yield Figure("started and ended", runs / seconds, "runs/s")


def _seconds(port: int, post: bytes, runs: int, ended: Callable[[], float]) -> float:
    """POST over several connections, each of which is kept, and wait until all have ended."""
    numbers = iter(range(runs))

    def some() -> None:
        with socket.create_connection(("127.0.0.1", port)) as connection:
            for _ in numbers:
                connection.sendall(post)
                answer = HTTPResponse(connection)
                answer.begin()
                assert answer.status < 300, answer.status
                answer.read()

    start = time.monotonic()
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        for done in [pool.submit(some) for _ in range(AT_A_TIME)]:
            done.result()
    while ended() < runs:
        time.sleep(POLL_SECONDS)
    return time.monotonic() - start


def _procrastinate(service: Service, runs: int) -> Iterator[Figure]:
    with peers.procrastinate(service) as measuring:
        done = subprocess.run([*measuring, str(runs)], stdout=subprocess.PIPE, check=True)
    yield Figure("started and ended", runs / float(done.stdout), "runs/s")


def _bare(own: Path, runs: int) -> Iterator[Figure]:
    numbers = iter(range(runs))

    async def some() -> None:
        for number in numbers:
            with (own / f"spawned-{number}").open("w+b") as file:
                process = await asyncio.create_subprocess_exec(*ECHO, stdout=file)
                assert await process.wait() == 0
                assert Path(file.name).read_bytes() == b"hi\n"
                Path(file.name).unlink()

    async def spawn() -> None:
        await asyncio.gather(*(some() for _ in range(AT_A_TIME)))

    asyncio.set_child_watcher(asyncio.PidfdChildWatcher())
    start = time.monotonic()
    asyncio.run(spawn())
    yield Figure("started and ended", runs / (time.monotonic() - start), "runs/s")


def fresh(session: Session) -> None:
    session.in_turn({"from the network": partial(_fresh, session.directory)}, most=FRESH_COPIES)


def _fresh(own: Path) -> Iterator[Figure]:
    copy, state, start = own / "copy", own / "fresh", time.monotonic()
    try:
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(copy)], check=True)
        with (
            mock.patch.dict(os.environ, {"PIP_NO_CACHE_DIR": "1"}),
            serving(["make", "run"], state, copy) as service,
        ):
            job = Job(Stream(service.port, "text"), script="echo hi", capacity=1000)
            result = view(job, hashlib.sha256(b"hi\n").hexdigest())
    finally:
        shutil.rmtree(copy, ignore_errors=True)
        shutil.rmtree(state, ignore_errors=True)
    yield Figure("to the first line", result.first_at - start, "s")
