"""stdout as a place for bytes: whoever reads them may be slow, or go away at any time."""

import asyncio
import fcntl
import os
import stat
from contextlib import suppress

PIPE_BYTES = 1024 * 1024


class Stdout:
    """Writes to a descriptor, and leaves the loop free while a pipe or a terminal is full.

    `gone` is set once whoever read a pipe has closed it, even if nothing is written.
    """

    def __init__(self, descriptor: int) -> None:
        self.gone = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._own = self._opened_anew(descriptor)
        self._descriptor = descriptor if self._own is None else self._own
        self._is_watched = self._own is not None and stat.S_ISFIFO(os.fstat(self._own).st_mode)
        if self._is_watched:
            # Of a pipe's writing end this hears of its reader's end alone (poll(2), POLLERR).
            self._loop.add_reader(self._descriptor, self._note_gone)

    def close(self) -> None:
        """Stop watching; the descriptor itself stays open."""
        if self._own is not None:
            if self._is_watched:
                self._loop.remove_reader(self._own)
            os.close(self._own)
            self._own = None

    async def write(self, data: bytes) -> None:
        """Write all of it.

        Raises:
            BrokenPipeError: nobody reads it any more.
            OSError: it cannot be written: the disk is full.
        """
        rest = memoryview(data)
        while rest:
            try:
                rest = rest[os.write(self._descriptor, rest) :]
            except BlockingIOError:
                await self._writable()

    async def _writable(self) -> None:
        ready = asyncio.Event()
        self._loop.add_writer(self._descriptor, ready.set)
        try:
            await ready.wait()
        finally:
            self._loop.remove_writer(self._descriptor)

    def _note_gone(self) -> None:
        self._loop.remove_reader(self._descriptor)
        self._is_watched = False
        self.gone.set()

    @staticmethod
    def _opened_anew(descriptor: int) -> int | None:
        """Open a pipe or terminal a second time: not to block is then no other process's matter.

        None for files, which never block, and where that is not permitted.
        """
        kind = os.fstat(descriptor).st_mode
        if not stat.S_ISFIFO(kind) and not os.isatty(descriptor):
            return None
        try:
            made = os.open(f"/proc/self/fd/{descriptor}", os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY)
        except OSError:
            return None
        with suppress(OSError):  # fewer turns between two processes
            fcntl.fcntl(made, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
        return made
