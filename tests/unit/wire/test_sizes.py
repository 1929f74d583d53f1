from datetime import UTC, datetime
from uuid import uuid4

from hypothesis import given
from hypothesis import strategies as st

from server.models import Advance, Chunk, RunEnd, RunState
from server.wire.codec import encode
from server.wire.messages import Append
from server.wire.sizes import MAX_ADVANCES, in_messages
from server.wire.values import parts_of

NOW = datetime(2026, 11, 26, tzinfo=UTC)
ROOM = 64 * 1024


def advance(sizes: list[int], preview: str) -> Advance:
    """Return a run's first step, in chunks of a line each, with its end."""
    chunks = tuple(
        Chunk(10 * number, 10, number + 1, 1, NOW, bytes(size), b"m" * 16)
        for number, size in enumerate(sizes)
    )
    return Advance(
        run_id=uuid4(),
        epoch=1,
        from_offset=0,
        to_offset=10 * len(sizes),
        to_lines=len(sizes),
        chunks=chunks,
        preview=preview,
        start_time=NOW,
        end=RunEnd(RunState.FAILED, NOW, exitcode=1, reason="\x01" * 1000),
    )


steps = st.builds(
    advance,
    st.lists(st.integers(0, ROOM // 2), max_size=6),
    st.sampled_from(["", "\x00" * 1024, "\N{SNOWMAN}" * 5000]),
)


@given(st.lists(steps, max_size=5))
def test_steps_are_sent_whole_in_messages_that_fit(given_steps: list[Advance]) -> None:
    groups = [*in_messages(given_steps, ROOM)]

    assert all(len(encode(parts_of(Append(advances=tuple(one))))) <= ROOM for one in groups)
    assert all(len({step.run_id for step in one}) == len(one) for one in groups)
    for step in given_steps:
        parts = [one for group in groups for one in group if one.run_id == step.run_id]
        assert [chunk for part in parts for chunk in part.chunks] == [*step.chunks]
        assert "".join(part.preview for part in parts) == step.preview
        assert [part.from_offset for part in parts[1:]] == [part.to_offset for part in parts[:-1]]
        assert (parts[0].from_offset, parts[-1].to_offset) == (step.from_offset, step.to_offset)
        assert parts[-1].to_lines == step.to_lines
        assert [part.to_lines for part in parts] == [part.to_offset // 10 for part in parts]
        assert [part.end for part in parts] == [None] * (len(parts) - 1) + [step.end]
        assert [part.start_time for part in parts] == [NOW] + [None] * (len(parts) - 1)


def test_small_steps_of_many_runs_share_a_message() -> None:
    groups = [*in_messages([advance([10], "") for _ in range(5)], 10 * ROOM)]

    assert len(groups) == 1


def test_a_chunk_that_does_not_fit_is_sent_alone() -> None:
    groups = [*in_messages([advance([10, 2 * ROOM, 10], "")], ROOM)]

    assert [[len(chunk.data) for step in one for chunk in step.chunks] for one in groups] == [
        [10],
        [2 * ROOM],
        [10],
    ]


def test_a_message_has_so_many_steps_as_its_reader_takes() -> None:
    steps = [advance([], "") for _ in range(MAX_ADVANCES + 1)]
    assert [len(group) for group in in_messages(steps, 64 * 1024 * 1024)] == [MAX_ADVANCES, 1]
