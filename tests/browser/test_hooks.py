"""Hooks in the page: made, with their secret shown once, changed, removed; for editors alone."""

import re

import pytest
from playwright.async_api import expect

from tests.browser.people import signed_in
from tests.browser.test_events import asked
from tests.support.browser import OpenTab
from tests.support.client import Client
from tests.support.hooks import as_body, github

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_a_hook_is_made_shows_its_secret_once_and_is_removed(
    client: Client, open_tab: OpenTab
) -> None:
    command = await client.create(
        'echo "$BRANCH"', name="Hooked", start=False, parameters=[{"name": "BRANCH"}]
    )
    path = f"commands/{command['id']}"
    tab = await open_tab(client, f"/{path}", expected=["status of 422"])
    page, keys = tab.page, tab.page.keyboard
    hooks = page.get_by_role("group").filter(
        has=page.get_by_role("heading", name="Hooks", exact=True)
    )
    await hooks.locator("summary").press("Enter")
    await tab.button("New hook").press("Enter")
    await expect(tab.field("Name")).to_be_focused()
    await keys.type("on push")
    await tab.field("Events (optional)").fill("push\n\n create \n")
    await tab.field("Secret (optional)").fill("short")
    await tab.field("BRANCH").fill("ref")
    await tab.button("Add hook").click()
    await expect(hooks).to_contain_text("It must have 16 to 256 characters")
    await expect(hooks).to_contain_text("It is no JSON pointer")
    await expect(tab.field("Secret (optional)")).to_be_focused()
    await tab.field("Secret (optional)").fill("")
    await tab.field("BRANCH").fill("/ref")
    await tab.button("Add hook").click()
    made = page.get_by_role("group", name="The secret of on push")
    await expect(made).to_be_focused()
    secret = await made.locator("code").inner_text()
    [stored] = (await client.call("GET", f"{path}/hooks"))["items"]
    row = hooks.get_by_role("listitem")
    for text in ("GitHub · push, create", "BRANCH from /ref", "by local:"):
        await expect(row).to_contain_text(text)
    url = await row.locator(".hook-row__url code").inner_text()
    body = as_body({"ref": "main"})
    signed = github(secret, body, event="delete")
    async with client.session.post(url, data=body, headers=signed) as answer:
        assert (await answer.json())["outcome"] == "ignored"
    await made.get_by_role("button", name="Done").click()
    await expect(page.get_by_text(secret)).to_have_count(0)
    await expect(tab.button("New hook")).to_be_focused()

    await tab.button("Change on push").click()
    await expect(tab.field("BRANCH")).to_have_value("/ref")
    await tab.field("Events (optional)").fill("")
    await tab.button("Save").click()
    await expect(row).to_contain_text("every event")
    async with client.session.post(url, data=body, headers=signed) as answer:
        assert (await answer.json())["outcome"] == "started"
    [changed] = (await client.call("GET", f"{path}/hooks"))["items"]
    assert changed == {**stored, "events": []}
    await tab.button("Turn off: on push").click()
    await expect(row).to_contain_text("on push · Turned off")
    async with client.session.post(url, data=body, headers=signed) as answer:
        assert (await answer.json())["outcome"] == "disabled"
    await tab.button("Turn on: on push").click()
    await expect(row).not_to_contain_text("Turned off")
    await tab.button("New secret for on push").click()
    asked_for = page.get_by_role("dialog", name="Give on push a new secret?")
    await asked_for.get_by_role("button", name="New secret").click()
    await expect(made).to_be_focused()
    assert await made.locator("code").inner_text() != secret
    async with client.session.post(url, data=body, headers=signed) as answer:
        assert answer.status == 401
    await made.get_by_role("button", name="Done").click()
    await tab.button("Remove on push").click()
    dialog = page.get_by_role("dialog", name="Remove on push?")
    await dialog.get_by_role("button", name="Cancel").click()
    await tab.button("Remove on push").click()
    await dialog.get_by_role("button", name="Remove").click()
    await expect(hooks).to_contain_text("No hooks yet.")
    assert (await client.call("GET", f"{path}/hooks"))["items"] == []


async def test_hooks_are_asked_for_when_an_editor_opens_them_and_shown_to_no_operator(
    client: Client, open_tab: OpenTab, shared_database_url: str
) -> None:
    command = await client.create("true", name="Hooked by some", start=False, group="web")
    path = f"commands/{command['id']}"
    await client.call("POST", f"{path}/hooks", json={"name": "any", "scheme": "standard"})
    for role, shown in (("operator", 0), ("editor", 1)):
        session = signed_in(shared_database_url, f"oidc:hooks-{role}", {"web": role})
        tab = await open_tab(client, session=session)
        requests = asked(tab.page)
        await tab.go(f"/{path}")
        await expect(tab.page.get_by_role("heading", name="Runs", exact=True)).to_be_visible()
        heading = tab.page.get_by_role("heading", name="Hooks", exact=True)
        await expect(heading).to_have_count(shown)
        assert not [each for each in requests if re.search("hooks", each)]
    await heading.click()
    await expect(tab.page.get_by_text("Standard Webhooks · every event")).to_be_visible()
    assert f"GET {path}/hooks" in requests
