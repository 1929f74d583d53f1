"""What is answered with a no: told in its own words, and tried again where that may help."""

from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, Request, WebSocketRoute, expect

from tests.browser.damage import damaged, repair
from tests.browser.gate import Gate
from tests.browser.nginx import HOST, UPGRADE, nginx
from tests.support.browser import OpenTab, Tab, new_tab
from tests.support.client import Client, Start
from tests.support.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="module")

PROXIED = "A proxy answered instead of Tailrun: "
HANDSHAKE = "WebSocket connection to .* failed"
GATEWAY = "status of 50[24]"


def requests(page: Page, part: str) -> list[str]:
    """Collect the requests for what has this in its address, from now on."""
    seen: list[str] = []

    def note(request: Request) -> None:
        if part in request.url:
            seen.append(request.url)

    page.on("request", note)
    return seen


async def no_more_come(tab: Tab, asked: list[str]) -> None:
    """Let ten minutes pass in the page; nothing was asked for meanwhile."""
    before = len(asked)
    assert before > 0
    await tab.page.clock.fast_forward("10:00")
    await tab.page.evaluate("fetch('api/v1/ping')")
    assert len(asked) == before


async def test_output_that_is_damaged_is_not_asked_for_again_until_a_person_does(
    start: Start, open_tab: OpenTab, database_url: str
) -> None:
    client = await start()
    run = await damaged(client, "seq 3", database_url)
    tab = await open_tab(client, expected=["net::ERR_", "status of 410"])
    await tab.page.clock.install()
    asked = requests(tab.page, "/output?")
    await tab.go(f"/runs/{run}")
    told = tab.output.get_by_role("alert")
    await expect(told).to_contain_text("archive damaged at byte 0")
    await expect(tab.output).to_contain_text("Refused, at 0 B")
    await expect(tab.output).not_to_contain_text("Trying again")
    await no_more_come(tab, asked)
    repair(database_url)
    await tab.button("Try again").click()
    await expect(tab.log).to_contain_text("Succeeded")
    assert await tab.lines() == ["1", "2", "3"]


async def test_a_clear_no_to_a_request_for_output_is_final(
    client: Client, open_tab: OpenTab
) -> None:
    run = await client.run("seq 3")
    await client.finished(run)
    tab = await open_tab(client, expected=["status of 410"])
    await tab.page.clock.install()
    asked = requests(tab.page, "/output?")
    await tab.page.route(
        "**/output?*",
        lambda route: route.fulfill(
            status=410,
            content_type="application/problem+json",
            body='{"detail": "It is damaged there."}',
        ),
    )
    await tab.go(f"/runs/{run}")
    await expect(tab.output.get_by_role("alert")).to_contain_text("It is damaged there.")
    await no_more_come(tab, asked)


async def test_output_that_is_refused_for_now_is_reported_at_the_output_alone(
    client: Client, open_tab: OpenTab
) -> None:
    run = await client.run("seq 3")
    await client.finished(run)
    tab = await open_tab(client, expected=["status of 503"])
    await tab.page.route(
        "**/output?*",
        lambda route: route.fulfill(
            status=503,
            content_type="application/problem+json",
            body='{"detail": "No more viewers are served."}',
        ),
    )
    await tab.go(f"/runs/{run}")
    await expect(tab.output.get_by_role("alert")).to_contain_text("No more viewers are served.")
    await expect(tab.output).to_contain_text("Trying again")
    await expect(tab.page.get_by_text("Some things are unavailable")).to_have_count(0)
    await tab.page.unroute("**/output?*")
    await expect(tab.log).to_contain_text("Succeeded")
    assert await tab.lines() == ["1", "2", "3"]


async def test_a_stream_that_is_refused_for_good_is_not_opened_again(
    client: Client, open_tab: OpenTab
) -> None:
    run = await client.run("exec sleep 1000")
    tab = await open_tab(client)
    await tab.page.clock.install()
    opened: list[str] = []

    def refuse(socket: WebSocketRoute) -> None:
        opened.append(socket.url)
        socket.send('{"type": "refused", "status": 410, "detail": "It is damaged there."}')

    await tab.page.route_web_socket("**/ws*", refuse)
    await tab.go(f"/runs/{run}")
    await expect(tab.output.get_by_role("alert")).to_contain_text("It is damaged there.")
    await expect(tab.output).not_to_contain_text("Trying again")
    await no_more_come(tab, opened)
    await tab.button("Try again").click()
    await until(lambda: len(opened) == 2)
    await client.stop(run)


async def test_what_a_proxy_forbids_is_told_as_the_proxys_no(
    client: Client, browser: Browser, tmp_path: Path
) -> None:
    directives = HOST + UPGRADE + "limit_except GET { deny all; }"
    async with nginx(tmp_path / "nginx", client.service.address, directives) as address:
        tab = await new_tab(browser, address, phone=False, dark=False, expected=["status of 403"])
        await tab.go("/commands/new")
        await tab.field("Name").fill("Not here")
        await tab.write_script("true")
        await tab.button("Save only").click()
        await expect(tab.page.get_by_role("alert")).to_have_text(f"{PROXIED}403 Forbidden.")
        await expect(tab.page.get_by_text("Some things are unavailable")).to_have_count(0)
        await expect(tab.script).to_have_value("true")
        assert tab.problems == []
        await tab.close()


async def test_where_a_proxy_wants_a_sign_in_the_page_says_so(
    client: Client, browser: Browser, tmp_path: Path
) -> None:
    signed_out = "absolute_redirect off; if ($request_uri ~ ^/api/) { return 302 /login; }"
    async with nginx(tmp_path / "nginx", client.service.address, HOST + signed_out) as address:
        tab = await new_tab(browser, address, phone=False, dark=False, expected=[HANDSHAKE])
        await tab.go("/")
        await expect(tab.page.get_by_text("because you have to sign in again")).to_be_visible()
        await expect(tab.page.get_by_text("The server does not answer.")).to_have_count(0)
        assert tab.problems == []
        await tab.close()


async def test_a_server_that_is_away_behind_a_proxy_is_missed_and_watched_again_by_websocket(
    start: Start, browser: Browser, gate: Gate, tmp_path: Path
) -> None:
    client = await start()
    service = client.service
    service.set(port=service.address.rsplit(":", 1)[1])
    run = await client.run(f"echo before; {gate.wait}; echo after")
    async with nginx(tmp_path / "nginx", service.address, HOST + UPGRADE) as address:
        expected = [HANDSHAKE, GATEWAY]
        tab = await new_tab(browser, address, phone=False, dark=False, expected=expected)
        handshakes: list[str] = []
        tab.page.on("websocket", lambda socket: handshakes.append(socket.url))
        await tab.go(f"/runs/{run}")
        await expect(tab.output).to_contain_text("Live")
        await service.kill()
        await expect(tab.page.get_by_text("The server does not answer.")).to_be_visible()
        await until(lambda: len(handshakes) > 3)
        await service.start()
        await expect(tab.output).to_contain_text("Live")
        await expect(tab.output).not_to_contain_text("A proxy blocks WebSockets")
        gate.open()
        await expect(tab.log).to_contain_text("Succeeded")
        assert await tab.lines() == ["before", "after"]
        assert tab.problems == []
        await tab.close()


async def test_where_a_proxy_drops_ranges_any_output_is_shown(
    client: Client, browser: Browser, tmp_path: Path
) -> None:
    small, large = await client.run("seq 3"), await client.run("yes | head -c 2000000")
    await client.finished(small)
    await client.finished(large)
    directives = HOST + 'proxy_set_header Range "";'
    async with nginx(tmp_path / "nginx", client.service.address, directives) as address:
        tab = await new_tab(browser, address, phone=False, dark=False, expected=[HANDSHAKE])
        await tab.go(f"/runs/{small}")
        await expect(tab.log).to_contain_text("Succeeded")
        assert await tab.lines() == ["1", "2", "3"]
        await tab.go(f"/runs/{large}")
        await expect(tab.log.locator("[data-line='1000000']")).to_contain_text("y")
        assert tab.problems == []
        await tab.close()
