"""The measured command of many runs: writes numbered lines now and then, and else sleeps.

It runs by itself: `python -I -S count.py LINES INTERVAL_SECONDS FLAG`. It waits while FLAG, a
path, is there; and as it looks no more often than it writes, those that were started one after the
other also write one after the other. A line is the run's id and the line's number.
"""

import os
import sys
import time


def line(run_id: str, number: int) -> bytes:
    """Return one line."""
    return f"{run_id} {number}\n".encode()


def main() -> None:
    """Wait for the start, then write the lines."""
    lines, interval, run_id = int(sys.argv[1]), float(sys.argv[2]), os.environ["TAILRUN_RUN_ID"]
    while os.access(sys.argv[3], os.F_OK):
        time.sleep(interval)
    for number in range(lines):
        os.write(1, line(run_id, number))
        time.sleep(interval)


if __name__ == "__main__":
    main()
