"""What a sign-in gives is stored in place of what the one before gave."""

from datetime import UTC, datetime

from server.access import Role
from server.repositories.access.principals import PrincipalRepository
from server.repositories.database.database import Database


async def stored(database: Database) -> dict[str, dict[str, str]]:
    rows = await database.fetch_all("SELECT name, grants FROM principals", {})
    return dict(rows)


async def test_the_last_sign_in_counts(database: Database) -> None:
    principals = PrincipalRepository(database)
    await principals.remember("oidc:alice", {"*": Role.VIEWER, "web": Role.EDITOR})
    await principals.remember("oidc:bob", {"*": Role.ADMIN})
    await principals.remember("oidc:alice", {"web": Role.OPERATOR})
    assert await stored(database) == {
        "oidc:alice": {"web": "operator"},
        "oidc:bob": {"*": "admin"},
    }


async def test_who_gets_nothing_any_more_has_nothing(database: Database) -> None:
    principals = PrincipalRepository(database)
    await principals.remember("oidc:alice", {"*": Role.VIEWER})
    await principals.remember("oidc:alice", {})
    assert await stored(database) == {"oidc:alice": {}}


async def test_it_is_known_when_those_who_have_something_signed_in_last(
    database: Database,
) -> None:
    principals = PrincipalRepository(database)
    before = datetime.now(UTC)
    await principals.remember("oidc:alice", {"*": Role.VIEWER})
    await principals.remember("oidc:bob", {"*": Role.VIEWER})
    await principals.remember("oidc:bob", {})
    [(name, seen_at)] = (await principals.seen()).items()
    assert name == "oidc:alice"
    assert before <= seen_at <= datetime.now(UTC)


async def test_strangers_are_not_stored(database: Database) -> None:
    await PrincipalRepository(database).remember("oidc:stranger", {})
    assert await stored(database) == {}
