"""The lives of a state directory: what one knows of those before it, and what a copy lacks."""

import asyncio
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from server import lives
from server.errors import StartupError
from server.lives import LIFE_FILE, Lives
from tests.support.waiting import until

Begin = Callable[[Path], Lives]


@pytest.fixture
def begin() -> Iterator[Begin]:
    """Return what begins a life in a state directory, by its lock."""
    with ExitStack() as stack:

        def begun(directory: Path) -> Lives:
            directory.mkdir(exist_ok=True)
            lock = stack.enter_context((directory / "server.lock").open("a"))
            return Lives.begin(directory, lock)

        yield begun


async def heard(life: Lives) -> Lives:
    """Have servers know a life, and its directory that they do."""
    life.note_heard()
    await life.grow()
    return life


async def test_one_that_is_started_again_comes_after_the_one_before(
    tmp_path: Path, begin: Begin
) -> None:
    first = await heard(begin(tmp_path / "w"))
    assert first.said.before == ()
    second = begin(tmp_path / "w")
    assert second.id != first.id
    assert (second.said.before, second.said.are_over) == ((first.id,), True)
    assert second.age == first.age == 1
    assert not second.may_be_copy


async def test_those_that_nobody_heard_are_told_as_well(tmp_path: Path, begin: Begin) -> None:
    """Servers may have noted any of them, where the answer was lost."""
    first = await heard(begin(tmp_path / "w"))
    unheard = begin(tmp_path / "w")
    last = begin(tmp_path / "w")
    assert last.said.before == (first.id, unheard.id)
    await heard(last)
    assert not last.said.before
    assert begin(tmp_path / "w").said.before == (last.id,)


async def test_a_copy_cannot_say_that_the_one_before_is_over(tmp_path: Path, begin: Begin) -> None:
    """Nor can it once it was started again, without servers having let it in."""
    first = await heard(begin(tmp_path / "w"))
    shutil.copytree(tmp_path / "w", tmp_path / "copy")
    for _ in range(2):
        copy = begin(tmp_path / "copy")
        assert copy.may_be_copy
        assert copy.said.before[0] == first.id
        assert not copy.said.are_over
    await heard(copy)
    assert begin(tmp_path / "copy").said.are_over


async def test_after_a_boot_nobody_knows_whether_it_is_a_copy(
    tmp_path: Path, begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    await heard(begin(tmp_path / "w"))
    monkeypatch.setattr(lives, "boot_id", lambda: "another")
    assert begin(tmp_path / "w").may_be_copy


async def test_it_grows_older_once_it_is_heard_and_a_copy_of_before_does_not(
    tmp_path: Path, begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lives, "AGE_SECONDS", 0.001)
    life = begin(tmp_path / "w")
    growing = asyncio.create_task(life.run())
    await asyncio.sleep(0.05)
    assert life.age == 0
    shutil.copytree(tmp_path / "w", tmp_path / "copy")
    life.note_heard()
    await until(lambda: life.age >= 3)
    growing.cancel()
    await asyncio.wait([growing])
    assert begin(tmp_path / "w").age >= 3
    assert begin(tmp_path / "copy").age == 0


async def test_while_it_is_refused_it_grows_no_older(
    tmp_path: Path, begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that was set back with its machine's memory would else soon be as old as it was."""
    monkeypatch.setattr(lives, "AGE_SECONDS", 0.001)
    life = begin(tmp_path / "w")
    life.note_heard()
    growing = asyncio.create_task(life.run())
    await until(lambda: life.age >= 3)
    growing.cancel()  # what is being written would count yet
    await asyncio.wait([growing])
    life.note_refused()
    age = life.age
    growing = asyncio.create_task(life.run())
    await asyncio.sleep(0.05)
    assert life.age == age
    life.note_heard()
    await until(lambda: life.age > age)
    growing.cancel()
    await asyncio.wait([growing])


async def test_what_is_told_of_its_age_is_on_disk(
    tmp_path: Path, begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A loss of power would else leave it as it was before, and the host be taken for a copy."""
    life = begin(tmp_path / "w")
    path = tmp_path / "w" / LIFE_FILE
    written: list[tuple[int, str]] = []

    def note(descriptor: int) -> None:
        written.append((os.fstat(descriptor).st_ino, path.read_text()))

    monkeypatch.setattr(os, "fsync", note)
    await heard(life)
    assert life.age == 1
    of_file, before = written[0]
    assert of_file == path.stat().st_ino
    assert before != path.read_text()
    assert written[1:] == [(path.parent.stat().st_ino, path.read_text())]


def full(*_: object) -> None:
    raise OSError(28, "No space left on device")


async def test_on_a_full_disk_it_goes_on_as_the_one_before_which_is_over(
    tmp_path: Path, begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = await heard(begin(tmp_path / "w"))
    shutil.copytree(tmp_path / "w", tmp_path / "copy")
    monkeypatch.setattr(lives, "write_own", full)
    second = begin(tmp_path / "w")
    assert second.id == first.id
    await heard(second)
    assert second.age == first.age  # what is not on disk is not told
    with pytest.raises(StartupError, match="life cannot be written: No space left"):
        begin(tmp_path / "copy")


@pytest.mark.parametrize("text", ["", "[]", '{"lives": 1}', '{"lives": [], "place": "x"}'])
async def test_a_file_that_is_none_of_ours_is_written_anew(
    tmp_path: Path, begin: Begin, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / LIFE_FILE).write_text(text)
    life = begin(tmp_path)
    assert life.said.before == ()
    assert "cannot be used, and is written anew" in caplog.text
    assert begin(tmp_path).said.before == (life.id,)


async def test_one_that_cannot_be_read_now_is_not_written_anew(
    tmp_path: Path, begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Servers would take what forgot the lives before for a copy, and give up what goes on."""
    first = await heard(begin(tmp_path / "w"))

    def fail(_: Path) -> str:
        raise OSError(24, "Too many open files")

    with monkeypatch.context() as patch:
        patch.setattr(lives, "read_small", fail)
        with pytest.raises(StartupError, match="life cannot be read: Too many open files"):
            begin(tmp_path / "w")
    assert begin(tmp_path / "w").said.before == (first.id,)
