"""The API's documentation, where requests can be tried: it is signed in as the page is."""

import pytest
from playwright.async_api import expect

from tests.support.browser import OpenTab
from tests.support.client import Start
from tests.support.signing import ticket_of

pytestmark = pytest.mark.asyncio(loop_scope="module")

SIGN_IN = """async (ticket) => {
    const headers = { "Content-Type": "application/json" };
    const body = JSON.stringify({ ticket });
    return (await fetch("/api/v1/session", { method: "POST", headers, body })).status;
}"""


async def test_what_is_tried_is_asked_by_whom_the_page_has_signed_in(
    start: Start, open_tab: OpenTab
) -> None:
    client = await start(auth="required")
    tab = await open_tab(client, expected=["status of 401"])
    await tab.page.goto(str(client.page_url("/swagger/index.html")))
    listed = tab.page.locator("#operations-commands-list_commands")
    await listed.locator(".opblock-summary-control").click()
    await listed.get_by_role("button", name="Try it out").click()
    answer = listed.locator(".live-responses-table .response .response-col_status")
    for status in ("401", "200"):
        await listed.get_by_role("button", name="Execute").click()
        await expect(answer.first).to_contain_text(status)
        if status == "401":
            ticket = await ticket_of(client.service)
            assert await tab.page.evaluate(SIGN_IN, ticket) == 204
    made = tab.page.locator("#operations-commands-create_command")
    await made.locator(".opblock-summary-control").click()
    await made.get_by_role("button", name="Try it out").click()
    await made.locator("textarea").fill('{"name": "tried", "script": "true"}')
    await made.get_by_role("button", name="Execute").click()
    answer = made.locator(".live-responses-table .response .response-col_status")
    await expect(answer.first).to_contain_text("201")
    tab.problems.clear()  # the 401
