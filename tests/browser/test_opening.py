"""Opening the page: few requests, none that waits for another module, and none the next time."""

import re
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.async_api import expect

from tests.support.browser import CONNECTION_REFUSED, OpenTab, Tab
from tests.support.client import Client, Start
from tests.support.waiting import until_true

pytestmark = pytest.mark.asyncio(loop_scope="module")

NEVER_IDLE = "globalThis.requestIdleCallback = () => 0"
"""So that nothing is loaded but what is shown."""

FILES = """performance.getEntriesByType("resource")
  .filter(({ name }) => name.includes("/static/"))
  .map(({ name, transferSize }) => ({ name: name.split("/static/")[1], bytes: transferSize }))"""
NAMED = """[...document.querySelectorAll("link[rel=modulepreload], script[type=module]")]
  .map(({ href, src }) => href ?? src)"""
SCREENS = ["", "#/runs", "#/runs/{run}", "#/commands/{command}", "#/account", "#/nothing"]

VERSION = re.compile(r"v-[0-9a-f]{16}/")
MOST_FILES, MOST_BYTES = 12, 210_000
"""Until a run is shown, from an empty cache."""


async def opened(tab: Tab, client: Client, address: str) -> None:
    """Open an address of the page until a screen of it is shown."""
    await tab.page.goto("about:blank")
    await tab.page.goto(f"{client.service.address}/{address}")
    await expect(tab.page.get_by_role("heading", level=1)).to_be_visible()


async def files(tab: Tab) -> list[dict[str, Any]]:
    """Return what was loaded below static/, and how much of each came over the wire."""
    found: list[dict[str, Any]] = await tab.page.evaluate(FILES)
    return found


@pytest.mark.parametrize("address", SCREENS)
async def test_each_module_of_a_screen_is_named_before_any_other_asks_for_it(
    client: Client, open_tab: OpenTab, address: str
) -> None:
    created = await client.create("echo seen", name="Opened")
    await client.finished(created["run"]["id"])
    tab = await open_tab(client)
    await tab.page.add_init_script(NEVER_IDLE)
    asked: list[str] = []
    await tab.page.goto("about:blank")
    tab.page.on("request", lambda request: asked.append(request.url))
    await opened(tab, client, address.format(run=created["run"]["id"], command=created["id"]))
    named = await tab.page.evaluate(NAMED)
    modules = [url for url in asked if url.endswith(".js") and not url.endswith("/boot.js")]
    assert sorted(modules) == sorted(named)


async def test_a_run_is_opened_by_few_requests_and_the_next_time_without_any_for_the_page(
    client: Client, open_tab: OpenTab
) -> None:
    run = await client.run("seq 1000")
    await client.finished(run)
    tab = await open_tab(client)
    await tab.page.add_init_script(NEVER_IDLE)
    asked: list[str] = []
    await tab.page.goto("about:blank")
    tab.page.on("request", lambda request: asked.append(request.url))
    await opened(tab, client, f"#/runs/{run}")
    await expect(tab.log).to_contain_text("1000")
    await expect(tab.log).to_contain_text("Succeeded")
    loaded = await files(tab)
    assert len(loaded) <= MOST_FILES
    assert all(VERSION.match(one["name"]) for one in loaded)
    outputs = [url for url in asked if "/output?" in url]
    assert [url.rpartition("?")[2] for url in outputs] == ["tail=200&max_bytes=262144"]
    assert len([url for url in asked if url.endswith("/api/v1/session")]) == 1
    await opened(tab, client, f"#/runs/{run}")
    await expect(tab.log).to_contain_text("1000")
    again = await files(tab)
    assert {one["name"] for one in again} == {one["name"] for one in loaded}
    assert sum(one["bytes"] for one in again) == 0


async def test_what_is_sent_to_open_a_run_is_small(client: Client, open_tab: OpenTab) -> None:
    run = await client.run("seq 1000")
    await client.finished(run)
    tab = await open_tab(client)
    network = await tab.page.context.new_cdp_session(tab.page)
    await network.send("Network.enable")
    await network.send("Network.setCacheDisabled", {"cacheDisabled": True})
    await tab.page.add_init_script(NEVER_IDLE)
    await opened(tab, client, f"#/runs/{run}")
    await expect(tab.log).to_contain_text("1000")
    sent = sum(one["bytes"] for one in await files(tab))
    assert 0 < sent <= MOST_BYTES


async def test_all_other_screens_are_at_hand_once_one_is_shown(
    client: Client, open_tab: OpenTab
) -> None:
    """So that they are shown at once, and whatever becomes of the server."""
    tab = await open_tab(client)
    await opened(tab, client, "")

    async def all_loaded() -> bool:
        """Tell whether what the screens need of vendor/ is there."""
        return any(one["name"].endswith("vendor/diff/array.js") for one in await files(tab))

    await until_true(all_loaded)
    # No more than that: output that comes meanwhile is not held up.
    assert len(await files(tab)) <= MOST_FILES
    await tab.page.route("**/*.js", lambda route: route.abort())
    for address in ("/runs", "/account", "/schedules", ""):
        await tab.go(address)
        await expect(tab.page.get_by_role("heading", level=1)).to_be_visible()
    assert await tab.page.get_by_text("A part of this page is missing.").count() == 0


async def test_a_screen_that_is_asked_for_while_the_server_is_away_comes_once_it_is_back(
    start: Start, open_tab: OpenTab
) -> None:
    client = await start()
    service = client.service
    service.set(port=str(urlsplit(service.address).port))
    run = await client.run("echo seen")
    await client.finished(run)
    tab = await open_tab(client, "/account", expected=[CONNECTION_REFUSED])
    await tab.page.add_init_script(NEVER_IDLE)
    await tab.page.reload()
    await expect(tab.page.get_by_role("heading", level=1)).to_be_visible()
    incomplete = tab.page.get_by_text("A part of this page is missing.")
    await service.kill()
    await tab.go(f"/runs/{run}")
    await expect(tab.page.get_by_text("The server does not answer.")).to_be_visible()
    await expect(tab.page.get_by_text("It will appear here as soon as")).to_be_visible()
    await expect(incomplete).to_have_count(0)
    await service.start()
    await expect(tab.log).to_contain_text("seen")
    await expect(tab.page.get_by_text("The server does not answer.")).to_have_count(0)
    await expect(incomplete).to_have_count(0)


async def test_a_page_that_is_older_than_the_server_says_so_where_a_part_of_it_is_missing(
    client: Client, open_tab: OpenTab
) -> None:
    tab = await open_tab(client, expected=["status of 404"])
    await tab.page.route(
        VERSION,
        lambda route: (
            route.continue_(url=VERSION.sub("v-0123456789abcdef/", route.request.url))
            if "/codemirror/" in route.request.url
            else route.continue_()
        ),
    )
    await tab.go("/commands/new")
    told = tab.page.get_by_text("A part of this page is missing.")
    await expect(told).to_be_visible()
    await tab.page.unroute(VERSION)
    await tab.button("Reload the page").click()
    await expect(tab.page.locator(".cm-content")).to_be_visible()
    await expect(told).to_have_count(0)
    assert tab.problems == []
