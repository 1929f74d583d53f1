"""What a terminal shows of a run whose output goes elsewhere. Pure."""

import re
from collections import deque

from tailrun.cli.table import shown
from tailrun.values import Run

WINDOW_SECONDS = 5.0
"""The rate is that of so long before now."""

UNITS = ("B", "kB", "MB", "GB", "TB")
CLEAR = "\r\x1b[K"


class Rate:
    """How many bytes a second come, of the last seconds."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, int]] = deque()

    def at(self, now: float, size: int) -> float:
        """Note how many bytes there are now; return how many come a second."""
        self._seen.append((now, size))
        while len(self._seen) > 1 and self._seen[0][0] < now - WINDOW_SECONDS:
            self._seen.popleft()
        then, before = self._seen[0]
        return (size - before) / (now - then) if now > then else 0.0


def bar(run: Run, size: int, rate: float, seconds: float, width: int) -> str:
    """Return a line: size, rate, time, state; it replaces the one before."""
    state = "paused" if run.paused else "stopping" if run.stopping else run.state
    told = f"{amount(size):>8}  {amount(rate):>8}/s  {clock(seconds)}  {shown(state)}"
    if run.reason and not run.ended:
        told += f": {shown(run.reason)}"
    return CLEAR + told[: max(width - 1, 1)]


def amount(size: float) -> str:
    """Return a number of bytes, as a reader likes it."""
    unit = 0
    while size >= 999.5 and unit < len(UNITS) - 1:
        size, unit = size / 1000, unit + 1
    return f"{size:.0f} {UNITS[unit]}" if unit == 0 or size >= 99.5 else f"{size:.1f} {UNITS[unit]}"


def clock(seconds: float) -> str:
    """Return a duration as h:mm:ss or m:ss."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def sentence(text: str) -> str:
    """Return a reason as a part of a sentence: without its full stop, on one line."""
    return re.sub(r"\.$", "", shown(text))
