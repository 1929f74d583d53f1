"""The window on rows by itself, over rows that are made up: any of ten million, nothing jumps."""

from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import expect

from tests.support.browser import OpenTab, Tab
from tests.support.client import Client
from tests.support.waiting import until_true

pytestmark = pytest.mark.asyncio(loop_scope="module")

MOST_ROWS = 70
MILLIONS = 10_000_000

SHOW = """
async ({ count, wide = 0, slow = false }) => {
  const { OutputWindow } = await import("/static/js/output/window/window.js");
  const { WindowFrame } = await import("/static/js/output/window/frame.js");
  const { html, render } = await import("/static/js/base/ui.js");
  document.body.replaceChildren();
  const [scroller, host] = [{ current: null }, { current: null }];
  const box = document.createElement("div");
  document.body.append(box);
  render(html`<div class="output" style=${{ height: "600px", flex: "none" }}>
    <div ref=${scroller} tabindex="0" role="log" aria-label="The run's output"
      class="output__scroller output__scroller--wrap">
      <${WindowFrame} host=${host}><p id="foot">the end</p><//>
    </div>
  </div>`, box);
  const known = new Map();
  const row = (index) => {
    if (!known.has(index)) {
      const text = `row ${index + 1}` + (wide && index % wide === 0 ? " wide".repeat(400) : "");
      const row = { number: index + 1, offset: null, spans: [{ text }], rest: 0, whole: true };
      known.set(index, row);
    }
    return known.get(index);
  };
  const there = new Set();
  Object.assign(window, { states: [], wishes: [], filled: 0, content: {
    count, above: 0, onChange: () => {},
    rows: (first, last) => Array.from({ length: last - first }, (_, i) => {
      const index = first + i - content.above;
      return slow && !there.has(index) ? null : row(index);
    }),
    want: (first, last) => {
      wishes.push([first, last]);
    },
    come: () => {
      const [first, last] = wishes.at(-1);
      for (let index = first; index < last; index += 1) there.add(index);
      content.onChange();
    },
    lineOf: (index) => index + 1 - content.above,
    indexOf: (line) => line - 1 + content.above,
  } });
  const onState = (state) => states.push(state);
  window.shown = new OutputWindow(scroller.current, host.current, { onState });
  shown.decorators.add(() => (filled += 1));
  shown.setContent(content);
}
"""

ROWS = """
() => {
  const { top, bottom } = document.querySelector(".output__scroller").getBoundingClientRect();
  return [...document.querySelectorAll(".out-row")].map((row) => [row, row.getBoundingClientRect()])
    .filter(([, at]) => at.bottom > top + 1 && at.top < bottom - 1)
    .map(([row, at]) => [Number(row.dataset.line), ...[at.top - top, at.height].map(Math.round)]);
}
"""
DRAWN = "new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)))"
MOVES = """() => {
  window.moves = 0;
  new MutationObserver((records) => (moves += records.length))
    .observe(document.querySelector(".window__rows"), { childList: true });
}"""
FITS = "log => log.scrollWidth <= log.clientWidth"
ELEMENTS = "document.querySelectorAll('.output__scroller *').length"


class Shown:
    """A window in a tab, and what is seen of it."""

    def __init__(self, tab: Tab) -> None:
        self.tab = tab

    async def show(self, count: int, **how: object) -> None:
        await self.tab.page.evaluate(SHOW, {"count": count, **how})
        await self.until_last(count)

    async def rows(self) -> list[tuple[int, int, int]]:
        """Return the number, the top and the height of each row that is seen."""
        await self.tab.page.evaluate(DRAWN)
        return [(line, top, height) for line, top, height in await self.tab.page.evaluate(ROWS)]

    async def call(self, script: str) -> Any:
        return await self.tab.page.evaluate(script)

    async def until_first(self, line: int) -> None:
        async def reached() -> bool:
            return (await self.rows())[0][0] == line

        await until_true(reached)

    async def until_last(self, line: int) -> None:
        async def reached() -> bool:
            rows = await self.rows()
            return bool(rows) and rows[-1][0] == line

        await until_true(reached)

    async def count(self) -> int:
        return int(await self.tab.page.evaluate("document.querySelectorAll('.out-row').length"))

    async def at(self, line: int) -> tuple[int, int, int]:
        [row] = [row for row in await self.rows() if row[0] == line]
        return row


@pytest_asyncio.fixture(loop_scope="module")
async def shown(client: Client, open_tab: OpenTab) -> Shown:
    return Shown(await open_tab(client))


async def test_of_ten_million_rows_those_seen_are_elements(shown: Shown) -> None:
    await shown.show(MILLIONS)
    await expect(shown.tab.page.locator("#foot")).to_be_visible()
    for line in (1, 77, 5_000_000, 9_999_999, 123_456):
        await shown.call(f"shown.goTo({line})")
        assert line in [row[0] for row in await shown.rows()]
        assert await shown.count() < MOST_ROWS
    rows = await shown.rows()
    tops = [top for _, top, _ in rows]
    assert [line for line, _, _ in rows] == list(range(rows[0][0], rows[0][0] + len(rows)))
    assert tops == [tops[0] + 20 * n for n in range(len(tops))]
    assert int(await shown.call(ELEMENTS)) < 4 * MOST_ROWS


async def test_a_line_that_is_gone_to_stands_in_the_middle_and_stands_out(shown: Shown) -> None:
    await shown.show(MILLIONS)
    await shown.call("shown.goTo(5000000)")
    _, top, height = await shown.at(5_000_000)
    assert abs(top + height / 2 - 300) < 12
    marked = shown.tab.page.locator(".out-row--marked")
    await expect(marked).to_have_attribute("data-line", "5000000")
    await shown.call("shown.goTo(6000000, { align: 'start', mark: false })")
    assert (await shown.rows())[0][0] == 6_000_000
    await expect(marked).to_have_count(0)


async def test_elements_of_rows_that_are_left_show_others_where_they_stand(shown: Shown) -> None:
    """What is taken out and put in is laid out anew: 150 jumps left 35 MB of garbage more."""
    await shown.show(MILLIONS)
    await shown.call("shown.goTo(5000000, { mark: false })")
    before = await shown.rows()
    await shown.call(MOVES)
    await shown.call("(filled = 0, shown.goTo(7000000, { mark: false }))")
    after = await shown.rows()
    assert [line - 2_000_000 for line, _, _ in after] == [line for line, _, _ in before]
    assert int(await shown.call("filled")) >= len(after)
    assert await shown.call("moves") == 0


async def test_the_wheel_and_keys_move_rows_exactly_and_the_bar_a_fraction(shown: Shown) -> None:
    await shown.show(MILLIONS)
    log = shown.tab.log
    await shown.call("shown.goTo(5000000, { align: 'start' })")
    await shown.until_first(5_000_000)
    await log.hover()
    await shown.tab.page.mouse.wheel(0, 100)
    await shown.until_first(5_000_005)
    await shown.tab.page.mouse.wheel(0, -200)
    await shown.until_first(4_999_995)
    await log.focus()
    await log.press("ArrowDown")
    await shown.until_first(4_999_996)
    await log.press("ArrowUp")
    await shown.until_first(4_999_995)
    page = int(await log.evaluate("log => Math.floor(log.clientHeight * 0.9 / 20)"))
    await log.press("Space")
    await shown.until_first(4_999_995 + page)
    await log.press("PageUp")
    await shown.until_first(4_999_995)
    await log.press("Home")
    await shown.until_first(1)
    await log.evaluate("log => { log.scrollTop = (log.scrollHeight - log.clientHeight) / 4 }")

    async def quarter() -> bool:
        return abs((await shown.rows())[0][0] - MILLIONS / 4) < 200

    await until_true(quarter)
    await log.press("End")
    await shown.until_last(MILLIONS)
    assert await shown.tab.at_end()


async def test_nothing_jumps_while_wrapped_rows_are_measured(shown: Shown) -> None:
    await shown.show(100_000, wide=7)
    log = shown.tab.log
    await shown.call("shown.goTo(50000)")
    await log.hover()
    before = await shown.rows()
    for _ in range(20):
        await shown.tab.page.mouse.wheel(0, -40)
        after = await shown.rows()
        tops = {line: top for line, top, _ in after}
        moved = [tops[line] - top for line, top, _ in before if line in tops]
        assert {abs(by - 40) <= 1 for by in moved} == {True}
        before = after
    assert any(height > 100 for _, _, height in before)


async def test_rows_that_are_not_there_yet_hold_their_place(shown: Shown) -> None:
    await shown.show(100_000, slow=True)
    waiting = shown.tab.page.locator(".out-row--waiting")
    await shown.call("shown.goTo(70000, { align: 'start' })")
    before = await shown.rows()
    assert await waiting.count() == await shown.count()
    await shown.call("content.come()")
    await expect(waiting).to_have_count(0)
    assert await shown.rows() == before
    first, last = (await shown.call("wishes"))[-1]
    assert first <= 69_999 <= last < 70_100


async def test_a_place_is_kept_when_rows_come_above_it(shown: Shown) -> None:
    await shown.show(1000)
    await shown.call("shown.goTo(500, { align: 'start' })")
    before = await shown.rows()
    await shown.call("content.above = 300; content.count += 300; content.onChange()")
    assert await shown.rows() == before


async def test_it_stays_at_the_end_while_it_follows_and_where_it_is_while_it_does_not(
    shown: Shown,
) -> None:
    await shown.show(1000)
    await shown.call("content.count = 1500; content.onChange()")
    await shown.until_last(1500)
    await shown.tab.log.hover()
    await shown.tab.page.mouse.wheel(0, -400)

    async def left() -> bool:
        return (await shown.call("states.at(-1)"))["following"] is False

    await until_true(left)
    before = await shown.rows()
    top = await shown.tab.log.evaluate("log => log.scrollTop")
    await shown.call("content.count = 5000; content.onChange()")
    assert await shown.rows() == before
    assert await shown.tab.log.evaluate("log => log.scrollTop") == top
    await shown.call("shown.follow(true)")
    await shown.until_last(5000)
    await shown.tab.page.mouse.wheel(0, -400)
    await until_true(left)
    await shown.tab.page.mouse.wheel(0, 4000)
    await shown.until_last(5000)
    assert (await shown.call("states.at(-1)"))["following"] is True


async def test_a_frame_without_news_draws_nothing_anew(shown: Shown) -> None:
    await shown.show(MILLIONS)
    await shown.call("shown.goTo(1000, { align: 'start' })")
    await shown.until_first(1000)
    await shown.call("filled = 0; for (let i = 0; i < 50; i += 1) content.onChange()")
    await shown.rows()
    assert await shown.call("filled") == 0
    await shown.tab.log.focus()
    await shown.tab.log.press("ArrowDown")
    await shown.until_first(1001)
    assert await shown.call("filled") <= 2


async def test_a_wider_window_keeps_the_place(shown: Shown) -> None:
    await shown.show(100_000, wide=3)
    await shown.call("shown.goTo(40000, { align: 'start' })")
    await shown.until_first(40_000)
    await shown.tab.page.set_viewport_size({"width": 360, "height": 800})
    await shown.until_first(40_000)
    assert await shown.tab.log.evaluate(FITS)
    await shown.call(
        "document.querySelector('.output__scroller').classList.remove('output__scroller--wrap');"
        " shown.rewrap()"
    )
    await shown.until_first(40_000)
    assert {height for _, _, height in await shown.rows()} == {20}
    log = shown.tab.log
    assert await log.evaluate("log => log.scrollWidth > 2000")
    await log.evaluate("log => { log.scrollLeft = 500 }")
    await shown.rows()
    left = await shown.tab.page.evaluate(
        "document.querySelector('.out-row__number').getBoundingClientRect().left"
        " - document.querySelector('.output__scroller').getBoundingClientRect().left"
    )
    assert abs(left) < 2
    await shown.call(
        "document.querySelector('.output__scroller').classList.add('output__scroller--wrap');"
        " shown.rewrap()"
    )
    await shown.until_first(40_000)
    assert await log.evaluate(FITS)
