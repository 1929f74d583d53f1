"""What the kernel tells of a thread's waiting, and how long the archive rests for it."""

from pathlib import Path

import pytest

from server.services.archive.archiver import MAX_REST_SECONDS, rest_seconds
from server.services.archive.processor import seconds_waited


def test_this_thread_has_waited_no_time_or_some() -> None:
    first = seconds_waited()
    assert 0 <= first <= seconds_waited()


@pytest.mark.parametrize(
    ("content", "seconds"), [(b"5 2500000000 7\n", 2.5), (b"", 0.0), (b"5\n", 0.0), (b"a b c", 0.0)]
)
def test_the_second_figure_is_what_was_waited(
    tmp_path: Path, content: bytes, seconds: float
) -> None:
    path = tmp_path / "schedstat"
    path.write_bytes(content)
    assert seconds_waited(path) == seconds


def test_a_kernel_that_tells_nothing_has_none_wait(tmp_path: Path) -> None:
    assert seconds_waited(tmp_path / "none") == 0.0


@pytest.mark.parametrize(("waited", "rest"), [(0.0, 0.0), (0.1, 0.3), (60.0, MAX_REST_SECONDS)])
def test_the_archive_rests_as_the_loop_has_waited(waited: float, rest: float) -> None:
    assert rest_seconds(waited) == pytest.approx(rest)
