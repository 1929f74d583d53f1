"""Where a run's output is kept: its head, and the tail of one that is too long to keep whole.

    output      the head; at the run's end the tail is appended to it
    tail.<n>    what follows the head, cut into segments of `tail_bytes`; the newest is being
                filled, the one before it is kept, and those before that are gone

So an offset names the same byte for ever, and the files alone tell how much has come.
"""

import asyncio
import os
from pathlib import Path
from typing import BinaryIO

from server.keeper.spool import OUTPUT, TAIL, Limits

MARKER = "\n[tailrun: {} bytes of output were left out here]\n"
COPY_BYTES = 1024 * 1024


def division(limits: Limits) -> tuple[int | None, int]:
    """Return how long head and tail may be; all is head (None: without a bound) without a tail."""
    bound = limits.max_output_bytes
    if bound is None or limits.output_policy != "head_and_tail":
        return bound, 0
    tail_bytes = min(limits.tail_bytes, bound)
    return bound - tail_bytes, tail_bytes


async def complete(directory: Path, limits: Limits) -> tuple[int, int]:
    """Append its tail to the output of a run that has ended, and see that there is an output.

    Return how long it is, and how many bytes before the tail were left out. Done again, after a
    crash perhaps, the same bytes go to the same place.
    """
    (directory / OUTPUT).touch(mode=0o600)
    files = OutputFiles(directory, limits)
    try:
        left_out = await files.finish()
    finally:
        files.close()
    return files.output_bytes, left_out


class OutputFiles:
    """The files of a run's output; `descriptor` is where to write, after a look at `room`.

    `output_bytes` is the size of `output`. OSError: they cannot be used.
    """

    def __init__(self, directory: Path, limits: Limits) -> None:
        self._directory = directory
        self._head_bytes, self._tail_bytes = division(limits)
        self.output_bytes = (directory / OUTPUT).stat().st_size
        self._newest = self._find_newest() if self._tail_bytes else -1
        path = directory / OUTPUT if self._newest < 0 else self._segment(self._newest)
        self.descriptor = os.open(path, os.O_WRONLY)
        self._filled = os.lseek(self.descriptor, 0, os.SEEK_END)

    @property
    def closed(self) -> bool:
        """Whether a keeper has begun to append the tail, so that nothing may follow it."""
        return self._newest >= 0 and self.output_bytes > (self._head_bytes or 0)

    def room(self, count: int) -> int:
        """Return how many of `count` bytes that have come may be written; 0: no more at all."""
        bound = self._head_bytes if self._newest < 0 else self._tail_bytes
        if bound is None:
            return count
        if self._filled >= bound and self._tail_bytes:
            self._begin_segment()
            bound = self._tail_bytes
        return max(min(count, bound - self._filled), 0)

    def wrote(self, count: int) -> None:
        """Take note of what was written to `descriptor`."""
        self._filled += count
        if self._newest < 0:
            self.output_bytes += count

    async def finish(self) -> int:
        """Append the tail, and return how many bytes before it were left out."""
        if self._newest < 0:
            return 0
        left_out = max((self._newest - 1) * self._tail_bytes + self._filled, 0)
        with (self._directory / OUTPUT).open("r+b") as output:
            output.seek(self._head_bytes or 0)
            if left_out:
                output.write(MARKER.format(left_out).encode())
            for number, offset in ((self._newest - 1, self._filled), (self._newest, 0)):
                if self._segment(number).exists():
                    await self._append(number, offset, output)
            self.output_bytes = output.tell()
        return left_out

    def close(self) -> None:
        """Give the descriptor back."""
        os.close(self.descriptor)

    def _find_newest(self) -> int:
        segments = self._directory.glob(f"{TAIL}.[0-9]*")
        return max((int(path.suffix[1:]) for path in segments), default=-1)

    def _segment(self, number: int) -> Path:
        return self._directory / f"{TAIL}.{number}"

    def _begin_segment(self) -> None:
        """Go on in a new segment; the one before the full one has become too old to be kept."""
        self._segment(self._newest - 1).unlink(missing_ok=True)
        descriptor = os.open(self._segment(self._newest + 1), os.O_WRONLY | os.O_CREAT, 0o600)
        self.close()
        self.descriptor = descriptor
        self._newest += 1
        self._filled = 0

    async def _append(self, number: int, offset: int, output: BinaryIO) -> None:
        with self._segment(number).open("rb") as segment:
            segment.seek(offset)
            while data := segment.read(COPY_BYTES):
                output.write(data)
                await asyncio.sleep(0)  # other runs go on meanwhile
