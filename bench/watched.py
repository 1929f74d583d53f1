"""A server that notes the longest time for which one callback has held its event loop.

It is told in the file that HELD names, as two doubles: seconds of the loop's thread on a processor,
and seconds on the clock, which other processes lengthen. Whoever writes zeros there begins anew.
"""

import mmap
import os
import struct
import time
from asyncio import events
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

from server.__main__ import main

HELD = "BENCH_HELD"
LAYOUT = struct.Struct("dd")


@contextmanager
def watch(path: Path) -> Iterator[None]:
    """Time each callback of this process's loops; the file must be there."""
    with path.open("r+b") as file:
        held = mmap.mmap(file.fileno(), LAYOUT.size)
    run = events.Handle._run  # noqa: SLF001  there is no other place that all callbacks pass

    def timed(handle: events.Handle) -> None:
        cpu, clock = time.thread_time(), time.perf_counter()
        run(handle)
        cpu, clock = time.thread_time() - cpu, time.perf_counter() - clock
        most_cpu, most_clock = LAYOUT.unpack_from(held)
        if cpu > most_cpu or clock > most_clock:
            LAYOUT.pack_into(held, 0, max(cpu, most_cpu), max(clock, most_clock))

    with mock.patch.object(events.Handle, "_run", timed):
        yield


if __name__ == "__main__":
    with watch(Path(os.environ[HELD])):
        main()
