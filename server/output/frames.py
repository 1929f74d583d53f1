"""Cutting output at lines and characters, and encoding it. Pure: bytes in, bytes out."""

import codecs

import orjson

MESSAGE_BYTES = 1024 * 1024
"""The largest message to a viewer: many clients take no larger ones by default."""

JSON_SAFE_BYTES = (MESSAGE_BYTES - 1024) // 6
"""So much output always fits into one message: JSON writes a byte as six characters at most."""

INCOMPLETE_BYTES = 3
"""The longest beginning of a UTF-8 character that lacks its end (RFC 3629, section 3)."""


def cut_lines(data: bytes) -> int:
    r"""Return the number of bytes up to and including the last ``\n``; 0 when there is none."""
    return data.rfind(b"\n") + 1


def cut_characters(data: bytes) -> int:
    """Return the length of the longest prefix that does not split a UTF-8 character.

    Invalid bytes count as characters. At most `INCOMPLETE_BYTES` bytes are left out.
    """
    start = max(0, len(data) - INCOMPLETE_BYTES)
    _, whole = codecs.utf_8_decode(data[start:], "replace", False)  # noqa: FBT003
    return start + whole


def cut_text(data: bytes, *, final: bool, due: bool) -> int:
    """Return how many bytes are sent as text now: all whole lines.

    Without a whole line it is 0, unless the data is `final`, or `due`: then all whole characters.
    """
    unfinished = len(data) if final else cut_characters(data) if due else 0
    return cut_lines(data) or unfinished


def cut_json(data: bytes, *, final: bool, full: bool) -> int:
    """Return how many bytes are sent as JSON now: whole characters, and lines if it is `full`."""
    if full:
        return cut_lines(data) or cut_characters(data)
    return len(data) if final else cut_characters(data)


def to_text(data: bytes) -> bytes:
    """Return the data as valid UTF-8: invalid sequences become U+FFFD, valid data stays itself."""
    try:
        data.decode()
    except UnicodeDecodeError:
        return data.decode(errors="replace").encode()
    return data


def json_growth(size: int, lines: int, time: float) -> bytes:
    """Return the JSON frame that `size` bytes are there, with so many newlines, last at `time`."""
    return orjson.dumps({"type": "growth", "next": size, "lines": lines, "time": time})


def json_output(offset: int, line: int, time: float, data: bytes) -> bytes:
    """Return the JSON frame of the output from `offset`, on line `line`, first seen at `time`.

    `next` is where the following frame starts: invalid bytes are replaced in `text`, so that a
    client could not compute it.
    """
    return orjson.dumps(
        {
            "type": "output",
            "offset": offset,
            "next": offset + len(data),
            "line": line,
            "time": time,
            "text": data.decode(errors="replace"),
        }
    )
