"""Side tasks: their death is heard, and they can be ended."""

import asyncio
import gc

import pytest

from server.services.tasks import Tasks, end
from tests.support.waiting import patience


async def test_the_death_of_a_task_is_heard_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    async def die() -> None:
        raise RuntimeError("broken")

    tasks = Tasks()
    tasks.start(die(), "digger")
    async with patience():
        await tasks.failed.wait()
    assert "digger" in caplog.text
    assert "broken" in caplog.text


async def test_a_task_that_ends_well_is_forgotten() -> None:
    tasks = Tasks()
    assert await tasks.start(asyncio.sleep(0, "done"), "sleeper") == "done"
    await tasks.cancel()
    assert not tasks.failed.is_set()


async def test_every_task_is_cancelled() -> None:
    tasks = Tasks()
    started = [tasks.start(asyncio.Event().wait(), f"waiter {n}") for n in range(3)]
    async with patience():
        await tasks.cancel()
    assert all(task.cancelled() for task in started)
    assert not tasks.failed.is_set()


async def test_a_task_that_loses_a_cancellation_is_ended_all_the_same() -> None:
    """As asyncio.wait_for of Python 3.11 makes tasks do."""
    lost = asyncio.Event()

    async def lose_one() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            lost.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(lose_one())
    await asyncio.sleep(0)
    async with patience():
        await end(task)
    assert lost.is_set()
    assert task.cancelled()


async def test_how_an_ended_task_failed_is_the_callers_business(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """It is not logged as an exception that was never retrieved."""

    async def fail() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            raise ConnectionResetError

    task = asyncio.create_task(fail())
    await asyncio.sleep(0)
    await end(task)
    del task
    gc.collect()
    assert not caplog.records


async def test_ending_a_task_that_has_ended_does_nothing() -> None:
    task = asyncio.create_task(asyncio.sleep(0, "done"))
    await task
    await end(task)
    assert task.result() == "done"
