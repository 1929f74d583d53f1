import asyncio
import errno
import os
import threading
from collections.abc import Callable, Coroutine, Iterator, Sequence
from pathlib import Path
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.keeper.records import ExitRecord
from server.keeper.spool import Spool
from server.output import index
from server.output.cursor import StreamFormat, frames
from server.output.index import OutputDamagedError
from server.output.log import LogClosedError, RunLog
from tests.support.strangers import STRANGERS

MIB = 1024 * 1024


class Run:
    """A run's spool, and what its keeper would do there."""

    def __init__(self, root: Path) -> None:
        self.spool = Spool.of(root)
        self.id = str(uuid4())
        self.spool.create(self.id, b"true")
        self.directory = self.spool.directory(self.id)

    def write(self, data: bytes) -> None:
        with self.spool.output_path(self.id).open("ab", buffering=0) as file:
            file.write(data)

    def end(self) -> None:
        self.spool.write_exit(self.id, ExitRecord(exitcode=0))


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(tmp_path)


@pytest.fixture
def log(run: Run) -> Iterator[RunLog]:
    with RunLog(run.directory) as log:
        yield log


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def grow(run: Run, log: RunLog, data: bytes) -> None:
    run.write(data)
    log.refresh()


async def test_what_is_written_is_read_at_its_offset(run: Run, log: RunLog) -> None:
    assert (log.size, log.ended, await log.read(0, 10)) == (0, False, b"")
    grow(run, log, b"hello\0world")
    assert log.size == 11
    assert await log.read(0, 100) == b"hello\0world"
    assert await log.read(6, 3) == b"wor"
    assert await log.read(11, 3) == b""


async def test_a_listener_is_called_at_growth_and_at_the_end_alone(run: Run, log: RunLog) -> None:
    heard: list[tuple[int, bool]] = []

    def listen() -> None:
        heard.append((log.size, log.ended))

    log.listeners.add(listen)
    log.refresh()
    run.write(b"one")
    log.refresh_size()
    log.refresh_size()
    run.write(b"two")
    log.refresh()
    log.refresh()
    run.end()
    log.refresh()
    log.refresh()
    assert heard == [(3, False), (6, False), (6, True)]
    log.listeners.discard(listen)


async def test_a_reader_is_woken_when_the_output_grows_beyond_its_offset(
    run: Run, log: RunLog
) -> None:
    early = asyncio.create_task(log.grown(2))
    late = asyncio.create_task(log.grown(4))
    await asyncio.sleep(0)
    grow(run, log, b"four")
    await early
    assert not late.done()
    grow(run, log, b"!")
    await late


async def test_a_reader_is_woken_by_the_end(run: Run, log: RunLog) -> None:
    waiting = asyncio.create_task(log.grown(1000))
    await asyncio.sleep(0)
    run.end()
    log.refresh()
    await waiting
    assert log.ended


async def test_cancelled_readers_leave_nothing_behind(run: Run, log: RunLog) -> None:
    tasks = [asyncio.create_task(log.grown(0)) for _ in range(1000)]
    viewers = [
        asyncio.create_task(anext(frames(log, stream_format, 0))) for stream_format in StreamFormat
    ]
    await asyncio.sleep(0)
    assert log.waiters == 1003
    for task in [*tasks, *viewers]:
        task.cancel()
    await asyncio.gather(*tasks, *viewers, return_exceptions=True)
    assert (log.waiters, log.users) == (0, 1)
    grow(run, log, b"x")


async def test_a_reader_cancelled_as_it_is_woken_leaves_nothing_behind(
    run: Run, log: RunLog
) -> None:
    waiting = asyncio.create_task(log.grown(0))
    await asyncio.sleep(0)
    grow(run, log, b"x")
    waiting.cancel()
    grow(run, log, b"y")
    await asyncio.gather(waiting, return_exceptions=True)
    assert log.waiters == 0


async def test_the_size_read_after_the_exit_record_was_seen_is_final(
    run: Run, log: RunLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is written between the two looks belongs to the output; an end there is seen next."""
    fstat = os.fstat

    def write_then_stat(descriptor: int) -> os.stat_result:
        monkeypatch.setattr(os, "fstat", fstat)
        run.write(b"last words")
        run.end()
        return fstat(descriptor)

    monkeypatch.setattr(os, "fstat", write_then_stat)
    log.refresh()
    assert (log.size, log.ended) == (10, False)
    log.refresh()
    assert (log.size, log.ended) == (10, True)


async def test_an_output_that_has_ended_grows_no_more(run: Run, log: RunLog) -> None:
    run.end()
    log.refresh()
    grow(run, log, b"too late")
    assert log.size == 0


async def test_an_output_removed_without_an_exit_record_has_ended_once_it_is_given_up(
    run: Run, log: RunLog
) -> None:
    """Until then its keeper may write on."""
    grow(run, log, b"kept")
    with run.spool.output_path(run.id).open("ab") as output:
        run.spool.remove(run.id)
        log.refresh()
        assert (log.removed, log.ended) == (True, False)
        output.write(b" on")
    log.give_up()
    log.give_up()
    assert (log.removed, log.ended) == (False, True)
    assert await log.read(0, 10) == b"kept on"


async def test_what_is_no_record_of_an_end_is_no_end(run: Run, log: RunLog) -> None:
    for make in STRANGERS.values():
        make(run.directory / "exit.json")
        log.refresh()
        assert not log.ended
        run.spool.trash.take(run.directory / "exit.json")
    run.end()
    log.refresh()
    assert log.ended


async def test_a_log_opens_nothing_but_a_file(run: Run) -> None:
    run.spool.output_path(run.id).unlink()
    for kind in STRANGERS.keys() - {"hard link"}:
        STRANGERS[kind](run.spool.output_path(run.id))
        with pytest.raises(OSError, match=r"."):
            RunLog(run.directory)
        run.spool.trash.take(run.spool.output_path(run.id))


async def test_an_ended_output_that_somebody_cut_is_what_is_left(run: Run, log: RunLog) -> None:
    grow(run, log, b"0123456789")
    run.end()
    log.refresh()
    os.truncate(run.spool.output_path(run.id), 5)
    with pytest.raises(OutputDamagedError):
        await log.read(7, 3)
    assert (log.size, log.damaged) == (5, True)
    assert await log.read(0, 10) == b"01234"
    assert [frame.payload async for frame in frames(log, StreamFormat.RAW, 7)] == []


async def test_a_log_without_an_output_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        RunLog(tmp_path)


async def test_a_reader_goes_on_after_the_spool_is_removed(run: Run) -> None:
    owner = RunLog(run.directory)
    grow(run, owner, b"one\ntwo\n")
    run.end()
    owner.refresh()
    with owner.acquire() as log:
        owner.release()
        run.spool.remove(run.id)
        assert [frame.payload async for frame in frames(log, StreamFormat.RAW, 4)] == [b"two\n"]


async def test_the_last_user_closes_the_file(run: Run) -> None:
    before = open_files()
    log = RunLog(run.directory)
    with log.acquire():
        log.release()
        assert open_files() == before + 1
    assert open_files() == before


async def test_a_closed_log_says_so(run: Run) -> None:
    log = RunLog(run.directory)
    grow(run, log, b"x")
    waiting = asyncio.create_task(log.grown(1))
    await asyncio.sleep(0)
    log.release()
    message = f"the log of {run.id} is closed"
    for use in (log.read(0, 1), log.lines_before(1), log.grown(1), waiting):
        with pytest.raises(LogClosedError, match=message):
            await use
    for act in (log.acquire, log.release, log.refresh):
        with pytest.raises(LogClosedError, match=message):
            act()
    assert log.waiters == 0


async def test_a_thread_keeps_the_file_open_when_its_reader_is_cancelled(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A closed descriptor could be another file by the time the thread reads it."""
    log = RunLog(run.directory)
    grow(run, log, b"x")
    begun, gate, closed = threading.Event(), threading.Event(), asyncio.Event()
    seen: list[bytes] = []
    close = os.close

    def work(descriptor: int) -> None:
        begun.set()
        gate.wait()
        seen.append(os.pread(descriptor, 1, 0))

    def tell(descriptor: int) -> None:
        close(descriptor)
        closed.set()

    reader = asyncio.create_task(log.in_thread(work))
    await asyncio.to_thread(begun.wait)
    reader.cancel()
    await asyncio.gather(reader, return_exceptions=True)
    log.release()
    assert log.users == 1
    monkeypatch.setattr(os, "close", tell)
    gate.set()
    await closed.wait()
    assert seen == [b"x"]


@pytest.mark.parametrize("error", [errno.EAGAIN, errno.EOPNOTSUPP])
async def test_what_is_not_in_the_page_cache_is_read_in_a_thread(
    run: Run, log: RunLog, monkeypatch: pytest.MonkeyPatch, error: int
) -> None:
    def refuse(*_: object) -> int:
        raise OSError(error, os.strerror(error))

    grow(run, log, b"cold")
    monkeypatch.setattr(os, "preadv", refuse)
    assert [await log.read(0, 3), await log.read(3, 9)] == [b"col", b"d"]


async def test_a_file_system_that_cannot_tell_is_asked_once(
    run: Run, log: RunLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[None] = []

    def refuse(*_: object) -> int:
        asked.append(None)
        raise OSError(errno.EOPNOTSUPP, "no")

    grow(run, log, b"cold")
    monkeypatch.setattr(os, "preadv", refuse)
    await log.read(0, 1)
    await log.read(0, 1)
    assert len(asked) == 1


async def test_a_part_that_is_in_the_page_cache_is_read_at_once(
    run: Run, log: RunLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    preadv = os.preadv

    def read_two(descriptor: int, buffers: Sequence[bytearray], offset: int, flags: int) -> int:
        return preadv(descriptor, [memoryview(buffers[0])[:2]], offset, flags)

    grow(run, log, b"half")
    monkeypatch.setattr(os, "preadv", read_two)
    assert await log.read(0, 4) == b"ha"


async def test_a_failing_disk_is_told(
    run: Run, log: RunLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> int:
        raise OSError(errno.EIO, "broken")

    grow(run, log, b"x")
    monkeypatch.setattr(os, "preadv", fail)
    with pytest.raises(OSError, match="broken"):
        await log.read(0, 1)


async def test_an_output_that_somebody_cut_is_told(run: Run, log: RunLog) -> None:
    grow(run, log, b"0123456789")
    os.truncate(run.spool.output_path(run.id), 5)
    for use in (log.read(7, 3), log.lines_before(10), log.tail_offset(1)):
        with pytest.raises(OSError, match="shorter than it was"):
            await use


async def test_times_are_those_of_the_growth(run: Run) -> None:
    now = iter([200.0, 300.0])
    with RunLog(run.directory, marks=[(0, 100.0)], clock=lambda: next(now)) as log:
        grow(run, log, b"one")
        grow(run, log, b"two")
        assert [await log.time_at(offset) for offset in range(7)] == [200] * 3 + [300] * 4


async def test_a_log_opened_in_the_middle_knows_the_times_it_is_given(run: Run) -> None:
    run.write(b"0123456789")
    marks = [(2, 100.0), (5, 200.0), (11, 300.0)]
    with RunLog(run.directory, marks=marks, clock=lambda: 400.0) as log:
        grow(run, log, b"abc")
        assert [await log.time_at(offset) for offset in (0, 2, 5, 9, 10)] == [
            *(100, 100, 200, 200, 400)
        ]


async def test_a_log_opened_without_times_takes_that_of_the_file(run: Run) -> None:
    run.write(b"old")
    os.utime(run.spool.output_path(run.id), (1000.0, 1000.0))
    with RunLog(run.directory) as log:
        assert await log.time_at(1) == 1000.0


LINES = st.lists(st.sampled_from([b"\n", b"a", b"bcd\n", b"ef"]), max_size=40).map(b"".join)


async def check_counts(log: RunLog, data: bytes) -> None:
    for offset in range(len(data) + 2):
        assert await log.lines_before(offset) == data.count(b"\n", 0, offset)
    for size in range(len(data) + 1):
        assert await log.line_count(size) == len(data[:size].splitlines())


async def check_starts(log: RunLog, data: bytes) -> None:
    lines = data.splitlines(keepends=True)
    for line in reversed(range(len(lines) + 3)):
        assert await log.line_offset(line) == len(b"".join(lines[: max(0, line - 1)]))


async def check_tails(log: RunLog, data: bytes) -> None:
    lines = data.splitlines(keepends=True)
    for count in range(len(lines) + 2):
        last = lines[max(0, len(lines) - count) :]
        assert data[await log.tail_offset(count) :] == b"".join(last)


@given(before=LINES, after=LINES, checks=st.permutations([check_counts, check_starts, check_tails]))
def test_lines_are_found_in_a_growing_output(
    tmp_path_factory: pytest.TempPathFactory,
    before: bytes,
    after: bytes,
    checks: list[Callable[[RunLog, bytes], Coroutine[None, None, None]]],
) -> None:
    async def check(run: Run) -> None:
        with RunLog(run.directory) as log:
            grow(run, log, before)
            await checks[0](log, before)
            grow(run, log, after)
            for check in checks:
                await check(log, before + after)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(index, "BLOCK_BYTES", 4)
        patch.setattr(index, "SCAN_BLOCKS", 2)
        asyncio.run(check(Run(tmp_path_factory.mktemp("run"))))


async def test_one_scan_serves_all_who_wait_for_it(
    run: Run, log: RunLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    scans = []
    count_blocks = index._count_blocks

    def count(first: int, last: int, descriptor: int) -> list[int]:
        scans.append((first, last))
        return count_blocks(first, last, descriptor)

    monkeypatch.setattr(index, "_count_blocks", count)
    monkeypatch.setattr(index, "SCAN_BLOCKS", 2)
    grow(run, log, b"line\n" * MIB)
    starts = await asyncio.gather(*(log.line_offset(MIB // 2) for _ in range(20)))
    assert starts == [5 * (MIB // 2 - 1)] * 20
    assert scans == [(0, 2), (2, 4)]
    counts = await asyncio.gather(*(log.lines_before(5 * MIB) for _ in range(20)))
    assert counts == [MIB] * 20
    assert scans == [(0, 2), (2, 4), (4, 5)]


async def test_a_cancelled_scan_leaves_the_index_right(run: Run, log: RunLog) -> None:
    grow(run, log, b"line\n" * MIB)
    scan = asyncio.create_task(log.lines_before(5 * MIB))
    await asyncio.sleep(0)
    assert log.users == 2
    scan.cancel()
    assert await log.lines_before(5 * MIB) == MIB
    assert await log.line_offset(MIB) == 5 * (MIB - 1)


async def test_a_thousand_viewers_share_what_is_encoded(
    run: Run, log: RunLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads = []
    preadv = os.preadv

    def count(descriptor: int, buffers: Sequence[bytearray], offset: int, flags: int) -> int:
        reads.append(offset)
        return preadv(descriptor, buffers, offset, flags)

    async def first_frame() -> bytes:
        return (await anext(frames(log, StreamFormat.JSON, 0))).payload

    monkeypatch.setattr(os, "preadv", count)
    viewers = [asyncio.create_task(first_frame()) for _ in range(1000)]
    await asyncio.sleep(0)
    assert log.waiters == 1000
    grow(run, log, b"hello\n")
    payloads = await asyncio.gather(*viewers)
    assert len({id(payload) for payload in payloads}) == 1
    assert len(reads) == 1
