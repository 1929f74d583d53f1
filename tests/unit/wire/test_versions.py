"""While hosts are upgraded one after the other, those of before are understood, and understand us.

`messages_of_before.json` has what the version before enrolment wrote, a request and an answer of
each word. It read a field that it did not know by leaving it out, as we do.
"""

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from server.errors import WireVersionError
from server.wire.codec import Parts, decode, encode, within
from server.wire.messages import EXCHANGES
from server.wire.values import parts_of, value_of

BEFORE = json.loads(Path(__file__).with_name("messages_of_before.json").read_text("utf-8"))
NEEDED_NO_MORE = {"hello": {"pools", "labels", "places", "name"}, "beat": {"draining", "running"}}
"""Fields that the version before had, and had defaults for, or that are not told any more."""


def of_before(word: str) -> tuple[Parts, Parts]:
    """Return a request and an answer, as the version before wrote them."""
    request, answer = (
        Parts(one["head"], tuple(map(base64.b64decode, one["blobs"]))) for one in BEFORE[word]
    )
    return request, answer


def is_kept(before: Any, now: Any) -> bool:
    """Return whether all that was said before is said now as it was, whatever is said besides."""
    if isinstance(before, dict) and isinstance(now, dict):
        return all(name in now and is_kept(value, now[name]) for name, value in before.items())
    if isinstance(before, list) and isinstance(now, list):
        return len(before) <= len(now) and all(map(is_kept, before, now))
    return bool(before == now)


def test_no_word_of_before_is_missing() -> None:
    assert BEFORE.keys() <= EXCHANGES.keys()


@pytest.mark.parametrize("word", BEFORE)
def test_what_was_said_before_is_understood_and_said_as_it_was(word: str) -> None:
    """What is read and written again has all that those of before need."""
    for parts, kind in zip(of_before(word), EXCHANGES[word], strict=True):
        now = decode(encode(parts_of(value_of(kind, parts))))
        needed = {
            name: value
            for name, value in parts.head.items()
            if name not in NEEDED_NO_MORE.get(word, ())
        }
        assert is_kept(needed, now.head), (needed, now.head)
        assert now.blobs[: len(parts.blobs)] == parts.blobs


@pytest.mark.parametrize("word", BEFORE)
def test_what_is_added_to_a_message_is_left_out_by_who_does_not_know_it(word: str) -> None:
    for parts, kind in zip(of_before(word), EXCHANGES[word], strict=True):
        more = Parts({**parts.head, "of_the_next_version": [1]}, (*parts.blobs, bytes(64)))
        assert value_of(kind, decode(encode(within(more, 2.0)))) == value_of(kind, parts)


def test_another_version_of_the_wire_is_refused_by_its_name() -> None:
    data = encode(Parts({}))
    with pytest.raises(WireVersionError, match="2"):
        decode(data.replace(b'"v":1', b'"v":2'))
