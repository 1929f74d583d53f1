"""People sign in at a provider of OpenID Connect, as browsers do: there, back, and to the page."""

import asyncio
import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest
from aiohttp import web
from yarl import URL

from tests.support.client import Client, Start
from tests.support.oidc import CLIENT_ID, CLIENT_SECRET, Provider, running
from tests.support.postgres import execute
from tests.support.programs import program
from tests.support.proxies import free_port
from tests.support.service import ROOT
from tests.support.waiting import until, until_true

GRANTS = "ops=operator@*,dev=editor@web"
NAVIGATION = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
OURS = {"Sec-Fetch-Site": "same-origin"}


@pytest.fixture
async def provider() -> AsyncIterator[Provider]:
    async with running(Provider()) as provider:
        yield provider


class Browser:
    """A browser, as far as it takes part: it keeps cookies, and goes where it is sent."""

    def __init__(self, session: aiohttp.ClientSession, client: Client) -> None:
        self.session = session
        self.client = client

    async def go(self, url: str | URL, **arguments: Any) -> str:
        """Ask for an address; return where that leads."""
        url = URL(url, encoded=True) if isinstance(url, str) else url
        async with self.session.get(url, allow_redirects=False, **arguments) as response:
            assert response.status == 302, await response.text()
            return response.headers["Location"]

    async def begin(self) -> str:
        """Begin a sign-in; return where that leads."""
        return await self.go(self.client.url("session/oidc"), headers=OURS)

    async def sign_in(self) -> str:
        """Sign in, as somebody whom the provider knows already; return where that leads."""
        return await self.go(await self.go(await self.begin()), headers=NAVIGATION)

    async def who(self) -> dict[str, Any]:
        """Return whom the server takes this browser for."""
        async with self.session.get(self.client.url("session"), headers=OURS) as response:
            found: dict[str, Any] = await response.json()
            return found

    async def status(self, method: str, path: str) -> int:
        async with self.session.request(method, self.client.url(path), headers=OURS) as response:
            return response.status


@asynccontextmanager
async def browsing(client: Client) -> AsyncIterator[Browser]:
    jar = aiohttp.CookieJar(unsafe=True)  # of IP addresses as well
    async with aiohttp.ClientSession(cookie_jar=jar) as session:
        yield Browser(session, client)


def settings(provider: Provider, **changes: str) -> dict[str, str]:
    return {
        "auth": "required",
        "oidc_issuer": provider.issuer,
        "oidc_client_id": CLIENT_ID,
        "oidc_client_secret": CLIENT_SECRET,
        "oidc_grants": GRANTS,
        **changes,
    }


@pytest.fixture
async def browser(start: Start, provider: Provider) -> AsyncIterator[Browser]:
    """Be a browser of a server where people sign in at the provider."""
    async with browsing(await start(**settings(provider))) as browser:
        yield browser


async def test_somebody_signs_in_and_out(browser: Browser) -> None:
    assert (await browser.who())["known_by"] == "nobody"
    assert (await browser.who())["sign_in"] == {"oidc": True}
    assert await browser.sign_in() == "/"
    who = await browser.who()
    assert (who["principal"], who["known_by"]) == ("oidc:alice-1", "session")
    assert who["roles"] == {"*": "operator"}
    assert await browser.status("GET", "commands/") == 200
    assert await browser.status("GET", "audit/") == 403
    assert await browser.status("DELETE", "session") == 204
    assert (await browser.who())["known_by"] == "nobody"
    assert await browser.status("GET", "commands/") == 401


async def test_the_cookies_are_the_browsers_alone(browser: Browser) -> None:
    address = urlsplit(browser.client.service.address)
    beginning = browser.client.url("session/oidc")
    async with browser.session.get(beginning, allow_redirects=False) as response:
        [cookie] = response.headers.getall("Set-Cookie")
        assert response.headers["Cache-Control"] == "no-store"
        url = response.headers["Location"]
    assert re.fullmatch(
        rf"tailrun-{address.port}-oidc=[\w-]{{43}}; HttpOnly; Max-Age=600; Path=/; SameSite=Lax",
        cookie,
    )
    back = URL(await browser.go(url), encoded=True)
    async with browser.session.get(back, allow_redirects=False) as response:
        state, session = sorted(response.headers.getall("Set-Cookie"))
    assert session.startswith(f"tailrun-{address.port}=")
    assert "SameSite=Strict" in session
    assert state.startswith(f'tailrun-{address.port}-oidc=""; HttpOnly; Max-Age=0')


async def failed(browser: Browser, reason: str, back: str | None = None) -> None:
    """Show that a sign-in leads to the page, which says why it did not succeed."""
    leads = await (browser.sign_in() if back is None else browser.go(back, headers=NAVIGATION))
    assert leads == f"/#sign-in-failed={reason}"
    assert (await browser.who())["known_by"] == "nobody"


async def test_an_answer_is_of_the_browser_that_asked_and_good_once(browser: Browser) -> None:
    back = await browser.go(await browser.begin())
    async with browsing(browser.client) as other:
        await failed(other, "stale", back)  # it has no cookie
        await other.begin()
        await failed(other, "stale", back)  # and now another's
    assert await browser.go(back, headers=NAVIGATION) == "/"
    assert await browser.status("DELETE", "session") == 204
    await failed(browser, "stale", back)


async def test_an_answer_that_was_changed_is_refused(browser: Browser) -> None:
    changes: list[tuple[Callable[[URL], URL], str]] = [
        (lambda url: url.update_query(state="x"), "stale"),
        (lambda url: url.without_query_params("state"), "stale"),
        (lambda url: url.update_query(code="x"), "provider-refused"),
        (lambda url: url.without_query_params("code"), "provider-refused"),
        (lambda url: url.update_query(code="x" * 5000), "provider-refused"),
        (lambda url: url.extend_query(code="x"), "provider-refused"),
        (lambda url: url.update_query(iss="https://other.example.org"), "provider-refused"),
        (lambda url: url.update_query(error="access_denied"), "denied"),
        (lambda url: url.update_query(error="<b>'server_error"), "provider-refused"),
    ]
    for change, reason in changes:
        back = URL(await browser.go(await browser.begin()), encoded=True)
        await failed(browser, reason, str(change(back)))


@pytest.mark.parametrize(
    "claims", [{"iss": "http://127.0.0.1:1"}, {"aud": "other"}, {"nonce": "x"}, {"exp": 1}]
)
async def test_a_token_that_is_not_for_this_sign_in_is_refused(
    browser: Browser, provider: Provider, claims: dict[str, Any]
) -> None:
    """Each in the way in which the provider's own tests have it, through the whole service."""
    provider.claims |= claims
    await failed(browser, "provider-refused")
    said = "sign-in failed: the provider's answer is refused: the ID token: "
    await until(lambda: said in browser.client.service.log)
    assert "HTTP Request" not in browser.client.service.log


async def test_who_has_nothing_here_is_not_let_in(browser: Browser, provider: Provider) -> None:
    provider.claims["groups"] = ["staff"]
    await failed(browser, "no-access")
    provider.claims["sub"] = None
    await failed(browser, "provider-refused")


async def test_what_was_granted_here_lets_in_as_well(start: Start, provider: Provider) -> None:
    client = await start(**settings(provider, auth="auto"))
    await client.call(
        "POST",
        "grants/",
        json={"principal": "oidc:alice-1", "role": "viewer", "group": "web"},
        status=201,
    )
    provider.claims["groups"] = []
    async with browsing(client) as browser:
        assert await browser.sign_in() == "/"
        assert (await browser.who())["roles"] == {"web": "viewer"}


async def test_a_group_that_was_left_is_lost_at_the_next_sign_in(
    browser: Browser, provider: Provider
) -> None:
    """In the sessions that there are, too, whether the next one succeeds or not."""
    provider.claims["groups"] = ["ops", "dev"]
    assert await browser.sign_in() == "/"
    assert (await browser.who())["roles"] == {"*": "operator", "web": "editor"}
    async with browsing(browser.client) as other:
        provider.claims["groups"] = ["dev"]
        assert await other.sign_in() == "/"
        assert (await browser.who())["roles"] == {"web": "editor"}
        provider.claims["groups"] = []
        assert await other.sign_in() == "/#sign-in-failed=no-access"
    assert (await browser.who())["roles"] == {}
    assert await browser.status("GET", "commands/") == 403


async def test_a_provider_that_is_away_or_slow_disturbs_nobody(
    start: Start, provider: Provider
) -> None:
    client = await start(**settings(provider, auth="auto"))
    async with browsing(client) as browser:
        back = await browser.go(await browser.begin())
        provider.slow.add("/token")
        waiting = asyncio.create_task(browser.go(back, headers=NAVIGATION))
        await until_true(lambda: asyncio.sleep(0, "/token" in provider.requests))
        assert (await client.finished(await client.run("echo 1")))["state"] == "succeeded"
        provider.closing.set()  # and answers 503
        assert await waiting == "/#sign-in-failed=provider-unavailable"
        provider.slow.clear()
        provider.answers["/token"] = web.Response(text=" " * 1_000_000)
        back = await browser.go(await browser.begin())
        assert await browser.go(back) == "/#sign-in-failed=provider-refused"


async def test_a_sign_in_that_cannot_be_stored_is_told_by_the_page(
    browser: Browser, database_url: str
) -> None:
    back = await browser.go(await browser.begin())
    execute(database_url, "ALTER TABLE principals RENAME TO away")
    assert await browser.go(back, headers=NAVIGATION) == "/#sign-in-failed=database-unavailable"
    await until(lambda: "sign-in failed: " in browser.client.service.log)


async def test_an_installation_comes_up_without_its_provider(start: Start) -> None:
    async with running(Provider()) as provider:
        given = settings(provider)
    async with browsing(await start(**given)) as browser:
        assert await browser.begin() == "/#sign-in-failed=provider-unavailable"
        assert (await browser.who())["sign_in"] == {"oidc": True}


async def test_signing_in_is_on_record(start: Start, provider: Provider) -> None:
    client = await start(**settings(provider, auth="auto"))
    async with browsing(client) as browser:
        assert await browser.sign_in() == "/"
    listed = await client.call("GET", "audit/?act=session.create")
    [entry] = listed["items"]
    assert (entry["principal"], entry["known_by"]) == ("oidc:alice-1", "oidc")


async def test_a_failed_sign_in_is_on_record(start: Start, provider: Provider) -> None:
    client = await start(**settings(provider, auth="auto"))
    provider.claims["groups"] = []
    async with browsing(client) as browser:
        assert await browser.sign_in() == "/#sign-in-failed=no-access"

    async def entries() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = (await client.call("GET", "audit/?act=denied"))["items"]
        return found

    await until_true(entries)
    [entry] = await entries()
    assert entry["details"]["why"] == "'oidc:alice-1' has no role here"
    assert entry["details"]["path"] == "/api/v1/session/oidc/callback"


async def test_the_way_back_leads_under_the_path_of_a_proxy(
    start: Start, provider: Provider
) -> None:
    public = "https://runs.example.org"
    client = await start(**settings(provider, base_path="/tools/run", public_url=public))
    async with browsing(client) as browser:
        url = URL(await browser.begin(), encoded=True)
        back = f"{public}/tools/run/api/v1/session/oidc/callback"
        assert url.query["redirect_uri"] == back
        answered = URL(await browser.go(str(url)), encoded=True)
        assert str(answered).startswith(f"{back}?")
        here = client.url("session/oidc/callback").with_query(answered.query)
        assert await browser.go(here) == "/tools/run/"
        assert (await browser.who())["principal"] == "oidc:alice-1"


async def test_a_sign_in_link_leads_to_where_people_reach_the_service(start: Start) -> None:
    client = await start(base_path="/tools/run", public_url="https://runs.example.org")
    socket = aiohttp.UnixConnector(str(client.service.state_dir / "server.sock"))
    async with (
        aiohttp.ClientSession(connector=socket) as session,
        session.post("http://localhost/api/v1/session/link") as response,
    ):
        assert (await response.json())["url"] == "https://runs.example.org/tools/run"


async def test_without_a_provider_the_page_says_so(client: Client) -> None:
    async with browsing(client) as browser:
        assert await browser.begin() == "/#sign-in-failed=no-provider"
        back = client.url("session/oidc/callback?code=x&state=y")
        assert await browser.go(back) == "/#sign-in-failed=no-provider"
        assert (await browser.who())["sign_in"] == {"oidc": False}


async def test_nobody_signs_in_where_the_cookie_could_be_read_on_its_way(
    start: Start, provider: Provider
) -> None:
    client = await start(**settings(provider, allowed_hosts="runs.example.org"))
    async with browsing(client) as browser:
        host = {"Host": "runs.example.org"}
        for path in ("session/oidc", "session/oidc/callback?code=x&state=y"):
            leads = await browser.go(client.url(path), headers=host)
            assert leads == "/#sign-in-failed=plain-http"


def test_what_speaks_to_a_provider_is_imported_where_there_is_one() -> None:
    code = (
        "import sys, server.serve;"
        "print(sorted({'httpx2', 'authlib', 'joserfc', 'cryptography'} & {*sys.modules}))"
    )
    said = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=True)
    assert said.stdout == b"[]\n"


async def test_the_secret_is_kept_from_runs(start: Start, provider: Provider) -> None:
    client = await start(**settings(provider, auth="auto", oidc_client_secret=CLIENT_SECRET))
    pid = client.service.pid
    run_id = await client.run(f"env; cat /proc/{pid}/environ /proc/{pid}/cmdline; true")
    await client.finished(run_id)
    said = (await client.output(run_id)).decode("utf-8", "replace")
    assert "TAILRUN_RUN_ID" in said
    assert CLIENT_SECRET not in said.partition("\0")[0]
    assert CLIENT_SECRET not in client.service.log


@asynccontextmanager
async def mock() -> AsyncIterator[str]:
    """Run oidc-provider-mock, a provider of others' making; yield its issuer."""
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        *(program("oidc-provider-mock"), "--port", str(port), "--require-nonce", "true"),
        env={**os.environ, "PYTHONWARNINGS": "ignore"},
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    issuer = f"http://127.0.0.1:{port}"
    try:
        async with aiohttp.ClientSession() as session:

            async def answers() -> bool:
                assert process.returncode is None
                try:
                    async with session.get(f"{issuer}/.well-known/openid-configuration") as got:
                        return got.status == 200
                except aiohttp.ClientError:
                    return False

            await until_true(answers)
        yield issuer
    finally:
        process.terminate()
        await process.wait()


async def test_a_provider_of_others_making_signs_people_in(start: Start) -> None:
    async with mock() as issuer:
        client = await start(
            auth="required",
            oidc_issuer=issuer,
            oidc_client_id="any",
            oidc_client_secret="any",  # noqa: S106  it takes every one
            oidc_grants=GRANTS,
            oidc_principal_claim="email",
        )
        async with browsing(client) as browser:
            signed_in: list[tuple[dict[str, Any], str, dict[str, str]]] = [
                ({"email_verified": True, "groups": ["ops"]}, "/", {"*": "operator"}),
                ({"email_verified": True, "groups": []}, "/#sign-in-failed=no-access", {}),
                ({"groups": ["ops"]}, "/#sign-in-failed=unnamed", {}),
                ({"email_verified": True, "groups": ["dev"]}, "/", {"web": "editor"}),
            ]
            for claims, leads, roles in signed_in:
                told = {"email": "alice@example.org", **claims}
                await browser.session.put(f"{issuer}/users/alice", json=told)
                url = await browser.begin()
                async with browser.session.post(
                    URL(url, encoded=True), data={"sub": "alice"}, allow_redirects=False
                ) as response:
                    back = response.headers["Location"]
                assert await browser.go(back, headers=NAVIGATION) == leads
                assert (await browser.who())["roles"] == roles
