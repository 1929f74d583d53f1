"""Output of another host: who is asked for it, and how often."""

import asyncio
from dataclasses import dataclass, field
from typing import Any, cast
from uuid import uuid4

import pytest

from server.errors import NoAnswerError, RunNotFoundError
from server.output.source import LiveOutput
from server.services.hosts import remote_output as module
from server.services.hosts.remote_output import BLOCK_BYTES, KEPT_BYTES, Block, RemoteOutput
from server.services.worker.answers import HEAD_BYTES
from server.wire.connection import DEFAULT_MAX_PAYLOAD
from server.wire.messages import Lines, Marked, Marks, Piece, Place, Read, Seen, SeenAt
from tests.support.runs import a_run
from tests.support.waiting import patience

ALL = bytes(range(256)) * 16 * 1024


@dataclass
class Sources:
    """A host that has all of an output, and an archive that has its beginning."""

    archived_bytes: int = 0
    away: bool = False
    asked: list[object] = field(default_factory=list)
    archive_read: list[int] = field(default_factory=list)

    async def ask(self, request: Any) -> Any:
        self.asked.append(request)
        await asyncio.sleep(0)
        if self.away:
            raise NoAnswerError("It is away.")
        if isinstance(request, Lines):
            return Place(number=7)
        if isinstance(request, Marks):
            return Marked(marks=(SeenAt(request.start, 5.0),))
        data = ALL[request.offset : request.offset + request.limit]
        run = a_run()
        seen = Seen(state=run.state, start_time=run.start_time, change=1, size=len(ALL))
        return Piece(seen=seen, data=data, marks=(SeenAt(request.offset, 1.0),))

    async def archived(self) -> Any:
        return cast("Any", self)

    @property
    def size(self) -> int:
        return self.archived_bytes

    async def read(self, offset: int, limit: int) -> bytes:
        self.archive_read.append(offset)
        return ALL[offset : min(offset + limit, self.archived_bytes)]

    async def marks(self, start: int, _end: int, _limit: int) -> list[SeenAt]:
        return [SeenAt(start, 3.0)]

    async def lines_before(self, _offset: int) -> int:
        return 3

    tail_offset = lines_before

    async def line_offset(self, line: int) -> int:
        return 3 if line < 50 or self.archived_bytes > 10 else self.archived_bytes

    def output(self) -> RemoteOutput:
        output = RemoteOutput(uuid4(), self.ask, self.archived, self.archived_bytes)
        output.move(len(ALL), ended=False)
        assert isinstance(output, LiveOutput)
        return output


async def all_of(output: RemoteOutput, limit: int) -> bytes:
    data = b""
    while piece := await output.read(len(data), limit):
        assert len(piece) <= limit
        data += piece
    return data


async def test_viewers_that_read_the_same_ask_once_for_each_block() -> None:
    sources = Sources()
    output = sources.output()
    assert await asyncio.gather(*[all_of(output, 100_000) for _ in range(5)]) == [ALL] * 5
    assert sources.asked == [
        Read(run_id=cast("Any", sources.asked[0]).run_id, offset=offset, limit=BLOCK_BYTES)
        for offset in range(0, len(ALL), BLOCK_BYTES)
    ]


async def test_what_is_kept_of_an_output_is_bounded_whatever_is_read() -> None:
    output = Sources().output()
    await all_of(output, 100_000)
    assert 0 < sum(len(block.data) for block in output._blocks) <= KEPT_BYTES
    for offset in range(1000):
        output.keep(Block(offset, b"x", ()))
    assert len(output._blocks) == module.KEPT_BLOCKS


async def test_blocks_are_fetched_ahead_so_many_at_a_time_and_each_once() -> None:
    sources = Sources()
    output = sources.output()
    assert await output.read(0, 10) == ALL[:10]
    assert len(output._fetching) == module.AHEAD_BLOCKS
    await output.read(5, 10)  # of the same block, while they are under way
    assert len(output._fetching) == module.AHEAD_BLOCKS
    await asyncio.gather(*output._fetching.values())
    offsets = [cast("Read", one).offset for one in sources.asked]
    assert offsets == [BLOCK_BYTES * number for number in range(1 + module.AHEAD_BLOCKS)]
    assert await output.read(10, 10) == ALL[10:20], "what is read is still kept"
    assert (1 + module.AHEAD_BLOCKS) * BLOCK_BYTES <= KEPT_BYTES, "however long the output is"
    assert len(sources.asked) == 1 + module.AHEAD_BLOCKS


def test_a_block_that_is_not_packed_fits_into_what_nats_takes_by_default() -> None:
    """A shorter one is taken for all that there is, and nothing is fetched behind it."""
    assert BLOCK_BYTES + HEAD_BYTES <= DEFAULT_MAX_PAYLOAD


async def test_how_far_an_output_is_comes_with_each_block() -> None:
    output = Sources().output()
    output._size = 100
    await output.read(0, 10)
    assert output.size == len(ALL)


async def test_what_is_archived_is_read_from_the_archive_and_the_rest_from_the_host() -> None:
    sources = Sources(archived_bytes=BLOCK_BYTES + 1000)
    output = sources.output()
    assert await all_of(output, 1 << 20) == ALL
    assert sources.archive_read == [0, BLOCK_BYTES]
    # The one that was fetched ahead of it begins where a block of the archive would.
    assert min(cast("Read", one).offset for one in sources.asked) == sources.archived_bytes


async def test_while_the_host_is_away_readers_wait_for_the_archive(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "RETRY_SECONDS", 0)
    sources = Sources(archived_bytes=10, away=True)
    output = sources.output()
    assert await output.read(0, 100) == ALL[:10]
    assert (await output.line_offset(2), await output.lines_before(5)) == (3, 3)
    waiting = asyncio.create_task(output.read(10, 100))
    for _ in range(50):
        await asyncio.sleep(0)
    assert not waiting.done()
    sources.archived_bytes = 20
    assert await waiting == ALL[10:20]
    assert await output.time_at(12) == 3.0


async def test_who_reads_what_was_lost_with_its_host_comes_to_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As after the run was given up: nobody has what was written last, and nobody waits for it."""
    monkeypatch.setattr(module, "RETRY_SECONDS", 0)
    sources = Sources(archived_bytes=20, away=True)
    output = sources.output()
    waiting = asyncio.create_task(output.read(30, 100))
    for _ in range(50):
        await asyncio.sleep(0)
    assert not waiting.done()
    output.end(20)
    async with patience():
        assert await waiting == b""
    assert (output.size, output.ended) == (20, True)
    assert await all_of(output, 7) == ALL[:20]


async def test_lines_that_nobody_can_count_now_are_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A viewer who is told a wrong number goes on counting from it when the host is back."""
    monkeypatch.setattr(module, "RETRY_SECONDS", 0)
    sources = Sources(archived_bytes=10, away=True)
    output = sources.output()
    asked = [asyncio.create_task(one) for one in (output.lines_before(11), output.line_offset(50))]
    for _ in range(50):
        await asyncio.sleep(0)
    assert [one.done() for one in asked] == [False, False]
    assert await output.lines_before(10) == 3, "that is archived"
    sources.away = False
    assert await asyncio.gather(*asked) == [7, 7]
    sources.away = True
    sources.archived_bytes = len(ALL)
    assert (await output.lines_before(11), await output.line_offset(50)) == (3, 3)


async def test_lines_of_an_output_that_was_lost_are_those_of_its_archive() -> None:
    sources = Sources(archived_bytes=10, away=True)
    output = sources.output()
    output.move(10, ended=True)
    assert (await output.lines_before(11), await output.line_offset(50)) == (3, 10)


async def test_less_is_asked_for_at_a_time_where_answers_come_too_late(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As over a slow network, which would carry the same too late again and again."""
    monkeypatch.setattr(module, "RETRY_SECONDS", 0)
    sources = Sources()
    ask, carried = sources.ask, BLOCK_BYTES // 4

    async def ask_slowly(request: Any) -> Any:
        sources.away = request.limit > carried
        return await ask(request)

    monkeypatch.setattr(sources, "ask", ask_slowly)
    output = sources.output()
    assert await all_of(output, 1 << 20) == ALL
    limits = [cast("Read", one).limit for one in sources.asked]
    assert limits[:2] == [BLOCK_BYTES, BLOCK_BYTES // 2]
    assert set(limits[2:]) == {BLOCK_BYTES // 4}
    carried = 0
    for _ in range(20):
        await output._of_host(0)
    assert output._block_bytes == module.LEAST_BLOCK_BYTES


async def test_a_viewer_that_leaves_costs_another_nothing() -> None:
    sources = Sources()
    output = sources.output()
    first, second = [asyncio.create_task(output.read(0, 10)) for _ in range(2)]
    await asyncio.sleep(0)
    first.cancel()
    assert await second == ALL[:10]
    assert [cast("Read", one).offset for one in sources.asked].count(0) == 1


async def test_times_are_of_what_was_read_and_asked_for_else() -> None:
    output = Sources().output()
    output.keep(Block(0, ALL[:100], (SeenAt(0, 1.0), SeenAt(50, 2.0))))
    assert [await output.time_at(offset) for offset in (0, 49, 50, 99, 100)] == [1, 1, 2, 2, 5]
    assert (await output.lines_before(9), await output.tail_offset(1)) == (7, 7)


async def test_who_waits_is_woken_by_growth_by_changes_and_by_a_failure() -> None:
    output = RemoteOutput(uuid4(), Sources().ask, Sources().archived, 0)
    growth = asyncio.create_task(output.grown(5))
    woken = asyncio.create_task(output.grown_or_woken(5))
    await asyncio.sleep(0)
    output.wake()
    await woken
    output.move(5, ended=False)
    await asyncio.sleep(0)
    assert not growth.done()
    output.move(6, ended=False)
    await growth
    failing = asyncio.create_task(output.grown(6))
    await asyncio.sleep(0)
    output.fail(RunNotFoundError("It was deleted."))
    with pytest.raises(RunNotFoundError):
        await failing
    with pytest.raises(RunNotFoundError):
        await output.read(0, 1)
