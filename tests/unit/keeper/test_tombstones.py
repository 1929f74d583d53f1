"""What is remembered of runs that have ended, on a disk that is full, odd or emptied."""

import errno
import logging
import os
import shutil
import time
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

from server.keeper.handover import Handover, handed_over
from server.keeper.tombstones import GROWTH, KEY_BYTES, STRETCHES, Tombstones
from tests.support.strangers import STRANGERS


def ids(count: int) -> list[str]:
    return [str(uuid.uuid4()) for _ in range(count)]


def files(state_dir: Path) -> list[Path]:
    return list((state_dir / "keeper" / "ended").iterdir())


class Memory:
    """The tombstones of a state directory, on a clock of the test's; `spooled` have a spool."""

    def __init__(self, state_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.state_dir, self.size = state_dir, 5000
        self.spooled: list[str] = []
        self.now = 1000.0
        monkeypatch.setattr(time, "monotonic", lambda: self.now)

    def begin(self) -> Tombstones:
        return Tombstones(self.state_dir, lambda: self.spooled, size=self.size)


@pytest.fixture
def memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Memory:
    return Memory(tmp_path, monkeypatch)


def full(*_: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_what_has_ended_is_remembered_by_the_keepers_after(memory: Memory) -> None:
    first = memory.begin()
    ended, other = ids(GROWTH * 2), ids(100)
    for run_id in ended[:-1]:
        first.add(run_id)
    first.add(ended[0])  # twice
    second = memory.begin()
    second.add(ended[-1])
    for one in (second, memory.begin()):
        assert all(run_id in one for run_id in ended)
        assert not any(run_id in one for run_id in other)


def test_a_keeper_without_a_run_writes_nothing(memory: Memory) -> None:
    memory.begin().check(0)
    assert not (memory.state_dir / "keeper").exists()


def test_a_run_is_remembered_for_an_hour_and_not_for_ever(memory: Memory) -> None:
    one, [first, last] = memory.begin(), ids(2)
    one.add(first)
    memory.now += 299
    one.add(last)
    for _ in range(STRETCHES):
        memory.now += 300
        one.check(1)
        assert first in one
        assert last in memory.begin()
        one.add(ids(1)[0])
    assert memory.now - 1000 > 3600
    memory.now += 300
    one.check(1)
    for forgetful in (one, memory.begin()):
        assert first not in forgetful
        assert last not in forgetful
    assert len(files(memory.state_dir)) == STRETCHES + 1


def test_a_stretch_in_which_nothing_ended_makes_nobody_forgotten(memory: Memory) -> None:
    one, [ended] = memory.begin(), ids(1)
    one.add(ended)
    for _ in range(3 * STRETCHES):
        memory.now += 300
        one.check(1)
    assert ended in one
    assert len(files(memory.state_dir)) == 2


def test_keepers_that_are_started_often_forget_nothing(memory: Memory) -> None:
    ended = ids(3 * STRETCHES)
    for run_id in ended:
        one = memory.begin()
        one.add(run_id)
        one.check(1)
    assert all(run_id in memory.begin() for run_id in ended)
    assert len(files(memory.state_dir)) == 1


def test_memory_and_disk_are_bounded_in_runs(memory: Memory) -> None:
    memory.size = 100
    one, ended = memory.begin(), ids(100 * (STRETCHES + 5))
    for run_id in ended:
        one.add(run_id)
        one.check(1)
    assert all(run_id in one for run_id in ended[-100 * STRETCHES :])
    assert not any(run_id in one for run_id in ended[:100])
    sizes = [path.stat().st_size for path in files(memory.state_dir)]
    assert sizes == [GROWTH * KEY_BYTES] * (STRETCHES + 1)


def test_a_run_is_remembered_for_as_long_as_it_has_a_spool(memory: Memory) -> None:
    """The database may be away for hours, and its output is archived then."""
    one, [waiting, other] = memory.begin(), ids(2)
    one.add(waiting)
    one.add(other)
    memory.spooled = [waiting, *ids(3)]
    for run_id in ids(3 * STRETCHES):
        one.add(run_id)
        memory.now += 300
        one.check(1)
    for after in (one, memory.begin()):
        assert waiting in after
        assert other not in after


def test_the_end_of_a_run_that_was_started_has_room_on_a_full_disk(
    memory: Memory, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    one, ended = memory.begin(), ids(GROWTH)
    one.reserve(GROWTH)
    monkeypatch.setattr(os, "posix_fallocate", full)
    memory.now += 300
    for run_id in ended:
        one.add(run_id)
    assert not caplog.records
    assert all(run_id in memory.begin() for run_id in ended)
    one.check(1)  # the next stretch has none
    one.reserve(1)
    assert all(run_id in one for run_id in ended)
    assert caplog.text.count("No space left on device") == 1


def test_what_cannot_be_written_is_remembered_and_written_later(
    memory: Memory, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    one, ended = memory.begin(), ids(5)
    one.add(ended[0])
    with monkeypatch.context() as broken:
        broken.setattr(os, "pwrite", full)
        broken.setattr(os, "posix_fallocate", full)
        for run_id in ended[1:4]:
            one.add(run_id)
            one.check(1)
        assert all(run_id in one for run_id in ended[:4])
        assert ended[1] not in memory.begin()
    one.add(ended[4])
    one.check(1)
    assert all(run_id in memory.begin() for run_id in ended)
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert "cannot be noted on disk" in caplog.text


@pytest.mark.parametrize("remove", [shutil.rmtree, lambda path: (path / "2").unlink()])
def test_what_somebody_removes_is_written_anew(
    memory: Memory, remove: Callable[[Path], object]
) -> None:
    one, [closed, open_] = memory.begin(), ids(2)
    one.add(closed)
    memory.now += 300
    one.check(1)
    one.add(open_)
    remove(memory.state_dir / "keeper" / "ended")
    one.check(1)
    after = memory.begin()
    assert closed in after
    assert open_ in after


@pytest.mark.parametrize("stranger", STRANGERS.values(), ids=STRANGERS)
@pytest.mark.parametrize("name", ["ended", "ended/1", "ended/1.tmp"])
def test_what_stands_in_the_way_goes_into_the_trash(
    memory: Memory, name: str, stranger: Callable[[Path], object]
) -> None:
    path = memory.state_dir / "keeper" / name
    path.parent.mkdir(parents=True)
    stranger(path)
    one, [ended] = memory.begin(), ids(1)
    one.reserve(1)
    one.add(ended)
    assert ended in memory.begin()


def test_a_directory_that_lost_its_modes_is_unlocked(memory: Memory) -> None:
    directory = memory.state_dir / "keeper" / "ended"
    directory.mkdir(parents=True, mode=0o000)
    one, [ended] = memory.begin(), ids(1)
    one.reserve(1)
    one.add(ended)
    assert ended in memory.begin()


def test_a_file_that_was_cut_within_an_end_is_read_up_to_it(memory: Memory) -> None:
    one, [whole, cut] = memory.begin(), ids(2)
    one.add(whole)
    one.add(cut)
    os.truncate(memory.state_dir / "keeper" / "ended" / "1", KEY_BYTES + 3)
    after, [later] = memory.begin(), ids(1)
    after.add(later)
    again = memory.begin()
    assert whole in again
    assert later in again
    assert cut not in again


def test_what_could_not_be_written_is_handed_to_the_keeper_after(
    memory: Memory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that renews itself on a full disk would else forget what has ended meanwhile."""
    ended = ids(3)
    with monkeypatch.context() as patched:
        patched.setattr(os, "posix_fallocate", full)
        first = memory.begin()
        for run_id in ended:
            first.add(run_id)
        second = Tombstones(
            memory.state_dir, lambda: memory.spooled, size=memory.size, unsaved=first.unsaved
        )
        assert all(run_id in second for run_id in ended)
    second.check(0)
    assert second.unsaved == []
    assert all(run_id in memory.begin() for run_id in ended)


def test_what_is_not_on_disk_goes_through_the_memory_of_a_renewal() -> None:
    with handed_over(os.open("/dev/null", os.O_RDONLY), {}, [5, 2**64 - 1]) as arguments:
        kept = [str(os.dup(int(number))) for number in arguments]
        received = Handover.received(kept)
    assert received.ended == (5, 2**64 - 1)
