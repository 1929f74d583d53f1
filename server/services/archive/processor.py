"""Whether the machine is short of processors, as far as the kernel reports it."""

from pathlib import Path

SCHEDSTAT = Path("/proc/thread-self/schedstat")
"""Nanoseconds on a processor, nanoseconds of waiting for one, and how often it was given one
(Documentation/scheduler/sched-stats.rst)."""


def seconds_waited(path: Path = SCHEDSTAT) -> float:
    """Return how long this thread could have gone on, up to now, and had no processor.

    0 where the kernel does not report it.
    """
    try:
        return int(path.read_bytes().split()[1]) / 1e9
    except (OSError, ValueError, IndexError):
        return 0.0
