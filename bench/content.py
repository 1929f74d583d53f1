"""What the measured commands write: numbered log lines of 100 bytes, known to the last byte."""

import hashlib
import random
from collections.abc import Iterator
from pathlib import Path

from bench.generate import BLOCK_LINES, LINE_BYTES, blocks

GENERATOR = Path(__file__).with_name("generate.py")
PRINTER = Path(__file__).with_name("printer.py")
LEVELS = ("DEBUG", "INFO", "INFO", "INFO", "WARN")
PATHS = ("/api/v1/items", "/api/v1/orders", "/static/app.js", "/healthz", "/login")


def template() -> bytes:
    """Return the block of lines that `generate.py` numbers anew and repeats.

    The block is longer than a megabyte's share of it, so a compressor that sees one archived chunk
    meets each line once: it compresses to about a fifth, as server logs do.
    """
    source = random.Random(7)
    return b"".join(_line(source, number) for number in range(BLOCK_LINES))


def _line(source: random.Random, number: int) -> bytes:
    text = (
        f"{number:010d} 2025-03-01T12:{number // 170 % 60:02d}:{number % 60:02d}"
        f" {source.choice(LEVELS):5s} http[{source.randrange(3000, 3008)}]"
        f" GET {source.choice(PATHS)}/{source.randrange(10**5)}"
        f" {source.choice((200, 200, 200, 304, 404))} {source.randrange(1, 900)}ms"
        f" id={source.randrange(16**8):08x}"
    )
    return f"{text:.{LINE_BYTES - 1}s}".ljust(LINE_BYTES - 1, ".").encode() + b"\n"


def output(lines: int) -> Iterator[bytearray]:
    """Iterate over the bytes that the generator writes."""
    return blocks(template(), lines)


def digest(lines: int) -> str:
    """Return the SHA-256 of the output."""
    sha256 = hashlib.sha256()
    for block in output(lines):
        sha256.update(block)
    return sha256.hexdigest()
