"""The page by touch, on a phone: output is scrolled, left and followed again, lines are chosen."""

import re

import pytest
from playwright.async_api import CDPSession, Locator, expect

from tests.browser.gate import Gate
from tests.support.browser import OpenTab, Tab
from tests.support.client import Client
from tests.support.waiting import until_true

pytestmark = pytest.mark.asyncio(loop_scope="module")

STEPS = 20
X, MIDDLE = 180, 560
TAP_CANCELLED = r"Ignored attempt to cancel a touchstart event with cancelable=false"
"""Where a row still moves as it is tapped, Playwright cancels that touch, and taps anew; while the
browser scrolls, it says that it takes no notice. The page itself cancels no touch: its listeners
are passive."""


class Finger:
    """A finger on a tab's screen."""

    def __init__(self, session: CDPSession) -> None:
        self._session = session

    async def drag(self, px: int) -> None:
        """Drag downwards, or upwards where it is negative; hold still before it is lifted."""
        start = MIDDLE - px // 2
        await self._touch("touchStart", start)
        for step in [*range(1, STEPS + 1), STEPS]:
            await self._touch("touchMove", start + px * step // STEPS)
        await self._touch("touchEnd")

    async def _touch(self, kind: str, *at: int) -> None:
        points = [{"x": X, "y": y} for y in at]
        await self._session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})


async def finger_on(tab: Tab) -> Finger:
    return Finger(await tab.page.context.new_cdp_session(tab.page))


def line(tab: Tab, number: int) -> Locator:
    return tab.page.locator(f".out-row[data-line='{number}']")


async def test_a_finger_moves_the_rows_by_as_much_as_it_moves(
    client: Client, open_tab: OpenTab
) -> None:
    run = await client.run("seq -f 'line %.0f' 100000")
    await client.finished(run)
    tab = await open_tab(client, f"/runs/{run}", phone=True, expected=[TAP_CANCELLED])
    await expect(line(tab, 99_990)).to_be_in_viewport()
    finger = await finger_on(tab)
    top = "row => row.getBoundingClientRect().top"
    before = await line(tab, 99_990).evaluate(top)
    await finger.drag(200)
    await until_true(lambda: moved(tab, before, top))
    row = line(tab, 99_985)
    await row.get_by_role("button", name="Line 99,985").tap()
    await expect(tab.page).to_have_url(re.compile("line=99985$"))
    await expect(tab.page.get_by_role("group", name="Chosen lines")).to_be_visible()


async def moved(tab: Tab, before: float, top: str) -> bool:
    """Tell whether a row is 200 px lower; the first ones tell a drag from a tap."""
    return bool(150 <= await line(tab, 99_990).evaluate(top) - before <= 200)


async def test_output_is_left_and_followed_again_by_touch(
    client: Client, open_tab: OpenTab, gate: Gate
) -> None:
    run = await client.run(f"seq -f 'line %.0f' 300; {gate.wait}; seq 301 310; {gate.wait}; seq 3")
    tab = await open_tab(client, f"/runs/{run}", phone=True)
    await expect(line(tab, 300)).to_be_in_viewport()
    finger = await finger_on(tab)
    await finger.drag(200)
    await expect(tab.output).to_contain_text("Not following")
    gate.open()
    await expect(tab.button("10 new lines")).to_be_visible()
    await expect(line(tab, 310)).not_to_be_in_viewport()
    for _ in range(3):
        await finger.drag(-300)
    await expect(line(tab, 310)).to_be_in_viewport()
    await expect(tab.output).not_to_contain_text("Not following")
    gate.open()
    await expect(line(tab, 313)).to_be_in_viewport()
    await client.finished(run)


async def test_a_menu_opens_and_closes_by_touch(client: Client, open_tab: OpenTab) -> None:
    run = await client.run("exec sleep 1000")
    tab = await open_tab(client, f"/runs/{run}", phone=True)
    await tab.button("Send another signal").tap()
    items = tab.page.get_by_role("menuitem")
    await expect(items).to_have_count(4)
    for item in await items.all():
        box = await item.bounding_box()
        assert box is not None
        assert box["height"] >= 40
    await tab.page.touchscreen.tap(X, 740)
    await expect(items).to_have_count(0)
    await client.stop(run)
