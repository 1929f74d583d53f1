"""The page on large outputs, in Chromium: how soon people see what they look for."""

import statistics
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import partial

from playwright.sync_api import Browser

from bench import content
from bench.service import ROOT, Service, start_run
from bench.session import Figure, Session
from bench.tab import Tab, chromium, tab, unshared_bytes
from bench.write import BLOCK_LINES, LINE_BYTES, MB, NUMBER_DIGITS

LINES, QUESTIONS, STEPS = 10_000_000, 20, 150
RATE, RATE_SECONDS = 100_000, 10
LATE_FRAME_MS, IDLE_SECONDS = 50, 60
LONG_LINE_MB, UPDATES = 300, 1_000_000
MIDDLE = "ERROR the disk is full"
NEXT_ERROR = "e"
LIVE = "text=/^Live/"
SCROLL = """async steps => {
  const scroller = document.querySelector(".output__scroller");
  const frame = () => new Promise(requestAnimationFrame);
  for (let step = 1; step <= steps; step += 1) {
    scroller.scrollTop = (scroller.scrollHeight - scroller.clientHeight) * step / steps;
    await frame();
    await frame();
  }
}"""

BARE = """run => new Promise(opened => {
  document.body.innerHTML = "<pre class=output__scroller></pre>";
  const shown = document.querySelector("pre");
  let [lines, drawn] = [[], true];
  const socket = new WebSocket(`/api/v1/runs/${run}/ws?format=json`);
  socket.onopen = () => opened();
  socket.onmessage = ({ data }) => {
    const { text } = JSON.parse(data);
    if (text === undefined) return;
    lines = lines.concat(text.split("\\n").slice(-60)).slice(-60);
    if (!drawn) return;
    drawn = false;
    requestAnimationFrame(() => { shown.textContent = lines.join("\\n"); drawn = true; });
  };
})"""
"""The least that can show a stream: its last 60 lines, once a frame, from the same socket."""

XTERM_FILES = ROOT / ".venv/npm-xterm/node_modules/@xterm/xterm"
XTERM = """run => {
  document.body.innerHTML = "<div class=output__scroller></div>";
  const terminal = new Terminal({ cols: 140, rows: 40, convertEol: true });
  terminal.open(document.querySelector("div"));
  const show = async () => {
    const { body } = await fetch(`/api/v1/runs/${run}/output?follow=true`);
    const reader = body.getReader();
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      await new Promise(taken => terminal.write(part.value, taken));
    }
  };
  show();
}"""
"""xterm.js as it comes, given all that was written; it is sent more when it has taken what came."""

PAGE, BARE_PAGE, XTERM_PAGE = "page", "bare page", "xterm"


def page(session: Session) -> None:
    """Measure the page on a finished gigabyte, then on runs that go on."""
    with session.service() as service, chromium() as browser:
        measured = _Page(session, service, browser)
        measured.finished()
        measured.live()
        measured.small()


def opening(session: Session) -> None:
    """Measure of the page only how soon the end of a finished gigabyte is seen."""
    with session.service() as service, chromium() as browser:
        _Page(session, service, browser).opening()


def numbered(number: int) -> str:
    return f"{number:0{NUMBER_DIGITS}d} "


class _Page:
    def __init__(self, session: Session, service: Service, browser: Browser) -> None:
        self._session, self._service, self._browser = session, service, browser
        self._lines = session.sized(LINES, BLOCK_LINES)

    def opening(self) -> str:
        """Measure how soon the end of a finished run is seen; return the run's id."""
        command = content.writing(self._session.directory, self._lines)
        run = self._service.finish(content.script(command))
        shown = partial(self._opened, f"#/runs/{run}")
        again = partial(self._opened, f"#/runs/{run}", is_again=True)
        raw = partial(self._opened, f"api/v1/runs/{run}/output?tail=200")
        self._session.in_turn({"page": shown, "page, again": again, "raw, ?tail in a tab": raw})
        return run

    def finished(self) -> None:
        run = self.opening()
        self._session.in_turn({"page, any line": partial(self._any_line, run)})
        end_to_end = partial(self._end_to_end, run)
        self._session.in_turn({"page, end to end": end_to_end, "an empty tab": self._empty})

    def live(self) -> None:
        self._session.in_turn(
            {
                f"{who}, 100,000 lines/s": partial(self._followed, who)
                for who in (PAGE, BARE_PAGE, XTERM_PAGE)
            }
        )
        for lines in self._session.up_to([1_000_000, LINES]):
            viewers = (PAGE, XTERM_PAGE) if lines < LINES else (PAGE,)
            self._session.in_turn(
                {
                    f"{who}, {lines:,} lines": partial(self._from_start, who, lines)
                    for who in viewers
                }
            )

    def small(self) -> None:
        megabytes, updates = self._session.sized(LONG_LINE_MB), self._session.sized(UPDATES)
        long = f"head -c {megabytes * MB} /dev/zero | tr '\\0' x; echo; echo end of it"
        bars = f"seq -f '%.0f of {updates}' {updates} | tr '\\n' '\\r'; echo; echo end of it"
        cases = {"page, a line of 300 MB": long, "page, 1,000,000 updates of a line": bars}
        for who, script in cases.items():
            run = self._service.finish(script)
            self._session.in_turn({who: partial(self._received, run)}, most=1)
        self._session.in_turn({"page, runs": self._idle}, most=1)
        script = f"seq {self._lines * 4}; echo {MIDDLE}; seq {self._lines * 4}"
        run = self._service.finish(script)
        self._session.in_turn({"page, the error": partial(self._error, run)})

    def _opened(self, path: str, *, is_again: bool = False) -> Iterator[Figure]:
        with tab(self._browser, self._service) as opened:
            if is_again:
                opened.open(path)
                opened.painted_at(numbered(self._lines - 1))
                opened.page.wait_for_load_state("networkidle")
                opened.page.goto("about:blank")
            opened.open(path)
            yield Figure("opened at the end", opened.painted_at(numbered(self._lines - 1)), "ms")

    def _any_line(self, run: str) -> Iterator[Figure]:
        with self._on(run, numbered(self._lines - 1)) as opened:
            wanted = [self._lines * one // (QUESTIONS + 1) for one in range(1, QUESTIONS + 1)]
            times = [_go_to(opened, number) for number in wanted]
        yield Figure("painted", statistics.median(times), "ms", {"slowest": max(times)})

    def _end_to_end(self, run: str) -> Iterator[Figure]:
        with self._on(run, numbered(self._lines - 1)) as opened:
            opened.page.keyboard.press("Home")
            opened.painted_at(numbered(0))
            frames, _ = opened.frames(numbered(self._lines - 1), partial(_scroll, opened))
            memory = unshared_bytes(self._browser)
        gaps = [gap for gap, *_ in frames]
        late = sum(gap > LATE_FRAME_MS for gap in gaps)
        yield Figure("gaps over 50 ms", late, "", {"longest ms": max(gaps), "frames": len(gaps)})
        yield Figure("memory (USS)", memory / MB, "MB")

    def _empty(self) -> Iterator[Figure]:
        with tab(self._browser, self._service) as opened:
            opened.open("api/v1/ping")
            opened.page.wait_for_load_state("networkidle")
            yield Figure("memory (USS)", unshared_bytes(self._browser) / MB, "MB")

    def _followed(self, who: str) -> Iterator[Figure]:
        rate = self._session.sized(RATE, 100)
        command, flag = content.pacing(self._session.directory, rate * RATE_SECONDS, rate)
        run = start_run(self._service.port, content.script(command))
        with tab(self._browser, self._service, is_ours=who == PAGE) as opened:
            self._watch(opened, run, who)
            last = numbered(rate * RATE_SECONDS - 1)
            flag.unlink()
            frames, painted = opened.frames(last)
            after = self._shown_after(opened, run, painted)
        shown = [frame for frame in frames if frame[1] >= 0]
        first = next(i for i, frame in enumerate(frames) if frame[1] >= 0)
        without = sum(number < 0 for _, number, _ in frames[first:])
        gaps = [gap for gap, *_ in frames[first:]]
        ages = [age for _, number, age in shown if number < rate * RATE_SECONDS - 1]
        yield Figure("95th percentile of frames", statistics.quantiles(gaps, n=20)[-1], "ms")
        yield Figure("frames without a line", 100 * without / len(gaps), "%", {"frames": len(gaps)})
        yield Figure("behind at most", max(ages) / 1000 * rate * LINE_BYTES / MB, "MB")
        yield Figure("end shown after the end", after, "s")

    def _from_start(self, who: str, lines: int) -> Iterator[Figure]:
        flag = self._session.directory / "start"
        flag.touch()
        command = content.script(content.writing(self._session.directory, lines))
        waiting = f"while [ -e {flag} ]; do sleep 0.05; done; {command}"
        run = start_run(self._service.port, waiting)
        with tab(self._browser, self._service, is_ours=who == PAGE) as opened:
            self._watch(opened, run, who)
            flag.unlink()
            painted = opened.painted_at(numbered(lines - 1))
            after = self._shown_after(opened, run, painted)
        yield Figure("end shown after the end", after, "s")

    def _received(self, run: str) -> Iterator[Figure]:
        with tab(self._browser, self._service) as opened:
            opened.open("")
            opened.page.wait_for_load_state("networkidle")
            before = opened.received
            opened.open(f"#/runs/{run}")
            opened.painted_at("end of it")
            opened.page.wait_for_load_state("networkidle")
            yield Figure("received", (opened.received - before) / MB, "MB")

    def _idle(self) -> Iterator[Figure]:
        with tab(self._browser, self._service) as opened:
            opened.open("")
            opened.page.wait_for_load_state("networkidle")
            before = opened.requests
            opened.open("#/runs")
            opened.page.wait_for_selector("text=/exit 0|succeeded/i")
            opened.page.wait_for_load_state("networkidle")
            shown = opened.requests
            opened.page.wait_for_timeout(1000 * IDLE_SECONDS)
            yield Figure("requests to show", shown - before, "")
            yield Figure("requests in an idle minute", opened.requests - shown, "")

    def _error(self, run: str) -> Iterator[Figure]:
        with self._on(run, str(self._lines * 4)) as opened:
            start = opened.page.evaluate("performance.now()")
            opened.page.keyboard.press(NEXT_ERROR)
            yield Figure("found by one key", opened.painted_at(MIDDLE) - start, "ms")

    @contextmanager
    def _on(self, run: str, text: str) -> Iterator[Tab]:
        """Have a run's page open, with a text of its output shown."""
        with tab(self._browser, self._service) as opened:
            opened.open(f"#/runs/{run}")
            opened.painted_at(text)
            yield opened

    def _watch(self, opened: Tab, run: str, who: str) -> None:
        """Have a run watched in a tab.

        Raises:
            FileNotFoundError: xterm is not installed.
        """
        if who == PAGE:
            opened.open(f"#/runs/{run}")
            opened.page.wait_for_selector(LIVE)
            return
        opened.open("api/v1/ping")
        if who == XTERM_PAGE:
            opened.page.add_style_tag(path=XTERM_FILES / "css/xterm.css")
            opened.page.add_script_tag(path=XTERM_FILES / "lib/xterm.js")
        opened.page.evaluate(XTERM if who == XTERM_PAGE else BARE, run)

    def _shown_after(self, opened: Tab, run: str, painted_ms: float) -> float:
        """Return how many seconds after a run's end something was painted."""
        self._service.await_state(run, "succeeded")
        ended = datetime.fromisoformat(self._service.call("GET", f"runs/{run}")["end_time"])
        painted = float(opened.page.evaluate("performance.timeOrigin")) + painted_ms
        return max(0.0, painted / 1000 - ended.timestamp())


def _go_to(opened: Tab, number: int) -> float:
    opened.page.keyboard.press("g")
    opened.page.keyboard.type(str(number + 1))
    start = float(opened.page.evaluate("performance.now()"))
    opened.page.keyboard.press("Enter")
    return opened.painted_at(numbered(number)) - start


def _scroll(opened: Tab) -> None:
    """Move the bar from the first line to the last, a step every other frame."""
    opened.page.evaluate(SCROLL, STEPS)
