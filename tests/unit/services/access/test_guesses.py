"""Wrong credentials: counted by where they come from, and then refused unseen."""

import asyncio

import pytest

from server.access import EVERYBODY, Principal
from server.errors import CredentialRefusedError, DatabaseUnavailableError, TooManyGuessesError
from server.services.access.guesses import (
    MAX_GUESSES,
    MAX_RIGHT,
    MAX_SOURCES,
    WINDOW_SECONDS,
    Guesses,
    source_of,
)

HERE, THERE = "192.0.2.1", "192.0.2.2"


class Site:
    """Guesses with a clock to be set, and what checks credentials."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.right = {"right", "also right"}
        self.asked: list[str] = []
        self.gate: asyncio.Event | None = None
        self.guesses = Guesses(clock=lambda: self.now)

    async def _check(self, credential: str) -> Principal:
        self.asked.append(credential)
        if self.gate is not None:
            await self.gate.wait()
        if credential == "away":
            raise DatabaseUnavailableError
        if credential not in self.right:
            raise CredentialRefusedError
        return EVERYBODY

    async def check(self, credential: str, source: str = HERE, kind: str = "bearer") -> Principal:
        return await self.guesses.check(source, credential, self._check, kind=kind)

    async def guess(self, count: int, source: str = HERE, start: int = 0) -> None:
        for number in range(start, start + count):
            with pytest.raises(CredentialRefusedError):
                await self.check(f"wrong {number}", source)

    async def refused_for(self, credential: str, source: str = HERE) -> int:
        """Return for how many seconds a source has to wait."""
        before = len(self.asked)
        with pytest.raises(TooManyGuessesError) as refused:
            await self.check(credential, source)
        assert len(self.asked) == before
        return refused.value.retry_after_seconds


@pytest.fixture
def site() -> Site:
    return Site()


async def test_after_ten_wrong_ones_a_source_waits_and_no_other(site: Site) -> None:
    await site.guess(MAX_GUESSES)
    assert await site.refused_for("right") == WINDOW_SECONDS
    assert await site.check("right", THERE) is EVERYBODY


async def test_what_is_wrong_as_a_ticket_may_be_right_as_a_token(site: Site) -> None:
    """A token that was given in the wrong place, once, stays good in the right one."""
    await site.check("right")
    site.right.clear()
    with pytest.raises(CredentialRefusedError):
        await site.check("right", kind="ticket")
    site.right.add("right")
    assert await site.check("right") is EVERYBODY


async def test_the_time_to_wait_is_until_the_first_guess_is_a_minute_ago(site: Site) -> None:
    await site.guess(1)
    site.now += 40.5
    await site.guess(MAX_GUESSES - 1, start=1)
    assert await site.refused_for("right") == 20
    site.now += 19.5
    await site.guess(1, start=MAX_GUESSES)
    assert await site.refused_for("right") == 41
    site.now += WINDOW_SECONDS
    assert await site.check("right") is EVERYBODY


async def test_the_same_wrong_one_is_no_further_guess_and_not_looked_up_again(site: Site) -> None:
    for _ in range(3 * MAX_GUESSES):
        with pytest.raises(CredentialRefusedError):
            await site.check("expired")
    assert site.asked == ["expired"]
    assert await site.check("right") is EVERYBODY
    site.now += WINDOW_SECONDS
    with pytest.raises(CredentialRefusedError):
        await site.check("expired")
    assert site.asked == ["expired", "right", "expired"]


async def test_what_was_right_is_not_locked_out_by_its_neighbours(site: Site) -> None:
    assert await site.check("right") is EVERYBODY
    await site.guess(MAX_GUESSES)
    assert await site.check("right") is EVERYBODY
    await site.refused_for("also right")


async def test_what_was_right_and_is_revoked_counts_as_a_guess(site: Site) -> None:
    assert await site.check("right") is EVERYBODY
    site.right.clear()
    await site.guess(MAX_GUESSES - 1)
    with pytest.raises(CredentialRefusedError):
        await site.check("right")
    await site.refused_for("another")


async def test_of_many_at_the_same_moment_no_more_are_looked_at(site: Site) -> None:
    site.gate = asyncio.Event()
    guesses = [asyncio.create_task(site.check(f"wrong {number}")) for number in range(100)]
    await asyncio.sleep(0)
    assert len(site.asked) == MAX_GUESSES
    site.gate.set()
    ends = await asyncio.gather(*guesses, return_exceptions=True)
    assert len(site.asked) == MAX_GUESSES
    assert sum(isinstance(end, CredentialRefusedError) for end in ends) == MAX_GUESSES
    assert sum(isinstance(end, TooManyGuessesError) for end in ends) == 100 - MAX_GUESSES


async def test_of_many_right_ones_at_the_same_moment_all_are_let_in(site: Site) -> None:
    site.right = {str(number) for number in range(100)}
    site.gate = asyncio.Event()
    checks = [asyncio.create_task(site.check(one)) for one in site.right]
    await asyncio.sleep(0)
    site.gate.set()
    assert await asyncio.gather(*checks) == [EVERYBODY] * 100
    assert len(site.guesses) == 0


async def test_one_that_gives_up_leaves_its_turn_to_the_next(site: Site) -> None:
    site.gate = asyncio.Event()
    first = [asyncio.create_task(site.check(f"away {number}")) for number in range(MAX_GUESSES)]
    later = asyncio.create_task(site.check("right"))
    await asyncio.sleep(0)
    for one in first:
        one.cancel()
    await asyncio.wait(first)
    site.gate.set()
    assert await later is EVERYBODY
    assert len(site.guesses) == 0


async def test_a_database_that_is_away_makes_nobody_a_guesser(site: Site) -> None:
    for _ in range(2 * MAX_GUESSES):
        with pytest.raises(DatabaseUnavailableError):
            await site.check("away")
    assert len(site.guesses) == 0


async def test_what_is_remembered_is_bounded(site: Site) -> None:
    for number in range(MAX_SOURCES + 100):
        await site.guess(1, source=str(number))
    assert len(site.guesses) == MAX_SOURCES
    site.right = {str(number) for number in range(MAX_RIGHT + 1)}
    for one in sorted(site.right, key=int):
        await site.check(one)
    await site.guess(MAX_GUESSES)
    assert await site.check("1") is EVERYBODY
    await site.refused_for("0")


@pytest.mark.parametrize(
    ("address", "source"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8::1", "2001:db8::/64"),
        ("2001:db8::ffff:1:2:3", "2001:db8::/64"),
        ("2001:db8:0:1::1", "2001:db8:0:1::/64"),
        ("unix", "unix"),
    ],
)
def test_an_ipv6_address_counts_with_its_network(address: str, source: str) -> None:
    assert source_of(address) == source
