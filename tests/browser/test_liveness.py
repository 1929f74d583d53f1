"""The page says what it knows: that a run is followed, and else why not. One sign, one truth."""

import os
import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.async_api import Browser, WebSocket, expect

from tests.browser.gate import Gate
from tests.browser.nginx import HOST, nginx
from tests.support.browser import CONNECTION_REFUSED, OpenTab, new_tab
from tests.support.client import Client, Start
from tests.support.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="module")

IDLE = "echo started; exec sleep 1000"
HANDSHAKE = "WebSocket connection to .* failed"
OFFLINE = "net::ERR_(INTERNET_DISCONNECTED|NETWORK_CHANGED)"
NO_EVENTS = HOST + "if ($arg_format = sse) { return 502; }"


@contextmanager
def stopped(pid: int) -> Iterator[None]:
    """Freeze a process meanwhile."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


async def test_a_server_that_hangs_is_missed(start: Start, open_tab: OpenTab) -> None:
    client = await start()
    run = await client.run(IDLE)
    tab = await open_tab(client, f"/runs/{run}", expected=[CONNECTION_REFUSED, HANDSHAKE])
    banner = tab.page.get_by_text("The server does not answer.")
    await expect(tab.log).to_contain_text("started")
    await expect(tab.output).to_contain_text("Live")
    with stopped(client.service.pid):
        await expect(tab.output).to_contain_text(re.compile(r"No word for 1\d s, at 8 B"))
        await expect(tab.output).not_to_contain_text("Live")
        await expect(banner).to_be_visible()
        await expect(tab.output).to_contain_text("No word for")
    await expect(banner).to_have_count(0)
    await expect(tab.output).to_contain_text("Live, 8 B, resumed at 8 B")
    assert await tab.lines() == ["started"]
    await client.stop(run)


async def test_a_run_that_writes_nothing_is_followed_over_one_connection(
    client: Client, open_tab: OpenTab
) -> None:
    run = await client.run(IDLE)
    tab = await open_tab(client)
    words: list[str | bytes] = []

    def opened(socket: WebSocket) -> None:
        if not socket.url.endswith("/events"):
            words.append("open")
            socket.on("framereceived", heard)

    def heard(frame: str | bytes) -> None:
        words.append(frame)

    tab.page.on("websocket", opened)
    await tab.go(f"/runs/{run}")
    await expect(tab.output).to_contain_text("Live")
    await until(lambda: sum('"alive"' in str(word) for word in words) == 3)
    assert words.count("open") == 1
    await expect(tab.output).to_contain_text("Live")
    await client.stop(run)


async def test_a_viewer_that_is_refused_is_told_why(start: Start, open_tab: OpenTab) -> None:
    client = await start(max_viewers_per_run="1")
    run = await client.run(IDLE)
    first = await open_tab(client, f"/runs/{run}")
    await expect(first.output).to_contain_text("Live")
    second = await open_tab(client, f"/runs/{run}")
    await expect(second.output.get_by_role("alert")).to_contain_text("MAX_VIEWERS_PER_RUN")
    await expect(second.output).to_contain_text("Refused, at 0 B. Trying again…")
    await expect(second.output).not_to_contain_text("No output yet")
    # Before there is room: once there is, the page may have come in by itself.
    async with second.page.expect_websocket():
        await second.output.get_by_role("button", name="Try again").click()
    await first.go("/")
    await expect(second.output).to_contain_text("Live")
    await expect(second.output.get_by_role("alert")).to_have_count(0)
    assert await second.lines() == ["started"]
    await client.stop(run)


async def test_a_run_that_was_deleted_under_its_viewer_is_said_to_be(
    client: Client, open_tab: OpenTab
) -> None:
    run = await client.run(IDLE)
    known = await client.get_run(run)
    await client.stop(run)
    await client.finished(run)
    await client.call("DELETE", f"runs/{run}")
    tab = await open_tab(client)
    await tab.page.route(f"**/api/v1/runs/{run}", lambda route: route.fulfill(json=known))
    await tab.go(f"/runs/{run}")
    await expect(tab.output.get_by_role("alert")).to_have_text("This run was deleted.")
    await expect(tab.output).to_contain_text("Deleted")
    await expect(tab.output).not_to_contain_text("Reconnecting")


async def test_offline_the_sign_and_the_banner_say_the_same(
    client: Client, open_tab: OpenTab
) -> None:
    run = await client.run(IDLE)
    tab = await open_tab(client, f"/runs/{run}", expected=[OFFLINE, HANDSHAKE])
    banner = tab.page.get_by_text("This browser is offline.")
    await expect(tab.output).to_contain_text("Live")
    await tab.page.context.set_offline(offline=True)
    await expect(banner).to_be_visible()
    await expect(tab.output).to_contain_text("Reconnecting…")
    await expect(tab.output).not_to_contain_text("Live")
    await tab.page.context.set_offline(offline=False)
    await expect(banner).to_have_count(0)
    await expect(tab.output).to_contain_text("Live")
    await client.stop(run)


@pytest.mark.parametrize(
    ("directives", "note"),
    [
        (HOST, "A proxy blocks WebSockets"),
        (NO_EVENTS, "A proxy blocks WebSockets and event streams"),
    ],
)
async def test_where_a_proxy_lets_no_stream_pass_the_run_is_followed_all_the_same(
    client: Client, browser: Browser, gate: Gate, tmp_path: Path, directives: str, note: str
) -> None:
    run = await client.run(f"seq 1 5; {gate.wait}; seq 6 10; {gate.wait}; seq 11 15; exit 3")
    async with nginx(tmp_path / "nginx", client.service.address, directives) as address:
        tab = await new_tab(
            browser, address, phone=False, dark=False, expected=[HANDSHAKE, "502", "MIME type"]
        )
        await tab.go(f"/runs/{run}")
        await expect(tab.output).to_contain_text(note)
        await expect(tab.output).to_contain_text("Live")
        await expect(tab.log).to_contain_text("5")
        gate.open()
        await expect(tab.log).to_contain_text("10")
        gate.open()
        await expect(tab.log).to_contain_text("Failed exit code 3")
        await expect(tab.output).not_to_contain_text(note)
        assert await tab.lines() == [str(number) for number in range(1, 16)]
        assert tab.problems == []
        await tab.close()


async def test_a_run_that_has_ended_needs_no_stream(
    client: Client, browser: Browser, tmp_path: Path
) -> None:
    run = await client.run("seq 6")
    await client.finished(run)
    async with nginx(tmp_path / "nginx", client.service.address, "") as address:
        tab = await new_tab(browser, address, phone=False, dark=False, expected=[HANDSHAKE])
        opened: list[str] = []
        tab.page.on("websocket", lambda socket: opened.append(socket.url))
        await tab.go(f"/runs/{run}")
        await expect(tab.log).to_contain_text("Succeeded")
        assert await tab.lines() == list("123456")
        assert [url for url in opened if "/events" not in url] == []
        assert tab.problems == []
        await tab.close()
