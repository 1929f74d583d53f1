"""Failpoints: what arms them, and when they fail."""

import pytest

from server.keeper import failpoints


def test_a_step_fails_at_its_passage_and_at_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(failpoints, "_remaining", failpoints._armed("one:2=error,other"))
    failpoints.failpoint("one")
    with pytest.raises(OSError, match="failpoint one"):
        failpoints.failpoint("one")
    failpoints.failpoint("one")
    failpoints.failpoint("none")


def test_nothing_is_armed_without_the_variable() -> None:
    assert failpoints._armed("") == {}
