"""What is told of a line that a search found: a bounded piece of it, as text. Pure."""

from dataclasses import dataclass, field

from server.output import frames
from server.services.search.charsets import UTF8, text_of
from server.services.search.pattern import Match

TEXT_BYTES = 4096
"""Of a line, around what was found in it."""

LEAD_BYTES = 1024
"""Of these, before what was found in a longer line."""

REACH_BYTES = 8192
"""How far lines are looked for around one that matches."""

CONTEXT_BYTES = 512
"""Of each of those."""


@dataclass(slots=True)
class Hit:
    """A line that matches.

    `offset` is where the line begins in the output, `text_offset` where `text` does, a piece of the
    line. What was found first is [start, end) of the text, in UTF-16 code units, as pages count.
    `before` and `after` are the lines around it, as many as lie in REACH_BYTES.
    """

    line: int
    offset: int
    text_offset: int
    text: str
    start: int
    end: int
    stop: int
    """Where the line ends in the output: behind its newline."""
    before: list[str] = field(default_factory=list)
    after: list[str] = field(default_factory=list)

    @property
    def bytes(self) -> int:
        """About what it takes in an answer."""
        return len(self.text) + sum(map(len, self.before)) + sum(map(len, self.after))


def hit(line: int, offset: int, data: bytes, base: int, match: Match, encoding: str) -> Hit:
    """Make a hit of a line, or of a piece of a long one, that lies at `base`; `match` is in it."""
    begin, end = 0, len(data)
    if end > TEXT_BYTES:
        begin = max(0, min(match.start - LEAD_BYTES, end - TEXT_BYTES))
        end = begin + TEXT_BYTES
        if encoding == UTF8:
            begin += _continued(data[begin : begin + frames.INCOMPLETE_BYTES]) if begin else 0
            end = begin + frames.cut_characters(data[begin:end])
    start, stop = (min(max(at, begin), end) for at in match)
    return Hit(
        line=line,
        offset=offset,
        text_offset=base + begin,
        text=text_of(data[begin:end], encoding),
        start=_units(data[begin:start], encoding),
        end=_units(data[begin:stop], encoding),
        stop=base + len(data) + 1,
    )


def lines_before(data: bytes, count: int, encoding: str, *, whole: bool) -> list[str]:
    """Return the last lines of what ends with a line; its first one is left out if not `whole`."""
    lines = data.split(b"\n")[:-1]
    return _texts((lines if whole else lines[1:])[-count:], encoding)


def lines_after(data: bytes, count: int, encoding: str) -> list[str]:
    """Return the first lines; the last one may be cut."""
    lines = data.split(b"\n", count)
    return _texts(lines[:count] if lines[-1] or len(lines) > count else lines[:-1], encoding)


def _texts(lines: list[bytes], encoding: str) -> list[str]:
    return [text_of(line[:CONTEXT_BYTES], encoding) for line in lines]


def _units(data: bytes, encoding: str) -> int:
    return len(text_of(data, encoding).encode("utf-16-le")) // 2


def _continued(data: bytes) -> int:
    """Return how many bytes at the start belong to a character that began before."""
    count = 0
    while count < len(data) and data[count] & 0xC0 == 0x80:
        count += 1
    return count
