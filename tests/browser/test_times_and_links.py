"""A run's lines on its screen: when they were written, links to them, and their encoding."""

import re

import pytest
from playwright.async_api import expect

from tests.support.browser import OpenTab, Tab
from tests.support.client import Client
from tests.support.waiting import until_true

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def opened(client: Client, open_tab: OpenTab, run_id: str, query: str = "") -> Tab:
    tab = await open_tab(client)
    await tab.go(f"/runs/{run_id}{query}")
    await expect(tab.output).to_be_visible()
    return tab


async def until_chosen(tab: Tab, *lines: int) -> None:
    """Wait until these lines stand out, as far as they are seen, and no other."""

    async def chosen() -> bool:
        found = await tab.page.locator(".out-row--chosen").evaluate_all(
            "rows => rows.map((row) => Number(row.dataset.line))"
        )
        return sorted(found) == [*lines]

    await until_true(chosen)


@pytest.mark.parametrize("ends", [True, False], ids=["finished", "live"])
async def test_a_link_to_a_line_opens_there_in_an_output_of_any_size(
    client: Client, open_tab: OpenTab, *, ends: bool
) -> None:
    run_id = await client.run("seq 300000" if ends else "seq 300000; sleep 1000")
    if ends:
        await client.finished(run_id)
    tab = await opened(client, open_tab, run_id, "?line=150000-150003")
    await until_chosen(tab, *range(150_000, 150_004))
    row = tab.page.locator(".out-row[data-line='150002'] .out-row__text")
    await expect(row).to_have_text("150002")
    await expect(row).to_be_in_viewport()
    await tab.page.locator(".out-row[data-line='150005'] .out-row__number").click()
    await until_chosen(tab, 150_005)
    assert tab.page.url.endswith(f"/runs/{run_id}?line=150005")
    await tab.page.reload()
    await until_chosen(tab, 150_005)
    await expect(tab.page.locator(".out-row[data-line='150005']")).to_be_in_viewport()
    await expect(tab.page.get_by_text("new lines")).to_have_count(0)


async def test_lines_are_chosen_with_the_keyboard_alone(client: Client, open_tab: OpenTab) -> None:
    run_id = await client.run("seq 1000")
    await client.finished(run_id)
    tab = await opened(client, open_tab, run_id)
    await expect(tab.page.locator(".out-row[data-line='1000']")).to_be_visible()
    await tab.page.keyboard.press("g")
    await tab.field("Number of the line").fill("300-302")
    await tab.page.keyboard.press("Enter")
    await until_chosen(tab, 300, 301, 302)
    assert tab.page.url.endswith(f"/runs/{run_id}?line=300-302")
    await expect(tab.page.locator(".out-row[data-line='300']")).to_be_in_viewport()
    await tab.page.keyboard.press("Escape")
    await until_chosen(tab)
    assert tab.page.url.endswith(f"/runs/{run_id}")


async def test_the_times_of_a_run_that_goes_on_come_as_it_writes(
    client: Client, open_tab: OpenTab
) -> None:
    run_id = await client.run("echo one; sleep 0.5; echo two; sleep 1000")
    tab = await opened(client, open_tab, run_id)
    await expect(tab.page.locator(".out-row[data-line='2']")).to_be_visible()
    await tab.page.keyboard.press("t")
    for line in (1, 2):
        time = tab.page.locator(f".out-row[data-line='{line}'] .out-row__time")
        await expect(time).to_have_text(re.compile(r"^\d\d:\d\d:\d\d\.\d$"))
    assert await tab.page.locator(".out-row__text").all_text_contents() == ["one", "two"]
    await client.stop(run_id)


@pytest.mark.parametrize(
    ("name", "encoding"),
    [("Windows-1251", "cp1251"), ("IBM866", "cp866"), ("UTF-16LE", "utf-16-le")],
)
async def test_an_output_is_read_in_another_encoding(
    client: Client, open_tab: OpenTab, name: str, encoding: str
) -> None:
    text = "Дым\nлил, и $\n\nщит\n"
    written = "".join(f"\\{byte:03o}" for byte in text.encode(encoding))
    run_id = await client.run(f"printf '{written}'")
    await client.finished(run_id)
    tab = await opened(client, open_tab, run_id)
    await tab.page.get_by_label("Encoding").select_option(label=name)
    rows = tab.page.locator(".out-row__text")
    await expect(rows.nth(0)).to_have_text("Дым")
    shown = [line for line in await rows.all_text_contents() if line]
    assert shown == ["Дым", "лил, и $", "щит"]
    await tab.page.locator(".out-row[data-line='2'] .out-row__number").click()
    await tab.page.evaluate(
        "navigator.clipboard.writeText = async (text) => { window.copied = text }"
    )
    await tab.button("Copy the chosen lines").click()

    async def copied() -> bool:
        return bool(await tab.page.evaluate("window.copied ?? null"))

    await until_true(copied)
    assert await tab.page.evaluate("copied") == "лил, и $"
