"""What of the bench is pure: its frames, its table of marks, its places in the README."""

import struct

from bench import report, wire
from bench.__main__ import MEASURES
from bench.marks import MARKS
from bench.session import Figure


def test_frames_are_found_whichever_way_their_length_is_told() -> None:
    sizes = (0, 125, 126, 70_000)
    data = b"".join(_frame(bytes(size)) for size in sizes)
    found = [end - start for _, start, end in wire.frames(memoryview(data), 0, len(data))]
    assert found == list(sizes)


def test_a_frame_that_is_not_whole_is_left_for_later() -> None:
    data = _frame(b"whole") + _frame(bytes(300))[:-1]
    for length in range(len(data) - 300, len(data) + 1):
        frames = wire.frames(memoryview(data), 0, length)
        assert [(opcode, end) for opcode, _, end in frames] == [(wire.BINARY, 7)]


def test_each_mark_is_of_something_that_is_measured() -> None:
    assert {mark.measure for mark in MARKS} <= set(MEASURES)


def test_a_mark_beside_somebody_is_the_ratio_of_medians() -> None:
    samples = {
        ("starts", "started and ended", who): [(Figure("", value, "runs/s"), 0.0)] * 3
        for who, value in {"tailrun": 210.0, "cronstable": 300.0, "procrastinate": 211.0}.items()
    }
    found = [row[2:] for row in report.marks_of(samples)]
    assert found == [
        ["≥ 1 times procrastinate", "0.995", "**missed**"],
        ["≥ 0.7 times cronstable", "0.7", "reached"],
    ]


def test_a_mark_beyond_somebody_is_the_difference_of_medians() -> None:
    samples = {
        ("hosts", "first byte", f"{who}, echo hi"): [(Figure("", value, "ms"), 0.0)] * 3
        for who, value in {"local": 8.0, "worker": 18.5}.items()
    }
    found = [row[2:] for row in report.marks_of(samples)]
    assert found == [["≤ 10 ms beyond local, echo hi", "10.5", "**missed**"]]


def test_the_readme_has_a_place_for_each_lasting_report() -> None:
    page = report.README.read_text(encoding="utf-8")
    for title in ("latest", "busy", "page", "hosts"):
        assert all(page.count(f"<!-- {of}{title} -->\n") == 1 for of in ("", "end of "))


def _frame(payload: bytes) -> bytes:
    """Return a binary frame of a server (RFC 6455)."""
    size = len(payload)
    if size < 126:
        return struct.pack("!BB", 0x80 | wire.BINARY, size) + payload
    if size < 1 << 16:
        return struct.pack("!BBH", 0x80 | wire.BINARY, 126, size) + payload
    return struct.pack("!BBQ", 0x80 | wire.BINARY, 127, size) + payload
