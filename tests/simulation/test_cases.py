"""Whatever order, delay, loss and repetition: no run starts twice, no byte is lost or there twice.

`python -m tests.simulation` plays further cases.
"""

import pytest

from server.services.running import claiming
from server.services.running.intake import Intake
from tests.simulation.case import play
from tests.simulation.keeper import Keeper
from tests.simulation.tables import Fences

CASES = 100
PARTS = 4
ENOUGH = 500
"""Among so many cases each fault shows itself."""


@pytest.mark.parametrize("part", range(PARTS))
def test_whatever_comes_late_or_again_all_is_done_once(part: int) -> None:
    for seed in range(part, CASES, PARTS):
        play(seed)


def is_noticed(fences: Fences | None = None) -> str:
    """Return what is noticed first where something is amiss."""
    for seed in range(ENOUGH):
        try:
            play(seed, fences or Fences())
        except AssertionError as error:
            return str(error)
    return "nothing"


@pytest.mark.parametrize(
    ("fences", "said"),
    [
        (Fences(epoch=False), "by who owns it no more"),
        (Fences(offset=False), "do not adjoin"),
        (Fences(life=False), "as who has its lease no more"),
        (Fences(hello=False), "ended: "),
        (Fences(given_up=False), "it ran on two hosts"),
    ],
)
def test_without_a_fence_in_the_database_it_shows(fences: Fences, said: str) -> None:
    assert said in is_noticed(fences)


def test_without_the_intake_an_answer_of_before_starts_a_run_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Intake, "__contains__", lambda *_: False)
    assert "started again" in is_noticed()


def test_without_tombstones_a_late_request_starts_a_run_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Keeper, "remembers", lambda *_: False)
    assert "started again" in is_noticed()


def test_a_claim_of_who_was_killed_is_found_by_looking_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(claiming, "ASK_AGAIN_SECONDS", ())
    assert "never ended" in is_noticed()
