"""The page in the language of whoever reads it."""

import pytest
from playwright.async_api import expect

from tests.support.browser import OpenTab
from tests.support.client import Client

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
