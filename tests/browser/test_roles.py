"""What one may not do is not offered."""

import pytest
from playwright.async_api import expect

from tests.browser.people import signed_in
from tests.support.browser import OpenTab, Tab
from tests.support.client import Client

pytestmark = pytest.mark.asyncio(loop_scope="module")

ACTIONS = ["Start", "Edit", "Delete"]
OF_A_RUN = ["Stop", "Pause", "Run again", "Delete"]


async def offered(tab: Tab, names: list[str]) -> list[str]:
    """Return which of these buttons and links there are."""
    main = tab.page.get_by_role("main")
    found = []
    for name in names:
        either = main.get_by_role("button", name=name, exact=True).or_(
            main.get_by_role("link", name=name, exact=True)
        )
        if await either.count():
            found.append(name)
    return found


@pytest.mark.parametrize(
    ("role", "actions", "live", "ended"),
    [
        ("viewer", [], [], []),
        ("operator", ["Start"], ["Stop", "Pause"], ["Run again"]),
        ("editor", ["Start", "Edit"], ["Stop", "Pause"], ["Run again"]),
        ("admin", ACTIONS, ["Stop", "Pause"], ["Run again", "Delete"]),
    ],
)
async def test_each_role_is_offered_what_it_may(
    client: Client,
    open_tab: OpenTab,
    shared_database_url: str,
    role: str,
    actions: list[str],
    live: list[str],
    ended: list[str],
) -> None:
    group = f"of-{role}s"
    command = await client.create("echo done", name=f"Seen by {role}s", group=group)
    busy = await client.create("echo begun; exec sleep 1000", name=f"Busy for {role}s", group=group)
    await client.finished(command["run"]["id"])
    value = signed_in(shared_database_url, f"oidc:{role}", {group: role})
    tab = await open_tab(client, f"/commands/{command['id']}", session=value)
    heading = tab.page.get_by_role("heading", level=1)
    await expect(heading).to_have_text(f"Seen by {role}s")
    assert await offered(tab, ACTIONS) == actions
    script = tab.page.get_by_role("region", name="Script", exact=True)
    await expect(script).to_have_count(0 if role == "viewer" else 1)
    hidden = tab.page.get_by_text("Its script is not shown: that takes the role operator")
    await expect(hidden).to_have_count(1 if role == "viewer" else 0)

    await tab.go(f"/runs/{command['run']['id']}")
    await expect(tab.log).to_contain_text("Succeeded")
    assert await tab.lines() == ["done"]
    assert await offered(tab, OF_A_RUN) == ended
    await tab.go(f"/runs/{busy['run']['id']}")
    await expect(tab.log).to_contain_text("begun")
    assert await offered(tab, OF_A_RUN) == live
    await client.stop(busy["run"]["id"])


async def test_a_viewer_finds_no_way_to_change_anything(
    client: Client, open_tab: OpenTab, shared_database_url: str
) -> None:
    command = await client.create("true", name="Only looked at", group="looked-at", start=False)
    await client.create("true", name="Not theirs", group="elsewhere", start=False)
    value = signed_in(shared_database_url, "oidc:onlooker", {"looked-at": "viewer"})
    tab = await open_tab(client, session=value, expected=["status of 404"])
    rows = tab.page.get_by_role("main").get_by_role("listitem")
    await expect(rows).to_have_count(1)
    await expect(rows).to_contain_text("Only looked at")
    assert await offered(tab, ["New command", "Start Only looked at"]) == []
    await tab.page.keyboard.press("?")
    keys = tab.page.get_by_role("dialog", name="Keyboard shortcuts")
    await expect(keys).to_contain_text("Search the commands")
    await expect(keys).not_to_contain_text("New command")
    await tab.page.keyboard.press("Escape")
    for path in ["/commands/new", f"/commands/{command['id']}/edit"]:
        await tab.go(path)
        await expect(
            tab.page.get_by_role("heading", name="Not permitted", exact=True)
        ).to_be_visible()
        await expect(tab.field("Script")).to_have_count(0)
    for path in ["/grants", "/tokens", "/targets", "/audit"]:
        await tab.go(path)
        await expect(tab.page.get_by_text("that takes the role admin")).to_be_visible()
    await tab.go("/account")
    await expect(tab.page.get_by_text("Viewer in looked-at")).to_be_visible()
    await expect(tab.page.get_by_role("navigation", name="Access")).to_have_count(0)
    other = (await client.call("GET", "commands/?q=Not+theirs"))["items"][0]["id"]
    await tab.go(f"/commands/{other}")
    await expect(tab.page.get_by_text("There is no command at this address")).to_be_visible()


async def test_a_command_is_made_in_a_group_where_one_may(
    client: Client, open_tab: OpenTab, shared_database_url: str
) -> None:
    roles = {"builds": "editor", "deploys": "editor", "docs": "viewer"}
    value = signed_in(shared_database_url, "oidc:maker", roles)
    tab = await open_tab(client, "/commands/new", session=value)
    await expect(tab.field("Group").get_by_role("option")).to_have_text(["builds", "deploys"])
    await tab.field("Group").select_option("deploys")
    await tab.field("Name").fill("Made there")
    await tab.write_script("true")
    await tab.button("Save only").click()
    await expect(tab.page.get_by_role("heading", name="Made there", exact=True)).to_be_visible()
    await expect(tab.page.get_by_role("link", name="deploys")).to_be_visible()
    made = (await client.call("GET", "commands/?q=Made+there"))["items"][0]
    assert made["group"] == "deploys"
    await tab.page.get_by_role("link", name="Edit").click()
    await expect(tab.script).to_have_value("true")
    await expect(tab.field("Group")).to_have_count(0)


async def test_an_admin_moves_a_command_to_another_group(client: Client, open_tab: OpenTab) -> None:
    command = await client.create("true", name="To be moved", start=False)
    tab = await open_tab(client, f"/commands/{command['id']}/edit")
    await expect(tab.field("Group")).to_have_value("default")
    await tab.field("Group").fill("moved")
    await tab.button("Save").click()
    await tab.page.get_by_role("link", name="moved").click()
    await expect(tab.page.get_by_role("main").get_by_role("listitem")).to_have_count(1)
    assert tab.page.url.endswith("/#/?group=moved")
    assert (await client.call("GET", f"commands/{command['id']}"))["group"] == "moved"


async def test_the_list_is_narrowed_to_a_group(client: Client, open_tab: OpenTab) -> None:
    await client.create("true", name="Of the north", group="north", start=False)
    await client.create("true", name="Of the south", group="south", start=False)
    tab = await open_tab(client)
    rows = tab.page.get_by_role("main").get_by_role("listitem")
    await expect(rows.filter(has_text="Of the south")).to_be_visible()
    await tab.page.get_by_role("combobox", name="Group").select_option("north")
    await expect(rows).to_have_count(1)
    await expect(rows).to_contain_text("Of the north")
    await tab.page.reload()
    await expect(rows).to_have_count(1)
    await tab.page.get_by_role("searchbox").fill("south")
    await expect(tab.page.get_by_role("heading", name="Nothing matches")).to_be_visible()
