"""Where a run's output is kept: its head, and the tail of one that is too long to keep whole.

    output      the head; at the run's end the tail is appended to it
    tail.<n>    what follows the head, cut into segments of `tail_bytes`; the newest is being
                filled, the one before it is kept, and those before that are gone

So an offset names the same byte forever, and the files alone show how much has come.

The files are opened once. From then on their descriptors count, and not what somebody makes of
their names: what was removed or replaced is written on, and put back at its name in the end.
"""

import os
import re
from contextlib import suppress
from pathlib import Path

from server.keeper.files import TRANSIENT_ERRORS, closed_mode, open_regular
from server.keeper.handover import Descriptors
from server.keeper.records import Limits
from server.keeper.run.regular import copy, is_at, link, resize, size_without_hole, write_at
from server.keeper.spool import CHANGED, OUTPUT, TAIL
from server.keeper.trash import Trash

MARKER = "\n[tailrun: {} bytes of output were left out here]\n"
_SEGMENT = re.compile(rf"{TAIL}\.(0|[1-9][0-9]{{0,17}})")


def division(limits: Limits) -> tuple[int | None, int]:
    """Return how long head and tail may be; all is head (None: without a bound) without a tail."""
    bound = limits.max_output_bytes
    if bound is None or limits.output_policy != "head_and_tail":
        return bound, 0
    tail_bytes = min(limits.tail_bytes, bound)
    return bound - tail_bytes, tail_bytes


def reopened(directory: Path, limits: Limits, trash: Trash) -> "OutputFiles":
    """Open the files of a run that is not kept; what is no output is put aside for an empty one.

    Raises:
        OSError: it cannot be done.
    """
    path, mode = directory / OUTPUT, closed_mode(directory, 0o600)
    try:
        os.close(open_regular(path, os.O_RDWR | os.O_CREAT, mode))
    except OSError as error:
        if error.errno in TRANSIENT_ERRORS:
            raise
        trash.take(path)
        os.close(open_regular(path, os.O_RDWR | os.O_CREAT, mode))
    return OutputFiles(directory, limits, trash)


class OutputFiles:
    """The files of a run's output; `descriptor` is where to write, after a look at `room`.

    They are opened by name, or are those that were `handed` over. `output_bytes` is the size of
    `output`; `changed`, whether somebody else has cut or lengthened it, so that bytes may be
    missing.

    Raises:
        OSError: they cannot be used.
    """

    def __init__(
        self, directory: Path, limits: Limits, trash: Trash, handed: Descriptors | None = None
    ) -> None:
        self._directory = directory
        self._trash = trash
        self._head_bytes, self._tail_bytes = division(limits)
        self._segments: dict[int, int] = {}
        if handed is None:
            self._output = open_regular(directory / OUTPUT, os.O_RDWR)
        else:
            self._output = handed.output
            self._segments |= handed.segments
        try:
            self.output_bytes = size_without_hole(self._output)
            self.changed = os.path.lexists(directory / CHANGED)
            self._mend(self._output, self.output_bytes)
            if handed is None:
                self._newest = self._find_newest()
                for number in (self._newest - 1, self._newest):
                    if number >= 0 and self._segment(number).exists():
                        self._segments[number] = open_regular(self._segment(number), os.O_RDWR)
            else:
                self._newest = max(self._segments, default=-1)
        except OSError:
            self.close()
            raise
        self._appending = self.closed
        self.descriptor = self._segments.get(self._newest, self._output)
        self._filled = os.lseek(self.descriptor, 0, os.SEEK_END)

    @property
    def closed(self) -> bool:
        """Whether a keeper has begun to append the tail, so that nothing may follow it."""
        return self._newest >= 0 and self.output_bytes > (self._head_bytes or 0)

    def room(self, count: int) -> int:
        """Return how many of `count` bytes that have come may be written; 0: no more at all."""
        # First, as what is written now would hide that somebody has cut the file.
        self._mend(self.descriptor, self._filled)
        bound = self._head_bytes if self._newest < 0 else self._tail_bytes
        if bound is None:
            return count
        if self._filled >= bound and self._tail_bytes:
            self._begin_segment()
            bound = self._tail_bytes
        return max(min(count, bound - self._filled), 0)

    def wrote(self, count: int) -> None:
        """Record how many bytes were written to `descriptor`."""
        assert count >= 0, "an output shrinks"
        self._filled += count
        if self._newest < 0:
            self.output_bytes += count

    def mend(self) -> None:
        """Give the output the size that was written, if somebody else has changed that.

        Cheap where nobody has. What was cut off is gone: zeros stand for it.

        Raises:
            OSError: not now.
        """
        if not self._appending:
            self._mend(self._output, self.output_bytes)

    def descriptors(self, pipe: int) -> Descriptors:
        """Return the open files beside that of the pipe, as long as what was written.

        Raises:
            OSError: somebody else has cut or lengthened the output, and it cannot be put right now.
        """
        self.mend()
        if not self._appending:
            self._mend(self.descriptor, self._filled)
        return Descriptors(pipe, self._output, dict(self._segments))

    async def finish(self) -> tuple[int, int]:
        """Append the tail, and see that the output is at its name.

        Return how long it is, and how many bytes before the tail were left out. Done again, after
        a crash perhaps, the same bytes go to the same place.
        """
        self.mend()
        left_out = 0
        if self._newest >= 0:
            self._appending = True
            left_out = max((self._newest - 1) * self._tail_bytes + self._filled, 0)
            self.output_bytes = await self._append_tail(left_out)
            resize(self._output, self.output_bytes)
        await self._put_back()
        return self.output_bytes, left_out

    def close(self) -> None:
        """Close the files."""
        for descriptor in (self._output, *self._segments.values()):
            os.close(descriptor)
        self._segments.clear()

    def _find_newest(self) -> int:
        """Return the newest segment, -1: there is none."""
        # Only what a keeper may have made is one: the head is full, and so is the segment before.
        if not self._tail_bytes or self.output_bytes < (self._head_bytes or 0):
            return -1
        with os.scandir(self._directory) as entries:
            sizes = {
                int(match[1]): entry.stat(follow_symlinks=False).st_size
                for entry in entries
                if (match := _SEGMENT.fullmatch(entry.name))
                and entry.is_file(follow_symlinks=False)
            }
        full = self._tail_bytes
        ours = (
            number
            for number, size in sizes.items()
            if number == 0 or sizes.get(number - 1) == full or (size == full and len(sizes) == 1)
            if size <= full
        )
        return max(ours, default=-1)

    def _segment(self, number: int) -> Path:
        return self._directory / f"{TAIL}.{number}"

    def _begin_segment(self) -> None:
        """Go on in a new segment."""
        path = self._segment(self._newest + 1)
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL
        try:
            self.descriptor = os.open(path, flags, 0o600)
        except FileExistsError:
            self._trash.take(path)
            self.descriptor = os.open(path, flags, 0o600)
        self._newest += 1
        self._segments[self._newest] = self.descriptor
        self._filled = 0
        # The full one and the new one cover the tail; the one before them is too old for it.
        if (old := self._segments.pop(self._newest - 2, None)) is not None:
            os.close(old)
            self._segment(self._newest - 2).unlink(missing_ok=True)

    async def _append_tail(self, left_out: int) -> int:
        """Write marker and tail behind the head; return where they end."""
        end = self._head_bytes or 0
        if left_out:
            marker = MARKER.format(left_out).encode()
            write_at(self._output, marker, end)
            end += len(marker)
        parts = (
            (self._newest - 1, self._filled, self._tail_bytes),
            (self._newest, 0, self._filled),
        )
        for number, start, size in parts:
            if (segment := self._segments.get(number)) is not None:
                self._mend(segment, size)
                await copy(segment, start, size, self._output, end)
                end += size - start
        assert end >= (self._head_bytes or 0), "the tail lies before the end of the head"
        return end

    def _mend(self, descriptor: int, size: int) -> None:
        if os.fstat(descriptor).st_size != size:
            self.changed = True
            flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK
            with suppress(OSError):  # only a later keeper needs it
                os.close(os.open(self._directory / CHANGED, flags, 0o600))
            resize(descriptor, size)

    async def _put_back(self) -> None:
        """Put the output at its name again, where it is not there any more."""
        path = self._directory / OUTPUT
        if is_at(self._output, path):
            return
        self._trash.take(path)
        # A file without any name cannot be linked again (linkat(2)): its bytes are copied.
        if os.fstat(self._output).st_nlink > 0:
            link(self._output, path)
            return
        temporary = path.with_suffix(".tmp")
        self._trash.take(temporary)
        mode = closed_mode(self._directory, 0o600)
        target = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        try:
            await copy(self._output, 0, self.output_bytes, target, 0)
        finally:
            os.close(target)
        temporary.replace(path)
