"""How a message is written: the length of its head, the head in JSON, then raw blobs. Pure.

    4 bytes                     the length of the head, the most significant byte first
    {"v": 1, "blobs": [5], …}   the head, in UTF-8: the version, the blobs' lengths, the fields
    5 bytes                     each blob, as it is

What a reader does not know of a head it ignores; a version that it does not know it refuses.
"""

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from server.errors import MessageTooLargeError, WireError, WireVersionError

VERSION = 1
MAX_MESSAGE_BYTES = 64 * 1024 * 1024
"""The engine's own bound of `max_payload`: nothing that comes is larger."""

MAX_BLOBS = 65_536
"""Of a message: nothing of ours has so many, however small they are."""

WITHIN = "within_seconds"
"""In the head of a request: for so long its asker waits; one that waits for longer is not done."""

OWN_FIELDS = frozenset({"v", "blobs"})
_LENGTH = struct.Struct(">I")


@dataclass(frozen=True, slots=True)
class Parts:
    """What a message consists of: the fields of its head, without those of the codec, and blobs."""

    head: Mapping[str, Any]
    blobs: tuple[bytes, ...] = ()


def within(parts: Parts, seconds: float) -> Parts:
    """Return a request that is to be answered within that time."""
    return Parts({**parts.head, WITHIN: seconds}, parts.blobs)


def is_late(parts: Parts, waited_seconds: float) -> bool:
    """Return whether nobody waits any more for the answer to a request, which has waited so long.

    Clocks of hosts differ: what counts is how long it was here.
    """
    seconds = parts.head.get(WITHIN)
    return isinstance(seconds, int | float) and waited_seconds > seconds


def encode(parts: Parts, max_bytes: int = MAX_MESSAGE_BYTES) -> bytes:
    """Write a message.

    Raises:
        MessageTooLargeError: it is larger than `max_bytes`.
        WireError: the head has what JSON has not.
    """
    assert not OWN_FIELDS & parts.head.keys(), "these names are the codec's"
    lengths = [len(blob) for blob in parts.blobs]
    head = _json({"v": VERSION, "blobs": lengths, **parts.head})
    size = _LENGTH.size + len(head) + sum(lengths)
    if size > max_bytes:
        raise MessageTooLargeError.of(size, max_bytes)
    return b"".join((_LENGTH.pack(len(head)), head, *parts.blobs))


def decode(data: bytes) -> Parts:
    """Read a message.

    Raises:
        WireVersionError: it is of another version.
        WireError: it is none.
    """
    if not _LENGTH.size <= len(data) <= MAX_MESSAGE_BYTES:
        raise WireError(f"A message of {len(data)} bytes is none.")
    (length,) = _LENGTH.unpack_from(data)
    start = _LENGTH.size + length
    if start > len(data):
        raise WireError("A message is shorter than its head.")
    try:
        head = orjson.loads(data[_LENGTH.size : start])
    except orjson.JSONDecodeError as error:
        raise WireError(f"A message's head is not JSON: {error}") from error
    if not isinstance(head, dict):
        raise WireError("A message's head is no JSON object.")
    _check_version(head.pop("v", None))
    lengths = _lengths(head.pop("blobs", []), len(data) - start)
    return Parts(head, _blobs(data, start, lengths))


def _json(head: Mapping[str, Any]) -> bytes:
    try:
        return orjson.dumps(head)
    except TypeError as error:
        raise WireError(f"It cannot be written into a message: {error}") from error


def _check_version(version: object) -> None:
    if type(version) is not int or version != VERSION:
        raise WireVersionError.of(version, VERSION)


def _lengths(lengths: object, room: int) -> Sequence[int]:
    """Return the blobs' lengths, which are to make up all that follows the head."""
    if not isinstance(lengths, list) or len(lengths) > MAX_BLOBS:
        raise WireError(f"A message has no list of lengths of blobs, or more than {MAX_BLOBS}.")
    if any(type(one) is not int or one < 0 for one in lengths):
        raise WireError("The lengths of a message's blobs are none.")
    if sum(lengths) != room:
        raise WireError(f"A message's blobs have {room} bytes, and are to have {sum(lengths)}.")
    return lengths


def _blobs(data: bytes, start: int, lengths: Sequence[int]) -> tuple[bytes, ...]:
    blobs = []
    for length in lengths:
        blobs.append(data[start : start + length])
        start += length
    return tuple(blobs)
