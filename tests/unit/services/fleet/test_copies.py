"""Two workers with one identity are found, and one that was started again is none of them."""

from server.services.fleet.copies import Copies


def told(*processes: str) -> list[int]:
    """Return at which beats of a host, by the processes that beat, it is told."""
    copies = Copies()
    return [number for number, one in enumerate(processes) if copies.note("w", one)]


def test_two_that_beat_in_turn_are_told_once() -> None:
    assert told(*"abababababab") == [5]
    assert told(*"aabbaabbaabb") == [10]


def test_one_that_was_started_again_is_one() -> None:
    assert told(*"aaabbbcccddd") == []
    assert told(*"aabab", *"bbbb") == []  # a beat came late


def test_a_third_is_told_anew() -> None:
    assert told(*"ababab", *"cbcbcb") == [5, 10]


def test_workers_of_before_say_nothing_of_it() -> None:
    assert told(*[""] * 9) == []
    copies = Copies()
    assert not any(copies.note(host, host) for host in [*"wxwxwxwxwx"])
