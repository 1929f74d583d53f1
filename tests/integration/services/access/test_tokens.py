"""Tokens on a real PostgreSQL, with clocks of the test's own."""

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from server.access import EVERY_GROUP, EVERYBODY, Actor, KnownBy, Principal, Role
from server.errors import (
    ConflictError,
    CredentialRefusedError,
    DatabaseUnavailableError,
    ForbiddenError,
    TokenNotFoundError,
)
from server.repositories.access import tokens as repository
from server.repositories.access.grants import GrantRepository
from server.repositories.access.tokens import TokenRepository
from server.repositories.database.database import Database
from server.services.access import credentials
from server.services.access.grants import EVERYTHING, Grants
from server.services.access.tokens import DEFAULT_LIFE, NewToken, Tokens
from server.services.tasks import cancel_and_wait
from tests.support.waiting import until_true

ADMIN = Principal(name="local:boss", known_by=KnownBy.LOCAL, grants=EVERYTHING)
ALICE = "oidc:alice"


class Clock:
    """A monotonic clock that the test sets."""

    def __init__(self) -> None:
        self.now = 50.0

    def __call__(self) -> float:
        return self.now


class Access:
    """Tokens and grants, of a server of their own on one database."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.clock = Clock()
        self.grants = Grants(GrantRepository(database), {ADMIN.name: EVERYTHING}, clock=self.clock)
        self.tokens = Tokens(TokenRepository(database), self.grants, clock=self.clock)
        self.statements = 0
        ask = database.fetch_all

        async def counted(*arguments: object, **options: object) -> object:
            self.statements += 1
            return await ask(*arguments, **options)  # type: ignore[arg-type]

        database.fetch_all = counted  # type: ignore[method-assign, assignment]

    async def give(self, role: Role, group: str = EVERY_GROUP, principal: str = ALICE) -> UUID:
        """Give somebody a role."""
        by = Actor(ADMIN, "test")
        return (await self.grants.create(principal=principal, role=role, group=group, by=by)).id

    async def who(self, name: str = ALICE) -> Principal:
        """Return somebody as a sign-in would."""
        grants = await self.grants.of(name)
        return Principal(name=name, known_by=KnownBy.SESSION, grants=grants)

    async def make(
        self,
        by: Principal = ADMIN,
        role: Role = Role.VIEWER,
        group: str = EVERY_GROUP,
        **rest: object,
    ) -> NewToken:
        """Make a token."""
        expires_at = rest.get("expires_at")
        assert expires_at is None or isinstance(expires_at, datetime)
        return await self.tokens.create(
            name="test", role=role, group=group, expires_at=expires_at, by=Actor(by, "test")
        )

    async def refused(self, secret: str) -> None:
        """Assert that a secret is refused, in the one way that there is."""
        with pytest.raises(CredentialRefusedError) as refusal:
            await self.tokens.check(secret)
        assert str(refusal.value) == str(CredentialRefusedError())


@pytest.fixture
async def access(database: Database) -> AsyncIterator[Access]:
    return_to = database.fetch_all
    yield Access(database)
    database.fetch_all = return_to  # type: ignore[method-assign]


async def test_a_token_acts_as_its_owner_with_its_role_in_its_group(access: Access) -> None:
    made = await access.make(role=Role.OPERATOR, group="web")
    who = await access.tokens.check(made.secret)
    assert (who.name, who.known_by, who.label) == (ADMIN.name, KnownBy.TOKEN, "test")
    assert who.credential == made.token.id
    assert who.grants == {"web": Role.OPERATOR}
    assert not who.stale


async def test_the_secret_is_stored_nowhere(access: Access) -> None:
    made = await access.make()
    rows = await access.database.fetch_all("SELECT t::text FROM tokens t")
    rows += await access.database.fetch_all("SELECT a::text FROM audit a")
    assert len(rows) == 2
    assert not any(made.secret in text or made.secret[4:] in text for (text,) in rows)
    assert credentials.digest(made.secret).hex() in rows[0][0]


async def test_without_a_time_it_is_good_for_ninety_days(access: Access) -> None:
    made = await access.make()
    assert made.token.expires_at - made.token.created_at - DEFAULT_LIFE < timedelta(seconds=60)


async def test_unknown_malformed_and_mistyped_are_refused_alike(access: Access) -> None:
    made = await access.make()
    await access.refused(credentials.new_token())
    asked = access.statements
    for text in ["", "x", made.secret[:-1], made.secret + "a", made.secret.upper(), "\ud800"]:
        await access.refused(text)
    assert access.statements == asked, "the form is checked before the database is asked"


async def test_a_fresh_token_costs_no_query(access: Access) -> None:
    made = await access.make()
    await access.tokens.check(made.secret)
    asked = access.statements
    for _ in range(10):
        await access.tokens.check(made.secret)
    assert access.statements == asked
    access.clock.now += 5
    await access.tokens.check(made.secret)
    assert access.statements > asked


async def test_what_is_revoked_here_is_refused_at_once(access: Access) -> None:
    told: list[UUID] = []
    access.tokens.on_revoked(told.append)
    made = await access.make()
    await access.tokens.check(made.secret)
    await access.tokens.look_again(made.token.id)
    await access.tokens.revoke(made.token.id, by=Actor(ADMIN, "test"))
    await access.refused(made.secret)
    with pytest.raises(CredentialRefusedError):
        await access.tokens.look_again(made.token.id)
    assert told == [made.token.id]


async def test_what_is_revoked_elsewhere_is_refused_within_seconds(access: Access) -> None:
    made = await access.make()
    await access.tokens.check(made.secret)
    other = Access(access.database)
    await other.tokens.revoke(made.token.id, by=Actor(ADMIN, "test"))
    access.clock.now += 5
    await access.refused(made.secret)


async def test_revoking_again_changes_nothing(access: Access) -> None:
    made = await access.make()
    for _ in range(2):
        await access.tokens.revoke(made.token.id, by=Actor(ADMIN, "test"))
    acts = await access.database.fetch_all("SELECT act FROM audit ORDER BY id")
    assert acts == [("token.create",), ("token.revoke",)]


async def test_a_role_that_its_owner_lost_is_lost_to_the_token(access: Access) -> None:
    grant = await access.give(Role.EDITOR)
    made = await access.make(by=await access.who(), role=Role.EDITOR)
    assert (await access.tokens.check(made.secret)).grants == {EVERY_GROUP: Role.EDITOR}
    await access.grants.delete(grant, by=Actor(ADMIN, "test"))
    await access.give(Role.VIEWER)
    assert (await access.tokens.check(made.secret)).grants == {EVERY_GROUP: Role.VIEWER}


async def test_a_token_has_at_most_the_role_of_the_one_who_makes_it(access: Access) -> None:
    await access.give(Role.OPERATOR, "web")
    alice = await access.who()
    await access.make(by=alice, role=Role.OPERATOR, group="web")
    for role, group in [
        (Role.EDITOR, "web"),
        (Role.VIEWER, "mail"),
        (Role.VIEWER, EVERY_GROUP),
    ]:
        with pytest.raises(ForbiddenError, match="at most the role"):
            await access.make(by=alice, role=role, group=group)


async def test_a_token_makes_none_with_more_than_itself(access: Access) -> None:
    """Although its owner, an admin, could."""
    made = await access.make(role=Role.VIEWER, group="web")
    token = await access.tokens.check(made.secret)
    with pytest.raises(ForbiddenError):
        await access.make(by=token, role=Role.OPERATOR, group="web")
    with pytest.raises(ForbiddenError):
        await access.make(by=token, role=Role.VIEWER, group=EVERY_GROUP)


async def test_what_a_token_makes_ends_with_it_and_makes_none(access: Access) -> None:
    """Else one who has stolen a token for a day has one for a year, and it survives."""
    soon = datetime.now(UTC) + timedelta(days=1)
    made = await access.make(role=Role.OPERATOR, expires_at=soon)
    token = await access.tokens.check(made.secret)
    further = await access.make(by=token, expires_at=soon + timedelta(days=300))
    assert further.token.expires_at == made.token.expires_at
    assert further.token.made_by == made.token.id
    grandchild = await access.tokens.check(further.secret)
    with pytest.raises(ForbiddenError, match="makes no further one"):
        await access.make(by=grandchild)
    told: list[UUID] = []
    access.tokens.on_revoked(told.append)
    await access.tokens.revoke(made.token.id, by=Actor(ADMIN, "test"))
    assert {*told} == {made.token.id, further.token.id}
    await access.refused(further.secret)
    with pytest.raises(ConflictError):  # it was checked just before it was revoked
        await access.make(by=token)


async def test_a_ticket_makes_no_token(access: Access) -> None:
    ticket = replace(ADMIN, known_by=KnownBy.TICKET, run=uuid4())
    with pytest.raises(ForbiddenError):
        await access.make(by=ticket)


@pytest.mark.parametrize("seconds", [0, -1, -86400])
async def test_expired_by_our_clock_is_refused(access: Access, seconds: float) -> None:
    made = await access.make(expires_at=datetime.now(UTC) + timedelta(seconds=seconds))
    await access.refused(made.secret)


async def test_expired_while_it_is_known_is_refused(access: Access) -> None:
    made = await access.make(expires_at=datetime.now(UTC) + timedelta(seconds=3))
    await access.tokens.check(made.secret)
    access.clock.now += 3
    await access.refused(made.secret)


async def test_a_clock_of_ours_that_is_set_back_gives_no_time_back(
    access: Access, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The database's clock counts as well."""
    made = await access.make(expires_at=datetime.now(UTC) - timedelta(seconds=1))

    class Back(datetime):
        @classmethod
        def now(cls, tz: object = None) -> datetime:  # type: ignore[override]
            assert tz is UTC
            return datetime.now(UTC) - timedelta(days=30)

    monkeypatch.setattr("server.services.access.tokens.datetime", Back)
    await access.refused(made.secret)


async def test_a_clock_of_ours_that_runs_ahead_refuses_until_it_is_right(
    access: Access, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await access.make()

    class Ahead(datetime):
        @classmethod
        def now(cls, tz: object = None) -> datetime:  # type: ignore[override]
            assert tz is UTC
            return datetime.now(UTC) + timedelta(days=400)

    with monkeypatch.context() as patched:
        patched.setattr("server.services.access.tokens.datetime", Ahead)
        await access.refused(made.secret)
    assert (await access.tokens.check(made.secret)).name == ADMIN.name


async def test_in_an_outage_one_that_was_valid_goes_on_reading(
    access: Access, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, other = await access.make(role=Role.ADMIN), await access.make()
    assert not (await access.tokens.check(made.secret)).stale

    async def away(*_: object, **__: object) -> None:
        raise DatabaseUnavailableError("away")

    monkeypatch.setattr(access.database, "fetch_all", away)
    access.clock.now += 300
    who = await access.tokens.check(made.secret)
    assert (who.stale, who.name) == (True, ADMIN.name)
    with pytest.raises(DatabaseUnavailableError):  # nobody knows of that one yet
        await access.tokens.check(other.secret)
    access.clock.now += 300
    with pytest.raises(DatabaseUnavailableError):
        await access.tokens.check(made.secret)


async def test_the_last_use_is_written_once_a_minute_and_by_itself(access: Access) -> None:
    made = await access.make()
    noting = asyncio.create_task(access.tokens.note_uses())
    try:
        await access.tokens.check(made.secret)

        async def used() -> bool:
            page = await access.tokens.list(owner=None, limit=1, cursor=None, by=ADMIN)
            return page.items[0].last_used_at is not None

        await until_true(used)
    finally:
        await cancel_and_wait(noting)
    access.clock.now += 5
    await access.tokens.check(made.secret)
    assert not access.tokens._uses, "not again within the minute"
    used_at = datetime.now(UTC) - timedelta(seconds=61)
    await access.database.fetch_all(
        "UPDATE tokens SET last_used_at = %(at)s RETURNING 1", {"at": used_at}
    )
    access.clock.now += 5
    await access.tokens.check(made.secret)
    assert {*access.tokens._uses} == {made.token.id}


async def test_a_use_is_noted_whatever_clock_wrote_the_last_one(access: Access) -> None:
    """A clock that ran ahead for a while must not hide all uses until then."""
    made = await access.make()
    tokens, now = TokenRepository(access.database), datetime.now(UTC)
    for at in [now + timedelta(days=400), now, now + timedelta(seconds=10)]:
        await tokens.note_uses({made.token.id: at})
    found = await tokens.get(made.token.id)
    assert found is not None
    assert found.token.last_used_at == now


async def test_one_sees_and_revokes_his_own_and_an_admin_all(access: Access) -> None:
    await access.give(Role.VIEWER)
    await access.give(Role.VIEWER, principal="oidc:bob")
    alice, bob = await access.who(), await access.who("oidc:bob")
    alices, bobs = await access.make(by=alice), await access.make(by=bob)

    async def seen(by: Principal, owner: str | None = None) -> set[UUID]:
        page = await access.tokens.list(owner=owner, limit=10, cursor=None, by=by)
        return {token.id for token in page.items}

    assert await seen(alice) == {alices.token.id}
    assert await seen(alice, "oidc:bob") == set()
    assert await seen(ADMIN) == {alices.token.id, bobs.token.id}
    assert await seen(ADMIN, "oidc:bob") == {bobs.token.id}
    with pytest.raises(TokenNotFoundError) as others:
        await access.tokens.revoke(bobs.token.id, by=Actor(alice, "test"))
    unknown = uuid4()
    with pytest.raises(TokenNotFoundError) as none:
        await access.tokens.revoke(unknown, by=Actor(alice, "test"))
    assert str(others.value).replace(str(bobs.token.id), str(unknown)) == str(none.value)
    await access.tokens.revoke(alices.token.id, by=Actor(alice, "test"))
    await access.tokens.revoke(bobs.token.id, by=Actor(ADMIN, "test"))


async def test_a_token_revokes_itself_and_no_other_of_its_owner(access: Access) -> None:
    """Or one that leaked could end all that its owner has."""
    one, other = await access.make(), await access.make()
    token = await access.tokens.check(one.secret)
    with pytest.raises(ForbiddenError):
        await access.tokens.revoke(other.token.id, by=Actor(token, "test"))
    await access.tokens.revoke(one.token.id, by=Actor(token, "test"))
    await access.refused(one.secret)


async def test_of_one_owner_there_are_only_so_many(
    access: Access, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(repository, "MAX_TOKENS", 2)
    first = await access.make()
    await access.make(expires_at=datetime.now(UTC))  # that one does not count: it has ended
    await access.make()
    with pytest.raises(ConflictError, match="Revoke"):
        await access.make()
    await access.tokens.revoke(first.token.id, by=Actor(ADMIN, "test"))
    await access.make()


async def test_a_list_goes_on_from_its_cursor(access: Access) -> None:
    made = [(await access.make()).token.id for _ in range(3)]
    seen: list[UUID] = []
    cursor = None
    while True:
        page = await access.tokens.list(owner=None, limit=2, cursor=cursor, by=ADMIN)
        seen += [token.id for token in page.items]
        cursor = page.next
        if cursor is None:
            break
    assert seen == made[::-1]


async def test_a_token_made_while_nobody_signed_in_is_of_nobody_later(access: Access) -> None:
    """With authentication switched off anybody may make one; switched on, it gives nothing."""
    made = await access.make(by=EVERYBODY, role=Role.ADMIN)
    assert (await access.tokens.check(made.secret)).grants == {}


async def test_acts_are_in_the_audit_with_who_and_what(access: Access) -> None:
    made = await access.make(role=Role.OPERATOR, group="web")
    grant = await access.give(Role.EDITOR, "web")
    await access.grants.delete(grant, by=Actor(ADMIN, "test"))
    await access.tokens.revoke(made.token.id, by=Actor(ADMIN, "test"))
    rows = await access.database.fetch_all(
        "SELECT act, principal, known_by, address, outcome, details FROM audit ORDER BY id"
    )
    assert [row[0] for row in rows] == [
        *("token.create", "grant.create", "grant.delete", "token.revoke")
    ]
    assert {row[1:5] for row in rows} == {(ADMIN.name, "local", "test", "done")}
    assert rows[0][5]["role"] == "operator"
    assert rows[0][5]["token"] == rows[3][5]["token"] == str(made.token.id)
    assert rows[1][5] == {"principal": ALICE, "role": "editor", "group": "web"}
    assert re.fullmatch(r"[^\0]*", str(rows))


async def test_grants_of_the_settings_the_table_and_the_sign_in_add_up(access: Access) -> None:
    signed_in = '{"web": "viewer", "mail": "editor", "shop": "nonsense"}'
    await access.database.fetch_all(
        "INSERT INTO principals (name, grants, seen_at) VALUES (%(name)s, %(grants)s, now())"
        " RETURNING 1",
        {"name": ALICE, "grants": signed_in},
    )
    await access.give(Role.OPERATOR, "web")
    assert await access.grants.of(ALICE) == {"web": Role.OPERATOR, "mail": Role.EDITOR}


async def test_the_servers_own_user_is_an_admin_without_a_question(access: Access) -> None:
    asked = access.statements
    assert await access.grants.of(ADMIN.name) == EVERYTHING
    assert access.statements == asked


async def test_what_the_settings_give_holds_without_the_database(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the table adds does not: somebody may have taken it back."""
    bob, settled, clock = "local:bob", {"web": Role.OPERATOR}, Clock()
    repository = GrantRepository(database)
    grants = Grants(repository, {bob: settled}, clock=clock)
    await grants.create(principal=bob, role=Role.ADMIN, group="mail", by=Actor(ADMIN, "test"))
    assert await grants.of(bob) == {"web": Role.OPERATOR, "mail": Role.ADMIN}

    async def away(*_: object) -> list[tuple[str, Role]]:
        raise DatabaseUnavailableError("away")

    monkeypatch.setattr(repository, "of", away)
    for seconds in (5, 5, 600):  # first it is remembered what the table had, later it is not
        clock.now += seconds
        assert await grants.held(bob) == (settled, False)
    with pytest.raises(DatabaseUnavailableError):
        await grants.held(ALICE)


async def test_a_principal_has_one_grant_in_a_group(access: Access) -> None:
    await access.give(Role.EDITOR, "web")
    with pytest.raises(ConflictError, match="Delete that one first"):
        await access.give(Role.VIEWER, "web")
    assert await access.grants.of(ALICE) == {"web": Role.EDITOR}
