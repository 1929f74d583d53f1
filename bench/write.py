"""The measured command: `python -I -S write.py MODE …`, up in a few milliseconds, writes lines.

    fast TEMPLATE LINES [FLAG]  numbered lines of 100 bytes, as fast as pipes and files take them
    print TEMPLATE LINES        the same, each formatted and printed, as an ordinary program does
    pace LINES RATE FLAG        so many numbered lines of 100 bytes a second, with the time of day
    tick LINES SECONDS FLAG     a line every so often: the run's id, its number, when it was written

While there is a file FLAG, `fast` stays after its last line, and `tick` waits before its first. The
time is in nanoseconds of CLOCK_MONOTONIC, which all processes of a host share.
"""

from __future__ import annotations

import os
import sys
import time

TYPE_CHECKING = False  # as typing has it; importing that would take longer than the work
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MB = 1_000_000
LINE_BYTES = 100
BLOCK_LINES = 10_000
NUMBER_DIGITS = 10
BLOCK_DIGITS = 6  # of a line's number, the digits that tell its block; the rest is the template's
PACE_SECONDS = 0.005
WRITE_BYTES = 64 * 1024  # a write(2) of a program that buffers well; a pipe holds as much


def blocks(template: bytes, lines: int) -> Iterator[bytearray]:
    """Yield the output, a numbered copy of the template at a time (valid until the next)."""
    block = bytearray(template)
    for number in range(-(-lines // BLOCK_LINES)):
        for column, digit in enumerate(b"%0*d" % (BLOCK_DIGITS, number)):
            if block[column] != digit:
                block[column::LINE_BYTES] = bytes([digit]) * BLOCK_LINES
        left = lines - number * BLOCK_LINES
        yield block if left >= BLOCK_LINES else block[: left * LINE_BYTES]


def fast(template: str, lines: str, flag: str = "") -> None:
    with open(template, "rb") as file:  # noqa: PTH123  pathlib takes milliseconds
        source = file.read()
    for block in blocks(source, int(lines)):
        with memoryview(block) as view:
            start = 0
            while start < len(view):
                start += os.write(1, view[start : start + WRITE_BYTES])
    wait_for(flag, 0.05)


def print_lines(template: str, lines: str) -> None:
    with open(template, encoding="ascii") as file:  # noqa: PTH123  as above
        texts = [line.rstrip("\n")[NUMBER_DIGITS:] for line in file]
    for number in range(int(lines)):
        print(f"{number:010d}{texts[number % len(texts)]}")


def pace(lines: str, rate: str, flag: str) -> None:
    wait_for(flag, PACE_SECONDS)
    start, number = time.monotonic(), 0
    while number < int(lines):
        due = min(int(lines), int((time.monotonic() - start) * float(rate)))
        now = time.time_ns() // 1_000_000
        texts = [f"{each:010d} {now} ".ljust(LINE_BYTES - 1, ".") for each in range(number, due)]
        os.write(1, "".join(f"{text}\n" for text in texts).encode())
        number = due
        time.sleep(PACE_SECONDS)


def tick(lines: str, seconds: str, flag: str) -> None:
    run_id, interval = os.environb.get(b"TAILRUN_RUN_ID", b"-"), float(seconds)
    wait_for(flag, interval)  # so those that were started apart also write apart
    start = time.monotonic()
    for number in range(int(lines)):
        time.sleep(max(0.0, start + number * interval - time.monotonic()))
        os.write(1, b"%s %d %d\n" % (run_id, number, time.monotonic_ns()))


def wait_for(flag: str, interval: float) -> None:
    while os.access(flag, os.F_OK):
        time.sleep(interval)


if __name__ == "__main__":
    modes: dict[str, Callable[..., None]] = {
        "fast": fast,
        "print": print_lines,
        "pace": pace,
        "tick": tick,
    }
    modes[sys.argv[1]](*sys.argv[2:])
