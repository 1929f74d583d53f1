"""The measured command of the latency: writes lines that say when they were written.

It runs by itself: `python -I -S tick.py LINES INTERVAL_SECONDS [FLAG]`. A line is the nanoseconds
of CLOCK_MONOTONIC, which every process of a host shares. With FLAG, a path, it is silent for as
long as that file is there, and for START_SECONDS without.
"""

import os
import sys
import time

START_SECONDS = 0.5
"""Silence before the first line, so that a viewer that comes after the start misses none."""

POLL_SECONDS = 0.05


def main() -> None:
    """Write a line at each tick of a clock that does not drift."""
    lines, interval = int(sys.argv[1]), float(sys.argv[2])
    if len(sys.argv) > 3:
        while os.access(sys.argv[3], os.F_OK):
            time.sleep(POLL_SECONDS)
    else:
        time.sleep(START_SECONDS)
    start = time.monotonic()
    for number in range(lines):
        time.sleep(max(0.0, start + number * interval - time.monotonic()))
        os.write(1, b"%d\n" % time.clock_gettime_ns(time.CLOCK_MONOTONIC))


if __name__ == "__main__":
    main()
