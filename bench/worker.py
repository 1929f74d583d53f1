"""procrastinate at work, in the Python that has it: its command line takes `app`.

`measure` tells how many seconds it takes until so many jobs, deferred over several connections,
have been ended by a worker, which is another process.
"""

import asyncio
import importlib
import os
import time
from typing import Any

URL, AT_A_TIME = os.environ["BENCH_DATABASE"], int(os.environ["BENCH_AT_A_TIME"])
COUNT = "SELECT count(*) FROM procrastinate_jobs WHERE status = 'succeeded'"

procrastinate: Any = importlib.import_module("procrastinate")
connector = procrastinate.PsycopgConnector(conninfo=URL, min_size=4, max_size=AT_A_TIME)
app = procrastinate.App(connector=connector)


@app.task(name="echo")  # type: ignore[untyped-decorator]
async def echo() -> None:
    """Run a script, as Tailrun does."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec("sh", "-c", "echo hi", stdout=pipe)
    await process.communicate()


async def measure(count: int) -> None:
    """Print it, after a first few jobs: then the worker works."""
    async with app.open_async():
        for jobs in (AT_A_TIME, count):
            start, numbers = time.monotonic(), iter(range(jobs))
            expected = (await connector.execute_query_one_async(COUNT))["count"] + jobs
            await asyncio.gather(*(some(numbers) for _ in range(AT_A_TIME)))
            while (await connector.execute_query_one_async(COUNT))["count"] < expected:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
            seconds = time.monotonic() - start
    print(seconds)


async def some(numbers: Any) -> None:
    for _ in numbers:
        await echo.defer_async()
