"""Failpoints: places at which a test has the process killed, to hit windows that random kills miss.

The environment variable FAILPOINTS names those that are armed, as `name` or `name:n` for the
n-th passage, comma separated. None is armed in production.
"""

import os
import signal

VARIABLE = "FAILPOINTS"


def _armed(text: str) -> dict[str, int]:
    entries = (entry.partition(":") for entry in text.split(",") if entry)
    return {name: int(count or 1) for name, _, count in entries}


_left = _armed(os.environ.get(VARIABLE, ""))


def inherited() -> dict[str, str]:
    """Return the variable for a process that is to have the same points armed; mostly none."""
    return {VARIABLE: armed} if (armed := os.environ.get(VARIABLE)) else {}


def failpoint(name: str) -> None:
    """Kill the process (SIGKILL) when this point is armed and its passage has come."""
    if name in _left:
        _left[name] -= 1
        if _left[name] == 0:
            os.kill(os.getpid(), signal.SIGKILL)
