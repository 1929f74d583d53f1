"""The measured command of the latency: writes lines that say when they were written.

It runs by itself: `python -I -S tick.py LINES INTERVAL_SECONDS`. A line is the nanoseconds of
CLOCK_MONOTONIC, which every process of a host shares.
"""

import os
import sys
import time

START_SECONDS = 0.5
"""Silence before the first line, so that a viewer that comes after the start misses none."""


def main() -> None:
    """Write a line at each tick of a clock that does not drift."""
    lines, interval = int(sys.argv[1]), float(sys.argv[2])
    start = time.monotonic() + START_SECONDS
    for number in range(lines):
        time.sleep(max(0.0, start + number * interval - time.monotonic()))
        os.write(1, b"%d\n" % time.clock_gettime_ns(time.CLOCK_MONOTONIC))


if __name__ == "__main__":
    main()
