"""What comes at the same time is done at once; each asks for itself, and fails for itself."""

import asyncio
import gc
from collections.abc import Sequence

import pytest

from server.errors import DatabaseRefusedError, DatabaseUnavailableError
from server.repositories.database import batches
from server.repositories.database.batches import Batches


class Table:
    """Stands in for the statement: notes what it was given, and waits where it is told to."""

    def __init__(self, timeout_seconds: float = 60) -> None:
        self.statements: list[list[str]] = []
        self.begun = asyncio.Event()
        self.turns = asyncio.Semaphore(0)
        self.failure: Exception | None = None
        self.batches = Batches(self.store, len, timeout_seconds=timeout_seconds)

    def go(self, statements: int = 100) -> None:
        """Let so many statements come through."""
        for _ in range(statements):
            self.turns.release()

    async def store(self, items: Sequence[str]) -> Sequence[str]:
        """Store items, but for those that are refused."""
        self.statements.append(list(items))
        self.begun.set()
        await self.turns.acquire()
        if self.failure is not None:
            raise self.failure
        if "refused" in items:
            raise DatabaseRefusedError("The database refuses it.")
        return [item.upper() for item in items]

    async def ask(self, *items: str) -> "list[asyncio.Task[str]]":
        """Ask for items while a statement is under way."""
        first = asyncio.create_task(self.batches.do("first"))
        await self.begun.wait()
        asked = [asyncio.create_task(self.batches.do(item)) for item in items]
        for _ in asked:
            await asyncio.sleep(0)
        return [first, *asked]


async def test_what_comes_during_a_statement_is_one_statement() -> None:
    table = Table()
    asked = await table.ask("a", "b", "c")
    table.go()
    assert await asyncio.gather(*asked) == ["FIRST", "A", "B", "C"]
    assert table.statements == [["first"], ["a", "b", "c"]]


async def test_a_refused_item_fails_alone() -> None:
    table = Table()
    first, *others, refused = await table.ask("a", "b", "refused")
    table.go()
    assert await asyncio.gather(first, *others) == ["FIRST", "A", "B"]
    with pytest.raises(DatabaseRefusedError):
        await refused


async def test_a_failed_statement_is_told_to_all_of_it_and_the_next_goes_on() -> None:
    table = Table()
    table.failure = DatabaseUnavailableError("The database is away.")
    table.go()
    asked = await table.ask("a", "b")
    results = await asyncio.gather(*asked, return_exceptions=True)
    assert [isinstance(result, DatabaseUnavailableError) for result in results] == [True] * 3
    table.failure = None
    assert await table.batches.do("later") == "LATER"


async def test_nothing_is_stored_for_who_has_gone() -> None:
    table = Table()
    first, gone, staying = await table.ask("gone", "staying")
    gone.cancel()
    await asyncio.wait({gone})
    table.go()
    assert (await first, await staying) == ("FIRST", "STAYING")
    assert table.statements == [["first"], ["staying"]]


async def _of_one_statement(table: Table) -> "list[asyncio.Task[str]]":
    """Ask for two items by one statement, which is under way; the first acts for both."""
    first, *both = await table.ask("acting", "other")
    table.begun.clear()
    table.go(1)
    await first
    await table.begun.wait()
    return both


async def test_who_goes_leaves_the_statement_to_the_others() -> None:
    table = Table()
    acting, other = await _of_one_statement(table)
    acting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await acting
    later = asyncio.create_task(table.batches.do("later"))
    table.go()
    assert (await other, await later) == ("OTHER", "LATER")
    assert table.statements == [["first"], ["acting", "other"], ["later"]]


async def test_a_statement_that_nobody_waits_for_is_given_up() -> None:
    table = Table()
    for one in await _of_one_statement(table):
        one.cancel()
        await asyncio.wait({one})
    later = asyncio.create_task(table.batches.do("later"))
    for _ in range(3):
        await asyncio.sleep(0)
    assert table.statements[-1] == ["later"]
    table.go()
    assert await later == "LATER"


async def test_an_error_that_nobody_waits_for_is_not_logged() -> None:
    problems: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, told: problems.append(told))
    table = Table()
    first, acting = await table.ask("acting")
    table.begun.clear()
    table.go(1)
    await first
    await table.begun.wait()
    acting.cancel()
    await asyncio.wait({acting})
    del acting
    gc.collect()
    assert problems == []


async def test_a_turn_is_waited_for_in_bounded_time() -> None:
    table = Table(timeout_seconds=0.01)
    first, second = await table.ask("second")
    with pytest.raises(DatabaseUnavailableError):
        await second
    table.go()
    assert await first == "FIRST"
    assert table.statements == [["first"]]


async def test_a_batch_is_bounded_in_items_and_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "BATCH_ITEMS", 3)
    monkeypatch.setattr(batches, "BATCH_BYTES", 4)
    table = Table()
    asked = await table.ask("a", "b", "c", "d", "eeeee", "f")
    table.go()
    await asyncio.gather(*asked)
    assert table.statements == [["first"], ["a", "b", "c"], ["d", "eeeee"], ["f"]]
