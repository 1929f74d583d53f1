"""The commands: narrowed by what the address says, favourites before all others."""

import asyncio
import json
import re

import pytest
from playwright.async_api import Locator, expect

from tests.browser.gate import Gate
from tests.browser.people import signed_in
from tests.browser.test_events import asked
from tests.support.browser import OpenTab, Tab
from tests.support.client import Start
from tests.support.postgres import execute

pytestmark = pytest.mark.asyncio(loop_scope="module")

MANY = """
    INSERT INTO commands (name, script, created_at)
    SELECT 'Command ' || n, 'true', now() - n * interval '1 second' FROM generate_series(1, 3000) n
"""


def rows(tab: Tab) -> Locator:
    """Find the commands that are listed."""
    return tab.page.get_by_role("main").get_by_role("listitem")


def star(tab: Tab, name: str) -> Locator:
    return tab.button(f"Favourite: {name}")


async def names(tab: Tab) -> list[str]:
    return await rows(tab).locator(".command-row__name").all_inner_texts()


async def test_favourites_come_first_wherever_they_stand(
    start: Start, open_tab: OpenTab, database_url: str
) -> None:
    client = await start()
    execute(database_url, MANY)
    tab = await open_tab(client, "/?q=2999")
    await star(tab, "Command 2999").click()
    await tab.go("/")
    await expect(rows(tab)).to_have_count(51)
    await star(tab, "Command 7").click()
    await expect(star(tab, "Command 7")).to_be_focused()
    assert (await names(tab))[:3] == ["Command 7", "Command 2999", "Command 1"]
    await tab.page.goto("about:blank")
    requests = asked(tab.page)
    await tab.go("/")
    await expect(rows(tab)).to_have_count(51)
    assert (await names(tab))[:3] == ["Command 7", "Command 2999", "Command 1"]
    assert sorted(requests) == ["GET commands/", "GET commands/", "GET session"]
    requests.clear()
    # What is told of one that is not listed is seen, and asks nothing.
    found = await client.call("GET", "commands/?q=2999")
    [favourite] = found["items"]
    await client.call("POST", f"commands/{favourite['id']}/runs", status=201)
    await expect(rows(tab).nth(1)).to_contain_text("Succeeded")
    await star(tab, "Command 2999").press("Enter")
    await expect(rows(tab)).to_have_count(50)
    await expect(tab.page.get_by_role("heading", name="Commands", exact=True)).to_be_focused()
    await star(tab, "Command 7").press("Space")
    await expect(star(tab, "Command 7")).to_be_focused()
    assert (await names(tab))[0] == "Command 1"
    assert requests == []


async def test_favourites_are_few_and_what_is_deleted_is_forgotten(
    start: Start, open_tab: OpenTab, database_url: str
) -> None:
    client = await start()
    execute(database_url, MANY)
    tab = await open_tab(client)
    await star(tab, "Command 1").click()
    stored = "Object.entries(localStorage).find(([key]) => key.startsWith('tailrun.favourites'))"
    name = await tab.page.evaluate(f"{stored}[0]")
    known = await client.call("GET", "commands/?limit=60")
    ids = [one["id"] for one in known["items"]]
    await tab.page.evaluate(
        "([name, ids]) => localStorage.setItem(name, JSON.stringify(ids))", [name, ids[:50]]
    )
    await tab.page.reload()
    await expect(star(tab, "Command 50")).to_have_attribute("aria-pressed", "true")
    await tab.button("Show more").click()
    await star(tab, "Command 51").click()
    await expect(tab.page.get_by_text("There can be 50 favourites")).to_be_visible()
    await expect(star(tab, "Command 51")).to_have_attribute("aria-pressed", "false")
    await client.call("DELETE", f"commands/{ids[0]}", status=204)
    await expect(star(tab, "Command 1")).to_have_count(0)
    await star(tab, "Command 51").click()
    await expect(star(tab, "Command 51")).to_have_attribute("aria-pressed", "true")
    # Deleted while nobody looked.
    await tab.page.goto("about:blank")
    await client.call("DELETE", f"commands/{ids[1]}", status=204)
    await tab.go("/")
    await expect(star(tab, "Command 51")).to_have_attribute("aria-pressed", "true")
    kept = await tab.page.evaluate(f"JSON.parse({stored}[1])")
    assert kept == [ids[50], *ids[2:50]]


async def test_commands_are_narrowed_by_state_and_the_address_says_how(
    start: Start, open_tab: OpenTab, gate: Gate
) -> None:
    client = await start()
    for script, name in [("true", "Fine"), ("exit 3", "Bad"), ("exit 4", "Worse")]:
        made = await client.create(script, name=name)
        await client.finished(made["run"]["id"])
    going = await client.create(f"{gate.wait}; exit 5", name="Going")
    await client.create("true", name="Never", start=False)
    tab = await open_tab(client)
    await expect(rows(tab)).to_have_count(5)
    await star(tab, "Bad").click()
    await tab.page.get_by_role("checkbox", name="Failed", exact=True).check()
    await expect(rows(tab)).to_have_count(2)
    assert await names(tab) == ["Bad", "Worse"]
    assert tab.page.url.endswith("/#/?state=failed")
    await tab.page.get_by_role("searchbox").fill("wor")
    await expect(rows(tab)).to_have_count(1)
    assert tab.page.url.endswith("/#/?state=failed&q=wor")
    await tab.page.reload()
    await expect(rows(tab)).to_have_count(1)
    await expect(tab.page.get_by_role("checkbox", name="Failed", exact=True)).to_be_checked()
    await rows(tab).get_by_role("link", name="Worse", exact=True).click()
    await expect(tab.page.get_by_role("heading", name="Worse", exact=True)).to_be_visible()
    await tab.page.go_back()
    await expect(rows(tab)).to_have_count(1)
    await tab.page.get_by_role("checkbox", name="Succeeded", exact=True).check()
    await tab.page.get_by_role("checkbox", name="Failed", exact=True).uncheck()
    await expect(
        tab.page.get_by_role("heading", name="No command is like that", exact=True)
    ).to_be_visible()
    await tab.page.get_by_role("link", name="Show all commands").click()
    await expect(rows(tab)).to_have_count(5)
    # A run that ends brings its command in, and one that starts takes it out.
    await tab.go("/?state=failed,lost")
    await expect(rows(tab)).to_have_count(2)
    gate.open()
    await expect(rows(tab)).to_have_count(3)
    await expect(rows(tab).nth(1)).to_contain_text("Going")
    await client.call("PATCH", f"commands/{going['id']}", json={"script": "exec sleep 1000"})
    await client.call("POST", f"commands/{going['id']}/runs", status=201)
    await expect(rows(tab)).to_have_count(2)
    await client.call("POST", f"commands/{going['id']}/stop")


async def test_many_changes_that_ask_for_a_list_load_it_once_a_second_at_most(
    start: Start, open_tab: OpenTab
) -> None:
    client = await start()
    tab = await open_tab(client, "/?state=failed")
    await expect(
        tab.page.get_by_role("heading", name="No command is like that", exact=True)
    ).to_be_visible()
    times: list[float] = []
    loop = asyncio.get_running_loop()
    requests = asked(tab.page)
    tab.page.on("request", lambda _: times.append(loop.time()))
    for number in range(30):
        await client.create("exit 1", name=f"Bad {number}")
    await expect(rows(tab)).to_have_count(30)
    assert 1 <= len(requests) <= times[-1] - times[0] + 2


async def test_favourites_that_may_not_be_seen_any_more_are_forgotten_without_a_word(
    start: Start, open_tab: OpenTab, database_url: str
) -> None:
    client = await start()
    made = [
        await client.create("true", name=f"Moved {n}", group="web", start=n == 2) for n in range(3)
    ]
    await client.create("true", name="Stays", group="web", start=False)
    session = signed_in(database_url, "oidc:viewer", {"web": "viewer"})
    tab = await open_tab(client, session=session, expected=["status of 404"])
    for n in range(3):
        await star(tab, f"Moved {n}").click()
    stored = "Object.entries(localStorage).find(([key]) => key.startsWith('tailrun.favourites'))[1]"
    # One is moved while it is looked at, one while nobody does.
    await client.call("PATCH", f"commands/{made[0]['id']}", json={"group": "mail"})
    await expect(star(tab, "Moved 0")).to_have_count(0)
    assert json.loads(await tab.page.evaluate(stored)) == [made[2]["id"], made[1]["id"]]
    await tab.page.goto("about:blank")
    await client.call("PATCH", f"commands/{made[1]['id']}", json={"group": "mail"})
    await tab.go("/")
    await expect(rows(tab)).to_have_count(2)
    assert await names(tab) == ["Moved 2", "Stays"]
    assert json.loads(await tab.page.evaluate(stored)) == [made[2]["id"]]
    # The strip goes with its command.
    await tab.page.get_by_role("link", name="Moved 2", exact=True).click()
    await expect(tab.page.get_by_role("group", name="The last runs (1)")).to_be_visible()
    await client.call("PATCH", f"commands/{made[2]['id']}", json={"group": "mail"})
    await expect(tab.page.get_by_text("There is no command at this address.")).to_be_visible()
    await expect(tab.page.locator(".strip")).to_have_count(0)
    await expect(tab.page).not_to_have_title(re.compile("Moved"))
    await tab.go("/")
    await expect(rows(tab)).to_have_count(1)
    assert json.loads(await tab.page.evaluate(stored)) == []
    for place in ("alert", "status"):
        for said in await tab.page.get_by_role(place).all_inner_texts():
            assert "Moved" not in said
