"""The page as people see it: tabs of a real Chromium, which hear all that goes wrong in them."""

import re
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from playwright.async_api import (
    Browser,
    ConsoleMessage,
    Dialog,
    Locator,
    Page,
    Request,
    ViewportSize,
    async_playwright,
    expect,
)

from tests.support.waiting import until_true

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)
WAIT_MS = 100_000  # less than the time-out of most tests: what was waited for is told
DESKTOP: ViewportSize = {"width": 1280, "height": 800}
PHONE: ViewportSize = {"width": 360, "height": 780}
NARROW: ViewportSize = {"width": 320, "height": 640}
"""What a person sees who enlarges 1280 pixels fourfold (WCAG 2.2, 1.4.10)."""
ARTIFACTS = Path(__file__).parents[1] / "artifacts"

CONNECTION_REFUSED = r"net::ERR_(CONNECTION_REFUSED|CONNECTION_RESET|EMPTY_RESPONSE)"
"""What the console tells, without being asked, while the server is away."""

BEYOND_WINDOW = """
(({ scrollWidth, clientWidth }) => scrollWidth - clientWidth)(document.documentElement)
"""
TELL_VIOLATIONS = """
addEventListener("securitypolicyviolation", ({ effectiveDirective, blockedURI, sourceFile }) =>
  console.error(`securitypolicyviolation: ${effectiveDirective} ${blockedURI} ${sourceFile}`));
"""
"""The browser's own words for it say neither what was blocked nor where."""
FROM_END = "log => log.scrollHeight - log.clientHeight - log.scrollTop"

READ_ALL = """
async (log) => {
  const press = (key) => log.dispatchEvent(new KeyboardEvent("keydown", { key, cancelable: true }));
  const frame = () => new Promise(requestAnimationFrame);
  const drawn = () => frame().then(frame);
  const away = () => log.scrollHeight - log.clientHeight - log.scrollTop;
  const lines = new Map();
  press("Home");
  for (let end = false; !end; press("PageDown")) {
    do await drawn(); while (log.querySelector(".out-row--waiting"));
    for (const row of log.querySelectorAll(".out-row:not(.out-row--swallowed)")) {
      lines.set(Number(row.dataset.line), row.querySelector(".out-row__text").textContent);
    }
    end = away() < 2;
  }
  await drawn();
  return [...lines];
}
"""
"""At the end, the output is followed again."""

expect.set_options(timeout=WAIT_MS)


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """Run the Chromium of this machine with an empty profile."""
    found = [path for path in map(shutil.which, PROGRAMS) if path is not None]
    assert found, f"The browser tests need one of {', '.join(PROGRAMS)} (apt-get install chromium)."
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=found[0], args=ARGUMENTS)
        yield browser
        await browser.close()


RECOLOURED = r"Applying inline style violates|style-src-attr inline"
"""Expected where a script is typed over: Chromium gives it the colours of what was there, by a
style that the policy refuses; the text is there all the same, and the editor colours it itself."""


class Tab:
    """A tab that shows the page, in a profile of its own.

    `problems` is what no page should do: messages in the console other than those `expected`,
    what its Content-Security-Policy forbids, exceptions, dialogs, requests to another host.
    """

    def __init__(self, page: Page, address: str, expected: Sequence[str]) -> None:
        self.page = page
        self.problems: list[str] = []
        self._address = address
        self._expected = expected
        page.on("console", self._heard)
        page.on("pageerror", lambda error: self.problems.append(f"exception: {error.stack}"))
        page.on("dialog", self._asked)
        page.on("request", self._requested)
        page.on("websocket", lambda socket: self._check(socket.url))

    @property
    def output(self) -> Locator:
        """A run's output with its bar."""
        return self.page.get_by_role("region", name="Output", exact=True)

    @property
    def log(self) -> Locator:
        """What scrolls of a run's output."""
        return self.page.get_by_role("log", name="The run's output")

    @property
    def facts(self) -> Locator:
        """A run's state, its end, how long it took."""
        return self.page.get_by_role("group", name="The run's state")

    def button(self, name: str) -> Locator:
        """Find a button by the whole of its name."""
        return self.page.get_by_role("button", name=name, exact=True)

    def field(self, label: str) -> Locator:
        """Find a field of a form by the whole of its label."""
        return self.page.get_by_label(label, exact=True)

    @property
    def script(self) -> Locator:
        """Find what holds a form's script, whether the editor stands for it or not."""
        return self.page.locator("textarea[name=script]")

    async def write_script(self, text: str) -> None:
        """Fill a form's script once its editor has come, which takes the plain field's place."""
        await expect(self.page.locator(".cm-content")).to_be_visible()
        await self.field("Script").fill(text)

    async def go(self, path: str) -> None:
        """Go to an address of the page."""
        await self.page.goto(f"{self._address}/#{path}")

    async def lines(self) -> list[str]:
        """Return all lines, which are numbered without a gap, as somebody sees who pages down."""
        rows: list[tuple[int, str]] = await self.log.evaluate(READ_ALL)
        assert [number for number, _ in rows] == list(range(1, len(rows) + 1))
        return [text for _, text in rows]

    async def at_end(self) -> bool:
        """Tell whether the end of the output is what is seen."""
        return bool(await self.log.evaluate(f"log => ({FROM_END})(log) < 5"))

    async def focus(self, target: Locator, key: str = "Tab") -> None:
        """Press a key until the focus is there."""

        async def focused() -> bool:
            await self.page.keyboard.press(key)
            return bool(await target.evaluate("element => element === document.activeElement"))

        await until_true(focused)

    async def overflow(self) -> int:
        """Return by how many pixels the page is wider than the window.

        Not than what is seen: a phone shows a page that is too wide smaller.
        """
        return int(await self.page.evaluate(BEYOND_WINDOW))

    async def picture(self, name: str) -> Path:
        """Keep what is seen as an artifact of the tests."""
        path = ARTIFACTS / f"{name}.png"
        await self.page.screenshot(path=path, animations="disabled", caret="hide")
        return path

    async def another(self) -> "Tab":
        """Open an empty tab in the same profile."""
        return Tab(await self.page.context.new_page(), self._address, self._expected)

    async def close(self) -> None:
        await self.page.context.close()

    def _heard(self, message: ConsoleMessage) -> None:
        text = f"{message.type}: {message.text}"
        known = any(re.search(pattern, text) for pattern in self._expected)
        if message.type in {"error", "warning"} and not known:
            self.problems.append(text)

    async def _asked(self, dialog: Dialog) -> None:
        self.problems.append(f"dialog: {dialog.message}")
        await dialog.dismiss()

    def _requested(self, request: Request) -> None:
        self._check(request.url)

    def _check(self, url: str) -> None:
        own = self._address, self._address.replace("http", "ws", 1), "data:", "blob:"
        if not url.startswith(own):
            self.problems.append(f"request: {url}")


OpenTab = Callable[..., Awaitable[Tab]]
"""Opens a tab on a client's server; the fixture `open_tab`."""


async def new_tab(
    browser: Browser,
    address: str,
    *,
    phone: bool,
    dark: bool,
    expected: Sequence[str],
    session: str | None = None,
    locale: str = "en-GB",
) -> Tab:
    """Open an empty tab in a fresh profile; `session` is the value of a session's cookie."""
    context = await browser.new_context(
        viewport=PHONE if phone else DESKTOP,
        color_scheme="dark" if dark else "light",
        has_touch=phone,
        is_mobile=phone,
        device_scale_factor=2 if phone else 1,
        permissions=["clipboard-read", "clipboard-write"],
        locale=locale,
    )
    context.set_default_timeout(WAIT_MS)
    await context.add_init_script(TELL_VIOLATIONS)
    if session is not None:
        name = f"tailrun-{address.rsplit(':', 1)[1]}"
        await context.add_cookies([{"name": name, "value": session, "url": address}])
    return Tab(await context.new_page(), address, expected)
