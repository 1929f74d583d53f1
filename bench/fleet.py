"""How many workers two servers, NATS and a PostgreSQL of one machine answer, and what gives way.

The workers are pretended ones (`pretended.py`); their numbers grow, and with them what they ask.
"""

import asyncio
import random
import statistics
import sys
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path

from bench import machine
from bench.pretended import Heard, Pretended
from bench.service import ROOT, Service, serving
from bench.session import Figure, Session
from bench.write import MB
from server.services.fleet.fleet_key import KEY_FILE
from tests.support.nats import Nats

WORKERS = (100, 1_000, 3_000, 10_000)
FASTER = (2, 4)
"""So many times what the most of them ask: until something gives way."""

RUNS_A_SECOND = 116 / 10_000
"""Of each worker: of 10,000 workers a million runs a day, three times as many at the peak."""

POOL = "fleet"
CONNECTED_AT_ONCE = 100
SETTLE_SECONDS, SECONDS = 5.0, 20.0
TICK_SECONDS = 0.1

COMMAND = "INSERT INTO commands (name, script) VALUES ('fleet', 'true')"
ENROLLED = f"""
    INSERT INTO workers (
        id, name, version, pools, labels, places, first_seen_at, seen_at, lease_until
    )
    SELECT 'w' || n, 'w' || n, '0', '{{{POOL}}}', '{{}}', 100, now(), now(), now() + interval '1 h'
    FROM generate_series(1, %s) n ON CONFLICT DO NOTHING
"""  # noqa: S608  a constant of this file
QUEUED = f"""
    INSERT INTO commands_info (commands_id, script, state, host, pool)
    SELECT id, 'true', 'queued', NULL, '{POOL}' FROM commands, generate_series(1, %s)
"""  # noqa: S608  a constant of this file
ENDED = "SELECT count(*) FROM commands_info WHERE end_time IS NOT NULL"


class Fleet:
    """Two servers, their database and NATS."""

    def __init__(self, servers: Sequence[Service], nats: Nats) -> None:
        self.servers, self.nats = servers, nats

    def used(self) -> dict[str, float]:
        """Return the seconds of CPU time that each part has taken."""
        return {
            "servers": sum(machine.cpu_seconds(one.pid) for one in self.servers),
            "database": self.servers[0].database_cpu_seconds(),
            "engine": machine.cpu_seconds(self.nats.pid),
            "bench": time.process_time(),
        }


def fleet(session: Session) -> None:
    with asyncio.Runner() as run:
        for count in session.up_to(WORKERS):
            for times in (1, *FASTER) if count == WORKERS[-1] else (1,):
                who = f"{count:,} workers" + (f", {times} times as fast" if times > 1 else "")
                measured = partial(_told, session.directory, run, count, times)
                session.in_turn({who: measured}, most=1)


def _told(directory: Path, run: asyncio.Runner, count: int, times: int) -> Iterator[Figure]:
    Pretended.times_as_fast = times
    with _fleet(directory, run) as fleet:
        yield from run.run(_measured(fleet, count))


@contextmanager
def _fleet(directory: Path, run: asyncio.Runner) -> Iterator[Fleet]:
    """Run a fleet; its servers run nothing themselves."""
    nats = Nats(directory)
    run.run(nats.start())
    command = [sys.executable, "-m", "server"]
    settings = {"NATS_URL": nats.url, "LEASE_SECONDS": "90"}
    session = Session(directory=directory, runs=1, scale=1, patience_seconds=0)
    try:
        with session.service(**settings) as first:
            settings |= {
                "DATABASE_URL": first.database_url,
                "FLEET_KEY_FILE": str(directory / "state" / KEY_FILE),
            }
            with serving(command, directory / "second", ROOT, **settings) as second:
                yield Fleet([first, second], nats)
    finally:
        run.run(nats.kill())


async def _measured(fleet: Fleet, count: int) -> list[Figure]:
    database = fleet.servers[0]
    database.query(COMMAND)
    database.query(ENROLLED, [count])
    async with _workers(fleet.nats.port, count) as workers:
        filling = asyncio.create_task(_fill(database, workers))
        await asyncio.sleep(SETTLE_SECONDS)
        Pretended.heard = Heard()
        before, begun, ended = fleet.used(), time.monotonic(), database.query(ENDED)[0][0]
        await asyncio.sleep(SECONDS)
        heard, Pretended.heard = Pretended.heard, Heard()
        seconds = time.monotonic() - begun
        used = {who: (took - before[who]) / seconds for who, took in fleet.used().items()}
        runs = (database.query(ENDED)[0][0] - ended) / seconds
        figures = [*_answered(heard, seconds), *_costs(fleet, used, runs)]
        filling.cancel()
    for why, times in heard.failed.most_common(5):
        print(f"  refused {times} times: {why}", flush=True)
    return figures


def _answered(heard: Heard, seconds: float) -> Iterator[Figure]:
    for word, asked in sorted(heard.asked.items()):
        took = heard.seconds[word] or [0.0]
        details = {
            "99 % ms": 1000 * statistics.quantiles(took, n=100)[98] if len(took) > 1 else 0.0,
            "asked a second": asked / seconds,
            "answered": len(heard.seconds[word]) / seconds,
        }
        yield Figure(word, 1000 * statistics.median(took), "ms", details)


def _costs(fleet: Fleet, used: dict[str, float], runs: float) -> Iterator[Figure]:
    yield Figure("runs", runs, "runs/s")
    for who, cores in used.items():
        yield Figure(f"CPU of {who}", cores, "cores")
    servers = sum(machine.memory(one.pid) for one in fleet.servers) / len(fleet.servers)
    yield Figure("memory of a server", servers / MB, "MB")
    yield Figure("memory of engine", machine.memory(fleet.nats.pid) / MB, "MB")


@asynccontextmanager
async def _workers(port: int, count: int) -> AsyncIterator[list[Pretended]]:
    """Have workers, each at some place of its own in the rhythm of beats and looks."""
    loop = asyncio.get_running_loop()
    workers: list[Pretended] = []
    try:
        for first in range(0, count, CONNECTED_AT_ONCE):
            connecting = [
                loop.create_connection(
                    partial(Pretended, f"w{number + 1}", POOL), "127.0.0.1", port
                )
                for number in range(first, min(first + CONNECTED_AT_ONCE, count))
            ]
            workers += [worker for _, worker in await asyncio.gather(*connecting)]
        now = time.monotonic()
        for worker in workers:
            worker.begin(now)
        yield workers
    finally:
        for worker in workers:
            worker.close()


async def _fill(database: Service, workers: Sequence[Pretended]) -> None:
    """Store runs; for each a worker is rung for."""
    rate = len(workers) * RUNS_A_SECOND * Pretended.times_as_fast
    owed, due = 0.0, time.monotonic()
    while True:
        owed += rate * TICK_SECONDS
        count, owed = int(owed), owed % 1
        if count:
            await asyncio.to_thread(database.query, QUEUED, [count])
            now = time.monotonic()
            for _ in range(count):
                random.choice(workers).claim(now)
        due += TICK_SECONDS
        await asyncio.sleep(due - time.monotonic())
