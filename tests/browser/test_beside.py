"""What stands beside the lines of an output: when they were written, and that they are chosen."""

import re
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Locator, Request, expect

from tests.support.browser import OpenTab, Tab
from tests.support.client import Client
from tests.support.waiting import until_true

pytestmark = pytest.mark.asyncio(loop_scope="module")

BLOCK = 200

SHOW = """
async ({ id, start, count, encoding }) => {
  // The page's own modules: others would have shortcuts and routes of their own.
  const at = document.querySelector('script[type="module"]').src.split("/js/")[0];
  const { use } = await import(at + "/js/joined.js");
  const { OutputWindow } = use("js/output/window/window.js");
  const { WindowFrame } = use("js/output/window/frame.js");
  const { html, render, useEffect, useRef, useState } = use("js/base/ui.js");
  const { useTimes, TimesButton } = use("js/output/times/times.js");
  const { useSelecting } = use("js/output/selecting/selecting.js");
  const { Notice } = use("js/parts/notice.js");
  const { ChosenBar } = use("js/output/selecting/bar.js");
  document.body.replaceChildren();
  const box = document.createElement("div");
  document.body.append(box);
  const row = (index) => ({ number: index + 1, offset: index * 10, rest: 0, whole: true,
    spans: [{ text: `row ${index + 1}` }] });
  window.content = { count, onChange: () => {}, want: () => {}, lineOf: (index) => index + 1,
    indexOf: (line) => line - 1,
    rows: (first, last) => Array.from({ length: last - first }, (_, i) => row(first + i)) };
  function Shown() {
    const [scroller, host, shown] = [useRef(null), useRef(null), useRef(null)];
    const [made, setMade] = useState(0);
    useEffect(() => {
      window.shown = shown.current = new OutputWindow(scroller.current, host.current);
      shown.current.setContent(content);
      return () => shown.current.dispose();
    }, []);
    const { mode, next } = useTimes(shown, { id, start_time: start }, () => content.count, made);
    const { lines, choose } = useSelecting(shown, host, made);
    return html`<div class="output" style=${{ height: "600px", flex: "none" }}>
      <div class="output__bar"><${TimesButton} mode=${mode} onNext=${next} /></div>
      ${lines && html`<${ChosenBar} runId=${id} encoding=${encoding} lines=${lines}
        onNone=${() => choose(null)} />`}
      <div ref=${scroller} tabindex="0" role="log" aria-label="The run's output"
        class="output__scroller output__scroller--wrap"><${WindowFrame} host=${host} /></div>
      <${Notice} />
    </div>`;
  }
  render(html`<${Shown} />`, box);
}
"""


class Beside:
    """A run's lines in a tab."""

    def __init__(self, tab: Tab, client: Client) -> None:
        self.tab = tab
        self.client = client
        self.asked: list[str] = []
        tab.page.on("request", self._requested)

    def _requested(self, request: Request) -> None:
        if "/marks?" in request.url or "/output?" in request.url:
            self.asked.append(request.url.partition("?")[2])

    async def show(self, script: str, query: str = "", encoding: str = "utf-8") -> dict[str, Any]:
        """Have a command run to its end, and show its lines; return the run."""
        run_id = await self.client.run(script)
        run = await self.client.finished(run_id)
        await self.tab.go(f"/account{query}")
        await self.tab.page.reload()
        await expect(
            self.tab.page.get_by_role("heading", name="Account", level=1, exact=True)
        ).to_be_visible()
        given = {"id": run_id, "start": run["start_time"], "encoding": encoding}
        await self.tab.page.evaluate(SHOW, {**given, "count": run["output_lines"]})
        return dict(run)

    def row(self, line: int) -> Locator:
        return self.tab.page.locator(f".out-row[data-line='{line}']")

    def number(self, line: int) -> Locator:
        return self.row(line).locator(".out-row__number")

    async def times(self) -> dict[int, str]:
        """Return what is said beside the lines that are shown."""
        told = await self.tab.page.locator(".out-row").evaluate_all(
            "rows => rows.map((row) => [Number(row.dataset.line),"
            " row.querySelector('.out-row__time')?.textContent ?? null])"
        )
        return dict(told)

    async def until_chosen(self, *lines: int) -> None:
        """Wait until these lines stand out, and no other."""

        async def chosen() -> bool:
            found = await self.tab.page.locator(".out-row--chosen").evaluate_all(
                "rows => rows.map((row) => Number(row.dataset.line))"
            )
            return sorted(found) == [*lines]

        await until_true(chosen)


@pytest_asyncio.fixture(loop_scope="module")
async def beside(client: Client, open_tab: OpenTab) -> Beside:
    return Beside(await open_tab(client), client)


async def marks(client: Client, run_id: str) -> dict[int, float]:
    """Return when each line was written that has a mark at its start."""
    told = await client.call("GET", f"runs/{run_id}/marks")
    return {line: time for offset, line, time in told["items"] if offset == 10 * (line - 1)}


async def test_a_key_leads_through_the_times_of_lines(beside: Beside) -> None:
    script = (
        "seq 100000000 100000001; sleep 0.3; seq 100000002 100000003; sleep 0.7; echo 100000004"
    )
    run = await beside.show(script)
    written = await marks(beside.client, run["id"])
    assert {1, 3, 5} <= written.keys()
    begun = await beside.tab.page.evaluate("Date.parse", run["start_time"]) / 1000
    page = beside.tab.page
    assert set((await beside.times()).values()) == {None}
    assert beside.asked == []

    await page.keyboard.press("t")
    await expect(beside.row(5).locator(".out-row__time")).to_have_text(
        re.compile(r"^\d\d:\d\d:\d\d\.\d$")
    )
    local = await page.evaluate(
        "seconds => new Date(seconds * 1000).toTimeString().slice(0, 8)", written[5]
    )
    assert (await beside.times())[5].startswith(local)
    assert await beside.row(5).locator(".out-row__text").text_content() == "row 5"

    await page.keyboard.press("t")
    tenths = {line: f"{time - begun:.1f}" for line, time in written.items()}
    await expect(beside.row(5).locator(".out-row__time")).to_have_text(tenths[5])
    shown = await beside.times()
    assert {line: shown[line] for line in (1, 3, 5)} == {line: tenths[line] for line in (1, 3, 5)}
    assert (shown[2], shown[4]) == (shown[1], shown[3])

    await page.keyboard.press("t")
    since = f"+{written[5] - written[3]:.1f}"
    await expect(beside.row(5).locator(".out-row__time")).to_have_text(since)
    shown = await beside.times()
    assert shown == {1: "", 2: "", 3: f"+{written[3] - written[1]:.1f}", 4: "", 5: since}
    await expect(beside.tab.button("Since the line before")).to_have_attribute(
        "aria-pressed", "true"
    )

    await beside.tab.button("Since the line before").click()
    await expect(page.locator(".out-row__time")).to_have_count(0)
    assert len(beside.asked) == 1


async def test_of_many_lines_the_times_of_those_seen_are_asked_for_a_block_at_a_time(
    beside: Beside,
) -> None:
    run = await beside.show("seq 100000000 100099999")
    page = beside.tab.page
    await page.keyboard.press("t")
    for line in (1, 50_000, 50_003, 99_990):
        await page.evaluate(f"shown.goTo({line}, {{ align: 'center' }})")
        await expect(beside.row(line).locator(".out-row__time")).to_have_text(re.compile(r"\d"))
    assert len(beside.asked) <= 2 * 3
    for asked in beside.asked:
        first, last = map(int, asked.removeprefix("lines=").split("-"))
        assert last - first <= BLOCK
    assert run["output_lines"] == 100_000


async def test_a_line_is_chosen_by_its_number_and_a_range_with_shift(beside: Beside) -> None:
    await beside.show("seq 100000000 100000999", "?line=500")
    page = beside.tab.page
    await expect(beside.row(500)).to_have_class(re.compile("out-row--chosen"))
    await beside.until_chosen(500)
    await beside.number(495).click()
    assert page.url.endswith("#/account?line=495")
    await beside.number(505).click(modifiers=["Shift"])
    assert page.url.endswith("#/account?line=495-505")
    await beside.until_chosen(*range(495, 506))
    await beside.number(490).click(modifiers=["Shift"])
    assert page.url.endswith("#/account?line=490-495")
    assert await page.evaluate("getSelection().toString()") == ""
    await expect(page.get_by_role("group", name="Chosen lines")).to_contain_text("Lines 490 to 495")
    await page.keyboard.press("Escape")
    assert page.url.endswith("#/account")
    await beside.until_chosen()
    await beside.number(498).click()
    await beside.number(498).click()
    assert page.url.endswith("#/account")


async def test_an_address_leads_to_its_lines_wherever_one_was(beside: Beside) -> None:
    await beside.show("seq 100000000 100099999", "?line=70000-70004")
    page = beside.tab.page
    await beside.until_chosen(*range(70_000, 70_005))
    await page.evaluate("location.hash = '#/account?line=30'")
    await beside.until_chosen(30)
    await page.go_back()
    await beside.until_chosen(*range(70_000, 70_005))


@pytest.mark.parametrize(
    ("encoding", "written", "text"),
    [
        ("utf-8", "one\\n\\ttwo  \\nthr\\033[1mee\\nfour\\n", "\ttwo  \nthr\x1b[1mee"),
        ("windows-1251", "\\317\\nab\\n\\357\\371\\n", "ab\nпщ"),
        ("utf-16le", "1\\0\\n\\0002\\0\\n\\0\\077\\004\\n\\000x\\0", "2\nп"),
    ],
)
async def test_a_range_is_copied_as_it_was_written(
    beside: Beside, encoding: str, written: str, text: str
) -> None:
    run = await beside.show(f"printf '{written}'", "?line=2-3", encoding)
    page = beside.tab.page
    await page.evaluate("navigator.clipboard.writeText = async (text) => { window.copied = text }")

    async def copied() -> bool:
        return await page.evaluate("window.copied ?? null") is not None

    await beside.tab.button("Copy the chosen lines").click()
    await until_true(copied)
    assert await page.evaluate("copied") == text
    await page.evaluate("window.copied = null")
    await page.keyboard.press("y")
    await until_true(copied)
    assert await page.evaluate("copied") == text
    assert beside.asked[-1] == f"lines=2-3&max_bytes={4 * 1024 * 1024}"
    await beside.tab.button("Copy a link to them").click()
    await expect(page.get_by_text("Copied the link.")).to_be_visible()
    assert await page.evaluate("copied") == page.url
    assert run["state"] == "succeeded"


async def test_copying_is_bounded_and_says_so(beside: Beside) -> None:
    await beside.show("head -c 5000000 /dev/zero | tr '\\0' x; echo; echo two", "?line=1-2")
    page = beside.tab.page
    await page.evaluate("navigator.clipboard.writeText = async (text) => { window.copied = text }")
    await beside.tab.button("Copy the chosen lines").click()
    await expect(page.get_by_text("Copied the first 4.2 MB of the lines.")).to_be_visible()
    assert await page.evaluate("copied.length") == 4 * 1024 * 1024
