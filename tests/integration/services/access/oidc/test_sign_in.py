"""Signing in at a provider: what it gives is stored, and many at once are bounded."""

import asyncio
import logging
from collections.abc import AsyncIterator

import pytest

from server.access import Role
from server.errors import DatabaseUnavailableError
from server.repositories.access.grants import GrantRepository
from server.repositories.access.principals import PrincipalRepository
from server.repositories.database.database import Database
from server.services.access.grants import Grants
from server.services.access.oidc import sign_in
from server.services.access.oidc.attempts import Attempts
from server.services.access.oidc.failures import Reason, SignInFailedError
from server.services.access.oidc.provider import Provider as Asked
from server.services.access.oidc.sign_in import Answer, OidcSignIn
from server.settings.access import OidcSettings
from server.settings.values import named_grants
from tests.support.oidc import CLIENT_ID, CLIENT_SECRET, Provider, returned, running
from tests.support.postgres import execute
from tests.support.waiting import until

CALLBACK = "http://127.0.0.1:8000/api/v1/session/oidc/callback"


@pytest.fixture
async def provider() -> AsyncIterator[Provider]:
    async with running(Provider()) as provider:
        yield provider


@pytest.fixture
def grants(database: Database) -> Grants:
    return Grants(GrantRepository(database), {})


@pytest.fixture
def sign_ins(provider: Provider, database: Database, grants: Grants) -> OidcSignIn:
    settings = OidcSettings(
        issuer=provider.issuer,
        client_id=CLIENT_ID,
        client_secret=CLIENT_SECRET,
        grants=named_grants("ops=operator@*"),
    )
    return OidcSignIn(settings, Asked(settings), Attempts(), PrincipalRepository(database), grants)


async def finish(sign_ins: OidcSignIn, provider: Provider) -> str:
    """Sign in, as somebody who agrees at once; return the principal's name."""
    begun = await sign_ins.begin(CALLBACK)
    back = returned(provider.authorize(returned(begun.url)))
    answer = Answer(state=back["state"], code=back["code"])
    return await sign_ins.finish(answer, begun.browser, CALLBACK)


async def test_what_a_sign_in_gives_counts_at_once(
    sign_ins: OidcSignIn, provider: Provider, grants: Grants
) -> None:
    assert await grants.of("oidc:alice-1") == {}
    assert await finish(sign_ins, provider) == "oidc:alice-1"
    assert await grants.of("oidc:alice-1") == {"*": Role.OPERATOR}


async def test_so_many_sign_in_at_a_time(
    sign_ins: OidcSignIn, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sign_in, "MAX_AT_ONCE", 2)
    provider.slow.add("/.well-known/openid-configuration")
    waiting = [asyncio.create_task(sign_ins.begin(CALLBACK)) for _ in range(2)]
    await until(lambda: provider.requests)
    with pytest.raises(SignInFailedError) as failed:
        await sign_ins.begin(CALLBACK)
    assert failed.value.reason is Reason.BUSY
    provider.slow.clear()
    provider.closing.set()
    ended = await asyncio.gather(*waiting, return_exceptions=True)
    assert all(isinstance(one, SignInFailedError) for one in ended)
    assert await finish(sign_ins, provider)


async def test_nobody_is_signed_in_whose_roles_cannot_be_stored(
    sign_ins: OidcSignIn, provider: Provider, database_url: str
) -> None:
    execute(database_url, "ALTER TABLE principals RENAME TO away")
    with pytest.raises(DatabaseUnavailableError):
        await finish(sign_ins, provider)


async def test_the_log_is_not_flooded(
    sign_ins: OidcSignIn, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        for _ in range(50):
            sign_ins.tell(SignInFailedError(Reason.STALE, "as often as somebody likes"))
    assert 10 <= len(caplog.records) < 50
