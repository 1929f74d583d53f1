"""What a worker may say of its own runs: it may lie, and not without bounds."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, cast
from uuid import UUID, uuid4

import pytest

from server.errors import DatabaseRefusedError
from server.models import Advance, Chunk, RunEnd, RunState
from server.services.fleet.hands import MAX_MARKS_BYTES, MAX_REASON_CHARACTERS, Hands
from server.wire.messages import Append, Appended

NOW = datetime(2026, 11, 26, tzinfo=UTC)
ENDED = RunEnd(RunState.FAILED, NOW, exitcode=1, reason="it failed")


class Outputs:
    """Takes all that comes so far."""

    timeout_seconds = 5.0

    def __init__(self) -> None:
        self.taken: list[Advance] = []

    async def append(self, advances: Sequence[Advance], *, hosts: Mapping[UUID, str]) -> set[UUID]:
        self.taken += advances
        return {one.run_id for one in advances if hosts[one.run_id] == "w"}


def said(
    offset: int = 0, size: int = 3, preview: str = "", end: RunEnd | None = None, marks: int = 0
) -> Advance:
    chunk = Chunk(offset, size, 1, 0, NOW, b"packed", bytes(marks))
    return Advance(
        run_id=uuid4(),
        epoch=1,
        from_offset=offset,
        to_offset=offset + size,
        to_lines=0,
        chunks=(chunk,) if size else (),
        preview=preview,
        end=end,
    )


async def append(advance: Advance, outputs: Outputs | None = None) -> Appended:
    nothing = cast("Any", None)
    hands = Hands(
        runs=nothing,
        outputs=cast("Any", outputs or Outputs()),
        claims=nothing,
        ledger_of=nothing,
        max_bytes=nothing,
    )
    return await hands.append("w", Append(advances=(advance,)))


@pytest.mark.parametrize(
    "advance",
    [
        said(preview="abc"),
        said(end=ENDED),
        said(marks=MAX_MARKS_BYTES),
        said(end=replace(ENDED, reason="x" * MAX_REASON_CHARACTERS, signal="SIGRTMAX-14")),
    ],
)
async def test_what_workers_say_is_stored(advance: Advance) -> None:
    assert (await append(advance)).moved == {advance.run_id}


@pytest.mark.parametrize(
    "advance",
    [
        said(end=replace(ENDED, state=RunState.RUNNING)),
        said(end=replace(ENDED, reason="x" * (MAX_REASON_CHARACTERS + 1))),
        said(end=replace(ENDED, signal="x" * 100)),
        said(marks=MAX_MARKS_BYTES + 1),
    ],
)
async def test_what_no_worker_says_is_refused(advance: Advance) -> None:
    with pytest.raises(DatabaseRefusedError, match=str(advance.run_id)):
        await append(advance)


async def test_how_a_run_ended_is_said_in_one_line() -> None:
    outputs = Outputs()
    end = replace(ENDED, exitcode=None, reason="it\n\x1b[2Jended\u202e", signal="SIG\x00HUP")
    await append(said(end=end), outputs)
    [taken] = outputs.taken
    assert taken.end == replace(end, reason="it  [2Jended ", signal="SIG HUP")
