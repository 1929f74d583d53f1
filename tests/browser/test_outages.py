"""The server or its database goes away: the page says so calmly, and comes back exact."""

import re
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.async_api import expect

from tests.browser.gate import Gate
from tests.support.browser import CONNECTION_REFUSED, OpenTab
from tests.support.client import Start
from tests.support.postgres import execute, with_name

pytestmark = pytest.mark.asyncio(loop_scope="module")

SLOW = 'for i in $(seq {} {}); do echo "line $i é🚀"; sleep 0.002; done'
ROWS = """
rows => rows.map((row) =>
  [Number(row.dataset.line), row.querySelector(".out-row__text").textContent])
"""
LINES = [f"line {number} é🚀" for number in range(1, 401)]


async def test_a_killed_server_is_missed_and_taken_up_again_without_a_seam(
    start: Start, open_tab: OpenTab, gate: Gate
) -> None:
    client = await start()
    service = client.service
    service.set(port=str(urlsplit(service.address).port))
    script = "; ".join([SLOW.format(1, 300), gate.wait, SLOW.format(301, 400), "exit 5"])
    run = await client.run(script)
    tab = await open_tab(client, f"/runs/{run}", expected=[CONNECTION_REFUSED])
    banner = tab.page.get_by_text("The server does not answer.")
    await expect(tab.log).to_contain_text("line ")

    await service.kill()
    await expect(tab.output).to_contain_text("Reconnecting… will resume at")
    await expect(banner).to_be_visible()
    rows: list[list[Any]] = await tab.log.locator(".out-row").evaluate_all(ROWS)
    assert rows
    assert rows == [[number, LINES[number - 1]] for number, _ in rows]

    await tab.button("Try now").click()
    await service.start()
    await expect(banner).to_have_count(0)
    await expect(tab.output).to_contain_text(re.compile(r"Live, .*resumed at \d"))
    gate.open()
    await expect(tab.facts).to_contain_text("Failedexit code 5")
    await expect(tab.log).to_contain_text("Failed exit code 5")
    assert await tab.lines() == LINES


async def test_without_the_database_live_runs_go_on_and_the_banner_says_so(
    start: Start, open_tab: OpenTab, gate: Gate, database_url: str
) -> None:
    client = await start()
    run = await client.run(f"echo before; {gate.wait}; echo meanwhile; {gate.wait}; echo after")
    watching = await open_tab(client, f"/runs/{run}")
    listing = await open_tab(client, expected=["status of 503"])
    banner = listing.page.get_by_text("Some things are unavailable.")
    await expect(watching.log).to_contain_text("before")
    await expect(listing.page.get_by_role("listitem")).to_have_count(1)

    name = urlsplit(database_url).path.removeprefix("/")
    admin = with_name(database_url, "postgres")
    execute(
        admin,
        f"ALTER DATABASE {name} ALLOW_CONNECTIONS false",
        f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'",  # noqa: S608
    )
    await expect(banner).to_be_visible()
    await expect(listing.page.get_by_role("listitem")).to_have_count(1)
    gate.open()
    await expect(watching.log).to_contain_text("meanwhile")
    await listing.go("/commands/new")
    await listing.field("Name").fill("Too soon")
    await listing.write_script("true")
    await listing.button("Save only").click()
    await expect(listing.page.get_by_role("alert")).to_contain_text("database")
    await expect(listing.script).to_have_value("true")

    execute(admin, f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
    await listing.button("Save only").click()
    await expect(listing.page.get_by_role("heading", name="Too soon", exact=True)).to_be_visible()
    await expect(banner).to_have_count(0)
    gate.open()
    await expect(watching.facts).to_contain_text("Succeeded")
    assert await watching.lines() == ["before", "meanwhile", "after"]


async def test_a_screen_that_loads_nothing_notices_that_the_server_is_back(
    start: Start, open_tab: OpenTab
) -> None:
    client = await start()
    service = client.service
    service.set(port=str(urlsplit(service.address).port))
    tab = await open_tab(client, "/commands/new", expected=[CONNECTION_REFUSED])
    banner = tab.page.get_by_text("The server does not answer. Runs continue")
    await tab.field("Name").fill("In an outage")
    await tab.write_script("true")
    await service.kill()
    await tab.button("Save only").click()
    await expect(banner).to_be_visible()
    await service.start()
    await expect(banner).to_have_count(0)
    await tab.button("Save only").click()
    await expect(tab.page.get_by_role("heading", name="In an outage", exact=True)).to_be_visible()
