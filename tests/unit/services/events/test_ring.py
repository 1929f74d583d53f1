"""The ring of changes: each reader gets every thing's newest, in order, or is told of a loss."""

from hypothesis import given
from hypothesis import strategies as st

from server.services.events.ring import Ring

CAPACITY = 4


def test_of_several_changes_of_a_thing_the_last_is_found() -> None:
    ring: Ring[str, int] = Ring(3, lost=10)
    for sequence, key in enumerate("abab", 11):
        ring.put(sequence, key, sequence)
    assert ring.after(10, 9) == [(13, 13), (14, 14)]
    assert ring.after(10, 1) == [(13, 13)]
    assert ring.after(13, 9) == [(14, 14)]
    assert ring.after(14, 9) == []
    assert (ring.get("a"), ring.get("c"), ring.lost, len(ring)) == (13, None, 10, 2)
    ring.clear(20)
    assert (ring.after(0, 9), ring.lost) == ([], 20)


@given(st.lists(st.tuples(st.integers(0, 7), st.booleans())), st.integers(1, 3))
def test_a_reader_that_lost_nothing_knows_the_newest_of_all(
    steps: list[tuple[int, bool]], limit: int
) -> None:
    """Whenever it reads; it holds no more than the ring's capacity."""
    ring: Ring[int, int] = Ring(CAPACITY, lost=0)
    truth: dict[int, int] = {}
    known: dict[int, int] = {}
    cursor = 0
    for sequence, (key, reads) in enumerate(steps, 1):
        ring.put(sequence, key, sequence)
        truth[key] = sequence
        assert len(ring) <= CAPACITY
        if not reads:
            continue
        if cursor < ring.lost:
            known, cursor = dict(truth), sequence
        while found := ring.after(cursor, limit):
            assert [at for at, _ in found] == sorted(at for at, _ in found)
            assert len(found) <= limit
            known |= {key: at for key, at in truth.items() if (at, at) in found}
            cursor = found[-1][0]
        assert known == truth
