"""How many rows of refused acts a flood may leave."""

from server.services.access.allowance import MINUTE, PER_MINUTE, PER_SECOND, SECOND, Allowance


def test_so_many_a_second_and_so_many_a_minute_have_a_row() -> None:
    allowance = Allowance()
    taken = [sum(allowance.take(1000 + second) for _ in range(50)) for second in range(60)]
    whole, rest = divmod(PER_MINUTE, PER_SECOND)
    assert taken == [PER_SECOND] * whole + [rest] + [0] * (59 - whole)
    assert allowance.take(1000 + MINUTE)


def test_the_others_are_counted_once_their_minute_is_over() -> None:
    allowance = Allowance()
    for _ in range(PER_SECOND + 5):
        allowance.take(1000)
    assert allowance.further(1000 + MINUTE - 1) == 0
    assert allowance.further(1000 + MINUTE) == 5
    assert allowance.further(1000 + 2 * MINUTE) == 0


def test_it_is_over_once_nothing_is_left_to_be_counted() -> None:
    allowance = Allowance()
    for _ in range(PER_SECOND + 1):
        allowance.take(1000)
    assert not allowance.is_over(1000 + MINUTE)
    allowance.rest()
    assert not allowance.is_over(1000 + MINUTE - 1)
    assert allowance.is_over(1000 + MINUTE)


def test_what_is_left_is_counted_at_the_end() -> None:
    allowance = Allowance()
    for _ in range(PER_SECOND + 1):
        allowance.take(1000)
    assert not allowance.take(1000 + SECOND / 2)
    assert allowance.take(1000 + SECOND)
    assert (allowance.rest(), allowance.rest()) == (2, 0)
