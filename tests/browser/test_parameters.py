"""Parameters in the page: asked for before a start, and remembered; and how they are defined."""

import re

import pytest
from playwright.async_api import expect

from tests.support.browser import OpenTab
from tests.support.client import Client

pytestmark = pytest.mark.asyncio(loop_scope="module")

REFUSED = "status of 422"
PARAMETERS = [
    {"name": "DAY", "type": "choice", "choices": ["mon", "tue"], "required": True},
    {"name": "COUNT", "type": "integer", "min": 1, "max": 9, "default": 3, "label": "How many"},
    {"name": "NOTES", "type": "text"},
    {"name": "DRY", "type": "boolean"},
    {"name": "TOKEN", "type": "secret"},
    {"name": "SINCE", "type": "date"},
]
SCRIPT = 'printf "%s|" "$DAY" "$COUNT" "$NOTES" "$DRY" "${TOKEN:+given}" "$SINCE"'


async def test_a_start_asks_for_values_and_the_next_one_has_them(
    client: Client, open_tab: OpenTab
) -> None:
    command = await client.create(SCRIPT, name="Asks", start=False, parameters=PARAMETERS)
    tab = await open_tab(client, f"/commands/{command['id']}", expected=[REFUSED])
    dialog = tab.page.get_by_role("dialog", name="Start Asks")
    await tab.button("Start").click()
    day = dialog.get_by_label("DAY")
    await expect(day).to_be_focused()
    await expect(dialog.get_by_label("How many")).to_have_value("3")
    await dialog.get_by_label("How many").fill("10")
    await dialog.get_by_role("button", name="Start").click()
    await expect(dialog.get_by_text("It must be at least 1 and at most 9.")).to_be_visible()
    await expect(dialog.get_by_text("It is required: give one of 'mon', 'tue'.")).to_be_visible()
    await expect(day).to_be_focused()
    await day.select_option("tue")
    await dialog.get_by_label("How many").fill("5")
    await dialog.get_by_label("NOTES").fill("one\n$(two)")
    await dialog.get_by_label("DRY").select_option("Yes")
    await dialog.get_by_label("TOKEN").fill("hunter2")
    await dialog.get_by_label("SINCE").fill("2026-12-31")
    await tab.page.keyboard.press("Control+Enter")
    await expect(tab.page.locator("#page")).to_contain_text("tue|5|one")
    await expect(tab.page.locator("#page")).to_contain_text("$(two)|true|given|2026-12-31|")
    values = tab.page.get_by_role("group", name="What it was started with")
    await expect(values).to_contain_text("COUNT 5")
    await expect(values).not_to_contain_text("TOKEN")
    # A secret is asked for anew; the rest is there.
    await tab.button("Run again").click()
    await expect(dialog.get_by_label("TOKEN")).to_have_value("")
    await expect(day).to_have_value("tue")
    await expect(dialog.get_by_label("NOTES")).to_have_value("one\n$(two)")
    await tab.page.keyboard.press("Escape")
    await expect(dialog).to_have_count(0)
    stored = await client.call("GET", "runs/")
    assert [run["command_id"] for run in stored["items"]].count(command["id"]) == 1


async def test_a_run_is_started_again_with_the_same_values_or_with_others(
    client: Client, open_tab: OpenTab
) -> None:
    parameters = [{"name": "WHO", "required": True}]
    command = await client.create('echo "hello $WHO"', start=False, parameters=parameters)
    run = await client.call(
        "POST", f"commands/{command['id']}/runs", json={"parameters": {"WHO": "you"}}
    )
    await client.finished(run["id"])
    tab = await open_tab(client, f"/runs/{run['id']}")
    await tab.button("Run again").click()
    await expect(tab.page).not_to_have_url(re.compile(run["id"]))
    await expect(tab.page.locator("#page")).to_contain_text("hello you")
    await tab.button("Start with other values").click()
    await tab.page.get_by_role("menuitem", name="With other values…").click()
    dialog = tab.page.get_by_role("dialog")
    await expect(dialog.get_by_label("WHO")).to_have_value("you")
    await dialog.get_by_label("WHO").fill("them")
    await dialog.get_by_role("button", name="Start").click()
    await expect(tab.page.locator("#page")).to_contain_text("hello them")


async def test_parameters_are_added_ordered_and_removed_by_the_keyboard(
    client: Client, open_tab: OpenTab
) -> None:
    tab = await open_tab(client, "/commands/new", expected=[REFUSED])
    keys = tab.page.keyboard
    await tab.field("Name").fill("Defined")
    await tab.write_script('echo "$DAY"')
    await tab.page.get_by_text("Parameters, environment and bounds").click()
    await tab.button("Add a parameter").focus()
    await keys.press("Enter")
    await keys.type("DAY")
    first, second = (tab.page.locator(".parameter").nth(at) for at in range(2))
    await first.get_by_label("Type").select_option("Choice")
    await first.get_by_label("Choices").fill("mon\ntue\n")
    await first.get_by_label("Required").check()
    await tab.button("Add a parameter").press("Enter")
    await keys.type("count")
    await second.get_by_label("Type").select_option("Whole number")
    await second.get_by_label("At least").fill("1")
    await second.get_by_label("Default").fill("0")
    await tab.button("Add a parameter").press("Enter")
    await keys.type("GONE")
    await tab.button("Remove: GONE").press("Enter")
    await expect(tab.button("Add a parameter")).to_be_focused()
    await tab.field("Environment").fill("LANG=C.UTF-8\nA=b=c")
    await tab.field("Working directory").fill("here")
    await tab.field("Time limit, in seconds").fill("soon")
    await tab.field("Runs at a time, at most").fill("0")
    await tab.field("A start beyond that").select_option("Is refused")
    await tab.button("Save only").click()
    await expect(second.get_by_text("It takes A-Z, 0-9 and _")).to_be_visible()
    await expect(tab.page.get_by_text("It must be absolute")).to_be_visible()
    await expect(tab.page.get_by_text("Not a valid number.")).to_be_visible()
    await expect(second.get_by_label("Name", exact=True)).to_be_focused()
    await second.get_by_label("Name", exact=True).fill("COUNT")
    await second.get_by_label("Default").fill("2")
    await tab.field("Working directory").fill("/")
    await tab.field("Time limit, in seconds").fill("60")
    limit = tab.field("Runs at a time, at most")
    await expect(limit).to_have_attribute("aria-invalid", "true")
    await limit.fill("2")
    up = tab.button("Move up: COUNT")
    await up.press("Enter")
    await expect(up).to_be_focused()
    await tab.button("Save only").click()
    await expect(tab.page.get_by_role("heading", name="Defined", exact=True)).to_be_visible()
    [stored] = (await client.call("GET", "commands/?name=Defined"))["items"]
    assert [one["name"] for one in stored["parameters"]] == ["COUNT", "DAY"]
    count, day = stored["parameters"]
    assert (count["type"], count["min"], count["default"]) == ("integer", 1, 2)
    assert (day["choices"], day["required"]) == (["mon", "tue"], True)
    assert stored["environment"] == {"LANG": "C.UTF-8", "A": "b=c"}
    assert (stored["working_directory"], stored["timeout_seconds"]) == ("/", 60)
    assert stored["concurrency"] == {"limit": 2, "beyond": "refuse"}

    await tab.go(f"/commands/{stored['id']}/edit")
    await expect(tab.field("A start beyond that")).to_have_value("refuse")
    await limit.fill("")
    await tab.button("Save").click()
    await expect(tab.page.get_by_role("heading", name="Defined", exact=True)).to_be_visible()
    assert (await client.call("GET", f"commands/{stored['id']}"))["concurrency"] is None


async def test_what_a_form_does_not_show_of_a_definition_stays(
    client: Client, open_tab: OpenTab
) -> None:
    said = {
        "key": "kept",
        "parameters": PARAMETERS,
        "environment": {"LINES": 'one\n"two"'},
        "retries": {"limit": 1},
    }
    command = await client.create("true", name="Kept", start=False, **said)
    tab = await open_tab(client, f"/commands/{command['id']}/edit")
    await tab.field("Description (optional)").fill("new")
    await tab.button("Save").click()
    await expect(tab.page.get_by_role("heading", name="Kept", exact=True)).to_be_visible()
    stored = await client.call("GET", f"commands/{command['id']}")
    assert stored["description"] == "new"
    for name in ("key", "parameters", "environment", "retries", "timeout_seconds"):
        assert stored[name] == command[name], name
