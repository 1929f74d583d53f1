"""A run's output in the page: exact, live, calm, and nothing but text."""

import pytest
from playwright.async_api import expect

from tests.browser.gate import Gate
from tests.support.browser import OpenTab
from tests.support.client import Client
from tests.support.waiting import until_true

pytestmark = pytest.mark.asyncio(loop_scope="module")

RED = "rgb(179, 38, 30)"
GREEN = "rgb(26, 122, 67)"

HOSTILE = r"""
printf '<script>hit = 1</script> <img src=/x onerror="hit = 2"> <b>not bold</b>\n'
printf '\033]8;;https://example.com/\033\\a link\033]8;;\033\\\n'
printf '\033]52;c;c3RvbGVu\007the clipboard\n'
printf '\033]0;Another title\007the title\n'
printf '\033[2J\033[H\033[9;9Hthe screen\n'
printf '\033]52;c;unterminated\nthe next line\n'
"""
INERT = [
    '<script>hit = 1</script> <img src=/x onerror="hit = 2"> <b>not bold</b>',
    *("a link", "the clipboard", "the title", "the screen", "unterminated", "the next line"),
]

MORE_ROOM_FOR_A_FRAME = """
async (log) => {
  const less = `${log.clientHeight - 100}px`;
  const frames = async (count) => {
    for (; count > 0; count -= 1) await new Promise(requestAnimationFrame);
  };
  log.style.maxHeight = less;
  await frames(4);
  await new Promise((seen) => {
    let sizes = 0;
    const resizes = new ResizeObserver(() => {
      sizes += 1;
      if (sizes === 1) return;
      resizes.disconnect();
      log.style.maxHeight = less;
      seen();
    });
    resizes.observe(log);
    requestAnimationFrame(() => requestAnimationFrame(() => (log.style.maxHeight = "")));
  });
  await frames(4);
}
"""
"""As where a notice above the output goes, and is there again at once."""

# 500,000 lines of 100 bytes, then a line that comes when the gate is opened.
FLOOD = "seq -f '%099.0f' 500000"
FLOOD_LINES = 500_000
MOST_ROWS = 70

ALL_FROM_HERE = """
(row) => getSelection().setBaseAndExtent(row, 0, row.parentNode, row.parentNode.childNodes.length)
"""

WATCH_FRAMES = """
longest = 0;
const frame = (before) => requestAnimationFrame((now) => {
  longest = Math.max(longest, now - before);
  frame(now);
});
requestAnimationFrame(frame);
"""


def numbered(first: int, last: int) -> str:
    """Write the numbered lines of a script."""
    return f"seq -f 'line %.0f é🚀' {first} {last}"


def lines(last: int) -> list[str]:
    """Return the numbered lines up to this one."""
    return [f"line {number} é🚀" for number in range(1, last + 1)]


async def test_a_reload_in_the_middle_loses_and_doubles_nothing(
    client: Client, open_tab: OpenTab, gate: Gate
) -> None:
    parts = [numbered(1, 500), gate.wait, numbered(501, 1000), gate.wait, numbered(1001, 1500)]
    run = await client.run("; ".join(parts))
    tab = await open_tab(client, f"/runs/{run}")
    await expect(tab.log).to_contain_text("line 500 ")
    assert await tab.lines() == lines(500)
    gate.open()
    await tab.page.reload()
    await expect(tab.log).to_contain_text("line 1000 ")
    assert await tab.lines() == lines(1000)
    gate.open()
    await expect(tab.log).to_contain_text("Succeeded exit code 0")
    assert await tab.lines() == lines(1500)


async def test_the_output_is_followed_until_a_person_looks_elsewhere(
    client: Client, open_tab: OpenTab, gate: Gate
) -> None:
    run = await client.run("; ".join([numbered(1, 300), gate.wait, numbered(301, 600), gate.wait]))
    tab = await open_tab(client, f"/runs/{run}")
    follow = tab.button("Follow")
    await expect(tab.output).to_contain_text("Live")
    await expect(tab.log).to_contain_text("line 300 ")
    await until_true(tab.at_end)

    await follow.click()
    await expect(follow).to_have_attribute("aria-pressed", "false")
    await expect(tab.output).to_contain_text("Not following")
    before = await tab.log.evaluate("log => log.scrollTop")
    seen = await tab.log.text_content()
    gate.open()
    await expect(tab.button("300 new lines")).to_be_visible()
    assert await tab.log.text_content() == seen
    assert await tab.log.evaluate("log => log.scrollTop") == before
    await tab.button("300 new lines").click()
    await expect(tab.log).to_contain_text("line 600 ")
    await until_true(tab.at_end)

    await tab.log.hover()
    await tab.page.mouse.wheel(0, -300)
    await expect(follow).to_have_attribute("aria-pressed", "false")
    await tab.page.mouse.wheel(0, 3000)
    await expect(follow).to_have_attribute("aria-pressed", "true")
    gate.open()
    await expect(tab.log).to_contain_text("Succeeded")
    assert await tab.lines() == lines(600)


async def test_the_output_is_followed_while_a_notice_above_it_goes_and_comes(
    client: Client, open_tab: OpenTab, gate: Gate
) -> None:
    run = await client.run("; ".join([numbered(1, 300), gate.wait, numbered(301, 302)]))
    tab = await open_tab(client, f"/runs/{run}")
    await expect(tab.log).to_contain_text("line 300 ")
    await until_true(tab.at_end)
    await tab.log.evaluate(MORE_ROOM_FOR_A_FRAME)
    await expect(tab.button("Follow")).to_have_attribute("aria-pressed", "true")
    gate.open()
    await expect(tab.log).to_contain_text("line 302 ")


async def test_colours_are_shown(client: Client, open_tab: OpenTab) -> None:
    run = await client.run(r"printf '\033[31mred\033[0m \033[1;32mgreen\033[0m plain\n'")
    tab = await open_tab(client, f"/runs/{run}")
    red, green = (tab.log.get_by_text(word, exact=True) for word in ("red", "green"))
    await expect(red).to_have_css("color", RED)
    await expect(green).to_have_css("color", GREEN)
    await expect(green).to_have_css("font-weight", "700")
    assert await tab.lines() == ["red green plain"]


async def test_progress_shows_its_last_state(client: Client, open_tab: OpenTab) -> None:
    run = await client.run(r"for p in 10 50 100; do printf '\r\033[K%s%%' $p; done; echo")
    tab = await open_tab(client, f"/runs/{run}")
    await expect(tab.log).to_contain_text("Succeeded")
    assert await tab.lines() == ["100%"]


async def test_hostile_output_is_inert(client: Client, open_tab: OpenTab) -> None:
    run = (await client.create(HOSTILE, name="<img src=/y onerror='hit = 3'>"))["run"]["id"]
    tab = await open_tab(client, f"/runs/{run}")
    await tab.page.evaluate("navigator.clipboard.writeText('mine')")
    await tab.page.reload()
    await expect(tab.log).to_contain_text("Succeeded")
    assert (await tab.lines())[-1] == "the next line"
    links = tab.log.locator("a")
    await expect(links).to_have_count(0)
    await tab.button("As a terminal").click()
    await expect(tab.log).to_contain_text(INERT[0])
    shown = await tab.lines()
    assert [text for text, line in zip(INERT, shown, strict=True) if text not in line] == []
    assert await tab.log.locator("script, img, b, iframe, object, [onerror]").count() == 0
    await expect(tab.page).to_have_title("Succeeded · <img src=/y onerror='hit = 3'> · Tailrun")
    await expect(tab.page.get_by_role("heading", level=1)).to_contain_text("<img src=/y")
    assert await tab.page.evaluate("typeof hit") == "undefined"
    assert await tab.page.evaluate("navigator.clipboard.readText()") == "mine"


async def test_the_whole_output_can_be_copied_and_downloaded(
    client: Client, open_tab: OpenTab
) -> None:
    run = await client.run(f"{numbered(1, 3)}; printf unfinished")
    tab = await open_tab(client, f"/runs/{run}")
    await expect(tab.log).to_contain_text("Succeeded")
    await tab.button("Copy").click()
    await expect(tab.page.get_by_text("Copied the output.")).to_be_visible()
    copied = await tab.page.evaluate("navigator.clipboard.readText()")
    assert copied == "\n".join([*lines(3), "unfinished"])
    async with tab.page.expect_download() as download:
        await tab.output.get_by_role("link", name="Download").click()
    path = await (await download.value).path()
    assert path.read_bytes() == await client.output(run)


async def test_what_is_selected_is_copied_as_it_was_written(
    client: Client, open_tab: OpenTab
) -> None:
    run = await client.run(
        r"printf 'a\n\n\nb\n'; head -c 1000 /dev/zero | tr '\0' x; echo; echo end"
    )
    tab = await open_tab(client, f"/runs/{run}")
    await expect(tab.log).to_contain_text("Succeeded")
    rows = tab.log.locator(".out-row")

    async def copied() -> str:
        await tab.page.keyboard.press("Control+C")
        text: str = await tab.page.evaluate("navigator.clipboard.readText()")
        return text

    await tab.log.press("Home")
    start, end = await rows.nth(0).bounding_box(), await rows.nth(3).bounding_box()
    assert start is not None
    assert end is not None
    gutter = float(await rows.nth(0).evaluate("row => row.firstChild.offsetWidth"))
    await tab.page.mouse.move(start["x"] + gutter + 1, start["y"] + 3)
    await tab.page.mouse.down()
    await tab.page.mouse.move(end["x"] + end["width"] - 4, end["y"] + end["height"] - 3)
    await tab.page.mouse.up()
    assert await copied() == "a\n\n\nb"
    await rows.nth(4).evaluate(ALL_FROM_HERE)
    assert await copied() == "x" * 1000 + "\nend"


async def test_columns_are_those_of_a_terminal(client: Client, open_tab: OpenTab) -> None:
    run = await client.run(r"printf 'name\033[3Cvalue\n漢字\033[2D🚀ab\033[3GX\n'")
    tab = await open_tab(client, f"/runs/{run}")
    await expect(tab.log).to_contain_text("Succeeded")
    assert await tab.lines() == ["name   value", "漢X ab"]


async def test_a_flood_keeps_the_tab_quick_and_the_document_small(
    client: Client, open_tab: OpenTab, gate: Gate
) -> None:
    tab = await open_tab(client)
    await tab.page.evaluate(WATCH_FRAMES)
    run = await client.run(f"{FLOOD}; {gate.wait}; echo the end")
    await tab.page.evaluate(f"location.hash = '/runs/{run}'")
    rows = tab.log.locator("[data-line]")
    await expect(rows.last).to_have_text(f"{FLOOD_LINES:099}")
    assert await tab.page.evaluate("longest") < 1000
    assert await rows.count() < MOST_ROWS
    await tab.log.press("Home")
    await expect(rows.first).to_have_text(f"{1:099}")
    await tab.page.keyboard.press("g")
    await tab.page.keyboard.type("250000")
    await tab.page.keyboard.press("Enter")
    await expect(tab.log.locator("[data-line='250000']")).to_have_text(f"{250_000:099}")
    assert await rows.count() < MOST_ROWS
    gate.open()
    await expect(tab.facts).to_contain_text("Succeeded")
    await tab.log.press("End")
    await expect(rows.last).to_have_text("the end")
    await expect(tab.log).to_contain_text("Succeeded exit code 0")
    assert await rows.count() < MOST_ROWS
