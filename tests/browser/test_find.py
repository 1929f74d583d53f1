"""Finding in an output, by the keyboard: hits in their order, counted, highlighted, and errors."""

import re
from urllib.parse import parse_qs, urlparse

import pytest
import pytest_asyncio
from playwright.async_api import Locator, Request, ViewportSize, expect

from tests.support.browser import OpenTab, Tab
from tests.support.client import Client
from tests.support.waiting import until_true

pytestmark = pytest.mark.asyncio(loop_scope="module")

LINES = 300_000
PHONE: ViewportSize = {"width": 360, "height": 700}
SCRIPT = f"""
seq -f 'step %.0f of the build, all is well' 1 {LINES} | sed \
 -e '150000s/.*/ERROR: the disk is full/' -e '1000s/$/ needle/' \
 -e '200000s/$/ Needle/' -e '299000s/$/ needles/'
"""


class Found:
    """A run's output in a tab, and what was asked of the server to search it."""

    def __init__(self, tab: Tab) -> None:
        self.tab = tab
        self.asked: list[dict[str, list[str]]] = []
        tab.page.on("request", self._requested)

    def _requested(self, request: Request) -> None:
        if "/search?" in request.url:
            self.asked.append(parse_qs(urlparse(request.url).query))

    async def show(self, run_id: str, query: str = "") -> None:
        """Show the run, and wait for its last line."""
        await self.tab.go(f"/runs/{run_id}{query}")
        await expect(self.tab.page.locator(".out-row").first).to_be_visible()

    async def press(self, *keys: str) -> None:
        """Press keys, one after the other."""
        for key in keys:
            await self.tab.page.keyboard.press(key)

    @property
    def told(self) -> Locator:
        """What the bar says."""
        return self.tab.page.locator(".find__told")

    @property
    def shown(self) -> Locator:
        """The row of the hit that is shown."""
        return self.tab.page.locator(".out-row--marked")

    async def see_highlighted(self, *texts: str) -> None:
        """Wait until these texts and no others are highlighted in the rows."""

        async def are_there() -> bool:
            return await self.highlighted() == [*texts]

        await until_true(are_there)

    async def highlighted(self) -> list[str]:
        """Return what is highlighted in the rows."""
        texts: list[str] = await self.tab.page.evaluate(
            "() => [...(CSS.highlights.get('find') ?? [])].map((range) => range.toString())"
        )
        return texts


@pytest_asyncio.fixture(loop_scope="module")
async def run_id(client: Client) -> str:
    run_id = await client.run(SCRIPT)
    await client.finished(run_id)
    return run_id


@pytest_asyncio.fixture(loop_scope="module")
async def found(client: Client, open_tab: OpenTab) -> Found:
    return Found(await open_tab(client, expected=["status of 422"]))


async def test_a_text_is_found_in_two_keys_and_gone_through_in_both_directions(
    found: Found, run_id: str
) -> None:
    await found.show(run_id)
    await found.press("Home", "/")
    await found.tab.page.keyboard.type("needle")
    await found.press("Enter")
    await expect(found.shown).to_contain_text("step 1000 of")
    await expect(found.told).to_have_text("1 of 3")
    assert await found.highlighted() == ["needle"]
    assert "find=needle" in found.tab.page.url
    await found.press("Enter")
    await expect(found.shown).to_contain_text("step 200000 of")
    await expect(found.told).to_have_text("2 of 3")
    await found.tab.page.locator(".output__scroller").focus()
    for key, line, place in [("n", 299000, 3), ("n", 1000, 1), ("N", 299000, 3), ("N", 200000, 2)]:
        await found.press(key)
        await expect(found.shown).to_contain_text(f"step {line} of")
        await expect(found.told).to_have_text(f"{place} of 3")
    counted = [asked for asked in found.asked if "histogram" in asked]
    # It is counted once, whatever is gone to, and on from where the first match was found.
    assert ["cursor" in asked for asked in counted] == [False, True]
    assert len(found.asked) < 25
    assert await found.tab.page.locator(".out-row").count() < 100
    await found.press("Escape")
    await expect(found.told).to_have_count(0)
    assert found.tab.page.url.endswith(f"/runs/{run_id}")  # where the next Escape leads back from


async def test_the_error_in_the_middle_is_one_key_away(found: Found, run_id: str) -> None:
    await found.show(run_id)
    await found.press("e")
    await expect(found.shown).to_have_text("ERROR: the disk is full")
    await expect(found.told).to_have_text("1 of 1")
    await found.see_highlighted("ERROR")


async def test_a_pattern_that_a_browser_is_slow_at_does_not_hold_the_page(
    found: Found, client: Client
) -> None:
    """RE2 takes linear time; matching it in the page would take longer than anybody lives."""
    run_id = await client.run(f"echo {'x' * 60}; echo then y")
    await found.show(run_id, "?find=(x%2Bx%2B)%2By|then&regex=1")
    await expect(found.told).to_have_text("1 of 1")
    await found.tab.page.get_by_role("searchbox").fill("then|y$")
    await expect(found.told).to_have_text("1 of 1")
    await found.see_highlighted("then", "y")


async def test_an_address_opens_at_what_it_finds(found: Found, run_id: str) -> None:
    await found.show(run_id, "?find=needles&word=1&case=1")
    await expect(found.shown).to_contain_text("step 299000 of")
    await expect(found.told).to_have_text("1 of 1")


async def test_a_pattern_that_cannot_be_read_is_said_with_what_is_wrong(
    found: Found, run_id: str
) -> None:
    await found.show(run_id, "?find=(disk&regex=1")
    await expect(found.told).to_contain_text("missing ): (disk")
    await found.tab.page.get_by_role("searchbox").fill("disk|needle$")
    await expect(found.told).to_have_text("1 of 3")
    await found.tab.page.get_by_role("searchbox").fill("no such text")
    await expect(found.told).to_have_text("No matches")


async def test_matching_lines_alone_are_shown_in_order_and_what_is_chosen_stays(
    found: Found, run_id: str
) -> None:
    await found.show(run_id, "?find=needle")
    await expect(found.told).to_have_text("1 of 3")
    await found.tab.page.get_by_role("button", name="Matches only").click()
    rows = found.tab.page.locator(".out-row")
    await expect(rows).to_have_count(3)
    numbers = await rows.evaluate_all("(all) => all.map((one) => one.dataset.line)")
    assert numbers == ["1000", "200000", "299000"]
    await found.press("n")
    await expect(found.shown).to_contain_text("step 200000 of")
    await found.tab.page.get_by_role("button", name="Matches only").click()
    await expect(found.shown).to_contain_text("step 200000 of")
    await expect(found.tab.page.locator(".out-row[data-line='200001']")).to_be_visible()


async def test_lines_around_matches_are_shown_once_with_a_sign_for_what_is_left_out(
    found: Found, run_id: str
) -> None:
    await found.show(run_id, "?find=needle|ERROR|step 1002 &regex=1")
    await expect(found.told).to_have_text("1 of 5")
    await found.tab.page.get_by_role("button", name="Matches only").click()
    await found.tab.page.get_by_label("Lines around each match").select_option("1")
    assert "only=1&context=1" in found.tab.page.url
    rows = found.tab.page.locator(".out-row")
    numbers = [999, 1000, 1001, 1002, 1003]
    for line in (150000, 200000, 299000):
        numbers += [numbers[-1] + 1, line - 1, line, line + 1]  # the first is left out, with others
    await expect(rows).to_have_count(len(numbers))
    told = await rows.evaluate_all("(all) => all.map((one) => Number(one.dataset.line))")
    assert told == numbers
    gaps = found.tab.page.locator(".out-row--gap .out-row__text")
    await expect(gaps).to_have_text(["148,995 lines", "49,997 lines", "98,997 lines"])
    await expect(found.tab.page.locator(".out-row--context")).to_have_count(len(numbers) - 3 - 5)
    await found.tab.page.locator(".output__scroller").focus()
    for line in (1002, 150000, 200000):
        await found.press("n")
        await expect(found.shown).to_have_attribute("data-line", str(line))
    await found.press("N")
    await expect(found.shown).to_have_text("ERROR: the disk is full")
    await found.tab.page.get_by_role("button", name="Matches only").click()
    await expect(found.tab.page.locator(".out-row[data-line='150010']")).to_be_visible()
    assert "context" not in found.tab.page.url


async def test_an_address_opens_with_lines_around_matches(found: Found, run_id: str) -> None:
    await found.show(run_id, "?find=needles&only=1&context=1")
    rows = found.tab.page.locator(".out-row")
    await expect(rows).to_have_count(3)
    assert await rows.evaluate_all("(all) => all.map((one) => one.dataset.line)") == [
        "298999",
        "299000",
        "299001",
    ]
    await expect(found.tab.page.get_by_label("Lines around each match")).to_have_value("1")
    await found.press("Escape")
    assert found.tab.page.url.endswith(f"/runs/{run_id}")


async def test_many_hits_with_lines_around_each_are_those_lines(found: Found, run_id: str) -> None:
    await found.show(run_id, "?find=well&only=1&context=10")
    await expect(found.told).to_have_text("1 of 299,999")
    await found.tab.page.locator(".output__scroller").focus()
    await found.press("End")
    await expect(found.tab.page.locator(".out-row").last).to_contain_text(f"step {LINES} of")
    numbers = await found.tab.page.locator(".out-row").evaluate_all(
        "(all) => all.map((one) => Number(one.dataset.line))"
    )
    assert numbers == [*range(LINES - len(numbers) + 1, LINES + 1)]


async def test_many_hits_are_shown_a_block_at_a_time(found: Found, run_id: str) -> None:
    await found.show(run_id, "?find=well")
    await expect(found.told).to_have_text("1 of 299,999")
    assert await found.tab.page.locator(".find-marks i").count() <= 200
    await found.tab.page.get_by_role("button", name="Matches only").click()
    await found.tab.page.locator(".output__scroller").focus()
    await found.press("End")
    await expect(found.tab.page.locator(".out-row").last).to_contain_text(f"step {LINES} of")
    assert len(found.asked) < 20


async def test_what_a_run_writes_later_is_counted_on(found: Found, client: Client) -> None:
    script = "echo needle 1; trap 'echo needle 2' USR1; while :; do sleep 0.1; done"
    run_id = await client.run(script)
    await found.show(run_id, "?find=needle")
    await expect(found.told).to_have_text(re.compile("1 match|1 of 1"))
    await client.call("POST", f"runs/{run_id}/signal", status=202, json={"signal": "SIGUSR1"})
    await expect(found.told).to_have_text(re.compile("2 matches|1 of 2"))
    counted = [asked for asked in found.asked if "histogram" in asked]
    assert all("cursor" in asked for asked in counted[1:])
    await client.stop(run_id, grace_seconds=0)


async def test_a_text_is_found_in_the_encoding_that_is_chosen(found: Found, client: Client) -> None:
    text = "\n".join(("Сборка", "Ошибка", ""))
    octal = "".join(f"\\{byte:03o}" for byte in text.encode("cp1251"))
    run_id = await client.run(f"printf '{octal}'")
    await client.finished(run_id)
    await found.show(run_id, "?find=ошибка")
    await expect(found.told).to_have_text("No matches")
    choice = found.tab.page.get_by_label("Encoding")
    await choice.select_option("windows-1251")
    await expect(found.told).to_have_text("1 match")
    await found.tab.page.get_by_role("searchbox").press("Enter")
    await expect(found.shown).to_have_text("Ошибка")
    await choice.select_option("utf-16le")
    await expect(found.told).to_contain_text("UTF-16 cannot be searched")


async def test_the_bar_is_no_wider_than_a_phone(found: Found, run_id: str) -> None:
    await found.tab.page.set_viewport_size(PHONE)
    await found.show(run_id, "?find=needle")
    await expect(found.told).to_have_text("1 of 3")
    wide = "document.documentElement.scrollWidth <= document.documentElement.clientWidth"
    assert await found.tab.page.evaluate(wide)
    bar = await found.tab.page.locator(".find").bounding_box()
    assert bar is not None
    assert bar["width"] <= PHONE["width"]
    await expect(found.tab.page.get_by_text("Regex")).to_be_visible()
