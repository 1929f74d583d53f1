import asyncio
import errno
import logging
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from server.keeper.spool import EXIT_RECORD
from server.output import watch as watch_module
from server.output.cursor import StreamFormat, frames
from server.output.log import RunLog
from server.output.watch import Watch
from tests.integration.output.test_log import Run
from tests.support.waiting import until

WRITER = """
import sys
with open(sys.argv[1], "ab", buffering=0) as file:
    for number in range(int(sys.argv[2])):
        file.write(b"line %d\\n" % number)
"""


@pytest.fixture
async def watch() -> AsyncIterator[Watch]:
    watch = Watch()
    yield watch
    watch.close()


def refuse(*_: object, **__: object) -> None:
    raise OSError(errno.EMFILE, "Too many open files")


async def follow(log: RunLog) -> bytes:
    return b"".join([frame.payload async for frame in frames(log, StreamFormat.RAW, 0)])


async def test_lines_of_another_process_are_followed_to_the_end(
    tmp_path: Path, watch: Watch
) -> None:
    run = Run(tmp_path)
    with RunLog(run.directory) as log:
        watch.add(log)
        following = asyncio.create_task(follow(log))
        writer = await asyncio.create_subprocess_exec(
            sys.executable, "-c", WRITER, run.spool.output_path(run.id), "1000"
        )
        await writer.wait()
        run.end()
        expected = b"".join(b"line %d\n" % number for number in range(1000))
        assert await following == expected
        watch.remove(log)


async def test_what_was_there_before_is_seen(tmp_path: Path, watch: Watch) -> None:
    run = Run(tmp_path)
    with RunLog(run.directory) as log:
        run.write(b"early")
        watch.add(log)
        assert log.size == 5


async def test_each_log_is_told_of_its_own_growth(tmp_path: Path, watch: Watch) -> None:
    runs = [Run(tmp_path) for _ in range(3)]
    logs = [RunLog(run.directory) for run in runs]
    for log in logs:
        watch.add(log)
    for number, (run, log) in enumerate(zip(runs, logs, strict=True), start=1):
        run.write(b"x" * number)
        await log.grown(number - 1)
    assert [log.size for log in logs] == [1, 2, 3]
    for log in logs:
        watch.remove(log)
        log.release()


async def test_the_exit_record_alone_ends_a_log(tmp_path: Path, watch: Watch) -> None:
    run = Run(tmp_path)
    with RunLog(run.directory) as log:
        watch.add(log)
        run.end()
        await log.grown(0)
        assert log.ended


async def test_an_exit_record_moved_into_place_ends_a_log(tmp_path: Path, watch: Watch) -> None:
    run = Run(tmp_path)
    with RunLog(run.directory) as log:
        watch.add(log)
        temporary = run.directory / "exit.tmp"
        temporary.write_text('{"exitcode": 0}', encoding="ascii")
        run.write(b"last words")
        await log.grown(0)
        assert not log.ended
        temporary.rename(run.directory / EXIT_RECORD)
        await log.grown(10)
        assert log.ended


async def test_the_end_of_a_log_whose_directory_was_removed_is_seen_in_a_new_one(
    tmp_path: Path, watch: Watch
) -> None:
    run = Run(tmp_path)
    with RunLog(run.directory) as log:
        watch.add(log)
        run.spool.remove(run.id)
        await until(lambda: log.removed)
        run.directory.mkdir()
        run.end()
        await log.grown(0)
        assert (log.ended, log.removed) == (True, False)
        watch.remove(log)


async def test_a_removed_log_is_left_alone(tmp_path: Path, watch: Watch) -> None:
    left, other = Run(tmp_path), Run(tmp_path)
    with RunLog(left.directory) as log, RunLog(other.directory) as witness:
        for added in (log, witness):
            watch.add(added)
        left.write(b"seen too late")
        watch.remove(log)
        watch.remove(log)
        left.write(b"not seen")
        other.write(b"x")
        await witness.grown(0)
        assert log.size == 0


async def test_growth_is_seen_when_the_kernel_dropped_its_event(
    tmp_path: Path, watch: Watch
) -> None:
    queued = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text(encoding="ascii"))
    one, two, late = Run(tmp_path), Run(tmp_path), Run(tmp_path)
    logs = [RunLog(run.directory) for run in (one, two, late)]
    for log in logs:
        watch.add(log)
    for _ in range(queued // 2 + 1):
        one.write(b"1")
        two.write(b"2")
    late.write(b"3")
    await logs[2].grown(0)
    for log in logs:
        watch.remove(log)
        log.release()


async def test_logs_are_polled_where_there_is_no_inotify(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(watch_module, "INotify", refuse)
    run, other = Run(tmp_path), Run(tmp_path)
    watch = Watch()
    with RunLog(run.directory) as log, RunLog(other.directory) as second:
        watch.add(log)
        watch.add(second)
        run.write(b"x")
        await log.grown(0)
        watch.remove(log)
        other.end()
        await second.grown(0)
        watch.remove(second)
        await polls_end(watch)
        watch.add(second)
        watch.close()
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert "every 20 ms" in caplog.text


async def polls_end(watch: Watch) -> None:
    """Wait for the turn of the poll that finds no log left; nothing tells of it."""
    while watch._poll_timer is not None:  # noqa: ASYNC110
        await asyncio.sleep(0)


@pytest.mark.parametrize("allowed", [0, 1])
async def test_a_log_beyond_the_limit_of_watches_is_polled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, watch: Watch, allowed: int
) -> None:
    assert watch._inotify is not None
    add_watch = watch._inotify.add_watch
    calls = []

    def limited(path: Path, mask: int) -> int:
        calls.append(path)
        if len(calls) > allowed:
            raise OSError(errno.ENOSPC, "No space left on device")
        descriptor: int = add_watch(path, mask)
        return descriptor

    removed: list[int] = []
    monkeypatch.setattr(watch._inotify, "add_watch", limited)
    monkeypatch.setattr(watch._inotify, "rm_watch", removed.append)
    run = Run(tmp_path)
    with RunLog(run.directory) as log:
        watch.add(log)
        assert len(removed) == allowed
        run.write(b"x")
        await log.grown(0)
        watch.remove(log)


async def test_logs_may_be_removed_after_the_watch_is_closed(tmp_path: Path) -> None:
    watch = Watch()
    with RunLog(Run(tmp_path).directory) as log:
        watch.add(log)
        watch.close()
        watch.remove(log)
