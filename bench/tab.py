"""A tab of a real Chromium, as people have one open, and what is to be seen in it when."""

import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import (
    Browser,
    BrowserContext,
    CDPSession,
    Page,
    ViewportSize,
    sync_playwright,
)

from bench.service import Service
from tests.support.browser import ARGUMENTS, PROGRAMS

WAIT_MS = 180_000
SHOWN = "(document.querySelector('.output__scroller') ?? document.body)?.textContent ?? ''"
PROBE = f"""
window.whenPainted = wanted => new Promise(tell => {{
  const look = () => ({SHOWN}).includes(wanted)
    ? requestAnimationFrame(() => tell(performance.now())) : requestAnimationFrame(look);
  look();
}});
window.watchFrames = () => {{
  const [frames, stamped] = [[], /(\\d{{10}}) (\\d{{13}}) /g];
  let [last, goesOn] = [performance.now(), true];
  const look = now => {{
    const found = [...({SHOWN}).matchAll(stamped)].at(-1);
    const [number, age] = found ? [Number(found[1]), Date.now() - Number(found[2])] : [-1, -1];
    frames.push([now - last, number, age]);
    last = now;
    if (goesOn) requestAnimationFrame(look);
  }};
  requestAnimationFrame(look);
  window.endFrames = () => {{ goesOn = false; return frames; }};
}};
"""
"""Numbers and times are those that `write.py pace` writes; a frame is [ms since the one before,
the last line's number, its age in ms], -1 where no line is shown."""


@contextmanager
def chromium() -> Iterator[Browser]:
    found = [path for path in map(shutil.which, PROGRAMS) if path is not None]
    if not found:
        raise FileNotFoundError(f"one of {', '.join(PROGRAMS)}")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found[0], args=[*ARGUMENTS])
        yield browser
        browser.close()


class Tab:
    """A tab with an empty cache on a service's page; what it is sent is counted in bytes."""

    def __init__(self, context: BrowserContext, service: Service) -> None:
        self.page: Page = context.new_page()
        self.page.set_default_timeout(WAIT_MS)
        self.page.add_init_script(PROBE)
        self.origin = f"http://127.0.0.1:{service.port}"
        self.received, self.requests = 0, 0
        self._talk: CDPSession = context.new_cdp_session(self.page)
        self._talk.send("Network.enable")
        self._talk.on("Network.requestWillBeSent", self._asked)
        self._talk.on("Network.dataReceived", self._came)
        self._talk.on("Network.webSocketFrameReceived", self._framed)

    def open(self, path: str) -> None:
        self.page.goto(f"{self.origin}/{path}", wait_until="commit")

    def painted_at(self, text: str) -> float:
        """Wait for a text to be shown; return when it was, in ms since the navigation began."""
        return float(self.page.evaluate("text => whenPainted(text)", text))

    def frames(
        self, last: str, act: Callable[[], None] = lambda: None
    ) -> tuple[list[list[float]], float]:
        """Return the frames drawn until a text is shown, as PROBE says, and when that was."""
        self.page.evaluate("watchFrames()")
        act()
        painted = self.painted_at(last)
        frames: list[list[float]] = self.page.evaluate("endFrames()")
        return frames[1:], painted

    def _asked(self, _: object) -> None:
        self.requests += 1

    def _came(self, event: dict[str, Any]) -> None:
        self.received += event["encodedDataLength"] or event["dataLength"]

    def _framed(self, event: dict[str, Any]) -> None:
        self.received += len(event["response"]["payloadData"])


@contextmanager
def tab(browser: Browser, service: Service, *, is_ours: bool = True) -> Iterator[Tab]:
    """Open an empty tab; what is shown beside our page need not keep to its policy."""
    size: ViewportSize = {"width": 1280, "height": 800}
    context = browser.new_context(viewport=size, bypass_csp=not is_ours)
    opened = Tab(context, service)
    try:
        yield opened
    finally:
        context.close()


def unshared_bytes(browser: Browser) -> int:
    """Return what the largest of the browser's tabs alone has in memory (USS)."""
    processes = browser.new_browser_cdp_session().send("SystemInfo.getProcessInfo")["processInfo"]
    sizes = [_private(one["id"]) for one in processes if one["type"] == "renderer"]
    return max(sizes)


def _private(pid: int) -> int:
    text = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
    return 1024 * sum(map(int, re.findall(r"Private_(?:Clean|Dirty): +(\d+)", text)))
