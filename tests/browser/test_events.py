"""Lists are told of what changes: nothing is asked again, and nothing is missed."""

import asyncio
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, Request, expect

from tests.browser.gate import Gate
from tests.browser.nginx import nginx
from tests.support.browser import CONNECTION_REFUSED, OpenTab, new_tab
from tests.support.client import Client, Start

pytestmark = pytest.mark.asyncio(loop_scope="module")

MINE = "api/v1/"
REFUSED = "WebSocket connection to .* failed"


def asked(page: Page) -> list[str]:
    """Collect what is asked of the API, from now on."""
    found: list[str] = []

    def note(request: Request) -> None:
        if MINE in request.url:
            found.append(f"{request.method} {request.url.partition(MINE)[2].partition('?')[0]}")

    page.on("request", note)
    return found


async def test_two_requests_show_the_runs_and_none_keeps_them_right(
    client: Client, open_tab: OpenTab, gate: Gate
) -> None:
    command = await client.create(f"{gate.wait}; exit 3", name="Told")
    tab = await open_tab(client)
    words: asyncio.Queue[str | bytes] = asyncio.Queue()
    tab.page.on("websocket", lambda socket: socket.on("framereceived", words.put_nowait))
    await tab.page.goto("about:blank")
    requests = asked(tab.page)
    await tab.go("/runs")
    row = tab.page.get_by_role("row").filter(has_text="Told")
    await expect(row).to_contain_text("Running")
    assert sorted(requests) == ["GET runs/", "GET session"]
    requests.clear()
    for _ in range(3):  # idle: 5 s from one to the next
        while '"alive"' not in str(await words.get()):
            pass
    gate.open()
    await expect(row).to_contain_text("Failed")
    await expect(row).to_contain_text("3")
    await client.call("PATCH", f"commands/{command['id']}", json={"name": "Renamed"})
    row = tab.page.get_by_role("row").filter(has_text="Renamed")
    await expect(row).to_contain_text("Failed")
    other = await client.create("true", name="Another")
    await expect(tab.page.get_by_role("row").filter(has_text="Another")).to_contain_text(
        "Succeeded"
    )
    await client.call("DELETE", f"commands/{other['id']}", status=204)
    await expect(tab.page.get_by_role("row").filter(has_text="Another")).to_have_count(0)
    await client.call("DELETE", f"runs/{command['run']['id']}")
    await expect(row).to_have_count(0)
    assert requests == []


async def test_the_other_screens_ask_nothing_either(
    client: Client, open_tab: OpenTab, gate: Gate
) -> None:
    command = await client.create(f"{gate.wait}; exit 3", name="Quiet")
    tab = await open_tab(client)
    row = tab.page.get_by_role("listitem").filter(has_text="Quiet")
    await expect(row).to_contain_text("Running")
    requests = asked(tab.page)
    gate.open()
    await expect(row).to_contain_text("Failed")
    made = await client.create("true", name="Quietly made", start=False)
    await expect(tab.page.get_by_role("link", name="Quietly made")).to_be_visible()
    await client.call("DELETE", f"commands/{made['id']}")
    await expect(tab.page.get_by_role("link", name="Quietly made")).to_have_count(0)
    assert requests == []
    await tab.go(f"/commands/{command['id']}")
    runs = tab.page.get_by_role("main").get_by_role("listitem")
    await expect(runs).to_have_count(1)
    requests.clear()
    await client.call("POST", f"commands/{command['id']}/runs", status=201)
    await expect(runs).to_have_count(2)
    gate.open()
    await expect(runs.first).to_contain_text("exit code 3")
    assert requests == []
    await client.call("DELETE", f"commands/{command['id']}")
    await expect(tab.page.get_by_role("main")).to_contain_text("There is no command")


async def test_where_websockets_are_blocked_lists_are_polled(
    client: Client, browser: Browser, tmp_path: Path, gate: Gate
) -> None:
    await client.create(f"{gate.wait}; exit 3", name="Polled")
    async with nginx(tmp_path / "nginx", client.service.address, "") as address:
        tab = await new_tab(browser, address, phone=False, dark=False, expected=[REFUSED])
        await tab.go("/runs")
        row = tab.page.get_by_role("row").filter(has_text="Polled")
        await expect(row).to_contain_text("Running")
        gate.open()
        await expect(row).to_contain_text("Failed")
        assert tab.problems == []
        await tab.close()


async def test_a_page_that_finds_no_place_among_those_who_listen_polls_and_watches_output(
    start: Start, open_tab: OpenTab, gate: Gate
) -> None:
    client = await start(max_viewers="1")
    run = (await client.create(f"echo seen; {gate.wait}; exit 3", name="Polled"))["run"]["id"]
    async with client.session.ws_connect(client.url("events")) as listener:
        await listener.receive()
        tab = await open_tab(client, f"/runs/{run}")
        await expect(tab.log).to_contain_text("seen")
        await tab.go("/runs")
        row = tab.page.get_by_role("row").filter(has_text="Polled")
        await expect(row).to_contain_text("Running")
        gate.open()
        await expect(row).to_contain_text("Failed")


async def test_what_changed_while_the_server_was_away_is_seen(
    start: Start, open_tab: OpenTab
) -> None:
    client = await start()
    client.service.set(port=client.service.address.rsplit(":", 1)[1])
    await client.create("exec sleep 1000", name="Before")
    tab = await open_tab(client, "/runs", expected=[REFUSED, CONNECTION_REFUSED])
    await expect(tab.page.get_by_role("row").filter(has_text="Before")).to_contain_text("Running")
    for name in ["After", "Later"]:
        await client.service.kill()
        await client.service.start()
        created = await client.create("true", name=name)
        row = tab.page.get_by_role("row").filter(has_text=name)
        await expect(row).to_contain_text("Succeeded")
        await client.call("DELETE", f"runs/{created['run']['id']}")
        await expect(row).to_have_count(0)
