"""Output with control bytes in the page: harmless, legible, through a terminal where need be."""

import pytest
from playwright.async_api import expect

from tests.support.browser import OpenTab
from tests.support.client import Client

pytestmark = pytest.mark.asyncio(loop_scope="module")

TERMINAL = "/xterm-headless.js"
LEAST_CONTRAST = 4.5

HOSTILE = r"""
printf '\033[99999999S\033[2147483647b\033]52;c;c3RvbGVu\007x\n'
printf '\033[1m<img src=/x onerror="hit = 1"><script>hit = 2</script>\033[0m\n'
printf '\033]8;;javascript:hit=3\033\\no link\033]8;;\033\\\n'
printf '\033]8;;https://a.example/b\033\\a link\033]8;;\033\\ https://c.example/d.\n'
printf '\033[8msecret\033[0m and \342\200\256backwards\n'
echo end
"""
COLOURS = r"""
for colour in 0 16 17 52 231 232; do printf "\033[38;5;${colour}mtext\033[0m "; done
printf '\033[38;2;0;0;90mtext\033[0m \033[30;44mtext\033[0m \033[97;48;5;230mtext\033[0m\n'
"""

CONTRASTS = """
(log) => {
  const channel = (value) =>
    value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  const luminance = (color) => {
    const [red, green, blue] = color.match(/[0-9.]+/g).map((part) => channel(part / 255));
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const ground = (element) => {
    const color = getComputedStyle(element).backgroundColor;
    return color === "rgba(0, 0, 0, 0)" ? ground(element.parentElement) : color;
  };
  const spans = [...log.querySelectorAll("span")];
  return spans.filter(({ textContent }) => textContent === "text").map((span) => {
    const pair = [luminance(getComputedStyle(span).color), luminance(ground(span))];
    return (Math.max(...pair) + 0.05) / (Math.min(...pair) + 0.05);
  });
}
"""


async def test_nothing_of_output_becomes_markup_or_leads_elsewhere(
    client: Client, open_tab: OpenTab
) -> None:
    run = await client.run(HOSTILE)
    await client.finished(run)
    tab = await open_tab(client, f"/runs/{run}")
    await expect(tab.log).to_contain_text('<img src=/x onerror="hit = 1"><script>')
    await expect(tab.log).to_contain_text("end")
    assert await tab.log.locator("img, script").count() == 0
    assert await tab.page.evaluate("typeof hit") == "undefined"
    links = tab.log.get_by_role("link")
    assert [await link.get_attribute("href") for link in await links.all()] == [
        "https://a.example/b",
        "https://c.example/d",
    ]
    await expect(links.first).to_have_attribute("rel", "noopener noreferrer")
    await expect(links.first).to_have_attribute("title", "a.example")
    await expect(tab.log).to_contain_text("[RLO]backwards")
    await expect(tab.log.get_by_text("secret", exact=True)).to_have_css("color", "rgba(0, 0, 0, 0)")


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
async def test_whatever_colours_a_program_chose_its_text_can_be_read(
    client: Client, open_tab: OpenTab, *, dark: bool
) -> None:
    run = await client.run(COLOURS)
    await client.finished(run)
    tab = await open_tab(client, f"/runs/{run}", dark=dark)
    await expect(tab.log.get_by_text("text", exact=True)).to_have_count(9)
    contrasts: list[float] = await tab.log.evaluate(CONTRASTS)
    assert min(contrasts) >= LEAST_CONTRAST - 0.05, contrasts


async def test_a_terminal_is_loaded_only_for_output_that_needs_one(
    client: Client, open_tab: OpenTab
) -> None:
    plain = await client.run("printf 'plain \\342\\230\\203\\ta\\r\\n'")
    coloured = await client.run("printf '10%%\\r20%%\\n'")
    for run in (plain, coloured):
        await client.finished(run)
    tab = await open_tab(client, f"/runs/{plain}")
    loaded: list[str] = []
    tab.page.on("request", lambda request: loaded.append(request.url))
    await tab.page.reload()
    await expect(tab.log).to_contain_text("plain")
    assert [url for url in loaded if url.endswith(TERMINAL)] == []
    await tab.go(f"/runs/{coloured}")
    await expect(tab.log).to_contain_text("20%")
    await expect(tab.log).not_to_contain_text("10%")
    assert len([url for url in loaded if url.endswith(TERMINAL)]) == 1
