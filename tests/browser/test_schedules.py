"""Schedules in the page: made, looked at, explained, paused."""

import re
from typing import Any

import pytest
from playwright.async_api import Locator, expect

from tests.browser.people import signed_in
from tests.support.browser import OpenTab, Tab
from tests.support.client import Client

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def stored(client: Client, name: str, **fields: Any) -> str:
    """Store a command that is not started."""
    command_id: str = (await client.create("true", name=name, start=False, **fields))["id"]
    return command_id


def row(tab: Tab, text: str) -> Locator:
    """Find the row of a list by what it contains."""
    return tab.page.get_by_role("main").get_by_role("listitem").filter(has_text=text)


async def test_a_schedule_is_made_with_its_next_times_in_sight(
    client: Client, open_tab: OpenTab
) -> None:
    day = {"name": "DAY", "type": "choice", "choices": ["mon", "tue"], "required": True}
    word = {"name": "WORD", "type": "secret", "label": "Password"}
    command_id = await stored(client, "Planned", parameters=[day, word])
    tab = await open_tab(client, f"/commands/{command_id}", expected=["status of 422"])
    await tab.button("New schedule").click()
    form = tab.page.get_by_role("form", name="New schedule")
    await expect(tab.field("When")).to_be_focused()
    await tab.field("When").fill("61 2 * * *")
    await expect(form).to_contain_text("The minute '61' is none.")
    await tab.field("When").fill("30 2 * * *")
    await tab.field("Time zone").fill("Europe/Berlin")
    preview = form.get_by_role("status")
    await expect(preview).to_contain_text("Every day at 02:30")
    await expect(
        preview.get_by_role("list", name="Next times").get_by_role("listitem")
    ).to_have_count(5)
    await expect(preview).to_contain_text("it runs at 03:00 instead")
    await expect(preview).to_contain_text("it runs the first time alone")
    await tab.button("Save schedule").click()
    await expect(tab.field("DAY")).to_have_attribute("aria-invalid", "true")
    await tab.field("DAY").select_option("tue")
    await tab.field("Password").fill("hush")
    await tab.field("Times missed while no server ran").select_option("once")
    await tab.button("Save schedule").click()
    made = row(tab, "Every day at 02:30").first
    await expect(made).to_contain_text("start once for all of them")
    await expect(made.get_by_role("time")).to_have_count(5)
    [stored_one] = (await client.call("GET", f"commands/{command_id}/schedules"))["items"]
    assert (stored_one["time_zone"], stored_one["missed"]) == ("Europe/Berlin", "once")
    assert stored_one["parameters"] == {"DAY": "tue"}

    await tab.button("Edit the schedule: Every day at 02:30").click()
    await expect(tab.field("DAY")).to_have_value("tue")
    await tab.field("When").fill("0 12 * * 1-5")
    await tab.button("Save schedule").click()
    await expect(row(tab, "Monday to Friday at 12:00").first).to_be_visible()
    await tab.button("Turn off: Monday to Friday at 12:00").click()
    await expect(row(tab, "Monday to Friday").first).to_contain_text("Turned off")
    await tab.button("Delete: Monday to Friday at 12:00").click()
    await tab.page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    await expect(tab.page.get_by_text("No schedule starts this command.")).to_be_visible()


async def test_the_week_shows_what_is_due_and_a_schedule_tells_why(
    client: Client, open_tab: OpenTab
) -> None:
    often, daily = await stored(client, "Often"), await stored(client, "Once a day")
    made = await client.call(
        "POST", f"commands/{often}/schedules", json={"cron": "* * * * * *", "overlap": "allow"}
    )
    await client.call("POST", f"commands/{daily}/schedules", json={"cron": "0 3 * * *"})
    tab = await open_tab(client, "/schedules", expected=["status of 404"])
    await expect(row(tab, "Once a day").get_by_role("img")).to_have_accessible_name(
        re.compile(r"^[67] times in the coming week$")
    )
    await expect(row(tab, "Often").get_by_role("img")).to_have_accessible_name(
        "Many times in the coming week"
    )
    await row(tab, "Often").get_by_role("link", name="Every second").click()
    await expect(tab.page.get_by_role("heading", name="Every second", exact=True)).to_be_focused()
    await expect(row(tab, "Started").first).to_be_visible()
    await client.call("POST", f"commands/{often}/pause", json={"note": "moving house"})
    await expect(row(tab, "paused: moving house")).to_be_visible()
    await client.call("PATCH", f"schedules/{made['id']}", json={"enabled": False})
    await tab.field("Nearest to").fill("2020-01-01T00:00:00")
    rows = tab.page.locator(".fire-row")
    await expect(rows).to_have_count(1)
    await expect(rows).to_contain_text("Started")
    await rows.get_by_role("link", name=re.compile("^Run ")).click()
    await expect(tab.log).to_contain_text("Succeeded")
    await tab.go("/schedules/nothing")
    await expect(tab.page.get_by_text("There is no such schedule.")).to_be_visible()


async def test_a_command_is_paused_with_a_note_and_resumed(
    client: Client, open_tab: OpenTab, shared_database_url: str
) -> None:
    command_id = await stored(client, "To be paused", group="web")
    await client.call("POST", f"commands/{command_id}/schedules", json={"cron": "0 3 * * *"})
    tab = await open_tab(client, f"/commands/{command_id}", expected=["status of 422"])
    await tab.button("Pause").click()
    dialog = tab.page.get_by_role("dialog")
    await expect(dialog.get_by_label("Why")).to_be_focused()
    await dialog.get_by_label("Why").fill("moving the database")
    await dialog.get_by_label("Until").fill("2020-01-01T00:00")
    await dialog.get_by_role("button", name="Pause").click()
    await expect(dialog).to_contain_text("It has passed.")
    await dialog.get_by_label("Until").fill("2099-01-01T00:00")
    await dialog.get_by_role("button", name="Pause").click()
    banner = tab.page.get_by_role("note")
    await expect(banner).to_contain_text("Paused. moving the database · until 1 Jan")
    viewer = signed_in(shared_database_url, "oidc:eve", {"web": "viewer"})
    other = await open_tab(client, f"/commands/{command_id}", session=viewer)
    await expect(other.page.get_by_role("note")).to_contain_text("moving the database")
    await expect(other.button("Resume")).to_have_count(0)
    await expect(other.button("New schedule")).to_have_count(0)
    await tab.button("Resume").click()
    await expect(banner).to_have_count(0)
    await expect(other.page.get_by_role("note")).to_have_count(0)
