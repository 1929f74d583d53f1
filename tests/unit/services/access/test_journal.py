"""The journal of acts, on a real disk: what it holds after each crash."""

import os
from pathlib import Path

import pytest

from server.access import EVERYBODY, Act, Actor, AuditEntry, Outcome
from server.services.access import journal
from server.services.access.entries import entry_of, record
from server.services.access.journal import Journal
from tests.support.access import BY


def entry(text: str = "") -> AuditEntry:
    return entry_of(Act.RUN_STOP, BY, Outcome.DONE, details={"text": text})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "audit"


@pytest.fixture
def opened(path: Path) -> Journal:
    made = Journal(path)
    assert made.open() == []
    return made


def held(path: Path) -> list[AuditEntry]:
    """Return what a next server finds."""
    return Journal(path).open()


def test_entries_are_found_again_in_their_order(opened: Journal, path: Path) -> None:
    one, two, three = entry(), entry("x" * 100), entry()
    opened.append([one, two])
    opened.append([three])
    assert held(path) == [one, two, three]
    assert path.stat().st_mode & 0o777 == 0o600


def test_what_was_entered_is_forgotten(opened: Journal, path: Path) -> None:
    opened.append([entry("x" * 150), entry()])
    opened.replace([])
    assert (held(path), opened.size) == ([], 0)
    new = entry()
    opened.append([new])
    assert held(path) == [new]


def test_what_waits_is_kept_when_it_is_written_anew(opened: Journal, path: Path) -> None:
    old, waiting = entry(), entry()
    opened.append([old, waiting])
    opened.replace([waiting])
    later = entry()
    opened.append([later])
    assert held(path) == [waiting, later]


def test_a_line_that_a_crash_has_cut_is_left_out_and_written_over(
    opened: Journal, path: Path
) -> None:
    whole, cut, later = entry(), entry(), entry()
    opened.append([whole])
    descriptor = os.open(path, os.O_WRONLY)
    os.pwrite(descriptor, record(cut)[:-10], opened.size)
    os.close(descriptor)
    again = Journal(path)
    assert again.open() == [whole]
    again.append([later])
    assert held(path) == [whole, later]


def test_a_line_that_is_no_entry_is_left_out(
    opened: Journal, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    good = entry()
    opened.append([good])
    path.write_bytes(b"nothing\n" + record(good))
    assert held(path) == [good]
    assert "is no entry of the audit" in caplog.text


def test_its_space_is_there_before_it_is_needed(
    opened: Journal, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert path.stat().st_blocks * 512 >= journal.RESERVE_BYTES
    monkeypatch.setattr(journal, "RESERVE_BYTES", 100)
    opened.append([entry(), entry()])
    opened.replace([])
    assert path.stat().st_size == 100


def test_it_is_bounded(opened: Journal, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = entry()
    opened.append([first])
    monkeypatch.setattr(journal, "MAX_BYTES", opened.size + 10)
    with pytest.raises(OSError, match="full"):
        opened.append([entry()])
    assert held(path) == [first]


def test_what_comes_after_it_was_removed_is_found(opened: Journal, path: Path) -> None:
    opened.append([entry()])
    path.unlink()
    later = entry()
    opened.append([later])
    assert held(path) == [later]


def test_a_link_in_its_place_is_not_followed(tmp_path: Path, path: Path) -> None:
    target = tmp_path / "target"
    target.write_bytes(b"precious")
    path.symlink_to(target)
    with pytest.raises(OSError, match="symbolic"):
        Journal(path).open()
    assert target.read_bytes() == b"precious"


def test_names_of_any_kind_are_held(opened: Journal, path: Path) -> None:
    by = Actor(EVERYBODY, "\x00\x1b\ud800\n" + "x" * 1_000_000)
    hostile = entry_of(Act.RUN_STOP, by, Outcome.DONE)
    opened.append([hostile])
    assert held(path) == [hostile]
    assert opened.size < 3000
