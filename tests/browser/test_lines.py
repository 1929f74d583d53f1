"""What the page receives of an output: what is looked at, however much was written."""

from typing import Any

import pytest
from playwright.async_api import Page, WebSocket, expect

from tests.browser.gate import Gate
from tests.support.browser import OpenTab, Tab
from tests.support.client import Client
from tests.support.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="module")

LONG_LINE = "head -c 8000000 /dev/zero | tr '\\0' x; echo; echo end of it"
UPDATES = "seq -f '%.0f of 400000' 400000 | tr '\\n' '\\r'; echo; echo end of it"
MOST_BYTES = 1_000_000
FLOOD_LINES = 400_000
MOST_ROWS = 150


class Received:
    """The bytes of output that came over HTTP."""

    def __init__(self) -> None:
        self.bytes = 0
        self._asked: set[str] = set()

    async def listen(self, page: Page) -> None:
        talk = await page.context.new_cdp_session(page)
        await talk.send("Network.enable")
        talk.on("Network.requestWillBeSent", self._sent)
        talk.on("Network.dataReceived", self._came)

    def _sent(self, event: dict[str, Any]) -> None:
        if "/output" in event["request"]["url"] and "/api/" in event["request"]["url"]:
            self._asked.add(event["requestId"])

    def _came(self, event: dict[str, Any]) -> None:
        if event["requestId"] in self._asked:
            self.bytes += event["dataLength"]


class Sockets:
    """The sockets that a page opened, in order: the address and the frames of each."""

    def __init__(self, page: Page) -> None:
        self.opened: list[tuple[str, list[str]]] = []
        page.on("websocket", self._add)

    def _add(self, socket: WebSocket) -> None:
        if "/ws?" not in socket.url:
            return
        frames: list[str] = []
        self.opened.append((socket.url, frames))
        socket.on("framereceived", lambda frame: frames.append(str(frame)))


async def last_row(tab: Tab, text: str) -> None:
    await expect(tab.log.locator("[data-line]", has_text=text).last).to_be_visible()


@pytest.mark.parametrize(
    ("script", "shown"),
    [(LONG_LINE, "MB more"), (UPDATES, "400000 of 400000")],
    ids=["a long line", "a line of updates"],
)
async def test_a_line_of_megabytes_costs_what_is_shown_of_it(
    client: Client, open_tab: OpenTab, script: str, shown: str
) -> None:
    run = await client.run(script)
    await client.finished(run)
    tab, received = await open_tab(client), Received()
    await received.listen(tab.page)
    await tab.go(f"/runs/{run}")
    await last_row(tab, "end of it")
    await expect(tab.log).to_contain_text(shown)
    assert 0 < received.bytes < MOST_BYTES


async def test_who_does_not_follow_is_sent_no_text(
    client: Client, open_tab: OpenTab, gate: Gate
) -> None:
    run = await client.run(f"seq 500; {gate.wait}; seq 501 20000; {gate.wait}")
    tab = await open_tab(client)
    sockets = Sockets(tab.page)
    await tab.go(f"/runs/{run}")
    await last_row(tab, "500")
    await tab.log.press("Home")
    await until(lambda: "format=meta" in sockets.opened[-1][0])
    gate.open()
    await expect(tab.page.get_by_text("19,500 new lines")).to_be_visible()
    assert not any('"text":' in frame for frame in sockets.opened[-1][1])
    await tab.log.press("End")
    await last_row(tab, "20000")
    assert "format=json" in sockets.opened[-1][0]
    gate.open()
    await expect(tab.log).to_contain_text("Succeeded")


async def test_of_a_flood_the_end_is_shown_and_nothing_is_kept(
    client: Client, open_tab: OpenTab, gate: Gate
) -> None:
    run = await client.run(f"{gate.wait}; seq -f 'number %.0f' {FLOOD_LINES}")
    tab = await open_tab(client, f"/runs/{run}")
    await expect(tab.output).to_contain_text("Live")
    gate.open()
    await last_row(tab, f"number {FLOOD_LINES}")
    await expect(tab.output).to_contain_text(f"{FLOOD_LINES:,} lines")
    assert await tab.log.locator("[data-line]").count() < MOST_ROWS
