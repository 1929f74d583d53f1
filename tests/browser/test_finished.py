"""The output of runs that have ended: all of it, in the encoding it was written in."""

import pytest
from playwright.async_api import expect

from tests.browser.gate import Gate
from tests.support.browser import OpenTab
from tests.support.client import Client
from tests.support.waiting import until_true

pytestmark = pytest.mark.asyncio(loop_scope="module")

LONG = "seq 30000; echo ERROR >&2; seq 30000"
LONG_LINES = [*map(str, range(1, 30_001)), "ERROR", *map(str, range(1, 30_001))]
FIRST_TOLD = """
told = [];
new MutationObserver(() => {
  const end = document.querySelector(".output__end");
  if (end) told.push(document.querySelectorAll(".out-row").length);
}).observe(document, { childList: true, subtree: true });
"""
ENCODED = [
    ("windows-1251", "cp1251", "Ошибка: файл не найден"),
    ("ibm866", "cp866", "Ошибка ▓▓░"),
    ("utf-16le", "utf-16-le", "Ошибка 漢字 🚀"),
]


def printf(text: bytes) -> str:
    """Write bytes in a script, whatever they are."""
    return "printf '" + "".join(f"\\{byte:03o}" for byte in text) + "'"


async def test_nothing_of_a_finished_run_is_left_out(client: Client, open_tab: OpenTab) -> None:
    run = await client.run(LONG)
    await client.finished(run)
    tab = await open_tab(client)
    await tab.page.evaluate(FIRST_TOLD)
    await tab.go(f"/runs/{run}")
    await tab.button("Copy").click()
    await expect(tab.page.get_by_text("Copied the output.")).to_be_visible()
    copied = await tab.page.evaluate("navigator.clipboard.readText()")
    assert copied.splitlines() == LONG_LINES
    await expect(tab.log).to_contain_text("Succeeded exit code 0")
    assert await tab.lines() == LONG_LINES
    assert await tab.page.evaluate("told[0]") >= len(LONG_LINES)


async def test_nor_of_one_that_was_quicker_than_the_page(
    client: Client, open_tab: OpenTab, gate: Gate
) -> None:
    run = await client.run(f"{gate.wait}; {LONG}")
    tab = await open_tab(client, f"/runs/{run}")
    await expect(tab.output).to_contain_text("Live")
    gate.open()
    await expect(tab.log).to_contain_text("Succeeded exit code 0")
    await expect(tab.log.locator("[data-line]")).to_have_count(len(LONG_LINES))
    assert await tab.lines() == LONG_LINES


async def test_of_a_large_one_the_end_is_shown_and_the_rest_can_be_had(
    client: Client, open_tab: OpenTab
) -> None:
    run = await client.run("seq -f '%099.0f' 20000; printf unfinished")
    await client.finished(run)
    tab = await open_tab(client, f"/runs/{run}")
    await expect(tab.log).to_contain_text("Succeeded")
    shown = await tab.lines()
    assert shown[-2:] == [f"{20_000:099}", "unfinished"]
    first = 20_001 - (len(shown) - 1)
    assert shown[0] == f"{first:099}"
    await expect(tab.log).to_contain_text(f"Lines 1 to {first - 1:,} are not shown here.")
    await tab.button("Load from the start").click()
    await expect(tab.log.locator("[data-line]").first).to_have_text(f"{1:099}")
    await expect(tab.log).to_contain_text("There is more output.")
    await tab.button("Show more").click()
    await expect(tab.log).to_contain_text("unfinished")
    assert (await tab.lines())[-2:] == shown[-2:]


@pytest.mark.parametrize(("label", "codec", "text"), ENCODED)
async def test_output_is_read_in_the_encoding_that_a_person_chooses(
    client: Client, open_tab: OpenTab, gate: Gate, label: str, codec: str, text: str
) -> None:
    lines = f"{text}\n{text}\n".encode(codec)
    command = await client.create(f"{printf(lines)}; {gate.wait}; {printf(lines)}", name=label)
    run = command["run"]["id"]
    tab = await open_tab(client, f"/runs/{run}")
    await expect(tab.output).to_contain_text("Live")
    choice = tab.page.get_by_role("combobox", name="Encoding")
    await choice.select_option(label)
    await expect(tab.log.locator("[data-line]")).to_have_text([text, text])
    gate.open()
    await expect(tab.log).to_contain_text("Succeeded")
    await expect(tab.log.locator("[data-line]")).to_have_text([text] * 4)
    await tab.page.reload()
    await expect(choice).to_have_value(label)
    await expect(tab.log.locator("[data-line]")).to_have_text([text] * 4)
    await choice.select_option("utf-8")
    await expect(tab.log).not_to_contain_text(text)
    await tab.page.reload()
    await expect(choice).to_have_value("utf-8")


async def test_in_another_encoding_the_end_of_what_is_being_written_has_its_lines_numbers(
    client: Client, open_tab: OpenTab, gate: Gate
) -> None:
    many = 'for i in $(seq 30000); do echo "строка $i, и это очень длинная строка"; done'
    run = await client.run(f"({many}) | iconv -t cp1251; {gate.wait}; echo end")
    tab = await open_tab(client)

    async def written() -> bool:
        return bool((await client.get_run(run))["output_bytes"] > 1_000_000)

    await until_true(written)
    await tab.go(f"/runs/{run}")
    await tab.page.get_by_role("combobox", name="Encoding").select_option("windows-1251")
    last = tab.log.locator("[data-line='30000']")
    await expect(last).to_have_text("строка 30000, и это очень длинная строка")
    gate.open()
    await expect(tab.log).to_contain_text("Succeeded")
    await expect(tab.log.locator("[data-line]").last).to_have_text("end")
    first = int((await tab.lines())[0].split(",")[0].split()[1])
    await expect(tab.log.locator("[data-line]").first).to_have_attribute("data-line", str(first))
