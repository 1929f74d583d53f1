"""Signing in at a browser: real cookies, over plain HTTP at loopback, and by a proxy's TLS."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import aiohttp
import pytest
from aiohttp import hdrs

from tests.acceptance.conftest import ended
from tests.support.certificates import make_certificate
from tests.support.client import watch
from tests.support.service import Service
from tests.support.signing import Browser, ticket_of
from tests.support.waiting import patience

PROXY = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "192.0.2.7"}


@pytest.fixture
async def browser(service: Service) -> AsyncIterator[Browser]:
    """Have a browser at a server that knows nobody by the uid."""
    service.set(auth="required")
    await service.start()
    browser = Browser(service)
    yield browser
    await browser.session.close()


async def test_a_link_signs_a_browser_in_and_signing_out_ends_it(browser: Browser) -> None:
    nobody = await browser.ask("GET", "session", 200)
    assert (nobody["principal"], nobody["known_by"], nobody["role"]) == (None, "nobody", None)
    await browser.ask("GET", "commands/", 401)
    await browser.sign_in()
    who = await browser.ask("GET", "session", 200)
    assert who["principal"].startswith("local:")
    assert (who["known_by"], who["role"], who["roles"]) == ("session", "admin", {"*": "admin"})
    assert (who["auth"], who["sign_in"]) == ("required", {"oidc": False})
    await browser.ask("GET", "commands/", 200)
    [value] = browser.cookies().values()
    await browser.ask("DELETE", "session", 204)
    assert not browser.cookies()
    await browser.ask("GET", "commands/", 401)
    name = f"tailrun-{browser.service.address.rpartition(':')[2]}"
    stolen = {**browser.origin, hdrs.COOKIE: f"{name}={value}"}
    told = await browser.ask("GET", "commands/", 401, headers=stolen)
    assert told["type"].endswith("#credential-refused")
    assert value not in browser.service.log


async def test_a_link_is_good_once_and_a_wrong_ticket_gets_the_same_answer(
    browser: Browser,
) -> None:
    ticket = await ticket_of(browser.service)
    await browser.ask("POST", "session", 204, json={"ticket": ticket})
    answers = [
        await browser.ask("POST", "session", 401, json={"ticket": one})
        for one in (ticket, "wrong", "x" * 200)
    ]
    assert answers[0] == answers[1] == answers[2]
    await browser.ask("GET", "commands/", 200)  # who is signed in stays so
    for body in ({}, {"ticket": ""}, {"ticket": "x" * 201}, {"ticket": 5}, {"link": ticket}):
        await browser.ask("POST", "session", 422, json=body)
    assert ticket not in browser.service.log


async def test_only_a_user_of_this_host_makes_a_link(browser: Browser) -> None:
    await browser.ask("POST", "session/link", 401)
    await browser.sign_in()
    told = await browser.ask("POST", "session/link", 403)
    assert "tailrun sign-in" in told["detail"]


async def test_each_sign_in_has_a_new_value_and_the_one_before_is_good_for_nothing(
    browser: Browser,
) -> None:
    """Whoever put a cookie there before has nothing of who signs in (session fixation)."""
    name = f"tailrun-{browser.service.address.rpartition(':')[2]}"
    browser.jar.update_cookies({name: "chosen-by-somebody-else"})
    await browser.sign_in()
    first = browser.cookies()[name]
    await browser.sign_in()
    second = browser.cookies()[name]
    assert len({first, second, "chosen-by-somebody-else"}) == 3
    for value, status in ((first, 401), ("chosen-by-somebody-else", 401), (second, 200)):
        browser.jar.clear()
        headers = {**browser.origin, hdrs.COOKIE: f"{name}={value}"}
        await browser.ask("GET", "commands/", status, headers=headers)


async def test_a_cookie_whose_session_has_ended_is_taken_back(browser: Browser) -> None:
    """Without it somebody may be known after all, such as a user of this host."""
    await browser.sign_in()
    other = Browser(browser.service)
    other.jar.update_cookies(browser.cookies())
    await other.ask("DELETE", "session", 204)
    await other.session.close()
    await browser.ask("GET", "session", 401)
    assert not browser.cookies()
    await browser.ask("GET", "session", 200)


async def handshake(browser: Browser, run: str, headers: dict[str, str]) -> int | None:
    """Return the status of a stream's handshake that is refused, or the code it is closed with."""
    try:
        async with browser.session.ws_connect(
            browser.url(f"runs/{run}/ws"), headers=headers
        ) as stream:
            await stream.receive()
            return stream.close_code
    except aiohttp.WSServerHandshakeError as error:
        return error.status


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Sec-Fetch-Site": "none"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"},
        {hdrs.ORIGIN: "https://evil.example"},
        {hdrs.ORIGIN: "null"},
        {hdrs.ORIGIN: "http://localhost:1"},
    ],
    ids=str,
)
async def test_a_cookie_is_taken_from_our_own_page_alone(
    browser: Browser, headers: dict[str, str]
) -> None:
    """A browser adds it by itself, whoever has it ask."""
    await browser.sign_in()
    run = await browser.run()
    for path in ("commands/", f"runs/{run}/output", "session"):
        told = await browser.ask("GET", path, 403, headers=headers)
        assert told["type"].endswith("#origin-refused")
    await browser.ask("POST", f"runs/{run}/stop", 403, headers=headers, json={})
    await browser.ask("DELETE", "session", 403, headers=headers)
    for name in (hdrs.ACCESS_CONTROL_ALLOW_ORIGIN, hdrs.ACCESS_CONTROL_ALLOW_CREDENTIALS):
        async with browser.session.get(browser.url("commands/"), headers=headers) as response:
            assert name not in response.headers
    assert await handshake(browser, run, headers) in {403, 4403}
    await browser.ask("POST", f"runs/{run}/stop", 202, json={"grace_seconds": 0})


async def test_a_page_may_prove_itself_by_fetch_metadata_too(browser: Browser) -> None:
    """Browsers send no Origin with GET."""
    await browser.sign_in()
    await browser.ask("GET", "commands/", 200, headers={"Sec-Fetch-Site": "same-origin"})


async def test_two_servers_on_one_host_do_not_share_a_cookie(
    browser: Browser, tmp_path: Path, database_url: str
) -> None:
    """Cookies are the same for all ports of a host."""
    async with AsyncExitStack() as stack:
        other = await stack.enter_async_context(ended(Service(tmp_path / "other", database_url)))
        other.set(auth="required")
        await other.start()
        second = Browser(other)
        stack.push_async_callback(second.session.close)
        second.jar = browser.jar
        second.session._cookie_jar = browser.jar
        await browser.sign_in()
        await second.ask("GET", "commands/", 401)
        await second.sign_in()
        await browser.ask("GET", "commands/", 200)
        await second.ask("GET", "commands/", 200)
        assert len(browser.cookies()) == 2


async def test_over_plain_http_at_another_name_nobody_signs_in(browser: Browser) -> None:
    """And the link is good at the right one afterwards."""
    service = browser.service
    await service.terminate()
    service.set(allowed_hosts="tailrun.example")
    await service.start()
    ticket = await ticket_of(service)
    named = {"Host": "tailrun.example", "Origin": "http://tailrun.example"}
    told = await browser.ask("POST", "session", 403, headers=named, json={"ticket": ticket})
    assert "TAILRUN_TRUSTED_PROXIES" in told["detail"]
    # What anybody may say of himself is no proof of TLS.
    proxied = {"Host": "tailrun.example", **PROXY}
    await browser.ask("POST", "session", 403, headers=proxied, json={"ticket": ticket})
    await browser.ask("POST", "session", 204, json={"ticket": ticket})


async def test_behind_a_trusted_proxy_that_ends_tls_the_cookie_is_a_secure_one(
    browser: Browser,
) -> None:
    service = browser.service
    await service.terminate()
    service.set(
        allowed_hosts="tailrun.example", trusted_proxies="127.0.0.1", base_path="/tools/tailrun"
    )
    await service.start()
    named = {"Host": "tailrun.example", "Origin": "https://tailrun.example", **PROXY}
    ticket = await ticket_of(service)
    async with browser.session.post(
        browser.url("session"), headers=named, json={"ticket": ticket}
    ) as response:
        assert response.status == 204
        [cookie] = response.headers.getall(hdrs.SET_COOKIE)
    assert cookie.startswith("__Host-tailrun+tools+tailrun=")
    for attribute in ("Secure", "HttpOnly", "SameSite=Strict", "Path=/;"):
        assert attribute in cookie
    sent = {**named, hdrs.COOKIE: cookie.partition(";")[0]}
    assert (await browser.ask("GET", "session", 200, headers=sent))["known_by"] == "session"


async def test_sign_ins_outs_and_what_was_refused_are_on_record(browser: Browser) -> None:
    await browser.sign_in()
    await browser.ask("POST", "session", 401, json={"ticket": "wrong"})
    await browser.ask("DELETE", "session", 204)
    await browser.ask("GET", "commands/", 401)
    await browser.sign_in()

    async def acts() -> list[tuple[str, str]]:
        page = await browser.ask("GET", "audit/", 200)
        return [(entry["act"], entry["outcome"]) for entry in page["items"]]

    expected = [
        ("denied", "refused"),
        ("session.create", "done"),
        ("session.create", "done"),
        ("session.create", "refused"),
        ("session.end", "done"),
    ]
    async with patience():
        while sorted(await acts()) != expected:
            pass


async def test_over_tls_the_cookie_is_a_secure_one_and_opens_streams(
    service: Service, tmp_path: Path
) -> None:
    service.set(auth="required", **make_certificate(tmp_path / "tls").settings)
    await service.start()
    browser = Browser(service)
    async with browser.session.post(
        browser.url("session"), headers=browser.origin, json={"ticket": await ticket_of(service)}
    ) as response:
        assert response.status == 204
        [cookie] = response.headers.getall(hdrs.SET_COOKIE)
    assert cookie.startswith("__Host-tailrun=")
    assert "Secure" in cookie
    run = await browser.run()
    plain = {"Origin": service.address.replace("https", "http")}
    assert await handshake(browser, run, plain) == 403
    url = browser.url(f"runs/{run}/ws?format=json")
    async with browser.session.ws_connect(url, headers=browser.origin) as stream:
        assert (await stream.receive_json())["type"] == "run"
        await browser.ask("DELETE", "session", 204)
        watched = await watch(stream, as_json=True)
    assert watched.code == 4403
    assert watched.messages[-1]["type"] == "refused"
    assert not browser.cookies()
    await browser.session.close()


async def test_no_secret_stands_in_the_log_or_in_what_the_kernel_shows_of_the_server(
    service: Service,
) -> None:
    """Whatever it logs, and whatever goes wrong with them."""
    service.set(auth="required", log_level="debug")
    await service.start()
    browser, nobody = Browser(service), Browser(service)
    link = await ticket_of(service)
    await browser.ask("POST", "session", 204, json={"ticket": link})
    await nobody.ask("POST", "session", 401, json={"ticket": link})
    run = await browser.run()
    tickets = [(await browser.ask("POST", f"runs/{run}/ticket", 200))["ticket"] for _ in range(2)]
    async with nobody.session.ws_connect(browser.url(f"runs/{run}/ws?ticket={tickets[0]}")) as one:
        await one.receive()
    for path in (f"runs/{run}/output", f"runs/{run}", "nothing", f"runs/{run}/ws"):
        for ticket in tickets:
            url = browser.url(f"{path}?ticket={ticket}&offset=x")
            async with nobody.session.get(url) as response:
                assert 400 <= response.status < 500
    [(name, value)] = browser.cookies().items()
    await browser.ask("DELETE", "session", 204)
    await nobody.ask("GET", "commands/", 401, headers={"Origin": service.address, "Cookie": value})
    stolen = {"Origin": service.address, "Cookie": f"{name}={value}"}
    await nobody.ask("GET", "commands/", 401, headers=stolen)
    shown = service.log
    for file in ("cmdline", "environ"):
        shown += Path(f"/proc/{service.pid}/{file}").read_text(errors="replace")
    for secret in (link, value, *tickets):
        assert secret not in shown
    assert "DEBUG" in shown
    for one_of_both in (browser, nobody):
        await one_of_both.session.close()
