"""Side tasks: their death is heard, and they can be ended."""

import asyncio
import gc

import pytest

from server.errors import DatabaseUnavailableError, StartupError
from server.services.tasks import Retries, Tasks, cancel_and_wait, forever, retry, wait_for
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
        await cancel_and_wait(task)
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
    await cancel_and_wait(task)
    del task
    gc.collect()
    assert "ConnectionResetError" not in caplog.text


async def test_ending_a_task_that_has_ended_does_nothing() -> None:
    task = asyncio.create_task(asyncio.sleep(0, "done"))
    await task
    await cancel_and_wait(task)
    assert task.result() == "done"


async def test_what_is_done_for_one_run_dies_alone() -> None:
    async def die() -> None:
        raise RuntimeError("broken")

    tasks, faults = Tasks(), list[BaseException]()
    task = tasks.start_for_run(die(), "digger", faults.append)
    await asyncio.wait({task})
    await asyncio.sleep(0)
    assert [str(error) for error in faults] == ["broken"]
    assert not tasks.failed.is_set()


async def test_a_loop_of_the_service_outlives_what_passes_by_itself(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """It tells of it once, until it is something else or a step comes through."""
    starved, away, broken = (
        OSError(24, "none"),
        DatabaseUnavailableError("away"),
        StartupError("bad"),
    )
    faults = [starved, starved, away, away, away, broken, None, broken, starved, None]
    done = asyncio.Event()

    async def step() -> None:
        if not faults:
            done.set()
        elif (fault := faults.pop(0)) is not None:
            raise fault

    task = asyncio.create_task(forever(step, seconds=0, name="the sweep"))
    async with patience():
        await done.wait()
    await cancel_and_wait(task)
    told = [record.getMessage().partition("the sweep failed, ")[2] for record in caplog.records]
    assert told == [
        f"retrying: {text}" for text in ("[Errno 24] none", "away", "bad", "bad", "[Errno 24] none")
    ]


async def test_a_step_under_way_is_given_up_with_its_loop(caplog: pytest.LogCaptureFixture) -> None:
    begun, given_up = asyncio.Event(), asyncio.Event()

    async def step() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            given_up.set()

    task = asyncio.create_task(forever(step, seconds=0, name="the sweep"))
    async with patience():
        await begun.wait()
        await cancel_and_wait(task)
    assert given_up.is_set()
    assert not caplog.records


async def test_a_defect_ends_a_loop_of_the_service() -> None:
    async def step() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await forever(step, seconds=0, name="the sweep")


async def test_a_step_is_retried_with_the_pauses_that_its_failures_ask_for() -> None:
    """Until it succeeds, or fails in a way that is not to be tried again."""
    failures: list[Exception] = [OSError(5, "so"), OSError(6, "no"), ZeroDivisionError()]
    seen: list[Exception] = []

    def pause_after(error: Exception) -> float:
        seen.append(error)
        if isinstance(error, ZeroDivisionError):
            raise error
        return 0

    async def step() -> str:
        if failures:
            raise failures.pop(0)
        return "done"

    with pytest.raises(ZeroDivisionError):
        await retry(step, pause_after)
    assert [type(error) for error in seen] == [OSError, OSError, ZeroDivisionError]
    assert await retry(step, pause_after) == "done"
    assert len(seen) == 3


async def test_a_loop_takes_again_what_passes_alone() -> None:
    retries = Retries("turns cannot be given", seconds=3.0)
    assert retries.pause_after(DatabaseUnavailableError("away")) == 3.0
    with pytest.raises(OSError, match="no space"):
        retries.pause_after(OSError("no space"))


async def test_a_bell_is_waited_for_so_long_at_most() -> None:
    bell = asyncio.Event()
    await wait_for(bell, 0)
    waiting = asyncio.create_task(wait_for(bell, None))
    await asyncio.sleep(0)
    assert not waiting.done()
    bell.set()
    async with patience():
        await waiting


async def test_all_who_store_what_is_left_at_the_end_share_one_time() -> None:
    tasks = Tasks()
    first, second = tasks.closing(), tasks.closing()
    assert first.when() == second.when()
    assert Tasks().closing().when() != first.when()
