"""What is typed into a form is not lost: by going elsewhere, by leaving, by a second editor."""

import re

import pytest
from playwright.async_api import Route, expect

from tests.support.browser import RECOLOURED, OpenTab
from tests.support.client import Client

pytestmark = pytest.mark.asyncio(loop_scope="module")

CHANGED = "status of 412"
GONE = "status of 404"
DELETED = "This command was deleted, or you may not see it any more"
DRAFT = "Your unsaved changes were restored."


async def test_what_was_typed_is_there_again_after_going_elsewhere(
    client: Client, open_tab: OpenTab
) -> None:
    tab = await open_tab(client, "/commands/new")
    await tab.field("Name").fill("Half done")
    await tab.write_script("echo half")
    await tab.page.get_by_role("link", name="Runs", exact=True).click()
    await expect(tab.page.get_by_role("heading", name="Runs", exact=True)).to_be_visible()
    await tab.page.go_back()
    await expect(tab.field("Name")).to_have_value("Half done")
    await expect(tab.script).to_have_value("echo half")
    await expect(tab.page.get_by_text(DRAFT)).to_be_visible()
    await tab.button("Save only").click()
    await expect(tab.page.get_by_role("heading", name="Half done", exact=True)).to_be_visible()
    await tab.go("/commands/new")
    await expect(tab.field("Name")).to_have_value("")
    await expect(tab.page.get_by_text(DRAFT)).to_have_count(0)


async def test_a_form_asks_before_it_lets_go_of_what_was_typed(
    client: Client, open_tab: OpenTab
) -> None:
    command = await client.create("echo stored", name="Guarded", start=False)
    tab = await open_tab(client, f"/commands/{command['id']}/edit", expected=[RECOLOURED])
    dialog = tab.page.get_by_role("dialog", name="Leave without saving?")
    await tab.write_script("echo typed")
    await tab.button("Cancel").click()
    await dialog.get_by_role("button", name="Keep editing").click()
    await expect(tab.script).to_have_value("echo typed")
    await tab.page.keyboard.press("Escape")
    await dialog.get_by_role("button", name="Discard").click()
    await expect(tab.page.get_by_role("region", name="Script", exact=True)).to_contain_text(
        "echo stored"
    )
    await tab.go(f"/commands/{command['id']}/edit")
    await expect(tab.script).to_have_value("echo stored")
    await tab.write_script("echo typed again")
    await tab.go(f"/commands/{command['id']}")
    await tab.go(f"/commands/{command['id']}/edit")
    await expect(tab.script).to_have_value("echo typed again")
    await tab.button("Discard them").click()
    await expect(tab.script).to_have_value("echo stored")


async def test_what_is_saved_again_after_a_lost_answer_is_made_once(
    client: Client, open_tab: OpenTab
) -> None:
    tab = await open_tab(client, "/commands/new", expected=["net::ERR_FAILED"])

    async def lose_the_answer(route: Route) -> None:
        if route.request.method == "POST":
            await route.fetch()
            await route.abort()
        else:
            await route.continue_()

    await tab.page.route("**/api/v1/commands/", lose_the_answer)
    await tab.field("Name").fill("Made at once")
    await tab.write_script("echo once")
    await tab.button("Save and start").click()
    await expect(tab.page.get_by_role("alert")).to_have_text("The server does not answer.")
    await tab.page.unroute("**/api/v1/commands/")
    await tab.button("Save and start").click()
    await expect(tab.log).to_contain_text("once")
    made = (await client.call("GET", "commands/?q=Made+at+once"))["items"]
    assert len(made) == 1
    assert len((await client.call("GET", f"commands/{made[0]['id']}/runs"))["items"]) == 1


@pytest.mark.parametrize("choice", ["Overwrite with mine", "Use the stored version"])
async def test_the_second_of_two_editors_sees_both_texts(
    client: Client, open_tab: OpenTab, choice: str
) -> None:
    command = await client.create("echo first", name="Shared", start=False)
    path = f"/commands/{command['id']}"
    tab = await open_tab(client, f"{path}/edit", expected=[CHANGED, RECOLOURED])
    await tab.write_script("echo mine")
    theirs = {"name": "Shared, renamed", "description": None, "script": "echo theirs"}
    await client.call("PUT", f"commands/{command['id']}", json=theirs)
    await tab.button("Save").click()
    dialog = tab.page.get_by_role("dialog", name="Someone else changed this command")
    stored = dialog.get_by_role("region", name="Stored version")
    await expect(stored).to_contain_text("Name: Shared, renamed")
    await expect(stored).to_contain_text("echo theirs")
    await expect(dialog.get_by_role("region", name="Your version")).to_contain_text("echo mine")
    change = dialog.get_by_role("region", name="From the stored script to yours")
    await expect(change.locator(".difference__row--gone")).to_contain_text("echo theirs")
    await expect(change.locator(".difference__row--added")).to_contain_text("echo mine")
    assert (await client.call("GET", f"commands/{command['id']}"))["script"] == "echo theirs"
    await dialog.get_by_role("button", name="Keep editing").click()
    await expect(tab.script).to_have_value("echo mine")
    await tab.button("Save").click()
    await dialog.get_by_role("button", name=choice).click()
    await expect(dialog).to_have_count(0)
    if choice == "Overwrite with mine":
        await expect(tab.page.get_by_role("region", name="Script", exact=True)).to_contain_text(
            "echo mine"
        )
        expected = "echo mine"
    else:
        await expect(tab.script).to_have_value("echo theirs")
        await expect(tab.field("Name")).to_have_value("Shared, renamed")
        expected = "echo theirs"
    assert (await client.call("GET", f"commands/{command['id']}"))["script"] == expected


async def test_a_form_says_that_its_command_was_deleted_and_keeps_what_was_typed(
    client: Client, open_tab: OpenTab
) -> None:
    command = await client.create("echo stored", name="Deleted elsewhere", start=False)
    path = f"/commands/{command['id']}/edit"
    tab = await open_tab(client, path, expected=[GONE, RECOLOURED])
    await tab.write_script("echo typed")
    await client.call("DELETE", f"commands/{command['id']}", status=204)
    await expect(tab.page.get_by_role("alert")).to_contain_text(DELETED)
    await expect(tab.button("Save")).to_be_disabled()
    await tab.write_script("echo typed after it")
    # It is there to be copied, too, for whoever has gone elsewhere meanwhile.
    await tab.go("/runs")
    await expect(tab.page.get_by_role("heading", name="Runs", exact=True)).to_be_visible()
    await tab.go(path)
    await expect(tab.script).to_have_value("echo typed after it")
    await expect(tab.field("Name")).to_have_value("Deleted elsewhere")
    await expect(tab.page.get_by_role("alert")).to_contain_text(DELETED)
    await tab.button("Cancel").click()
    dialog = tab.page.get_by_role("dialog", name="Leave without saving?")
    await dialog.get_by_role("button", name="Discard").click()
    await expect(tab.page.get_by_role("heading", name="Commands", exact=True)).to_be_visible()
    await tab.go(path)
    await expect(tab.page.get_by_text("There is no command at this address.")).to_be_visible()


@pytest.mark.parametrize("is_changed", [False, True])
async def test_saving_a_command_that_was_deleted_says_so_where_no_events_come(
    client: Client, open_tab: OpenTab, *, is_changed: bool
) -> None:
    """Also to one of two editors who would overwrite what the other has stored."""
    command = await client.create("echo stored", name="Deleted unheard", start=False)
    tab = await open_tab(client, expected=[GONE, CHANGED, RECOLOURED])
    await tab.page.route_web_socket("**/events*", lambda _: None)
    await tab.page.reload()
    await tab.go(f"/commands/{command['id']}/edit")
    await tab.write_script("echo typed")
    if is_changed:
        await client.call("PATCH", f"commands/{command['id']}", json={"script": "echo theirs"})
        await tab.button("Save").click()
        await expect(tab.button("Overwrite with mine")).to_be_visible()
    await client.call("DELETE", f"commands/{command['id']}", status=204)
    await tab.button("Overwrite with mine" if is_changed else "Save").click()
    await expect(tab.page.get_by_role("alert")).to_contain_text(DELETED)
    await expect(tab.page.get_by_role("dialog")).to_have_count(0)
    await expect(tab.script).to_have_value("echo typed")
    await expect(tab.button("Save")).to_be_disabled()


async def test_what_will_go_wrong_with_a_script_is_said(client: Client, open_tab: OpenTab) -> None:
    command = await client.create("#!/bin/bash\r\necho x\r\n", name="From Windows", start=False)
    [warning] = command["warnings"]
    tab = await open_tab(client, f"/commands/{command['id']}")
    await expect(tab.page.get_by_text(warning)).to_be_visible()
    await tab.go("/commands/new")
    await expect(tab.field("Script")).to_have_accessible_description(re.compile("^A bash script"))


async def test_the_editor_colours_a_script_and_what_is_typed_is_the_forms(
    client: Client, open_tab: OpenTab
) -> None:
    command = await client.create("echo 'stored' # why", name="Edited", start=False)
    tab = await open_tab(client, f"/commands/{command['id']}/edit")
    editor = tab.page.locator(".cm-content")
    await expect(editor.locator(".tok-string")).to_have_text("'stored'")
    await expect(editor.locator(".tok-comment")).to_have_text("# why")
    # Its rules were adopted, and no style element was needed.
    await expect(tab.page.locator(".cm-editor")).to_have_css("display", "flex")
    assert await tab.page.locator("style").count() == 0
    await editor.press("Control+End")
    await tab.page.keyboard.type("\necho more")
    await expect(tab.script).to_have_value("echo 'stored' # why\necho more")
    await tab.page.keyboard.press("Control+Enter")
    await expect(tab.page.get_by_role("region", name="Script", exact=True)).to_contain_text(
        "echo more"
    )
    stored = await client.call("GET", f"commands/{command['id']}")
    assert stored["script"] == "echo 'stored' # why\necho more"


async def test_tab_indents_in_the_editor_and_leads_on_after_escape(
    client: Client, open_tab: OpenTab
) -> None:
    command = await client.create("true", name="By keys", start=False)
    tab = await open_tab(client, f"/commands/{command['id']}/edit")
    editor = tab.page.locator(".cm-content")
    await editor.press("Control+Home")
    await tab.page.keyboard.press("Tab")
    await expect(tab.script).to_have_value("  true")
    await tab.page.keyboard.press("Escape")
    await expect(tab.page.get_by_role("dialog")).to_have_count(0)
    await tab.page.keyboard.press("Tab")
    await expect(editor).not_to_be_focused()
    await expect(tab.script).to_have_value("  true")


async def test_a_form_is_a_plain_one_where_the_editor_cannot_be_loaded(
    client: Client, open_tab: OpenTab
) -> None:
    tab = await open_tab(client, expected=["net::ERR_FAILED"])
    await tab.page.route("**/vendor/codemirror/view.js", lambda route: route.abort())
    async with tab.page.expect_event("requestfailed"):
        await tab.go("/commands/new")
    await tab.field("Name").fill("Plainly")
    await tab.field("Script").fill("echo plain")
    await tab.button("Save only").click()
    await expect(tab.page.get_by_role("region", name="Script", exact=True)).to_contain_text(
        "echo plain"
    )


async def test_problems_of_a_script_are_told_by_line_and_it_is_saved_all_the_same(
    client: Client, open_tab: OpenTab
) -> None:
    tab = await open_tab(client, "/commands/new")
    await expect(tab.page.locator(".cm-content")).to_be_visible()
    await tab.field("Name").fill("Wrong")
    await tab.write_script("true\nif true; then\nfi")
    problem = "syntax error near unexpected token `fi'"
    await expect(tab.page.locator(".problems")).to_contain_text(f"Line 3 {problem}")
    await expect(tab.page.locator(".cm-lint-marker-error")).to_have_count(1)
    await tab.button("Line 3").click()
    await expect(tab.page.locator(".cm-content")).to_be_focused()
    await tab.button("Save only").click()
    await expect(tab.page.get_by_role("heading", name="Wrong", exact=True)).to_be_visible()
    notice = "Wrong is saved, and its script has problems: line 3: " + problem
    await expect(tab.page.get_by_text(notice)).to_be_visible()


async def test_a_script_is_compared_with_what_a_run_executed(
    client: Client, open_tab: OpenTab
) -> None:
    command = await client.create("echo same\necho before", name="Compared")
    await client.finished(command["run"]["id"])
    changed = {"script": "echo same\necho now"}
    await client.call("PATCH", f"commands/{command['id']}", json=changed)
    tab = await open_tab(
        client, f"/commands/{command['id']}/edit", phone=True, expected=[RECOLOURED]
    )
    await tab.page.get_by_text("Compare with what a run executed").click()
    difference = tab.page.get_by_role("region", name="Compare with what a run executed")
    await expect(difference.locator(".difference__row--gone")).to_contain_text("echo before")
    await expect(difference.locator(".difference__row--added")).to_contain_text("echo now")
    assert await tab.overflow() <= 0
    await tab.write_script("echo same\necho before")
    await expect(tab.page.get_by_text("There is no difference.")).to_be_visible()
