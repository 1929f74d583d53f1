"""The output of runs that have ended: all of it, in the encoding it was written in."""

import pytest
from playwright.async_api import Locator, expect

from tests.browser.gate import Gate
from tests.support.browser import OpenTab, Tab
from tests.support.client import Client
from tests.support.waiting import until_true

pytestmark = pytest.mark.asyncio(loop_scope="module")

LONG = "seq 30000; echo ERROR >&2; seq 30000"
LONG_LINES = [*map(str, range(1, 30_001)), "ERROR", *map(str, range(1, 30_001))]
FIRST_TOLD = """
told = [];
new MutationObserver(() => {
  const end = document.querySelector(".output__end");
  const last = [...document.querySelectorAll(".out-row")].at(-1);
  if (end && last) told.push(Number(last.dataset.line));
}).observe(document, { childList: true, subtree: true });
"""
ENCODED = [
    ("windows-1251", "cp1251", "Ошибка: файл не найден"),
    ("ibm866", "cp866", "Ошибка ▓▓░"),
    ("utf-16le", "utf-16-le", "Ошибка 漢字 🚀"),
]


def at(tab: Tab, line: int) -> Locator:
    """Find the row of a line."""
    return tab.log.locator(f"[data-line='{line}']")


async def go_to(tab: Tab, line: int) -> None:
    """Go to a line as people do: by its number."""
    await tab.page.keyboard.press("g")
    await tab.page.keyboard.type(str(line))
    await tab.page.keyboard.press("Enter")


def outputs(asked: list[str]) -> list[str]:
    """Return the requests for output."""
    return [url for url in asked if "/output" in url and "static/" not in url]


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
    assert await tab.page.evaluate("told[0]") == len(LONG_LINES)
    for line in (1, 201, 30_001, 45_678):
        await go_to(tab, line)
        await expect(at(tab, line)).to_have_text(LONG_LINES[line - 1])


async def test_nor_of_one_that_was_quicker_than_the_page(
    client: Client, open_tab: OpenTab, gate: Gate
) -> None:
    run = await client.run(f"{gate.wait}; {LONG}")
    tab = await open_tab(client, f"/runs/{run}")
    await expect(tab.output).to_contain_text("Live")
    gate.open()
    await expect(tab.log).to_contain_text("Succeeded exit code 0")
    await expect(tab.log.locator("[data-line]").last).to_have_text("30000")
    await go_to(tab, 30_001)
    await expect(at(tab, 30_001)).to_have_text("ERROR")
    await tab.button("Copy").click()
    await expect(tab.page.get_by_text("Copied the output.")).to_be_visible()
    copied = await tab.page.evaluate("navigator.clipboard.readText()")
    assert copied.splitlines() == LONG_LINES


async def test_any_line_of_a_large_one_is_had_by_few_small_requests(
    client: Client, open_tab: OpenTab
) -> None:
    run = await client.run("seq -f '%099.0f' 200000; printf unfinished")
    await client.finished(run)
    tab = await open_tab(client)
    asked: list[str] = []
    tab.page.on("request", lambda request: asked.append(request.url))
    await tab.go(f"/runs/{run}")
    await expect(tab.log).to_contain_text("Succeeded")
    await expect(at(tab, 200_001)).to_have_text("unfinished")
    await expect(at(tab, 200_000)).to_have_text(f"{200_000:099}")
    assert len(outputs(asked)) == 1
    for line in (1, 100_000, 150_000):
        await go_to(tab, line)
        await expect(at(tab, line)).to_have_text(f"{line:099}")
    assert len(outputs(asked)) <= 8
    assert all("max_bytes=" in url for url in outputs(asked))
    assert await tab.log.locator("[data-line]").count() < 70


async def test_a_line_that_is_too_long_is_shown_in_parts(client: Client, open_tab: OpenTab) -> None:
    run = await client.run("echo first; head -c 300000 /dev/zero | tr '\\0' x; echo yz; echo last")
    await client.finished(run)
    tab = await open_tab(client, f"/runs/{run}")
    await expect(at(tab, 3)).to_have_text("last")
    await expect(at(tab, 2).locator(".out-row__text")).to_have_text("x" * 4096)
    await tab.log.press("Home")
    await tab.page.get_by_role("button", name="… 296 kB more").click()
    dialog = tab.page.get_by_role("dialog", name="Line 2")
    part = dialog.get_by_role("region", name="A part of the line")
    await expect(part).to_have_text("x" * 65_536)
    for _ in range(4):
        await expect(dialog.get_by_role("button", name="Next part")).to_be_enabled()
        await dialog.get_by_role("button", name="Next part").click()
    await expect(part).to_have_text("x" * (300_000 - 4 * 65_536) + "yz")
    await expect(dialog.get_by_role("button", name="Next part")).to_be_disabled()


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
    for line in (1, 12_345, 30_000):
        await go_to(tab, line)
        await expect(at(tab, line)).to_have_text(f"строка {line}, и это очень длинная строка")
