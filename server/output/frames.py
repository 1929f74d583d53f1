"""Cutting output at lines and characters, and encoding it. Pure: bytes in, bytes out."""

import codecs

import orjson

MESSAGE_BYTES = 1024 * 1024
"""A message to a viewer has at most so many bytes: clients' default bound is often this."""

JSON_SAFE_BYTES = (MESSAGE_BYTES - 1024) // 6
"""Output of which a JSON frame is never larger: a control character takes six bytes as JSON."""

INCOMPLETE_BYTES = 3
"""A UTF-8 character that lacks its end has at most so many bytes (RFC 3629, section 3)."""


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
    """Return up to where data is sent as text: behind its last line.

    Where it has no whole line, it is sent when it is `final`, or `due`; then between characters.
    """
    unfinished = len(data) if final else cut_characters(data) if due else 0
    return cut_lines(data) or unfinished


def cut_json(data: bytes, *, final: bool, full: bool) -> int:
    """Return up to where data is sent as JSON: between characters, or lines when it is `full`.

    What is left out of the latter holds no newline.
    """
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
