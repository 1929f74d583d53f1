"""How output is archived: a zstd frame a chunk, with the checksum of its content. Pure."""

import zstandard

from server.errors import ArchiveDamagedError
from server.models import Chunk
from server.output import lines

LEVEL = 1
DAMAGED = "archive damaged at byte"


def compress(data: bytes) -> bytes:
    """Return output as a zstd frame that tells its length and its checksum."""
    return zstandard.ZstdCompressor(LEVEL, write_checksum=True).compress(data)


def check(frame: bytes, chunk: Chunk) -> None:
    """Check, by its header alone, that a frame has its chunk's length.

    Raises:
        ArchiveDamagedError: it is no frame, or of another length.
    """
    try:
        size = zstandard.frame_content_size(frame)
    except zstandard.ZstdError as exc:
        raise damaged(chunk.byte_offset) from exc
    if size != chunk.byte_count:
        raise damaged(chunk.byte_offset)


def decompress(frame: bytes, chunk: Chunk) -> bytes:
    """Return a chunk's output; zstd compares the checksum, which frames of older versions lack.

    Raises:
        ArchiveDamagedError: it is not what was stored.
    """
    check(frame, chunk)
    try:
        plain = zstandard.ZstdDecompressor().decompress(frame, max_output_size=chunk.byte_count)
    except zstandard.ZstdError as exc:
        raise damaged(chunk.byte_offset) from exc
    if lines.newlines(plain) != chunk.line_count:
        raise damaged(chunk.byte_offset)
    return plain


def damaged(offset: int) -> ArchiveDamagedError:
    """Return the error of an archive that is good up to a byte."""
    return ArchiveDamagedError(f"{DAMAGED} {offset}")
