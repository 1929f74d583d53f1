"""Failpoints: places at which a test has a step fail, to hit windows that chance hardly hits.

The environment variable FAILPOINTS names those that are armed, comma separated, as `name` or
`name:n` for the n-th passage: the process is killed there. With `=error` behind it, as
`name:n=error`, the step fails with an OSError instead. None is armed in production.
"""

import errno
import os
import signal

VARIABLE = "FAILPOINTS"


def _armed(text: str) -> dict[str, tuple[int, str]]:
    armed = {}
    for entry in filter(None, text.split(",")):
        point, _, kind = entry.partition("=")
        name, _, count = point.partition(":")
        armed[name] = (int(count or 1), kind)
    return armed


_remaining = _armed(os.environ.get(VARIABLE, ""))


def inherited() -> dict[str, str]:
    """Return the variable for a process that is to have the same points armed; mostly none."""
    return {VARIABLE: armed} if (armed := os.environ.get(VARIABLE)) else {}


def failpoint(name: str) -> None:
    """Kill the process (SIGKILL) when this point is armed and its passage has come, or fail.

    Raises:
        OSError: the point is armed as an error.
    """
    if name in _remaining:
        count, kind = _remaining[name]
        _remaining[name] = (count - 1, kind)
        if count == 1 and kind == "error":
            raise OSError(errno.EIO, f"failpoint {name}")
        if count == 1:
            os.kill(os.getpid(), signal.SIGKILL)
