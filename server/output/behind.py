"""Where a viewer goes on that is too far behind to be sent everything."""

from server.output.frames import INCOMPLETE_BYTES
from server.output.source import Output

LOOK_BYTES = 256 * 1024
"""How far a line's start is looked for, at most."""


async def caught_up(output: Output, max_behind: int) -> int:
    """Return an offset at most `max_behind` before the end as it is now.

    It is the first line's start in the first half of what is left, else a character's.
    """
    place = max(0, output.size - max_behind)
    if place == 0:
        return 0
    data = await output.read(place - 1, min(LOOK_BYTES, max_behind // 2))
    newline = data.find(b"\n")
    return place + (newline if newline >= 0 else _character(data[1:]))


def _character(data: bytes) -> int:
    """Return where the first whole UTF-8 character begins: behind what is left of another."""
    rest = data[:INCOMPLETE_BYTES].lstrip(_CONTINUATIONS)
    return min(len(data), INCOMPLETE_BYTES) - len(rest)


_CONTINUATIONS = bytes(range(0x80, 0xC0))
"""What a character has behind its first byte (RFC 3629, section 3)."""
