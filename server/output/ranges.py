"""The Range header of HTTP, as offsets into an output. Pure."""

import re
from typing import NamedTuple

_RANGE = re.compile(r"bytes=[ \t]*(?:([0-9]+)-([0-9]*)|-([0-9]+))[ \t]*", re.IGNORECASE)


class ByteRange(NamedTuple):
    """The bytes in [start, end); never empty."""

    start: int
    end: int


class UnsatisfiableRangeError(ValueError):
    """The range is well formed, but no byte of the output is in it (HTTP 416)."""


def parse_range(header: str, size: int) -> ByteRange:
    """Parse `bytes=a-b`, `bytes=a-` or `bytes=-n` for an output of `size` bytes.

    A range is cut at the size. See RFC 9110, sections 14.1.2 and 14.2: a server may ignore a
    header that raises the plain ValueError, and answers 416 to `UnsatisfiableRangeError`.

    Raises:
        UnsatisfiableRangeError: no byte is in the range.
        ValueError: another unit, several ranges, or one that runs backwards.
    """
    match = _RANGE.fullmatch(header)
    if match is None:
        raise ValueError(f"a range must be bytes=a-b, bytes=a- or bytes=-n; not {header!r}")
    if match[3] is not None:
        start, end = max(0, size - int(match[3])), size
    else:
        start = int(match[1])
        end = min(size, int(match[2]) + 1) if match[2] else size
        if match[2] and int(match[2]) < start:
            raise ValueError(f"a range runs forwards; not {header!r}")
    if start >= end:
        raise UnsatisfiableRangeError(f"{header!r} is outside of the {size} bytes there are")
    return ByteRange(start, end)
