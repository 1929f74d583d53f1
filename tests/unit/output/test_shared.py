from server.output.shared import Encoded, SharedFrames


def test_a_frame_is_found_by_format_and_offset() -> None:
    shared = SharedFrames()
    frame = Encoded(b"one", 3)
    shared.put("text", 0, frame)
    assert shared.get("text", 0) is frame
    assert shared.get("json", 0) is None
    assert shared.get("text", 1) is None


def test_the_oldest_frames_go_when_there_are_too_many() -> None:
    shared = SharedFrames(limit_frames=2)
    for offset in range(3):
        shared.put("raw", offset, Encoded(b"x", offset + 1))
    assert [shared.get("raw", offset) is not None for offset in range(3)] == [False, True, True]


def test_the_oldest_frames_go_when_they_are_too_large() -> None:
    shared = SharedFrames(limit_bytes=10)
    shared.put("raw", 0, Encoded(b"x" * 6, 6))
    shared.put("raw", 6, Encoded(b"x" * 6, 12))
    assert shared.get("raw", 0) is None
    assert shared.get("raw", 6) is not None


def test_a_frame_above_the_bound_is_not_kept() -> None:
    shared = SharedFrames(limit_bytes=10)
    shared.put("raw", 0, Encoded(b"x" * 11, 11))
    assert shared.get("raw", 0) is None


def test_a_frame_put_again_counts_once() -> None:
    shared = SharedFrames(limit_bytes=10)
    for _ in range(3):
        shared.put("raw", 0, Encoded(b"x" * 6, 6))
    assert shared.get("raw", 0) is not None
