"""Patterns of parameters: RE2's, compiled, and how large that makes them. Pure."""

from functools import lru_cache
from typing import Any

import re2

MEMORY_BYTES = 256 * 1024
"""Of RE2, for a pattern: that is some 12,000 instructions, which take it 3 ms."""

UNREADABLE_SIZE = 4000
"""What a pattern counts for that RE2 gives up as too large, after a millisecond."""

REMEMBERED = 256


def compiled(pattern: str) -> Any:
    """Return a pattern as RE2 has it; `programsize` is its size, in instructions.

    Raises:
        ValueError: RE2 cannot read it; says why.
    """
    options = re2.Options()
    options.never_capture = True
    options.dot_nl = True
    options.max_mem = MEMORY_BYTES
    options.log_errors = False
    try:
        return re2.compile(pattern.encode("utf-8", "surrogatepass"), options)
    except re2.error as error:
        said = error.args[0]
        words = said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)
        raise ValueError(words) from error
    finally:
        re2.purge()  # it would keep the last 128 patterns, each with its memory


def check_pattern(pattern: str) -> None:
    """Refuse what RE2 cannot read.

    Raises:
        ValueError: it cannot; says why.
    """
    _, error = _looked_at(pattern)
    if error is not None:
        raise ValueError(error)


def size_of(pattern: str) -> int:
    """Return how large a pattern is, in instructions of RE2: 4,000 take it about a millisecond."""
    return _looked_at(pattern)[0]


@lru_cache(REMEMBERED)
def _looked_at(pattern: str) -> tuple[int, str | None]:
    """Return the size, and what RE2 says against it; so that it compiles each pattern once."""
    try:
        return compiled(pattern).programsize, None
    except ValueError as error:
        return UNREADABLE_SIZE, str(error)
