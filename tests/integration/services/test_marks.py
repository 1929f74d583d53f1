"""When lines were written, as it is told of output that is live and of what is archived."""

from collections.abc import AsyncIterator, Iterable
from pathlib import Path

import pytest

from server.errors import ArchiveDamagedError
from server.output.lines import LineRange
from server.output.source import Output
from server.repositories.database.database import Database
from server.services import marks
from server.services.archive.chunks import Chunks
from server.services.archive.reader import ArchivedOutput
from server.services.marks import LiveMarks, MarkedLine, mark_at, marks_of_lines
from server.services.tasks import cancel_and_wait
from tests.integration.services.archive.harness import LiveLog, Site

BEGIN = 1_000_000.0
FIVE = [b"one\n", b"two\nthr", b"ee\n", b"four\nfive\n", b"six"]
MARKS = [(0, 1, 1.0), (4, 2, 2.0), (11, 3, 3.0), (14, 4, 4.0), (24, 6, 5.0)]
"""Of FIVE, written at a second each: the second half of `three` is a mark, too."""


@pytest.fixture
async def site(database: Database, tmp_path: Path) -> AsyncIterator[Site]:
    site = Site(database, tmp_path)
    yield site
    await cancel_and_wait(site.archiving)


class Clock:
    """A clock that goes on by a step each time that it is looked at."""

    def __init__(self, step_seconds: float = 1.0) -> None:
        self.now = BEGIN
        self._step_seconds = step_seconds

    def __call__(self) -> float:
        self.now += self._step_seconds
        return self.now


async def written(site: Site, pieces: Iterable[bytes], *, archived: bool) -> LiveLog:
    """Have pieces written, one after the other; archive each by itself, or not."""
    run = await site.run(clock=Clock())
    for piece in pieces:
        run.write(piece)
        if archived:
            await run.archived()
    return run


async def ended(site: Site, run: LiveLog) -> ArchivedOutput:
    run.end()
    assert await run.followed()
    return ArchivedOutput(await site.stored(run.id), Chunks(site.outputs))


def told(found: Iterable[MarkedLine]) -> list[tuple[int, int, float]]:
    return [(mark.offset, mark.line, mark.time - BEGIN) for mark in found]


async def assert_marks(output: Output) -> None:
    for first, last, expected in [
        (1, None, MARKS),
        (1, 1, MARKS[:1]),
        (2, 2, MARKS[1:2]),
        (2, 3, MARKS[1:3]),
        (3, 3, MARKS[1:3]),
        (4, 5, MARKS[3:4]),
        (6, 99, MARKS[4:]),
        (99, None, MARKS[4:]),
    ]:
        found = await marks_of_lines(output, LineRange(first, last))
        assert told(found.items) == expected
        assert found.next is None
    for time, number in [(-9, 0), (1, 0), (2.5, 1), (4, 3), (4.999, 3), (5, 4), (1e9, 4)]:
        assert told([await mark_at(output, BEGIN + time)]) == [MARKS[number]]


@pytest.mark.parametrize("archived", [True, False], ids=["by pieces", "at once"])
async def test_marks_are_the_same_live_and_archived(site: Site, *, archived: bool) -> None:
    if not archived:
        site.outputs.lose = lambda _call: True
    run = await written(site, FIVE, archived=archived)
    await assert_marks(run.log)
    site.outputs.lose = lambda _call: False
    output = await ended(site, run)
    await assert_marks(output)
    for offset, time in [(0, 1), (3, 1), (4, 2), (13, 3), (24, 5), (99, 5)]:
        assert await output.time_at(offset) == BEGIN + time
    while piece := await output.read(len(run.written) - 3, 9):
        assert piece == b"six"
        break
    assert await output.time_at(25) == BEGIN + 5  # of a chunk that was read


async def test_an_output_without_a_byte_has_the_time_of_its_start(site: Site) -> None:
    run = await site.run()
    live = await marks_of_lines(run.log, LineRange(1, None))
    assert [(mark.offset, mark.line) for mark in live.items] == [(0, 1)]
    output = await ended(site, run)
    start = run.live.run.start_time.timestamp()
    assert (await marks_of_lines(output, LineRange(1, 5))).items == [MarkedLine(0, 1, start)]
    assert await mark_at(output, 5.0) == MarkedLine(0, 1, start)


async def test_chunks_of_before_there_were_marks_have_one(site: Site) -> None:
    """So has one whose marks somebody has spoilt."""
    run = await written(site, FIVE, archived=True)
    output = await ended(site, run)
    for spoilt in [None, b"", b"\x05\x00"]:
        await site.database.fetch_all(
            "UPDATE commands_info_output SET marks = %(marks)s RETURNING 1", {"marks": spoilt}
        )
        await assert_marks(output)


async def test_a_hole_in_the_archive_is_no_mark(site: Site) -> None:
    output = await ended(site, await written(site, FIVE, archived=True))
    await site.database.fetch_all(
        "DELETE FROM commands_info_output WHERE byte_offset < 4 RETURNING 1"
    )
    with pytest.raises(ArchiveDamagedError, match="damaged at byte 0"):
        await marks_of_lines(output, LineRange(1, 1))


@pytest.mark.parametrize("archived", [True, False])
async def test_many_marks_come_in_parts(
    site: Site, monkeypatch: pytest.MonkeyPatch, *, archived: bool
) -> None:
    """Each part is bounded in marks and in what is read for it, and none is missed."""
    run = await written(site, [b"a\nb\n"] * 100 + [b"long"] * 30 + [b"\nend\n"], archived=False)
    output: Output = await ended(site, run) if archived else run.log
    whole = (await marks_of_lines(output, LineRange(1, None))).items
    assert len(whole) == 131
    for limit, read_bytes in [(10, 1 << 30), (1000, 40)]:
        monkeypatch.setattr(marks, "MAX_MARKS", limit)
        monkeypatch.setattr(marks, "COUNTED_BYTES", read_bytes)
        monkeypatch.setattr(marks, "NEAR_BYTES", 100)
        found: set[MarkedLine] = set()
        line: int | None = 1
        while line is not None:
            part = await marks_of_lines(output, LineRange(line, None))
            assert 0 < len(part.items) < 40
            assert part.next is None or part.next > line
            found.update(part.items)
            line = part.next
        # Of a line that is longer than a part, what lies behind the part is left out.
        assert {mark for mark in whole if mark.line != 201} <= found <= {*whole}
        assert found >= {whole[-1]}
    if not archived:
        run.end()
        assert await run.followed()


async def test_of_a_run_that_goes_on_the_archive_tells_what_its_log_keeps_roughly(
    site: Site,
) -> None:
    run = await written(site, FIVE[:3], archived=True)
    await cancel_and_wait(run.following)
    adopted = LiveLog(site, await site.stored(run.id), clock=Clock(9))  # it knows of no mark
    adopted.written = run.written
    output = LiveMarks(adopted.live, adopted.log, Chunks(site.outputs))

    async def of(first: int, last: int | None) -> list[tuple[int, int, float]]:
        return told((await marks_of_lines(output, LineRange(first, last))).items)

    assert output.size == 14
    assert await of(1, None) == MARKS[:3]
    assert told([await mark_at(output, BEGIN + 2.5)]) == MARKS[1:2]
    site.outputs.lose = lambda call: call != "marks"  # what comes now is not archived
    adopted.write(b"four\nfive\n")
    adopted.write(b"six")
    assert await of(1, None) == [*MARKS[:3], (14, 4, 9), (24, 6, 18)]
    assert await of(3, 4) == [*MARKS[1:3], (14, 4, 9)]
    assert await of(5, 5) == [(14, 4, 9)]
    assert told([await mark_at(output, BEGIN + 17)]) == [(14, 4, 9)]

    site.outputs.lose = lambda _call: True
    found = (await marks_of_lines(output, LineRange(1, None))).items
    assert told(found)[1:] == [(14, 4, 9), (24, 6, 18)]
    assert found[0].offset == 0
    site.outputs.lose = lambda _call: False
    adopted.end()
    assert await adopted.followed()
    run.log.release()


async def test_a_server_that_was_killed_leaves_the_marks_that_are_archived(site: Site) -> None:
    run = await written(site, FIVE[:3], archived=True)
    await cancel_and_wait(run.following)
    adopted = LiveLog(site, await site.stored(run.id), marks=await site.outputs.times(run.id))
    adopted.written = run.written
    adopted.write(b"four\n")
    output = await ended(site, adopted)
    found = (await marks_of_lines(output, LineRange(1, None))).items
    assert told(found)[:3] == MARKS[:3]
    assert (found[-1].offset, found[-1].line) == (14, 4)
    run.log.release()
