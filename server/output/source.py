"""What all readers of output read: a run's bytes at offsets, live or archived."""

from collections.abc import Awaitable, Callable
from concurrent.futures import Executor
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from typing import Protocol, runtime_checkable

from server.output.marks import Mark
from server.output.shared import SharedFrames

Give = Callable[[int, Callable[[bytes], bool]], Awaitable[None]]
"""What gives the bytes of an output from an offset on, in order, while it is told to go on."""


class Output(Protocol):
    """The output of one run, live or finished. Offsets count bytes from 0, lines from 1."""

    @property
    def size(self) -> int:
        """The number of bytes so far."""
        ...

    @property
    def ended(self) -> bool:
        """Whether no byte will follow; once it is true, `size` is final."""
        ...

    async def read(self, offset: int, limit: int) -> bytes:
        """Return up to `limit` bytes from `offset`: at least one when `offset` is below `size`."""
        ...

    def in_pieces(self, threads: Executor) -> AbstractAsyncContextManager[Give]:
        """Open a way through all of it, for who looks at much; what it reads ends when it is left.

        What it yields gives `take` in a thread the bytes from an offset on, in order, while it
        returns true. They may end before `size`: whoever wants more asks again, and goes on where
        it has ended.
        """
        ...

    async def grown(self, offset: int) -> None:
        """Return as soon as `size` is above `offset`, or the output has ended."""
        ...

    async def lines_before(self, offset: int) -> int:
        r"""Return the number of ``\n`` in [0, offset)."""
        ...

    async def line_count(self, size: int) -> int:
        """Return the number of lines in the first `size` bytes; an unfinished last one counts."""
        ...

    async def line_offset(self, line: int) -> int:
        """Return where a line starts; the size when there is no such line."""
        ...

    async def tail_offset(self, lines: int) -> int:
        """Return where the last `lines` lines start; an unfinished last line counts as one."""
        ...

    async def marks(self, start: int, end: int, limit: int) -> list[Mark]:
        """Return the mark that is valid at `start`, and up to `limit` in all before `end`."""
        ...

    async def time_at(self, offset: int) -> float:
        """Return when the byte at `offset` was first seen, in Unix seconds."""
        ...


@runtime_checkable
class LiveOutput(Output, Protocol):
    """The output of a run that goes on, on whichever host."""

    def acquire(self) -> AbstractContextManager["LiveOutput"]:
        """Return the output, for one more user; it is readable until that one leaves it."""
        ...

    async def grown_or_woken(self, offset: int) -> None:
        """Wait until `size` is above `offset`, the output has ended, or its run has changed."""
        ...


@runtime_checkable
class SharesFrames(Protocol):
    """An output whose viewers share the frames they have encoded."""

    frames: SharedFrames
