"""Where in an output a reader starts."""

from dataclasses import dataclass

from server.output.source import Output


@dataclass(frozen=True, slots=True)
class Start:
    """At a byte's offset, at the last `tail` lines, or, without either, at the output's start.

    `max_bytes` bounds what is read from there: the last lines begin at most so far from the end.
    """

    offset: int | None = None
    tail: int | None = None
    max_bytes: int | None = None

    async def offset_in(self, output: Output) -> int:
        """Return the offset, in the output as it is now."""
        if self.tail is None:
            return 0 if self.offset is None else self.offset
        size = output.size  # of which `tail_offset` tells: it is asked before anything is awaited
        offset = await output.tail_offset(self.tail)
        return offset if self.max_bytes is None else max(offset, size - self.max_bytes)
