"""Sessions on a real PostgreSQL, with the clocks of the test."""

import asyncio
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta

import psycopg2
import pytest

from server.access import Actor, KnownBy, Principal, Right, Role
from server.errors import CredentialRefusedError, DatabaseUnavailableError
from server.repositories.access.grants import GrantRepository
from server.repositories.access.sessions import SessionRepository
from server.repositories.database.database import Database
from server.repositories.database.types import Parameters, Row
from server.services.access.grants import Grants
from server.services.access.remembered import FRESH_SECONDS, OUTAGE_SECONDS
from server.services.access.sessions import (
    CLOCK_STEP,
    IDLE,
    LONGEST,
    SESSIONS_OF_ONE,
    USED_EVERY,
    Sessions,
)
from tests.support.outage import Outage

ALICE = "local:alice"
ADDRESS = "192.0.2.1"
SECOND = timedelta(seconds=1)


class Clocks:
    """The time of day and the monotonic clock, which stand until they are moved."""

    def __init__(self) -> None:
        self.day = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
        self.seconds = 1000.0

    def now(self) -> datetime:
        return self.day

    def monotonic(self) -> float:
        return self.seconds

    def pass_by(self, time: timedelta) -> None:
        self.day += time
        self.seconds += time.total_seconds()


class Counted(Database):
    """A database that counts its statements."""

    statements = 0

    async def fetch_all(
        self,
        sql: str,
        parameters: Parameters | None = None,
        *,
        timeout_seconds: float | None = None,
    ) -> list[Row]:
        self.statements += 1
        return await super().fetch_all(sql, parameters, timeout_seconds=timeout_seconds)


class Site:
    """Sessions, their clocks, and those that were ended."""

    def __init__(self, database: Database) -> None:
        self.clocks = Clocks()
        grants = Grants(
            GrantRepository(database),
            {ALICE: {"web": Role.EDITOR}},
            clock=self.clocks.monotonic,
        )
        self.grants = grants
        self.sessions = Sessions(
            SessionRepository(database),
            grants,
            now=self.clocks.now,
            clock=self.clocks.monotonic,
        )
        self.ended: list[object] = []
        self.sessions.on_ended(self.ended.append)

    async def sign_in(self, name: str = ALICE, *, replaced: str | None = None) -> str:
        by = Actor(Principal(name=name, known_by=KnownBy.SESSION), ADDRESS)
        return await self.sessions.create(by, replaced=replaced)

    async def refusal(self, value: str) -> str:
        """Return what somebody is told whose session is none any more."""
        with pytest.raises(CredentialRefusedError) as caught:
            await self.sessions.check(value)
        return str(caught.value)


@pytest.fixture
def site(database: Database) -> Site:
    return Site(database)


def rows(database_url: str, sql: str) -> Sequence[tuple[object, ...]]:
    with closing(psycopg2.connect(database_url)) as connection, connection.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchall()


async def test_who_is_signed_in_has_the_grants_of_the_principal(site: Site) -> None:
    principal = await site.sessions.check(await site.sign_in())
    assert (principal.name, principal.known_by) == (ALICE, KnownBy.SESSION)
    assert principal.grants == {"web": Role.EDITOR}
    assert not principal.stale


async def test_no_value_is_stored(site: Site, database_url: str) -> None:
    value = await site.sign_in()
    [(stored,)] = rows(database_url, "SELECT s::text FROM sessions s")
    assert value not in str(stored)
    [(audited,)] = rows(database_url, "SELECT a::text FROM audit a")
    assert value not in str(audited)


async def test_a_wrong_value_and_one_that_has_ended_get_the_same_answer(site: Site) -> None:
    value, late = await site.sign_in(), await site.sign_in()
    await site.sessions.end(value, address=ADDRESS)
    answers = [await site.refusal(one) for one in (value, "wrong", "", "\udcff\0", "x" * 5000)]
    site.clocks.pass_by(LONGEST)
    answers.append(await site.refusal(late))
    assert len(set(answers)) == 1


async def test_a_session_that_is_not_used_ends_after_twelve_hours(site: Site) -> None:
    value, other = await site.sign_in(), await site.sign_in()
    site.clocks.pass_by(IDLE - SECOND)
    assert (await site.sessions.check(value)).name == ALICE
    site.clocks.pass_by(SECOND)
    assert (await site.sessions.check(value)).name == ALICE  # it was used
    assert await site.refusal(other)
    site.clocks.pass_by(IDLE)
    assert await site.refusal(value)


async def test_a_session_ends_after_a_week_however_it_is_used(site: Site) -> None:
    value = await site.sign_in()
    for _ in range(14):
        site.clocks.pass_by(IDLE - SECOND)
        await site.sessions.check(value)
    site.clocks.pass_by(14 * SECOND - SECOND)
    await site.sessions.check(value)
    site.clocks.pass_by(SECOND)  # it is remembered as valid, and is not
    assert await site.refusal(value)


async def test_what_a_page_asks_at_once_costs_no_query(database_url: str) -> None:
    database = Counted(database_url, max_connections=2)
    await database.open()
    try:
        site = Site(database)
        value = await site.sign_in()
        await site.sessions.check(value)
        before = database.statements
        site.clocks.pass_by(timedelta(seconds=FRESH_SECONDS) - SECOND)
        for _ in range(100):
            await site.sessions.check(value)
        assert database.statements == before
    finally:
        await database.close()


async def test_that_a_session_is_used_is_stored_once_a_minute(
    site: Site, database_url: str
) -> None:
    value, began = await site.sign_in(), site.clocks.day
    used = "SELECT used_at FROM sessions"
    site.clocks.pass_by(USED_EVERY - SECOND)
    await site.sessions.check(value)
    assert rows(database_url, used) == [(began,)]
    site.clocks.pass_by(timedelta(seconds=FRESH_SECONDS))
    await site.sessions.check(value)
    assert rows(database_url, used) == [(site.clocks.day,)]


async def test_a_clock_that_is_set_back_makes_no_session_last_longer(site: Site) -> None:
    """By a little it is borne: clocks are corrected."""
    value = await site.sign_in()
    await site.sessions.check(value)
    site.clocks.day -= CLOCK_STEP
    site.clocks.seconds += FRESH_SECONDS
    assert (await site.sessions.check(value)).name == ALICE
    site.clocks.day -= SECOND
    site.clocks.seconds += FRESH_SECONDS
    assert await site.refusal(value)


async def test_a_session_that_is_known_from_memory_ends_by_the_monotonic_clock(
    site: Site, outage: Outage
) -> None:
    value = await site.sign_in()
    for _ in range(14):
        site.clocks.pass_by(IDLE - 2 * SECOND)
        await site.sessions.check(value)
    outage.begin()
    site.clocks.seconds += 27
    assert (await site.sessions.check(value)).stale
    site.clocks.seconds += 1
    assert await site.refusal(value)


async def test_a_sign_in_ends_the_session_that_the_browser_had(site: Site) -> None:
    """Its value was perhaps put there by somebody else (session fixation)."""
    before = await site.sign_in("local:mallory")
    before_id = (await site.sessions.check(before)).credential
    value = await site.sign_in(replaced=before)
    assert value != before
    assert (await site.sessions.check(value)).name == ALICE
    assert await site.refusal(before)
    assert site.ended == [before_id]


async def test_a_value_that_nobody_was_given_becomes_no_session(site: Site) -> None:
    value = await site.sign_in(replaced="chosen by somebody else")
    assert value != "chosen by somebody else"
    assert await site.refusal("chosen by somebody else")


async def test_signing_out_ends_the_session_at_once_and_once(site: Site) -> None:
    value = await site.sign_in()
    session_id = (await site.sessions.check(value)).credential
    assert session_id is not None
    await site.sessions.look_again(session_id)
    await site.sessions.end(value, address=ADDRESS)
    assert await site.refusal(value)
    with pytest.raises(CredentialRefusedError):
        await site.sessions.look_again(session_id)
    await site.sessions.end(value, address=ADDRESS)
    assert site.ended == [session_id]


async def test_sign_ins_and_outs_are_on_record(site: Site, database_url: str) -> None:
    value = await site.sign_in()
    session_id = str((await site.sessions.check(value)).credential)
    await site.sessions.end(value, address="192.0.2.2")
    await site.sessions.end("wrong", address=ADDRESS)
    audited = "SELECT principal, known_by, address, act, details->>'session' FROM audit ORDER BY id"
    assert rows(database_url, audited) == [
        (ALICE, "session", ADDRESS, "session.create", session_id),
        (ALICE, "session", "192.0.2.2", "session.end", session_id),
    ]


async def test_the_sessions_of_one_are_bounded_and_what_is_over_is_deleted(
    site: Site, database_url: str
) -> None:
    other, eldest = await site.sign_in("local:bob"), await site.sign_in()
    for _ in range(SESSIONS_OF_ONE - 1):
        site.clocks.pass_by(SECOND)
        await site.sign_in()
    await site.sessions.check(eldest)
    await site.sign_in()
    assert await site.refusal(eldest)
    assert (await site.sessions.check(other)).name == "local:bob"
    site.clocks.pass_by(IDLE)
    await site.sign_in()
    assert rows(database_url, "SELECT count(*) FROM sessions") == [(1,)]


async def test_of_checks_that_come_while_a_session_ends_none_brings_it_back(site: Site) -> None:
    value = await site.sign_in()
    checks = [asyncio.create_task(site.sessions.check(value)) for _ in range(20)]
    await site.sessions.end(value, address=ADDRESS)
    await asyncio.gather(*checks, return_exceptions=True)
    assert await site.refusal(value)


async def test_while_the_database_is_away_who_was_signed_in_goes_on_reading(
    site: Site, outage: Outage
) -> None:
    value, unknown = await site.sign_in(), await site.sign_in()
    await site.sessions.check(value)
    outage.begin()
    site.clocks.pass_by(timedelta(seconds=FRESH_SECONDS))
    principal = await site.sessions.check(value)
    assert principal.may(Right.SEE, "web")
    assert not principal.may(Right.OPERATE, "web")
    for one in (unknown, "wrong"):
        with pytest.raises(DatabaseUnavailableError):
            await site.sessions.check(one)
    site.clocks.pass_by(timedelta(seconds=OUTAGE_SECONDS))
    with pytest.raises(DatabaseUnavailableError):
        await site.sessions.check(value)
    outage.end()
    assert (await site.sessions.check(value)).may(Right.OPERATE, "web")
