"""procrastinate at work: `worker.py URL JOBS AT_A_TIME` prints the seconds that the jobs took.

It runs by itself, in the Python that has procrastinate. A worker in a process of its own takes so
many jobs at a time; this one defers them, over as many connections, and waits for the last end.
"""

import asyncio
import importlib
import subprocess
import sys
import time
from typing import Any

POLL_SECONDS = 0.02
COUNT = "SELECT count(*) FROM procrastinate_jobs WHERE status = 'succeeded'"

procrastinate: Any = importlib.import_module("procrastinate")
url, jobs, at_a_time = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
app = procrastinate.App(
    connector=procrastinate.PsycopgConnector(conninfo=url, min_size=4, max_size=at_a_time)
)


@app.task(name="echo")  # type: ignore[untyped-decorator]
async def echo() -> str:
    """Run a script, as Tailrun does."""
    process = await asyncio.create_subprocess_exec(
        "sh", "-c", "echo hi", stdout=asyncio.subprocess.PIPE
    )
    output, _ = await process.communicate()
    return output.decode()


async def defer(count: int) -> None:
    """Defer jobs, and wait until they have ended."""
    before = await ended()
    numbers = iter(range(count))

    async def some() -> None:
        for _ in numbers:
            await echo.defer_async()

    await asyncio.gather(*(some() for _ in range(at_a_time)))
    while await ended() < before + count:  # noqa: ASYNC110  it is in a database
        await asyncio.sleep(POLL_SECONDS)


async def ended() -> int:
    """Return how many jobs have succeeded."""
    row = await app.connector.execute_query_one_async(COUNT)
    return int(row["count"])


async def work() -> None:
    """Work jobs off, until told to go."""
    async with app.open_async():
        await app.run_worker_async(concurrency=at_a_time)


async def prepare() -> None:
    """Make the tables."""
    async with app.open_async():
        await app.schema_manager.apply_schema_async()


async def measure() -> float:
    """Return how many seconds the jobs take, once the worker works."""
    async with app.open_async():
        await defer(at_a_time)
        start = time.monotonic()
        await defer(jobs)
        return time.monotonic() - start


def main() -> None:
    """Measure with a worker beside."""
    asyncio.run(prepare())
    with subprocess.Popen([sys.executable, *sys.argv, "work"]) as worker:
        print(asyncio.run(measure()))
        worker.terminate()


if sys.argv[4:]:
    asyncio.run(work())
else:
    main()
