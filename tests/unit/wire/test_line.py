"""Who is answered next."""

from server.wire.line import Bounds, Line

BOUNDS = Bounds(at_once=4, share=2, share_bytes=50, waiting=6, waiting_bytes=100)


def taken(line: Line[str]) -> list[str]:
    """Take all that may be answered now."""
    found = []
    while (following := line.next()) is not None:
        found.append(following[1])
    return found


def test_each_has_its_turn_and_none_more_than_its_share() -> None:
    line = Line[str](BOUNDS)
    for number in range(3):
        line.add("loud", f"loud {number}", 1)
    line.add("quiet", "quiet 0", 1)
    line.add("other", "other 0", 1)
    assert taken(line) == ["loud 0", "quiet 0", "other 0", "loud 1"]
    line.add("late", "late 0", 1)
    line.done("quiet", 1)
    assert taken(line) == ["late 0"]
    line.done("loud", 1)
    assert taken(line) == ["loud 2"]
    for asker in ("loud", "loud", "other", "late"):
        line.done(asker, 1)
    assert taken(line) == []


def test_one_alone_has_its_share_and_no_more() -> None:
    line = Line[str](BOUNDS)
    for number in range(3):
        line.add("loud", f"loud {number}", 1)
    assert taken(line) == ["loud 0", "loud 1"]
    line.done("loud", 1)
    assert taken(line) == ["loud 2"]


def test_whoever_has_most_in_a_full_line_loses_what_is_oldest() -> None:
    line = Line[str](BOUNDS)
    line.add("quiet", "quiet 0", 1)
    for number in range(7):
        line.add("loud", f"loud {number}", 1)
    assert taken(line) == ["quiet 0", "loud 2", "loud 3"]

    line = Line[str](BOUNDS)
    line.add("quiet", "quiet 0", 1)
    line.add("large", "large 0", 90)
    line.add("large", "large 1", 90)
    assert taken(line) == ["quiet 0", "large 1"]


def test_what_is_larger_than_the_line_is_answered_where_nothing_else_waits() -> None:
    line = Line[str](BOUNDS)
    line.add("large", "large", 1000)
    assert taken(line) == ["large"]


def test_of_what_is_large_one_has_as_much_as_its_share_or_one() -> None:
    line = Line[str](BOUNDS)
    for size in (20, 40, 30):
        line.add("large", f"of {size}", size)
    line.add("quiet", "quiet 0", 1)
    assert taken(line) == ["of 20", "quiet 0"]
    line.done("large", 20)
    assert taken(line) == ["of 40"]
    line.done("large", 40)
    assert taken(line) == ["of 30"]
