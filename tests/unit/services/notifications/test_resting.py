"""Targets that fail rest, each longer from one failure to the next."""

from server.services.notifications.resting import Resting


def test_a_target_rests_longer_after_each_failure_and_a_minute_at_most() -> None:
    resting = Resting()
    for failures, seconds in [(1, 1), (2, 2), (3, 4), (4, 8), (5, 16), (6, 32), (7, 60), (8, 60)]:
        resting.failed("chat", 100)
        assert resting.failures("chat") == failures
        assert resting.seconds(100) == seconds
        assert resting.names(100 + seconds - 0.1) == {"chat"}
        assert resting.names(100 + seconds) == set()
        assert resting.failing == {"chat"}


def test_a_target_that_nothing_waits_for_is_forgotten() -> None:
    resting = Resting()
    resting.failed("chat", 0)
    assert resting.names(7200) == set()
    assert resting.failing == {"chat"}
    assert resting.names(7300) == set()
    assert resting.failing == set()


def test_who_was_told_rests_no_more() -> None:
    resting = Resting()
    resting.failed("chat", 0)
    resting.failed("mail", 0.5)
    assert resting.seconds(0.75) == 0.25
    resting.told("chat")
    resting.told("another")
    assert resting.failing == {"mail"}
    assert resting.failures("chat") == 0
    assert resting.seconds(2) is None
