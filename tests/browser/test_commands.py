"""Commands in the page: make one, find it, change it, run it, delete it."""

import pytest
from playwright.async_api import expect

from tests.browser.gate import Gate
from tests.support.browser import RECOLOURED, OpenTab
from tests.support.client import Client, Start
from tests.support.postgres import execute

pytestmark = pytest.mark.asyncio(loop_scope="module")

REFUSED = "status of 422"


async def test_a_new_command_is_watched_live_from_its_form_on(
    client: Client, open_tab: OpenTab, gate: Gate
) -> None:
    tab = await open_tab(client)
    await tab.page.get_by_role("link", name="New command").first.click()
    await tab.field("Name").fill("Count to two")
    await tab.field("Description (optional)").fill("And no further")
    await tab.write_script(f"echo one\n{gate.wait}\necho two; exit 3")
    await tab.button("Save and start").click()
    await expect(tab.page.get_by_role("heading", name="Count to two", exact=True)).to_be_visible()
    await expect(tab.log).to_contain_text("one")
    await expect(tab.facts).to_contain_text("Running")
    assert await tab.lines() == ["one"]
    gate.open()
    await expect(tab.facts).to_contain_text("Failedexit code 3")
    await expect(tab.log).to_contain_text("Failed exit code 3, after")
    assert await tab.lines() == ["one", "two"]


async def test_what_is_wrong_is_said_at_its_field(client: Client, open_tab: OpenTab) -> None:
    tab = await open_tab(client, "/commands/new", expected=[REFUSED])
    name, script = tab.field("Name"), tab.field("Script")
    await name.fill("x" * 65)
    await tab.button("Save and start").click()
    await expect(name).to_have_accessible_description("Longer than maximum length 64.")
    await expect(name).to_be_focused()
    await expect(script).to_have_attribute("aria-invalid", "true")
    await name.fill("Short enough")
    await script.fill("true")
    await tab.button("Save only").click()
    await expect(tab.page.get_by_role("heading", name="Short enough", exact=True)).to_be_visible()
    await expect(tab.page.get_by_role("heading", name="Not run yet", exact=True)).to_be_visible()


async def test_a_command_can_be_edited(client: Client, open_tab: OpenTab) -> None:
    command = await client.create("echo before", name="Editable", start=False)
    tab = await open_tab(client, f"/commands/{command['id']}", expected=[RECOLOURED])
    await tab.page.get_by_role("link", name="Edit").click()
    await expect(tab.script).to_have_value("echo before")
    await tab.write_script("echo after")
    await tab.button("Save").click()
    await expect(tab.page.get_by_role("region", name="Script", exact=True)).to_contain_text(
        "echo after"
    )
    stored = await client.call("GET", f"commands/{command['id']}")
    assert (stored["name"], stored["script"]) == ("Editable", "echo after")


async def test_the_search_narrows_the_list_and_is_kept_in_the_address(
    client: Client, open_tab: OpenTab
) -> None:
    await client.create("true", name="Rotate the keys", start=False)
    await client.create("true", name="Other", description="It rotates as well", start=False)
    await client.create("true", name="Unrelated", start=False)
    tab = await open_tab(client)
    rows = tab.page.get_by_role("main").get_by_role("listitem")
    search = tab.page.get_by_role("searchbox", name="Search the commands")
    await expect(rows.filter(has_text="Unrelated")).to_be_visible()
    await search.fill("rotate")
    await expect(rows).to_have_count(2)
    await tab.page.reload()
    await expect(search).to_have_value("rotate")
    await expect(rows).to_have_count(2)
    await search.fill("no such thing")
    await expect(tab.page.get_by_role("heading", name="Nothing matches")).to_be_visible()
    await tab.page.get_by_role("link", name="Show all commands").click()
    await expect(rows.filter(has_text="Unrelated")).to_be_visible()


async def test_a_command_is_deleted_after_confirmation(client: Client, open_tab: OpenTab) -> None:
    command = await client.create("true", name="Short-lived", start=False)
    tab = await open_tab(client, f"/commands/{command['id']}")
    dialog = tab.page.get_by_role("dialog", name="Delete Short-lived?")
    await tab.button("Delete").click()
    await expect(dialog.get_by_role("button", name="Cancel")).to_be_focused()
    await dialog.get_by_role("button", name="Cancel").click()
    await expect(dialog).to_have_count(0)
    await tab.button("Delete").click()
    await dialog.get_by_role("button", name="Delete").click()
    await expect(tab.page.get_by_text("Deleted Short-lived.")).to_be_visible()
    await expect(tab.page.get_by_role("heading", name="Commands", exact=True)).to_be_visible()
    await client.call("GET", f"commands/{command['id']}", status=404)


async def test_a_command_that_runs_is_not_deleted(
    client: Client, open_tab: OpenTab, gate: Gate
) -> None:
    command = await client.create(gate.wait, name="Busy")
    tab = await open_tab(client, f"/commands/{command['id']}", expected=["status of 409"])
    await tab.button("Delete").click()
    dialog = tab.page.get_by_role("dialog")
    await dialog.get_by_role("button", name="Delete").click()
    await expect(dialog.get_by_role("alert")).to_contain_text("Stop it first.")
    gate.open()
    await client.finished(command["run"]["id"])


async def test_the_history_leads_to_each_run(client: Client, open_tab: OpenTab) -> None:
    command = await client.create("echo first; exit 9", name="With a past")
    first = command["run"]["id"]
    await client.finished(first)
    await client.call("PUT", f"commands/{command['id']}", json={"name": "N", "script": "echo 2"})
    second = (await client.call("POST", f"commands/{command['id']}/runs"))["id"]
    await client.finished(second)
    tab = await open_tab(client, f"/commands/{command['id']}")
    rows = tab.page.get_by_role("main").get_by_role("listitem")
    await expect(rows).to_have_count(2)
    await expect(rows.nth(0)).to_contain_text("Succeeded")
    await expect(rows.nth(1)).to_contain_text("Failed")
    await expect(rows.nth(1)).to_contain_text("exit code 9")
    await rows.nth(1).get_by_role("link", name=first[:8]).click()
    await expect(tab.log).to_contain_text("Failed exit code 9")
    assert await tab.lines() == ["first"]
    assert tab.page.url.endswith(f"/#/runs/{first}")


async def test_what_is_not_there_says_so(client: Client, open_tab: OpenTab) -> None:
    tab = await open_tab(client, "/runs/none", expected=["status of 404"])
    for path, words in [
        ("/runs/none", "There is no run at this address"),
        ("/commands/none", "There is no command at this address"),
        ("/none", "There is no such page"),
    ]:
        await tab.go(path)
        await expect(tab.page.get_by_role("heading", name=words)).to_be_visible()


async def test_everything_can_be_done_by_keyboard(
    client: Client, open_tab: OpenTab, gate: Gate
) -> None:
    tab = await open_tab(client)
    press, write = tab.page.keyboard.press, tab.page.keyboard.type
    heading = tab.page.get_by_role("heading", level=1)
    await expect(heading).to_have_text("Commands")
    await press("n")
    await expect(tab.field("Name")).to_be_focused()
    await write("By hand")
    await tab.focus(tab.field("Script"))
    await write(f"trap 'echo heard' USR1; echo ready; while :; do {gate.wait}; done")
    await press("Control+Enter")
    await expect(tab.log).to_contain_text("ready")
    await press("?")
    await expect(tab.page.get_by_role("dialog", name="Keyboard")).to_be_visible()
    await press("Escape")
    await press("p")
    await expect(tab.facts).to_contain_text("Paused")
    await expect(tab.button("Resume")).to_be_enabled()
    await press("p")
    await expect(tab.facts).to_contain_text("Running")
    await tab.focus(tab.button("Send another signal"))
    await press("Enter")
    await tab.focus(tab.page.get_by_role("menuitem", name="User 1"), "ArrowDown")
    await press("Enter")
    await expect(tab.log).to_contain_text("heard")
    await expect(tab.button("Send another signal")).to_be_focused()
    await tab.focus(tab.button("Stop"), "Shift+Tab")
    await press("Enter")
    await expect(tab.facts).to_contain_text("Stopped")
    await press("Escape")
    await expect(tab.page.get_by_role("link", name="Edit")).to_be_visible()
    await press("e")
    await expect(tab.field("Name")).to_be_focused()
    await press("End")
    await write(", twice")
    await press("Control+Enter")
    await expect(heading).to_have_text("By hand, twice")
    await tab.focus(tab.button("Delete"))
    await press("Enter")
    await tab.focus(tab.page.get_by_role("dialog").get_by_role("button", name="Delete"))
    await press("Enter")
    await expect(heading).to_have_text("Commands")
    await expect(tab.page.get_by_text("Deleted By hand, twice.")).to_be_visible()


async def test_back_leads_to_the_same_place_of_a_long_list(
    start: Start, open_tab: OpenTab, database_url: str
) -> None:
    client = await start()
    execute(
        database_url,
        "INSERT INTO commands (name, script, created_at) SELECT 'Command ' || n, 'true',"
        " now() - n * interval '1 second' FROM generate_series(1, 5000) n",
    )
    tab = await open_tab(client)
    rows = tab.page.get_by_role("main").get_by_role("listitem")
    for pages in range(1, 14):
        await expect(rows).to_have_count(50 * pages)
        await tab.button("Show more").click()
    await expect(rows).to_have_count(700)
    await rows.nth(640).scroll_into_view_if_needed()
    top = await tab.page.evaluate("scrollY")
    assert top > 10_000
    await rows.nth(640).get_by_role("link", name="Command 641").click()
    await expect(tab.page.get_by_role("heading", name="Command 641", exact=True)).to_be_visible()
    assert await tab.page.evaluate("scrollY") == 0
    await tab.page.go_back()
    await expect(rows.nth(640)).to_be_in_viewport()
    assert await tab.page.evaluate("scrollY") == top
    await tab.page.get_by_role("link", name="Runs", exact=True).click()
    await tab.page.get_by_role("link", name="Commands", exact=True).click()
    await expect(rows).to_have_count(50)
    assert await tab.page.evaluate("scrollY") == 0


async def test_names_of_either_direction_stand_apart_from_the_words_around_them(
    client: Client, open_tab: OpenTab
) -> None:
    name = "\N{HEBREW LETTER SHIN}\N{HEBREW LETTER LAMED} 1"
    command = await client.create("true", name=name)
    await client.finished(command["run"]["id"])
    tab = await open_tab(client)
    for path in ["/", f"/commands/{command['id']}", f"/runs/{command['run']['id']}", "/runs"]:
        await tab.go(path)
        shown = tab.page.get_by_role("main").get_by_text(name, exact=True)
        shown = shown.locator("visible=true").first
        await expect(shown).to_be_visible()
        assert await shown.evaluate("shown => shown.closest('bdi') !== null"), path
