"""The page in the language of whoever reads it."""

import pytest
from playwright.async_api import expect

from tests.support.browser import OpenTab
from tests.support.client import Client
from tests.support.words import said

STATES = ("queued", "running", "paused", "stopping", "succeeded", "stopped", "timed_out", "lost")
BEYOND = """
(row, states) => {
  const link = row.querySelector(".command-row__run a");
  const button = row.querySelector(":scope > .button");
  const beyond = states.map((state) => {
    link.querySelector(".state").lastChild.textContent = state;
    return link.scrollWidth - link.clientWidth;
  });
  return Math.max(...beyond,
    button.getBoundingClientRect().right - row.getBoundingClientRect().right + 8);
}
"""
"""By how many pixels the words of a row run out of their places."""


pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_the_page_speaks_the_browsers_language_until_another_is_chosen(
    client: Client, open_tab: OpenTab
) -> None:
    command = await client.create("exit 0", name="Rotate keys")
    await client.finished(command["run"]["id"])
    tab = await open_tab(client, locale="ru-RU")
    row = tab.page.get_by_role("listitem").filter(has_text="Rotate keys")
    await expect(tab.page.locator("html")).to_have_attribute("lang", "ru")
    await expect(row).to_contain_text("Успешно")
    await tab.button("EN, English").click()
    await expect(tab.page.locator("html")).to_have_attribute("lang", "en")
    await expect(row).to_contain_text("Succeeded")
    await tab.page.reload()
    await expect(row).to_contain_text("Succeeded")
    await tab.button("RU, Русский").press("Enter")
    await expect(row).to_contain_text("Успешно")


async def test_the_longest_words_of_a_row_have_their_places(
    client: Client, open_tab: OpenTab
) -> None:
    run = (await client.create("exec sleep 1000", name="Guard the gate"))["run"]["id"]
    tab = await open_tab(client, locale="ru-RU")
    row = tab.page.get_by_role("listitem").filter(has_text="Guard the gate")
    await expect(row).to_contain_text("Выполняется")
    assert await row.evaluate(BEYOND, [said("ru", f"state.{state}") for state in STATES]) <= 0
    await client.stop(run)
