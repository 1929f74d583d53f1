"""The measured command: writes numbered lines as fast as pipes and files take them.

It runs by itself (`python -I -S generate.py TEMPLATE LINES [FLAG]`), in a few milliseconds and at
memory speed, so that what is measured is the way of the lines and not their making. With FLAG, a
path, it stays after the last line for as long as that file is there.
"""

from __future__ import annotations

import os
import sys
import time

TYPE_CHECKING = False  # as typing has it; importing that would take longer than the work
if TYPE_CHECKING:
    from collections.abc import Iterator

LINE_BYTES = 100
BLOCK_LINES = 10_000
NUMBER_DIGITS = 6
"""Digits in front of a line that tell its block; the four after them are the template's."""

WRITE_BYTES = 64 * 1024
"""A write(2) of a program that buffers its output well; a pipe holds as much."""


def blocks(template: bytes, lines: int) -> Iterator[bytearray]:
    """Yield the output, a numbered copy of the template at a time (valid until the next)."""
    block = bytearray(template)
    for number in range(-(-lines // BLOCK_LINES)):
        for column, digit in enumerate(b"%0*d" % (NUMBER_DIGITS, number)):
            if block[column] != digit:
                block[column::LINE_BYTES] = bytes([digit]) * BLOCK_LINES
        left = lines - number * BLOCK_LINES
        yield block if left >= BLOCK_LINES else block[: left * LINE_BYTES]


def main() -> None:
    """Write the output to stdout."""
    with open(sys.argv[1], "rb") as file:  # noqa: PTH123  pathlib takes milliseconds
        template = file.read()
    for block in blocks(template, int(sys.argv[2])):
        with memoryview(block) as view:
            start = 0
            while start < len(view):
                start += os.write(1, view[start : start + WRITE_BYTES])
    while len(sys.argv) > 3 and os.access(sys.argv[3], os.F_OK):
        time.sleep(0.05)


if __name__ == "__main__":
    main()
