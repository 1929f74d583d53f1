"""Where in an output a reader starts."""

from dataclasses import dataclass

from server.output.source import Output


@dataclass(frozen=True, slots=True)
class Start:
    """At a byte's offset, at the last `tail` lines, or, without either, at the output's start."""

    offset: int | None = None
    tail: int | None = None

    async def offset_in(self, output: Output) -> int:
        """Return the offset, in the output as it is now."""
        if self.tail is not None:
            return await output.tail_offset(self.tail)
        return 0 if self.offset is None else self.offset
