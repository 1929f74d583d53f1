"""Whether those who watch may go on, on a real PostgreSQL."""

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from server.access import (
    ANONYMOUS,
    EVERY_GROUP,
    EVERYBODY,
    Actor,
    KnownBy,
    Principal,
    Role,
    Whole,
)
from server.repositories.access.grants import GrantRepository
from server.repositories.access.groups import GroupRepository
from server.repositories.access.sessions import SessionRepository
from server.repositories.access.tokens import TokenRepository
from server.repositories.commands import CommandRepository
from server.repositories.database.database import Database
from server.services.access.grants import Grants
from server.services.access.groups import Groups
from server.services.access.sessions import Sessions
from server.services.access.tickets import Tickets
from server.services.access.tokens import Tokens
from server.services.access.viewer_rights import ViewerRights
from tests.support.outage import Outage
from tests.support.postgres import execute

OWN = Principal(name="local:own", known_by=KnownBy.LOCAL, grants={EVERY_GROUP: Role.ADMIN})
BOB = Principal(name="local:bob", known_by=KnownBy.LOCAL, grants={"default": Role.VIEWER})
ADDRESS = "192.0.2.1"
BY = Actor(OWN, ADDRESS)


class Site:
    """All that says who may watch, and a run of the group `default`."""

    def __init__(self, database: Database) -> None:
        self.database = database
        settled = {OWN.name: OWN.grants}
        self.grants = Grants(GrantRepository(database), settled)
        self.tokens = Tokens(TokenRepository(database), self.grants)
        self.sessions = Sessions(SessionRepository(database), self.grants)
        self.groups = Groups(GroupRepository(database))
        self.viewer_rights = ViewerRights(self.tokens, self.sessions, self.grants, self.groups)
        self.run = uuid4()

    async def may(self, principal: Principal, run: UUID | None = None) -> bool:
        return (await self.viewer_rights.may_watch(principal, run or self.run)).value

    async def grant(self, principal: Principal, group: str = "default") -> UUID:
        made = await self.grants.create(
            principal=principal.name, role=Role.VIEWER, group=group, by=BY
        )
        return made.id


@pytest.fixture
async def site(database: Database) -> Site:
    site = Site(database)
    _, run = await CommandRepository(database).add_with_run("test", None, "true", host="h", by=BY)
    site.run = run.id
    return site


async def test_a_local_user_goes_on_as_long_as_there_is_a_grant(site: Site) -> None:
    grant = await site.grant(BOB)
    assert await site.may(BOB)
    await site.grants.delete(grant, by=BY)
    assert not await site.may(BOB)


async def test_a_token_goes_on_until_it_is_revoked_or_expires(
    site: Site, database_url: str
) -> None:
    soon = datetime.now(UTC) + timedelta(days=1)
    for end in ("revoke", "expire"):
        made = await site.tokens.create(
            name="t", role=Role.VIEWER, group="default", expires_at=soon, by=BY
        )
        principal = await site.tokens.check(made.secret)
        assert await site.may(principal)
        if end == "revoke":
            await site.tokens.revoke(made.token.id, by=BY)
            assert not await site.may(principal)
        else:
            execute(database_url, "UPDATE tokens SET expires_at = now()")
            later = Site(site.database)  # nothing is known of late
            assert not await later.may(principal, site.run)


async def test_a_session_goes_on_in_the_groups_that_its_principal_has(
    site: Site, database_url: str
) -> None:
    value = await site.sessions.create(Actor(BOB, ADDRESS))
    await site.grant(BOB)
    principal = await site.sessions.check(value)
    ticket = Tickets()
    holder = ticket.take(ticket.make(principal, site.run), site.run)
    for watching in (principal, holder):
        assert await site.may(watching)
    execute(database_url, "UPDATE commands SET group_name = 'elsewhere'")
    site.groups.forget("default")
    for watching in (principal, holder):
        assert not await site.may(watching)
    await site.grant(BOB, "elsewhere")
    assert await site.may(holder)
    await site.sessions.end(value, address=ADDRESS)
    for watching in (principal, holder):
        assert not await site.may(watching)


async def test_who_may_see_everything_is_asked_nothing(site: Site, outage: Outage) -> None:
    outage.begin()
    assert await site.may(OWN)
    assert await site.may(EVERYBODY)
    assert not (await site.viewer_rights.may_watch(ANONYMOUS, Whole.AUDIT)).value
    assert (await site.viewer_rights.may_watch(OWN, Whole.AUDIT)).value


async def test_a_run_that_was_deleted_ends_its_streams_by_itself(site: Site) -> None:
    await site.grant(BOB)
    assert await site.may(BOB, uuid4())
