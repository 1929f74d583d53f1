"""Removing whatever a run has left."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from server.keeper.trash import Trash, unlock
from tests.support.strangers import STRANGERS


def immutable(path: Path) -> None:
    path.mkdir()
    (path / "file").write_bytes(b"x")
    for locked in (path / "file", path):
        subprocess.run(["/usr/bin/chattr", "+i", str(locked)], check=True)


def unwritable(path: Path) -> None:
    (path / "below" / "deeper").mkdir(parents=True)
    (path / "below" / "file").write_bytes(b"x")
    for locked, mode in ((path / "below" / "deeper", 0), (path / "below", 0o500), (path, 0)):
        locked.chmod(mode)


def deep(path: Path) -> None:
    """Make directories so deep that no path reaches them."""
    here = os.open(path.parent, os.O_RDONLY)
    name = path.name
    for _ in range(3_000):
        os.mkdir(name, dir_fd=here)
        below = os.open(name, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here, name = below, "x" * 200
    os.close(here)


def many(path: Path) -> None:
    path.mkdir()
    for number in range(5_000):
        (path / str(number)).touch()
        (path / f"d{number}").mkdir()


def no_utf8(path: Path) -> None:
    path.mkdir()
    (path / os.fsdecode(b"\xff\xfe\n")).write_bytes(b"x")
    (path / os.fsdecode(b"\xff")).mkdir()


def sparse(path: Path) -> None:
    path.touch()
    os.truncate(path, 4 << 40)


REMOVED: dict[str, Callable[[Path], object]] = STRANGERS | {
    "nothing": lambda _: None,
    "file": lambda path: path.write_bytes(b"x"),
    "unwritable": unwritable,
    "deep": deep,
    "many": many,
    "no UTF-8": no_utf8,
    "sparse": sparse,
}
if os.geteuid() == 0:
    REMOVED["immutable"] = immutable


@pytest.fixture
def trash(tmp_path: Path) -> Trash:
    return Trash(tmp_path / "trash")


@pytest.mark.parametrize("kind", REMOVED)
def test_everything_can_be_removed(trash: Trash, tmp_path: Path, kind: str) -> None:
    path = tmp_path / "thing"
    REMOVED[kind](path)
    name = trash.take(path)
    assert (name is None) is (kind == "nothing")
    assert not os.path.lexists(path)
    if name is not None:
        trash.remove(name)
    assert list(trash.root.iterdir()) == []


def test_what_a_link_leads_to_is_kept(trash: Trash, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    (kept / "below").mkdir(parents=True)
    (kept / "below" / "file").write_bytes(b"x")
    (tmp_path / "thing").mkdir()
    (tmp_path / "thing" / "link").symlink_to(kept)
    (tmp_path / "link").symlink_to(kept)
    for name in ("thing", "link"):
        trash.take(tmp_path / name)
    trash.empty()
    assert (kept / "below" / "file").read_bytes() == b"x"
    assert list(trash.root.iterdir()) == []


def test_where_a_link_in_its_place_leads_to_is_not_emptied(trash: Trash, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.mkdir()
    (kept / "file").touch()
    trash.root.symlink_to(kept)
    trash.empty()
    trash.remove("file")
    (tmp_path / "thing").mkdir()
    trash.take(tmp_path / "thing")
    trash.empty()
    assert list(trash.root.iterdir()) == []
    assert [path.name for path in kept.iterdir()] == ["file"]


def test_what_cannot_be_removed_stays_and_is_told_once(
    trash: Trash, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """As a directory on which something is mounted; all else goes."""
    (tmp_path / "thing").mkdir()
    for name in ("a", "busy", "c"):
        (tmp_path / "thing" / name).touch()
    trash.take(tmp_path / "thing")
    unlink = os.unlink

    def refuse(name: str, *, dir_fd: int) -> None:
        if name == "busy":
            raise OSError(16, "Device or resource busy")
        unlink(name, dir_fd=dir_fd)

    with monkeypatch.context() as patch:
        patch.setattr(os, "unlink", refuse)
        for _ in range(3):
            trash.empty()
    (thing,) = trash.root.iterdir()
    assert [path.name for path in thing.iterdir()] == ["busy"]
    assert caplog.text.count("Device or resource busy") == 1
    trash.empty()
    assert list(trash.root.iterdir()) == []


def test_a_trash_that_is_none_is_told(
    trash: Trash, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    trash.root.write_bytes(b"a file")
    trash.empty()
    trash.remove("name")
    assert "not removed, trying again later" in caplog.text
    (tmp_path / "thing").touch()
    with pytest.raises(FileExistsError):
        trash.take(tmp_path / "thing")


def test_a_file_with_another_name_is_not_unlocked(tmp_path: Path) -> None:
    """Its flags are the other's as well."""
    path = tmp_path / "file"
    path.write_bytes(b"x")
    path.chmod(0o400)
    (tmp_path / "other").hardlink_to(path)
    unlock(path)
    unlock(tmp_path / "nothing")
    assert path.stat().st_mode & 0o777 == 0o400
