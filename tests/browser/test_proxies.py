"""The page behind proxies: at any path, and with a word where one is set up wrong."""

from pathlib import Path

import pytest
from playwright.async_api import Browser, expect

from tests.browser.nginx import HOST, UPGRADE, nginx
from tests.support.browser import OpenTab, Tab, new_tab
from tests.support.client import Client, Start

pytestmark = pytest.mark.asyncio(loop_scope="module")

NOT_STARTED = "The Tailrun page could not start"
NOT_STARTED_IN_RUSSIAN = "Страница Tailrun не запустилась"


async def test_the_page_works_at_a_path_of_its_own(
    start: Start, browser: Browser, tmp_path: Path
) -> None:
    client = await start(base_path="/tools/tailrun")
    run = (await client.create("echo first; echo second", name="Prefixed"))["run"]["id"]
    await client.finished(run)
    async with nginx(
        tmp_path / "nginx", client.service.address, HOST + UPGRADE, "/tools/tailrun/"
    ) as address:
        tab = await new_tab(browser, address, phone=False, dark=False, expected=[])
        await tab.go("/")
        await tab.page.get_by_role("link", name="New command").first.click()
        await tab.field("Name").fill("From the form")
        await tab.write_script("echo live; exec sleep 1000")
        await tab.button("Save and start").click()
        await expect(tab.log).to_contain_text("live")
        await expect(tab.output).to_contain_text("Live")
        await tab.button("Stop").click()
        await expect(tab.facts).to_contain_text("Stopped")
        await tab.go(f"/runs/{run}")
        await expect(tab.log).to_contain_text("Succeeded")
        assert await tab.lines() == ["first", "second"]
        await tab.page.get_by_role("link", name="API").click()
        await expect(tab.page.locator("#swagger-ui")).to_contain_text("/commands/")
        await tab.page.get_by_role("link", name="Tailrun").first.click()
        await expect(tab.page.get_by_role("heading", name="Commands", exact=True)).to_be_visible()
        assert tab.problems == []
        await tab.close()


async def test_behind_a_proxy_that_is_not_set_up_at_all_the_page_works_over_http(
    client: Client, browser: Browser, tmp_path: Path
) -> None:
    run = (await client.create("echo seen; exec sleep 1000", name="Behind"))["run"]["id"]
    async with nginx(tmp_path / "nginx", client.service.address, "") as address:
        refused = ["WebSocket connection to .* failed"]
        tab = await new_tab(browser, address, phone=False, dark=False, expected=refused)
        await tab.go(f"/runs/{run}")
        await expect(tab.output).to_contain_text("A proxy blocks WebSockets")
        await expect(tab.log).to_contain_text("seen")
        await tab.button("Stop").click()
        await expect(tab.facts).to_contain_text("Stopped")
        assert tab.problems == []
        await tab.close()


async def test_a_page_whose_scripts_are_refused_says_what_to_do(
    client: Client, open_tab: OpenTab
) -> None:
    tab = await open_tab(client, expected=["status of 403"])
    told = tab.page.get_by_role("heading", name=NOT_STARTED)
    await expect(tab.page.get_by_role("heading", name="Commands", exact=True)).to_be_visible()
    await expect(told).to_have_count(0)
    for module in ("main.js", "joined.js"):
        await tab.page.route(f"**/js/{module}", lambda route: route.fulfill(status=403))
        await tab.page.reload()
        await expect(told).to_be_visible()
        await expect(tab.page.get_by_text("proxy_set_header Host $http_host;")).to_be_visible()
        await tab.page.unroute(f"**/js/{module}")


async def test_without_javascript_the_page_says_so(client: Client, browser: Browser) -> None:
    context = await browser.new_context(java_script_enabled=False)
    page = await context.new_page()
    tab = Tab(page, client.service.address, [])
    await tab.go("/")
    await expect(page.get_by_role("heading", name=NOT_STARTED)).to_be_visible()
    await expect(page.get_by_role("heading", name=NOT_STARTED_IN_RUSSIAN)).to_be_visible()
    await page.get_by_role("link", name="its documentation").click()
    await expect(page).to_have_url(f"{client.service.address}/swagger/index.html")
    await context.close()
