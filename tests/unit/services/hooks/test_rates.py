"""How often something may be done in a minute."""

from uuid import uuid4

import pytest

from server.services.hooks import rates
from server.services.hooks.rates import Rates


def test_so_many_are_let_through_in_a_minute_of_each() -> None:
    limits, one, other = Rates(2), uuid4(), uuid4()
    assert [limits.wait_seconds(one, now) for now in (0.0, 30.0, 30.0, 59.5)] == [0, 0, 30, 1]
    assert limits.wait_seconds(other, 30.0) == 0
    assert [limits.wait_seconds(one, now) for now in (60.0, 60.0, 60.0)] == [0, 0, 60]


def test_few_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rates, "MAX_KEPT", 2)
    limits, ids = Rates(1), [uuid4() for _ in range(3)]
    assert [limits.wait_seconds(one, 0.0) for one in ids] == [0, 0, 0]
    assert limits.wait_seconds(ids[2], 0.0) == 60
    assert limits.wait_seconds(ids[0], 0.0) == 0
