"""What the measured commands write: numbered log lines of 100 bytes, known to the last byte."""

import hashlib
import random
import shlex
import sys
from pathlib import Path

from bench.write import BLOCK_LINES, LINE_BYTES, blocks

WRITE = [sys.executable, "-I", "-S", str(Path(__file__).with_name("write.py"))]
PATHS = ("/api/v1/items", "/api/v1/orders", "/static/app.js", "/healthz", "/login")


def writing(directory: Path, lines: int, *flag: Path, mode: str = "fast") -> list[str]:
    template = directory / "template"
    if not template.exists():
        template.write_bytes(_template())
    return [*WRITE, mode, str(template), str(lines), *map(str, flag)]


def ticking(directory: Path, lines: int, seconds: float) -> tuple[list[str], Path]:
    """Return the command that writes a line every so often, once the flag beside it is gone."""
    flag = directory / "wait"
    flag.touch()
    return [*WRITE, "tick", str(lines), str(seconds), str(flag)], flag


def pacing(directory: Path, lines: int, rate: int) -> tuple[list[str], Path]:
    """Return the command that writes so many lines a second, once the flag beside it is gone."""
    flag = directory / "wait"
    flag.touch()
    return [*WRITE, "pace", str(lines), str(rate), str(flag)], flag


def script(command: list[str]) -> str:
    return f"exec {shlex.join(command)}"


def digest(lines: int) -> str:
    sha256 = hashlib.sha256()
    for block in blocks(_template(), lines):
        sha256.update(block)
    return sha256.hexdigest()


def _template() -> bytes:
    """Return the block of lines that `write.py` numbers anew and repeats.

    It is as long as an archived chunk, which so meets each line once: it compresses to about a
    fifth, as server logs do.
    """
    source, text = random.Random(7), ""
    for number in range(BLOCK_LINES):
        line = (
            f"{number:010d} 2025-03-01T12:{number // 170 % 60:02d}:{number % 60:02d}"
            f" {source.choice(('DEBUG', 'INFO', 'INFO', 'INFO', 'WARN')):5s}"
            f" http[{source.randrange(3000, 3008)}]"
            f" GET {source.choice(PATHS)}/{source.randrange(10**5)}"
            f" {source.choice((200, 200, 200, 304, 404))} {source.randrange(1, 900)}ms"
            f" id={source.randrange(16**8):08x}"
        )
        text += line[: LINE_BYTES - 1].ljust(LINE_BYTES - 1, ".") + "\n"
    return text.encode()
