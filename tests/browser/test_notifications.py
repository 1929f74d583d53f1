"""What tells of a run to somebody who looks elsewhere: the tab's name and icon, notifications."""

import pytest
from playwright.async_api import expect

from tests.browser.gate import Gate
from tests.support.browser import OpenTab, Tab
from tests.support.client import Client, Start
from tests.support.waiting import until_true

pytestmark = pytest.mark.asyncio(loop_scope="module")

BELL = "Notify me at the end"
NOTIFICATIONS = """
window.told = [];
window.asked = 0;
window.Notification = class {
  static permission = "default";
  static answer = "granted";
  static async requestPermission() {
    window.asked += 1;
    this.permission = this.answer;
  }
  constructor(title, { body, tag }) {
    Object.assign(this, { title, body, tag });
    window.told.push(this);
  }
  close() {}
};
"""
"""The browser's notifications, kept instead of shown: this browser has no window."""

LOOK_AWAY = """
Object.defineProperty(document, "visibilityState", { configurable: true, get: () => "hidden" });
"""
TOLD = "() => window.told.map(({ title, body, tag }) => [title, body, tag])"


async def open_run(open_tab: OpenTab, client: Client, run: str) -> Tab:
    """Open a run's screen in a browser that keeps its notifications."""
    tab = await open_tab(client, "/account")
    await tab.page.add_init_script(NOTIFICATIONS)
    await tab.page.reload()
    await tab.go(f"/runs/{run}")
    await expect(tab.facts).to_contain_text("Running")
    return tab


async def told(tab: Tab) -> list[list[str]]:
    """Wait for a notification; return the title, the text and the tag of each."""

    async def some() -> bool:
        return bool(await tab.page.evaluate(TOLD))

    await until_true(some)
    return list(await tab.page.evaluate(TOLD))


async def test_whoever_asks_is_told_of_a_runs_end_and_led_back_to_it(
    client: Client, open_tab: OpenTab, gate: Gate
) -> None:
    run = (await client.create(f"{gate.wait}; exit 3", name="Nightly backup"))["run"]["id"]
    tab = await open_run(open_tab, client, run)
    assert await tab.page.evaluate("window.asked") == 0
    await tab.button(BELL).click()
    await expect(tab.button(BELL)).to_have_attribute("aria-pressed", "true")
    assert await tab.page.evaluate("window.asked") == 1
    await tab.page.evaluate(LOOK_AWAY)
    gate.open()
    await expect(tab.page).to_have_title("Failed · Nightly backup · Tailrun")
    assert await told(tab) == [["Nightly backup", "Failed, exit code 3", run]]
    await tab.page.evaluate("location.hash = '/commands/new'")
    await expect(tab.page.get_by_role("heading", name="New command", exact=True)).to_be_visible()
    await tab.page.evaluate("window.told[0].onclick()")
    await expect(tab.facts).to_contain_text("exit code 3")


async def test_whoever_looks_or_does_not_ask_is_not_notified(
    client: Client, open_tab: OpenTab, gate: Gate
) -> None:
    run = (await client.create(gate.wait, name="Looked at"))["run"]["id"]
    seen = await open_run(open_tab, client, run)
    unasked = await open_run(open_tab, client, run)
    await seen.button(BELL).click()
    await expect(seen.button(BELL)).to_have_attribute("aria-pressed", "true")
    await unasked.page.evaluate(LOOK_AWAY)
    gate.open()
    for tab in (seen, unasked):
        await expect(tab.page).to_have_title("Succeeded · Looked at · Tailrun")
        await expect(tab.button(BELL)).to_have_count(0)
        assert await tab.page.evaluate(TOLD) == []


async def test_a_browser_that_refuses_notifications_is_told_what_to_do(
    client: Client, open_tab: OpenTab, gate: Gate
) -> None:
    run = (await client.create(gate.wait, name="Refused"))["run"]["id"]
    tab = await open_run(open_tab, client, run)
    await tab.page.evaluate("Notification.answer = 'denied'")
    await tab.button(BELL).click()
    await expect(tab.page.get_by_role("status").last).to_contain_text("allow it in the browser")
    await expect(tab.button(BELL)).to_have_attribute("aria-pressed", "false")
    gate.open()


async def test_who_wants_it_always_is_told_of_every_run_that_they_open(
    client: Client, open_tab: OpenTab, gate: Gate
) -> None:
    run = (await client.create(gate.wait, name="One of many"))["run"]["id"]
    tab = await open_run(open_tab, client, run)
    await tab.go("/commands/new")
    await tab.button("Keyboard shortcuts").click()
    await tab.field("Notify me at the end of every run that I open").check()
    await tab.button("Close").click()
    await tab.go(f"/runs/{run}")
    await expect(tab.button(BELL)).to_have_attribute("aria-pressed", "true")
    await tab.page.evaluate(LOOK_AWAY)
    gate.open()
    assert await told(tab) == [["One of many", "Succeeded", run]]


async def test_the_tab_of_a_list_counts_what_is_running(
    start: Start, open_tab: OpenTab, gate: Gate
) -> None:
    client = await start()
    tabs = [await open_tab(client), await open_tab(client, "/runs")]
    titles = ["Commands", "Runs"]
    icons = [tab.page.locator("link[rel=icon]") for tab in tabs]
    idle = [await icon.get_attribute("href") for icon in icons]
    await client.create(gate.wait, name="First")
    await client.create(gate.wait, name="Second")
    for tab, title in zip(tabs, titles, strict=True):
        await expect(tab.page).to_have_title(f"(2) {title} · Tailrun")
    running = [await icon.get_attribute("href") for icon in icons]
    gate.open()
    gate.open()
    for tab, title in zip(tabs, titles, strict=True):
        await expect(tab.page).to_have_title(f"{title} · Tailrun")
    assert len({*idle, *running}) == 2
