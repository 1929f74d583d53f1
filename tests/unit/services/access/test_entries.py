"""Rows of the audit as lines, which no name in them can break."""

import json
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.access import Act, Actor, KnownBy, Outcome, Principal
from server.services.access.entries import (
    ended,
    entry_in,
    entry_of,
    further,
    json_line,
    record,
)


@given(st.text(), st.dictionaries(st.text(), st.text()))
def test_an_entry_is_one_line_in_ascii_that_is_read_back(
    name: str, details: dict[str, str]
) -> None:
    by = Actor(Principal(name=name, known_by=KnownBy.TOKEN, label=name, credential=uuid4()), name)
    entry = entry_of(Act.RUN_STOP, by, Outcome.DONE, run_id=uuid4(), details=details)
    line = record(entry)
    assert entry_in(line) == entry
    for written in line, json_line(entry):
        assert written.count(b"\n") == 1
        assert all(0x20 <= byte < 0x7F for byte in written[:-1])


def test_a_line_has_the_fields_of_the_api() -> None:
    by = Actor(Principal(name="local:alice", known_by=KnownBy.LOCAL), "127.0.0.1")
    entry = entry_of(Act.RUN_SIGNAL, by, Outcome.DONE, command_id=uuid4())
    assert json.loads(json_line(entry)) == {
        "id": None,
        "at": entry.at.isoformat(),
        "principal": "local:alice",
        "known_by": "local",
        "address": "127.0.0.1",
        "act": "run.signal",
        "outcome": "done",
        "command_id": str(entry.command_id),
        "run_id": None,
        "script_sha256": None,
        "details": {},
    }


def test_an_act_that_ended_otherwise_says_why() -> None:
    by = Actor(Principal(name="local:alice", known_by=KnownBy.LOCAL), "127.0.0.1")
    begun = entry_of(Act.RUN_SIGNAL, by, Outcome.DONE, details={"signal": "SIGINT"})
    entry = ended(begun, Outcome.FAILED, "x" * 1000)
    assert (entry.key, entry.outcome) == (begun.key, "failed")
    assert entry.details["signal"] == "SIGINT"
    assert len(str(entry.details["why"])) == 200
    assert ended(begun, Outcome.REFUSED).details == begun.details


def test_what_was_counted_is_of_several() -> None:
    entry = further(Act.DENIED, 7)
    assert (entry.principal, entry.outcome, entry.details) == ("several", "refused", {"further": 7})


@pytest.mark.parametrize(
    "line", [b"", b"{}", b"[]", b"\xff", b"null", b"[" * 100_000, b'{"key": 1, "at": 2}']
)
def test_what_is_no_entry_is_none(line: bytes) -> None:
    with pytest.raises(ValueError, match="no entry of the audit"):
        entry_in(line)
