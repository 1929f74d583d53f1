"""Tokens, grants and the audit in the page."""

import re
from typing import Any

import pytest
from playwright.async_api import Locator, expect

from tests.browser.people import signed_in
from tests.support.browser import OpenTab, Tab
from tests.support.client import Client

pytestmark = pytest.mark.asyncio(loop_scope="module")


def row(tab: Tab, text: str) -> Locator:
    """Find the row of a list by what it contains."""
    return tab.page.get_by_role("main").get_by_role("listitem").filter(has_text=text)


async def ask_with(client: Client, token: str, status: int) -> Any:
    """Ask who one is by a token."""
    headers = {"Authorization": f"Bearer {token}"}
    return await client.call("GET", "session", status=status, headers=headers)


async def test_a_token_is_made_shown_once_used_and_revoked(
    client: Client, open_tab: OpenTab
) -> None:
    tab = await open_tab(client, "/account")
    await expect(tab.page.get_by_text("by your user on this machine")).to_be_visible()
    await tab.button("New token").click()
    await expect(tab.field("Name")).to_be_focused()
    await tab.field("Name").fill("nightly build")
    await tab.field("Role").select_option("operator")
    await tab.field("Group").fill("builds")
    await tab.field("Expires after").select_option("7")
    await tab.button("Create token").click()
    shown = tab.page.get_by_role("group", name="The new token")
    await expect(shown).to_be_focused()
    await shown.get_by_role("button", name="Copy").click()
    await expect(tab.page.get_by_text("Copied the token.")).to_be_visible()
    token = await tab.page.evaluate("navigator.clipboard.readText()")
    assert re.fullmatch("tlr_[0-9A-Za-z]{49}", token)
    await expect(shown).to_contain_text(token)
    who = await ask_with(client, token, 200)
    assert (who["known_by"], who["roles"]) == ("token", {"builds": "operator"})
    await expect(row(tab, "nightly build")).to_contain_text("operator in builds")
    await expect(row(tab, "nightly build")).to_contain_text("Expires in 6 days")
    await shown.get_by_role("button", name="Done").click()
    await tab.page.reload()
    await expect(row(tab, "nightly build")).to_be_visible()
    assert token not in await tab.page.content()
    await tab.button("Revoke nightly build").click()
    await tab.page.get_by_role("dialog").get_by_role("button", name="Revoke").click()
    await expect(row(tab, "nightly build")).to_contain_text("Revoked just now")
    await expect(tab.button("Revoke nightly build")).to_have_count(0)
    await ask_with(client, token, 401)


async def test_a_token_has_no_higher_role_than_its_owner(
    client: Client, open_tab: OpenTab, shared_database_url: str
) -> None:
    value = signed_in(shared_database_url, "oidc:both", {"a": "operator", "b": "viewer"})
    tab = await open_tab(client, "/account", session=value, expected=["status of 422"])
    await tab.button("New token").click()
    await expect(tab.field("Group").get_by_role("option")).to_have_text(["a", "b"])
    roles = tab.field("Role").get_by_role("option")
    await expect(roles).to_have_text([re.compile("^Viewer"), re.compile("^Operator")])
    await tab.field("Group").select_option("b")
    await expect(roles).to_have_text([re.compile("^Viewer")])
    await tab.button("Create token").click()
    await expect(tab.field("Name")).to_have_attribute("aria-invalid", "true")


async def test_admins_see_everybodys_tokens(client: Client, open_tab: OpenTab) -> None:
    await client.call("POST", "tokens/", json={"name": "to be seen", "role": "viewer"})
    tab = await open_tab(client, "/tokens")
    await expect(row(tab, "to be seen")).to_contain_text("local:")
    await tab.button("Revoke to be seen").click()
    await tab.page.get_by_role("dialog").get_by_role("button", name="Revoke").click()
    await expect(row(tab, "to be seen")).to_contain_text("Revoked")


async def test_a_role_is_given_and_taken_away(client: Client, open_tab: OpenTab) -> None:
    tab = await open_tab(client, "/grants", expected=["status of (409|422)"])
    await tab.button("New grant").click()
    await tab.field("Who").fill("bob")
    await tab.field("Group").fill("deploys")
    await tab.button("Give the role").click()
    await expect(tab.field("Who")).to_have_attribute("aria-invalid", "true")
    await tab.field("Who").fill("oidc:bob")
    await tab.field("Role").select_option("operator")
    await tab.button("Give the role").click()
    await expect(row(tab, "oidc:bob")).to_contain_text("operator in deploys")
    [grant] = (await client.call("GET", "grants/?principal=oidc:bob"))["items"]
    assert (grant["role"], grant["group"]) == ("operator", "deploys")
    await tab.button("New grant").click()
    await tab.field("Who").fill("oidc:bob")
    await tab.field("Group").fill("deploys")
    await tab.button("Give the role").click()
    await expect(tab.page.get_by_role("alert")).to_contain_text("has a grant in this group")
    await tab.button("Cancel").click()
    await tab.button("Delete the grant of oidc:bob").click()
    dialog = tab.page.get_by_role("dialog")
    await expect(dialog).to_contain_text("oidc:bob is no longer operator in deploys.")
    await dialog.get_by_role("button", name="Delete").click()
    await expect(row(tab, "oidc:bob")).to_have_count(0)
    assert (await client.call("GET", "grants/?principal=oidc:bob"))["items"] == []


async def test_the_audit_tells_who_did_what_and_leads_there(
    client: Client, open_tab: OpenTab, shared_database_url: str
) -> None:
    command = await client.create("exit 0", name="On record")
    await client.finished(command["run"]["id"])
    value = signed_in(shared_database_url, "oidc:auditor", {"*": "admin"})
    tab = await open_tab(client, "/audit", session=value)
    await expect(row(tab, "created a command").first).to_be_visible()
    await tab.page.get_by_role("combobox", name="What").select_option("Created a command")
    rows = tab.page.get_by_role("main").get_by_role("listitem")
    await expect(rows.filter(has_text="token")).to_have_count(0)
    await tab.field("Who").fill("oidc:nobody")
    await tab.field("Who").press("Enter")
    await expect(
        tab.page.get_by_role("heading", name="Nothing on record", exact=True)
    ).to_be_visible()
    assert "principal=oidc%3Anobody" in tab.page.url
    await tab.page.get_by_role("link", name="Show everything").click()
    run = command["run"]["id"]
    await tab.page.get_by_role("link", name=f"Run {run[:8]}").first.click()
    await expect(tab.log).to_contain_text("Succeeded")
    await tab.page.go_back()
    await tab.field("Since").fill("2020-01-01T00:00")
    await tab.field("Since").press("Tab")
    await expect(rows.first).to_be_visible()
    await tab.field("Until").fill("2020-01-02T00:00")
    await tab.field("Until").press("Tab")
    await expect(
        tab.page.get_by_role("heading", name="Nothing on record", exact=True)
    ).to_be_visible()


async def test_a_long_audit_is_shown_page_by_page(client: Client, open_tab: OpenTab) -> None:
    for _ in range(60):
        await client.create("true", name="Again and again", start=False)
    tab = await open_tab(client, "/audit?act=command.create")
    rows = tab.page.get_by_role("main").get_by_role("listitem")
    await expect(rows).to_have_count(50)
    await tab.button("Show more").click()
    await expect(rows.nth(59)).to_be_visible()
