"""The head and the tail of an output that is too long to keep whole."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.keeper.records import Limits
from server.keeper.run.output import MARKER, OutputFiles, division, reopened
from server.keeper.trash import Trash

HEAD_BYTES = 6
TAIL_BYTES = 4
LIMITS = Limits(
    max_output_bytes=HEAD_BYTES + TAIL_BYTES, output_policy="head_and_tail", tail_bytes=TAIL_BYTES
)
WHOLE = bytes(range(ord("a"), ord("z") + 1))


def write(files: OutputFiles, data: bytes) -> None:
    while data:
        room = files.room(len(data))
        os.write(files.descriptor, data[:room])
        files.wrote(room)
        data = data[room:]


def trash_of(directory: Path) -> Trash:
    return Trash(directory / "trash")


async def complete(directory: Path, limits: Limits = LIMITS) -> tuple[int, int]:
    files = reopened(directory, limits, trash_of(directory))
    try:
        return await files.finish()
    finally:
        files.close()


def kept(data: bytes) -> bytes:
    """Return what is to be kept of an output."""
    left_out = len(data) - HEAD_BYTES - TAIL_BYTES
    if left_out <= 0:
        return data
    return data[:HEAD_BYTES] + MARKER.format(left_out).encode() + data[-TAIL_BYTES:]


def tails(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.glob("tail.*"))


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    (tmp_path / "output").touch()
    return tmp_path


@pytest.mark.parametrize(
    ("limits", "parts"),
    [
        (Limits(), (None, 0)),
        (Limits(max_output_bytes=10), (10, 0)),
        (Limits(output_policy="head_and_tail"), (None, 0)),
        (Limits(max_output_bytes=10, output_policy="head_and_tail", tail_bytes=0), (10, 0)),
        (Limits(max_output_bytes=10, output_policy="head_and_tail", tail_bytes=4), (6, 4)),
        (Limits(max_output_bytes=10, output_policy="head_and_tail", tail_bytes=10), (0, 10)),
        (Limits(max_output_bytes=10, output_policy="head_and_tail", tail_bytes=11), (0, 10)),
    ],
)
def test_head_and_tail_share_the_bound(limits: Limits, parts: tuple[int | None, int]) -> None:
    assert division(limits) == parts


@pytest.mark.parametrize("size", range(len(WHOLE) + 1))
async def test_head_marker_and_tail_are_kept_to_the_byte(directory: Path, size: int) -> None:
    files = OutputFiles(directory, LIMITS, trash_of(directory))
    write(files, WHOLE[:size])
    files.close()
    size_and_left_out = await complete(directory)
    output = (directory / "output").read_bytes()
    assert output == kept(WHOLE[:size])
    assert size_and_left_out == (len(output), max(size - HEAD_BYTES - TAIL_BYTES, 0))


@given(pieces=st.lists(st.integers(0, 2 * TAIL_BYTES), max_size=8))
async def test_every_keeper_goes_on_where_one_before_it_ended(
    tmp_path_factory: pytest.TempPathFactory, pieces: list[int]
) -> None:
    directory = tmp_path_factory.mktemp("run")
    (directory / "output").touch()
    data = bytes(index % 251 for index in range(sum(pieces)))
    offset = 0
    for piece in pieces:
        files = OutputFiles(directory, LIMITS, trash_of(directory))
        assert not files.closed
        write(files, data[offset : offset + piece])
        files.close()
        offset += piece
        head = (directory / "output").read_bytes()
        assert head == data[: min(offset, HEAD_BYTES)]
        assert len(tails(directory)) <= 2
    await complete(directory)
    assert (directory / "output").read_bytes() == kept(data)


async def test_what_was_appended_in_part_is_completed_alike(directory: Path) -> None:
    files = OutputFiles(directory, LIMITS, trash_of(directory))
    write(files, WHOLE)
    files.close()
    whole_end = await complete(directory)
    for size in range(HEAD_BYTES, len(kept(WHOLE)) + 1):
        os.truncate(directory / "output", size)
        files = OutputFiles(directory, LIMITS, trash_of(directory))
        assert files.closed is (size > HEAD_BYTES)
        files.close()
        assert await complete(directory) == whole_end
        assert (directory / "output").read_bytes() == kept(WHOLE)


async def test_no_more_than_two_segments_lie_on_the_disk(directory: Path) -> None:
    files = OutputFiles(directory, LIMITS, trash_of(directory))
    write(files, WHOLE)
    assert tails(directory) == ["tail.3", "tail.4"]
    files.close()


def test_a_segment_that_cannot_be_made_changes_nothing(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> int:
        raise OSError("no room")

    files = OutputFiles(directory, LIMITS, trash_of(directory))
    write(files, WHOLE[: HEAD_BYTES + TAIL_BYTES])
    with monkeypatch.context() as patch:
        patch.setattr(os, "open", refuse)
        with pytest.raises(OSError, match="no room"):
            files.room(1)
    write(files, WHOLE[HEAD_BYTES + TAIL_BYTES :])
    files.close()
    assert (directory / "tail.4").read_bytes() == WHOLE[-4:]


async def test_an_output_that_was_never_made_is_made_at_the_end(tmp_path: Path) -> None:
    assert await complete(tmp_path, Limits()) == (0, 0)
    assert (tmp_path / "output").stat().st_mode & 0o777 == 0o600
