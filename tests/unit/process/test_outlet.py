"""What the service says goes out in order, or is dropped; nobody waits for it."""

import os
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from server.process.outlet import Outlet


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """Make a pipe: the end to read from, and the end to write to."""
    ends = os.pipe()
    yield ends
    for end in ends:
        with suppress(OSError):
            os.close(end)


def fill(end: int) -> int:
    """Write to a pipe until it is full; return how much that was."""
    os.set_blocking(end, False)
    written = 0
    with suppress(BlockingIOError):
        while True:
            written += os.write(end, bytes(1))
    os.set_blocking(end, True)
    return written


def test_texts_are_written_in_order_as_utf_8(pipe: tuple[int, int]) -> None:
    outlet = Outlet(pipe[1])
    for text in ("one\n", "zwölf\n", "\udcff\n"):
        outlet.write(text)
    outlet.flush()
    assert os.read(pipe[0], 1000) == "one\nzwölf\n\\udcff\n".encode()


@pytest.mark.parametrize("blocking", [True, False])
def test_what_nobody_takes_is_dropped_and_counted(pipe: tuple[int, int], blocking: bool) -> None:  # noqa: FBT001
    reading, writing = pipe
    filled = fill(writing)
    os.set_blocking(writing, blocking)
    outlet = Outlet(writing, max_texts=2)
    for number in range(10):
        outlet.write(f"{number}\n")
    outlet.flush(0.01)
    read = bytearray()

    def take() -> None:
        while b"dropped" not in read or not read.endswith(b"\n"):
            read.extend(os.read(reading, 2**16))

    taking = threading.Thread(target=take)
    taking.start()
    taking.join(20)
    said = bytes(read[filled:]).decode().splitlines()
    written = [line for line in said if line.isdigit()]
    (dropped,) = [int(line.split()[0]) for line in said if "were dropped" in line]
    assert written == [str(number) for number in range(len(written))]
    assert len(written) + dropped <= 10
    assert len(written) in {1, 2, 3}


def test_a_descriptor_that_takes_nothing_harms_nobody(tmp_path: Path) -> None:
    for path in ("/dev/full", tmp_path / "closed"):
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT)
        if path != "/dev/full":
            os.close(descriptor)
        outlet = Outlet(descriptor)
        outlet.write("lost\n")
        outlet.flush()
        if path == "/dev/full":
            os.close(descriptor)
