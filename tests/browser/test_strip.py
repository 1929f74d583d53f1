"""The last runs of a command as bars: what is slow or fails is seen at a glance."""

import re

import pytest
from playwright.async_api import Locator, expect

from tests.browser.gate import Gate
from tests.browser.past import add_runs
from tests.browser.test_events import asked
from tests.support.browser import NARROW, OpenTab, Tab
from tests.support.client import Client

pytestmark = pytest.mark.asyncio(loop_scope="module")

LAST_BAR = "[...document.querySelectorAll('.bar')].at(-1)"


def strip(tab: Tab, count: int) -> Locator:
    name = f"The last runs ({count})"
    return tab.page.get_by_role("group", name=name, exact=True)


async def test_bars_lead_to_their_runs_and_grow_with_them(
    client: Client, open_tab: OpenTab, gate: Gate, shared_database_url: str
) -> None:
    command = await client.create(f"{gate.wait}; exit 3", name="Barred", start=False)
    add_runs(shared_database_url, command["id"], 60)
    tab = await open_tab(client)
    await tab.page.goto("about:blank")
    requests = asked(tab.page)
    await tab.go(f"/commands/{command['id']}")
    bars = strip(tab, 50).get_by_role("link")
    await expect(bars).to_have_count(50)
    one = f"GET commands/{command['id']}"
    assert sorted(requests) == [one, f"{one}/runs", f"{one}/schedules", "GET session"]
    legend = tab.page.locator(".strip__legend")
    for words in ["Usually 40.0 s", "Slower than usual 1", "Succeeded 40", "Failed 7"]:
        await expect(legend).to_contain_text(re.compile(words.replace(" ", r"\s*")))
    await expect(legend).to_contain_text("Cut off above 2 min 0 s")
    slow = bars.nth(47)
    await expect(slow).to_have_accessible_name(
        re.compile("^Succeeded · .* · 1 h 6 min · slower than usual$")
    )
    requests.clear()
    run = (await client.call("POST", f"commands/{command['id']}/runs", status=201))["id"]
    going = bars.last
    await expect(going).to_have_accessible_name(re.compile("^Running"))
    height = "bar => bar.querySelector('.bar__fill').getBoundingClientRect().height"
    before = await going.evaluate(height)
    await tab.page.wait_for_function(f"before => ({height})({LAST_BAR}) > before", arg=before)
    gate.open()
    await expect(going).to_have_accessible_name(re.compile("^Failed"))
    await expect(bars).to_have_count(50)
    assert requests == []
    await going.click()
    await expect(tab.page).to_have_url(re.compile(f"/runs/{run}$"))


@pytest.mark.parametrize("count", [0, 1, 3, 50])
async def test_the_strip_fits_however_many_runs_there_are(
    client: Client, open_tab: OpenTab, shared_database_url: str, count: int
) -> None:
    command = await client.create("true", name=f"Run {count} times", start=False)
    add_runs(shared_database_url, command["id"], count)
    tab = await open_tab(client, f"/commands/{command['id']}")
    await tab.page.set_viewport_size(NARROW)
    await expect(
        tab.page.get_by_role("heading", name=f"Run {count} times", exact=True)
    ).to_be_visible()
    if count == 0:
        await expect(
            tab.page.get_by_role("heading", name="Not run yet", exact=True)
        ).to_be_visible()
        await expect(tab.page.locator(".strip")).to_have_count(0)
        return
    bars = strip(tab, count).get_by_role("link")
    await expect(bars).to_have_count(count)
    assert await tab.overflow() == 0
    boxes = [await bar.bounding_box() for bar in (await bars.all())[:: max(1, count // 5)]]
    assert all(box is not None and box["width"] >= 5 and box["height"] >= 60 for box in boxes)
