"""Frames of server-sent events, wherever the connection cuts them."""

import json
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from tailrun.ending import Frames

TOLD = [{"type": "run", "run": {"name": "zwölf\n\r"}}, {"type": "alive"}, {"type": "end"}]
BYTES = b"retry: 1000\n\n" + b"".join(
    b"id: %d\ndata: %b\n\n" % (number, json.dumps(frame, ensure_ascii=False).encode())
    for number, frame in enumerate(TOLD)
)


@given(st.lists(st.integers(0, len(BYTES)), max_size=8))
def test_frames_come_once_and_in_order_wherever_they_are_cut(cuts: list[int]) -> None:
    borders = [0, *sorted(cuts), len(BYTES)]
    frames = Frames()
    chunks = [BYTES[start:end] for start, end in pairwise(borders)]
    assert [frame for chunk in chunks for frame in frames.of(chunk)] == TOLD


def test_a_frame_that_is_cut_off_is_none() -> None:
    assert [*Frames().of(b'data: {"type": "end"}')] == []
