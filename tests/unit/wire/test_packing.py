"""Output that is packed on its way between hosts."""

import os
from dataclasses import replace
from datetime import UTC, datetime

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from server.errors import WireError
from server.models import RunState
from server.wire.messages import Piece, Seen, SeenAt
from server.wire.packing import LEVEL, WORTH, packed, unpacked

SEEN = Seen(state=RunState.RUNNING, start_time=datetime(2026, 1, 2, tzinfo=UTC), change=1)
LINES = b"".join(b"%d of many lines\n" % number for number in range(5_000))


def piece(data: bytes, packed_bytes: int | None) -> Piece:
    return Piece(seen=SEEN, data=data, marks=(SeenAt(3, 1.0),), packed_bytes=packed_bytes)


@given(st.binary(max_size=2_000).map(lambda data: data * 20))
def test_what_was_packed_is_unpacked_as_it_was(data: bytes) -> None:
    frame = packed(data)
    if frame is not None:
        assert len(frame) < WORTH * len(data)
        assert unpacked(piece(frame, len(data)), len(data)) == piece(data, None)


def test_lines_become_smaller_and_what_does_not_is_sent_as_it_is() -> None:
    frame = packed(LINES)
    assert frame is not None
    assert len(frame) < len(LINES) / 3
    assert packed(os.urandom(100_000)) is None
    assert unpacked(piece(b"as it is", None), 8) == piece(b"as it is", None)


@pytest.mark.parametrize(
    ("data", "says", "limit"),
    [
        (b"as it is", None, 7),
        (b"no frame", 8, 100),
        (zstandard.compress(bytes(100)), 100, 99),
        (zstandard.compress(bytes(10_000_000)), 100, 100),
        (zstandard.compress(bytes(50)), 100, 100),
        (zstandard.ZstdCompressor(write_content_size=False).compress(bytes(100)), 100, 100),
        (zstandard.ZstdCompressor(LEVEL).compress(bytes(100))[:-4], 100, 100),
        (zstandard.compress(b""), 0, 100),
        (zstandard.compress(bytes(100)), -1, 100),
    ],
)
def test_a_piece_that_is_not_what_it_says_is_refused_before_it_takes_memory(
    data: bytes, says: int | None, limit: int
) -> None:
    with pytest.raises(WireError):
        unpacked(piece(data, says), limit)


def test_output_of_which_nobody_says_when_it_was_seen_is_refused() -> None:
    with pytest.raises(WireError, match="first seen"):
        unpacked(replace(piece(b"as it is", None), marks=()), 8)
