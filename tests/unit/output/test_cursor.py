import asyncio
import math
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from contextlib import AbstractAsyncContextManager
from itertools import accumulate, pairwise
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.output.cursor import (
    QUICK_BYTES,
    SLAB_BYTES,
    Frame,
    Pace,
    Patience,
    StreamFormat,
    frames,
)
from server.output.growth import NOTHING_TOLD, growth
from server.output.marks import Mark
from server.output.shared import SharedFrames
from server.output.source import Give

SILENCE = 0

PIECES = st.sampled_from(
    [b"\n", b"\n", b"\r", b"\0", b"a", b"\xe2\x82", b"\xf0\x9f\x98", b"\x80", b"\xff"]
    + [character.encode() for character in "é€\U0001f600"]
)
DATA = st.lists(PIECES | st.binary(max_size=4), max_size=16).map(b"".join)
STEPS = st.lists(st.integers(1, 12), min_size=1, max_size=12)
STEPS_AND_SILENCES = st.lists(st.integers(0, 12), min_size=1, max_size=12)
SLABS = st.integers(4, 24) | st.just(1024)


class ScriptedOutput:
    """An output that grows whenever somebody waits for it: by steps; 0 is a silence.

    It grows by the steps, over and over, until all data is there, and reads are short.
    """

    def __init__(
        self,
        data: bytes,
        steps: Sequence[int] = (1000,),
        *,
        read_bytes: int = 1000,
        shared: SharedFrames | None = None,
    ) -> None:
        self.size = 0
        self.ended = False
        self.frames = SharedFrames(limit_frames=0) if shared is None else shared
        self.silences = 0
        self.reads = 0
        self._data = data
        self._steps = list(steps)
        self._read_bytes = read_bytes
        self._turn = 0

    async def read(self, offset: int, limit: int) -> bytes:
        assert offset < self.size
        self.reads += 1
        return self._data[offset : min(self.size, offset + min(limit, self._read_bytes))]

    def in_pieces(self, threads: Executor) -> AbstractAsyncContextManager[Give]:
        raise NotImplementedError

    async def grown(self, offset: int) -> None:
        while self.size <= offset and not self.ended:
            await self._next()

    async def lines_before(self, offset: int) -> int:
        return self._data.count(b"\n", 0, min(offset, self.size))

    async def line_count(self, size: int) -> int:
        raise NotImplementedError

    async def line_offset(self, line: int) -> int:
        raise NotImplementedError

    async def tail_offset(self, lines: int) -> int:
        raise NotImplementedError

    async def marks(self, start: int, end: int, limit: int) -> list[Mark]:
        raise NotImplementedError

    async def time_at(self, offset: int) -> float:
        return float(offset)

    async def _next(self) -> None:
        step = self._steps[self._turn % len(self._steps)]
        self._turn += 1
        if self.size == len(self._data):
            self.ended = True
        elif step == SILENCE:
            self.silences += 1
            for _ in range(3):
                await asyncio.sleep(0)
            self.size += self._turn > 100
        else:
            self.size = min(len(self._data), self.size + step)


def follow(
    output: ScriptedOutput,
    stream_format: StreamFormat,
    offset: int = 0,
    slab_bytes: int = 1024,
    silence_seconds: float = 0,
) -> list[Frame]:
    async def collect() -> list[Frame]:
        cursor = frames(
            output,
            stream_format,
            offset,
            pace=Pace(slab_bytes, slab_bytes),
            patience=Patience(silence_seconds, math.inf),
        )
        return [frame async for frame in cursor]

    return asyncio.run(collect())


def messages(found: Sequence[Frame]) -> list[bytes]:
    return [frame.payload for frame in found]


def check_raw(found: Sequence[Frame], data: bytes, offset: int) -> None:
    assert b"".join(messages(found)) == data[offset:]
    assert all(not frame.text for frame in found)


def check_json(found: Sequence[Frame], data: bytes, offset: int) -> None:
    values = [orjson.loads(frame.payload) for frame in found]
    assert "".join(value["text"] for value in values) == data[offset:].decode(errors="replace")
    assert all(first["next"] == second["offset"] for first, second in pairwise(values))
    assert [value["next"] for value in values] == [frame.next for frame in found]
    for value in values:
        assert value["line"] == data.count(b"\n", 0, value["offset"]) + 1
        assert value["time"] == value["offset"]


def check_text(found: Sequence[Frame], data: bytes, offset: int) -> None:
    """Nothing is lost or doubled, wherever lines were torn."""
    text = "".join(frame.payload.decode() for frame in found)
    assert text.replace("\n", "") == data[offset:].decode(errors="replace").replace("\n", "")
    assert all(frame.text for frame in found)


CHECKS: dict[StreamFormat, Callable[[Sequence[Frame], bytes, int], None]] = {
    StreamFormat.RAW: check_raw,
    StreamFormat.JSON: check_json,
    StreamFormat.TEXT: check_text,
}


@given(
    stream_format=st.sampled_from(list(StreamFormat)),
    data=DATA,
    steps=STEPS_AND_SILENCES,
    slab_bytes=SLABS,
    read_bytes=st.integers(1, 8),
    start=st.floats(0, 1),
)
def test_the_frames_from_any_offset_are_the_output_from_there(
    *,
    stream_format: StreamFormat,
    data: bytes,
    steps: list[int],
    slab_bytes: int,
    read_bytes: int,
    start: float,
) -> None:
    offset = int(start * len(data))
    output = ScriptedOutput(data, steps, read_bytes=read_bytes)
    found = follow(output, stream_format, offset, slab_bytes)
    CHECKS[stream_format](found, data, offset)
    ends = [offset, *(frame.next for frame in found)]
    assert all(0 < end - start <= slab_bytes + 1 for start, end in pairwise(ends))
    if found:
        assert len(data) - 1 <= found[-1].next <= len(data)


BEHIND = st.lists(st.sampled_from(["a", "é", "€", "\U0001f600", "\n"]), max_size=60)


@given(BEHIND, st.lists(st.integers(1, 40), min_size=1, max_size=6), st.integers(8, 40))
def test_a_viewer_that_is_too_far_behind_goes_on_where_it_is_not(
    letters: list[str], steps: list[int], max_behind: int
) -> None:
    """What it is sent is exact: text, offsets, numbers of lines; and its last byte is the last."""
    data = "".join(letters).encode()
    output = ScriptedOutput(data, steps)

    async def collect() -> list[tuple[int, int, dict[str, Any]]]:
        cursor = frames(output, StreamFormat.JSON, 0, pace=Pace(4, 4), max_behind=max_behind)
        return [(output.size, frame.next, orjson.loads(frame.payload)) async for frame in cursor]

    told = asyncio.run(collect())
    end = 0
    for size, following, frame in told:
        offset = frame["offset"]
        assert frame["text"] == data[offset:following].decode()
        assert frame["line"] == data.count(b"\n", 0, offset) + 1
        assert size - offset <= max_behind
        gap = data[size - max_behind - 1 : offset]
        # Without a need nothing is left out; else no line's start in the first half of the rest.
        assert offset == end or (end < size - max_behind and b"\n" not in gap[:-1])
        end = following
    assert end == len(data)


def test_a_viewer_that_is_not_too_far_behind_misses_nothing() -> None:
    data = b"one\ntwo\n" * 100
    for max_behind in [None, len(data)]:
        output = ScriptedOutput(data)

        async def collect(output: ScriptedOutput, limit: int | None) -> list[bytes]:
            cursor = frames(output, StreamFormat.JSON, 0, pace=Pace(8, 8), max_behind=limit)
            return [frame.payload async for frame in cursor]

        assert asyncio.run(collect(output, max_behind)) == messages(
            follow(ScriptedOutput(data), StreamFormat.JSON, slab_bytes=8)
        )


@given(DATA, STEPS)
def test_growth_is_told_at_first_while_it_comes_and_at_the_end(
    data: bytes, steps: list[int]
) -> None:
    output = ScriptedOutput(data, steps)

    async def collect() -> list[dict[str, Any]]:
        told = growth(output, NOTHING_TOLD, grown=output.grown, seconds=0)
        return [orjson.loads(frame.payload) async for frame in told]

    found = asyncio.run(collect())
    assert output.reads == 0
    sizes = [frame["next"] for frame in found]
    assert (sizes[0], sizes[-1]) == (0, len(data))
    assert sizes == sorted(set(sizes))
    for frame in found:
        assert frame["lines"] == data.count(b"\n", 0, frame["next"])
        assert frame["time"] == max(0, frame["next"] - 1)


@given(DATA, STEPS)
def test_text_messages_joined_by_newlines_are_the_output(data: bytes, steps: list[int]) -> None:
    found = follow(ScriptedOutput(data, steps), StreamFormat.TEXT)
    text = b"\n".join(messages(found)).decode()
    assert text == data.removesuffix(b"\n").decode(errors="replace")


@given(
    DATA, st.lists(st.tuples(st.sampled_from(list(StreamFormat)), STEPS_AND_SILENCES), max_size=4)
)
def test_viewers_that_share_frames_see_the_same_output(
    data: bytes, viewers: list[tuple[StreamFormat, list[int]]]
) -> None:
    shared = SharedFrames()
    for stream_format, steps in viewers:
        found = follow(ScriptedOutput(data, steps, shared=shared), stream_format)
        CHECKS[stream_format](found, data, 0)


@pytest.mark.parametrize("stream_format", StreamFormat)
def test_a_frame_is_encoded_once_for_all_viewers(stream_format: StreamFormat) -> None:
    shared = SharedFrames()
    first = ScriptedOutput(b"one\ntwo\n", [4], shared=shared)
    second = ScriptedOutput(b"one\ntwo\n", [4], shared=shared)
    encoded = messages(follow(first, stream_format))
    reused = messages(follow(second, stream_format))
    assert all(one is other for one, other in zip(encoded, reused, strict=True))
    assert (first.reads, second.reads) == (2, 0)


def test_each_growth_with_whole_lines_makes_a_text_message_at_once() -> None:
    output = ScriptedOutput(b"one\ntwo\nthree\n", [4, 10])
    assert messages(follow(output, StreamFormat.TEXT, silence_seconds=math.inf)) == [
        b"one",
        b"two\nthree",
    ]


def test_empty_lines_are_text_messages() -> None:
    output = ScriptedOutput(b"\n\n\n", [1, 2])
    assert messages(follow(output, StreamFormat.TEXT)) == [b"", b"\n"]


def test_carriage_returns_end_no_line() -> None:
    output = ScriptedOutput(b"10%\r20%\r30%\n", [4])
    assert messages(follow(output, StreamFormat.TEXT)) == [b"10%\r20%\r30%"]


def test_an_unfinished_line_goes_out_at_the_end() -> None:
    output = ScriptedOutput(b"one\ntwo", [1])
    found = follow(output, StreamFormat.TEXT, silence_seconds=math.inf)
    assert messages(found) == [b"one", b"two"]


def test_an_unfinished_line_goes_out_after_silence() -> None:
    output = ScriptedOutput(b"password: ok\n", [5, 5, SILENCE, 3])
    assert messages(follow(output, StreamFormat.TEXT)) == [b"password: ", b"ok"]


def test_an_unfinished_line_waits_while_there_is_growth() -> None:
    output = ScriptedOutput(b"password: ok\n", [1])
    assert messages(follow(output, StreamFormat.TEXT)) == [b"password: ok"]


def test_the_newline_of_a_line_that_went_out_makes_no_message() -> None:
    output = ScriptedOutput(b"one\n\ntwo\n", [3, SILENCE, 1, 1, 4])
    assert messages(follow(output, StreamFormat.TEXT)) == [b"one", b"", b"two"]


def test_a_viewer_within_a_line_is_not_sent_the_frame_of_one_that_starts_there() -> None:
    shared = SharedFrames()
    data = b"one\ntwo\n"
    assert messages(follow(ScriptedOutput(data, shared=shared), StreamFormat.TEXT, 3)) == [b"\ntwo"]
    torn = ScriptedOutput(data, [3, SILENCE, 5], shared=shared)
    assert messages(follow(torn, StreamFormat.TEXT)) == [b"one", b"two"]


def test_an_unfinished_line_is_not_shared_with_those_who_come_later() -> None:
    shared = SharedFrames()
    data = b"password: ok\n"
    follow(ScriptedOutput(data, [10, SILENCE, 3], shared=shared), StreamFormat.TEXT)
    later = messages(follow(ScriptedOutput(data, shared=shared), StreamFormat.TEXT))
    assert later == [b"password: ok"]


def test_a_character_split_by_silence_stays_whole() -> None:
    output = ScriptedOutput("a€\n".encode(), [2, SILENCE, 3])
    assert messages(follow(output, StreamFormat.TEXT)) == [b"a", "€".encode()]


def test_half_a_character_waits_without_looking_again_and_again() -> None:
    output = ScriptedOutput("€\n".encode(), [2, *[SILENCE] * 50, 2])
    assert messages(follow(output, StreamFormat.TEXT)) == ["€".encode()]
    assert output.silences == 50
    assert output.reads <= 4


def test_half_a_character_at_the_end_is_replaced() -> None:
    for stream_format in (StreamFormat.TEXT, StreamFormat.JSON):
        (frame,) = follow(ScriptedOutput(b"a\xe2\x82", [1, 2]), stream_format)[-1:]
        assert "\N{REPLACEMENT CHARACTER}" in frame.payload.decode()
        assert frame.next == 3


def test_a_line_longer_than_a_slab_goes_out_in_bounded_messages() -> None:
    output = ScriptedOutput("€".encode() * 1000 + b"\n")
    found = messages(follow(output, StreamFormat.TEXT, slab_bytes=64))
    assert all(len(message) == 63 for message in found[:-1])
    assert b"".join(found) == "€".encode() * 1000


def test_a_full_slab_is_cut_between_lines() -> None:
    data = b"".join(b"line %d\n" % number for number in range(100))
    for stream_format in (StreamFormat.TEXT, StreamFormat.JSON):
        found = follow(ScriptedOutput(data), stream_format, slab_bytes=64)
        ends = [frame.next for frame in found]
        assert all(data[end - 1 : end] == b"\n" for end in ends)


@pytest.mark.parametrize("stream_format", StreamFormat)
def test_an_empty_output_has_no_frames(stream_format: StreamFormat) -> None:
    assert follow(ScriptedOutput(b""), stream_format) == []


@pytest.mark.parametrize("stream_format", StreamFormat)
def test_an_offset_beyond_the_end_has_no_frames(stream_format: StreamFormat) -> None:
    assert follow(ScriptedOutput(b"abc"), stream_format, 10) == []


def test_a_finished_output_of_short_reads_is_framed_by_slabs() -> None:
    output = ScriptedOutput(b"x" * 100, read_bytes=7)
    found = follow(output, StreamFormat.RAW, slab_bytes=50)
    assert list(accumulate(len(message) for message in messages(found))) == [50, 100]


@pytest.mark.parametrize("stream_format", StreamFormat)
async def test_a_long_output_lets_other_tasks_have_their_turn(stream_format: StreamFormat) -> None:
    output = ScriptedOutput(b"0123456\n" * 100)
    turns: list[None] = []

    async def other() -> None:
        while True:
            turns.append(None)
            await asyncio.sleep(0)

    task = asyncio.create_task(other())
    count = len([None async for _ in frames(output, stream_format, 0, pace=Pace(8, 8))])
    task.cancel()
    assert len(turns) >= count == 100


class Unshared(ScriptedOutput):
    """An output such as an archived one, which shares nothing."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        del self.frames


@pytest.mark.parametrize("stream_format", StreamFormat)
def test_an_output_need_not_share_frames(stream_format: StreamFormat) -> None:
    CHECKS[stream_format](follow(Unshared(b"one\ntwo\n"), stream_format), b"one\ntwo\n", 0)


HEAVY = st.sampled_from([b"\0", b"\x1b", b"\xff", b"\n", b"a", "€".encode(), b"\xf0\x9f"])


@settings(max_examples=20)
@given(st.lists(st.tuples(HEAVY, st.integers(1, 200_000)), max_size=8))
def test_no_payload_is_larger_than_a_message_may_be(stretches: list[tuple[bytes, int]]) -> None:
    """However much larger than the output its encoding gets."""
    data = b"".join(piece * (count // len(piece)) for piece, count in stretches)
    for stream_format in StreamFormat:
        output = ScriptedOutput(data, [len(data) + 1], read_bytes=2**20)
        found = follow(output, stream_format, slab_bytes=SLAB_BYTES)
        assert all(len(frame.payload) <= 2**20 for frame in found)
        CHECKS[stream_format](found, data, 0)


async def test_an_unfinished_line_that_grows_is_not_held_back_for_long() -> None:
    """Although there is never a silence."""
    output = ScriptedOutput(b"x" * 100, [1])
    patience = Patience(silence_seconds=math.inf, unfinished_seconds=0)
    found = [frame async for frame in frames(output, StreamFormat.TEXT, 0, patience=patience)]
    assert len(found) == 100


def test_a_viewer_is_sent_more_when_it_takes_much_quickly_and_little_when_it_is_slow() -> None:
    pace = Pace(32, 256)
    for size, seconds, expected in [
        (QUICK_BYTES, 0.0, 32),
        (1, 0.05, 256),
        (256, 0.0, 256),
        (10, 3.0, 32),
        (QUICK_BYTES, 0.2, 32),
        (QUICK_BYTES, 0.0, 32),
        (32, 0.1, 256),
    ]:
        pace.took(size, seconds)
        assert pace.slab_bytes == expected


async def test_nothing_refers_to_a_frame_that_is_being_sent() -> None:
    """It may be sent for long."""
    for stream_format in StreamFormat:
        output = ScriptedOutput(b"one\xff\ntwo\n", read_bytes=3)
        async for frame in frames(output, stream_format, 0):
            payload = frame.payload
            del frame
            assert sys.getrefcount(payload) == 2
