"""Notification targets in the page."""

import re
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Locator, expect

from tests.support.browser import OpenTab, Tab
from tests.support.client import Client
from tests.support.receiver import Receiver, receiving

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module")
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as receiver:
        yield receiver


def row(tab: Tab, text: str) -> Locator:
    """Find the row of a target by what it contains."""
    return tab.page.get_by_role("main").get_by_role("listitem").filter(has_text=text)


async def test_a_target_is_added_tried_changed_and_removed(
    client: Client, open_tab: OpenTab, receiver: Receiver
) -> None:
    tab = await open_tab(client, "/targets", expected=["status of (409|422)"])
    await tab.button("New target").click()
    await expect(tab.field("Name")).to_be_focused()
    await tab.field("Name").fill("ops chat")
    await tab.field("URL").fill("chat.example.org")
    await tab.button("Add target").click()
    await expect(tab.field("URL")).to_be_focused()
    await expect(tab.field("URL")).to_have_attribute("aria-invalid", "true")
    await tab.field("URL").fill(f"{receiver.url}/secret-path")
    await tab.button("Add target").click()
    made = tab.page.get_by_role("group", name="The secret of ops chat")
    await expect(made).to_be_focused()
    await made.get_by_role("button", name="Copy").click()
    await expect(tab.page.get_by_text("Copied the secret.")).to_be_visible()
    secret = await tab.page.evaluate("navigator.clipboard.readText()")
    assert re.fullmatch("whsec_[0-9A-Za-z+/=]{40,}", secret)
    await made.get_by_role("button", name="Done").click()
    await expect(row(tab, "ops chat")).to_contain_text("local:")
    content = await tab.page.content()
    assert secret not in content
    assert "secret-path" not in content

    await tab.button("Send a test to ops chat").click()
    await expect(row(tab, "ops chat")).to_contain_text("The test was delivered.")
    assert len(receiver.at("/secret-path")) == 1

    await tab.button("Change ops chat").click()
    await tab.field("Name").fill("night chat")
    await tab.button("Save").click()
    await tab.button("Send a test to night chat").click()
    await expect(row(tab, "night chat")).to_contain_text("The test was delivered.")
    assert len(receiver.at("/secret-path")) == 2
    await tab.button("Change night chat").click()
    await tab.field("URL").fill("http://127.0.0.1:9/")
    await tab.button("Save").click()
    await expect(row(tab, "night chat")).to_contain_text("http://127.0.0.1:9/…")
    await expect(row(tab, "night chat")).not_to_contain_text("delivered")
    await tab.button("Send a test to night chat").click()
    await expect(row(tab, "night chat")).to_contain_text("The test was not delivered: ")

    await tab.button("Remove night chat").click()
    dialog = tab.page.get_by_role("dialog", name="Remove night chat?")
    await dialog.get_by_role("button", name="Remove").click()
    await expect(row(tab, "night chat")).to_have_count(0)
    assert (await client.call("GET", "notification-targets/"))["items"] == []


async def test_a_target_is_not_named_as_another(client: Client, open_tab: OpenTab) -> None:
    target = {"name": "taken", "url": "https://chat.example.org/"}
    await client.call("POST", "notification-targets/", json=target, status=201)
    tab = await open_tab(client, "/targets", expected=["status of 409"])
    await tab.button("New target").click()
    await tab.field("Name").fill("taken")
    await tab.field("URL").fill("https://chat.example.org/")
    await tab.button("Add target").click()
    await expect(tab.page.get_by_role("alert")).to_contain_text("taken")
