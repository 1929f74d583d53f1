"""What the database said of late, with a clock of the test's own."""

import asyncio

import pytest

from server.errors import CredentialRefusedError, DatabaseUnavailableError
from server.services.access.remembered import Remembered


class Database:
    """Answers a number that grows, or fails; counts what it was asked."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.asked = 0
        self.error: Exception | None = None
        self.gate: asyncio.Event | None = None
        self.questions = asyncio.Queue[str]()

    async def ask(self, key: str) -> str:
        self.asked += 1
        self.questions.put_nowait(key)
        said = f"{key}{self.asked}"
        if self.gate is not None:
            await self.gate.wait()
        if self.error is not None:
            raise self.error
        return said

    def remembered(self, limit: int = 10) -> Remembered[str, str]:
        return Remembered(
            self.ask, fresh_seconds=5, outage_seconds=600, limit=limit, clock=lambda: self.now
        )


async def test_nothing_is_asked_while_the_answer_is_fresh() -> None:
    database = Database()
    known = database.remembered()
    assert await known.get("a") == ("a1", False)
    database.now += 4.9
    assert await known.get("a") == ("a1", False)
    database.now += 0.1
    assert await known.get("a") == ("a2", False)
    assert database.asked == 2


async def test_in_an_outage_what_was_said_holds_for_ten_minutes() -> None:
    database = Database()
    known = database.remembered()
    await known.get("a")
    database.error = DatabaseUnavailableError("away")
    database.now += 599.9
    assert await known.get("a") == ("a1", True)
    assert await known.get("a") == ("a1", True), "at once, without waiting for the database again"
    assert database.asked == 2
    database.now += 0.1
    with pytest.raises(DatabaseUnavailableError):
        await known.get("a")
    with pytest.raises(DatabaseUnavailableError):
        await known.get("b")


async def test_when_the_database_is_back_it_counts_again() -> None:
    database = Database()
    known = database.remembered()
    await known.get("a")
    database.error = DatabaseUnavailableError("away")
    database.now += 10
    assert (await known.get("a")).stale
    database.error = None
    database.now += 5
    assert await known.get("a") == ("a3", False)


async def test_a_refusal_is_not_remembered_and_ends_what_was() -> None:
    database = Database()
    known = database.remembered()
    await known.get("a")
    database.error = CredentialRefusedError()
    database.now += 5
    with pytest.raises(CredentialRefusedError):
        await known.get("a")
    database.error = DatabaseUnavailableError("away")
    with pytest.raises(DatabaseUnavailableError):
        await known.get("a")
    assert len(known) == 0


async def test_what_is_forgotten_is_asked_for_at_once() -> None:
    database = Database()
    known = database.remembered()
    await known.get("a")
    await known.get("b")
    known.forget("a")
    assert (await known.get("a")).value == "a3"
    known.forget_where(lambda value: value.startswith("b"))
    assert (await known.get("b")).value == "b4"
    assert (await known.get("a")).value == "a3"


async def test_an_answer_of_before_it_was_forgotten_does_not_count() -> None:
    """A token is revoked while the database is asked for it: the answer may be of before."""
    database = Database()
    known = database.remembered()
    database.gate = asyncio.Event()
    getting = asyncio.create_task(known.get("a"))
    await database.questions.get()
    known.forget("a")
    database.gate.set()
    assert (await getting).value == "a2"
    assert (await known.get("a")).value == "a2"


async def test_while_one_asks_others_go_on_with_what_was_said_just_before() -> None:
    database = Database()
    known = database.remembered()
    await known.get("a")
    database.now += 6
    database.gate = asyncio.Event()
    getting = asyncio.create_task(known.get("a"))
    await database.questions.get()
    await database.questions.get()
    assert (await known.get("a")).value == "a1"
    database.gate.set()
    assert (await getting).value == "a2"


async def test_while_one_asks_others_do_not_take_what_was_said_long_ago() -> None:
    database = Database()
    known = database.remembered()
    await known.get("a")
    database.now += 3600
    database.gate = asyncio.Event()
    first = asyncio.create_task(known.get("a"))
    second = asyncio.create_task(known.get("a"))
    for _ in range(3):
        await database.questions.get()
    database.gate.set()
    assert {(await first).value, (await second).value} == {"a2", "a3"}


async def test_it_is_bounded() -> None:
    database = Database()
    known = database.remembered(limit=2)
    for key in "abc":
        await known.get(key)
    assert len(known) == 2
    await known.get("c")
    assert database.asked == 3
    await known.get("a")
    assert database.asked == 4
