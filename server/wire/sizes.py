"""What fits into one message, and what is cut into several. Pure."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from server.models import Advance, Chunk
from server.wire.codec import encode
from server.wire.values import SHORT_CHARACTERS, parts_of

ADVANCE_BYTES = 1024
CHUNK_BYTES = 256
"""More than the head of a message has for an advance, and for a chunk, beyond their texts."""

MESSAGE_BYTES = 4096
"""More than a message has besides: the head's own fields, and what the engine adds."""

MAX_ADVANCES = 1000
"""In a message, which has no more than MAX_ITEMS of them and of their chunks."""


def in_messages(advances: Iterable[Advance], max_bytes: int) -> Iterator[Sequence[Advance]]:
    """Group advances, in their order, so that each group fits into a message.

    One that does not fit by itself is cut between its chunks; its parts follow each other, and the
    end is in the last. A chunk that does not fit stands alone: to send it is refused.
    """
    room = max_bytes - MESSAGE_BYTES
    group: list[Advance] = []
    taken = 0
    for advance in advances:
        for part in _cut(advance, room):
            size = _size(part)
            if group and (
                taken + size > room or group[-1].run_id == part.run_id or len(group) == MAX_ADVANCES
            ):
                yield group
                group, taken = [], 0
            group.append(part)
            taken += size
    if group:
        yield group


def size_of(value: object) -> int:
    """Return more than a value takes in a message, as one of a list."""
    return len(encode(parts_of(value)))


def _cut(advance: Advance, room: int) -> Iterator[Advance]:
    if _size(advance) <= room or len(advance.chunks) < 2:
        yield advance
        return
    middle = len(advance.chunks) // 2
    first, rest = advance.chunks[:middle], advance.chunks[middle:]
    last = first[-1]
    yield from _cut(
        replace(
            advance,
            to_offset=last.end,
            to_lines=last.first_line - 1 + last.line_count,
            chunks=first,
            end=None,
        ),
        room,
    )
    yield from _cut(
        replace(advance, from_offset=last.end, chunks=rest, preview="", start_time=None), room
    )


def _size(advance: Advance) -> int:
    reason = None if advance.end is None else advance.end.reason
    texts = _text_size(advance.preview) + _text_size(reason or "")
    return ADVANCE_BYTES + texts + sum(map(_chunk_size, advance.chunks))


def _text_size(text: str) -> int:
    """Return more than a text takes: a short one is JSON, which may write six bytes for one."""
    return len(text.encode("utf-8", "replace")) if len(text) > SHORT_CHARACTERS else 6 * len(text)


def _chunk_size(chunk: Chunk) -> int:
    return CHUNK_BYTES + len(chunk.data) + len(chunk.marks)
