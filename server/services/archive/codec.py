"""How output is archived: a zstd frame a chunk, with the checksum of its content. Pure."""

import zstandard

from server.errors import ArchiveDamagedError
from server.models import Chunk
from server.output import lines

LEVEL = 1
"""480 MB/s of log text, to a fifth; the next ones are slower and gain little."""


def compress(data: bytes) -> bytes:
    """Return output as a zstd frame with its length and its checksum."""
    return zstandard.ZstdCompressor(LEVEL, write_checksum=True).compress(data)


def check(frame: bytes, chunk: Chunk) -> None:
    """Check, by its header alone, that a frame has its chunk's length.

    Raises:
        ArchiveDamagedError: it is no frame, or of another length.
    """
    try:
        size = zstandard.frame_content_size(frame)
    except zstandard.ZstdError as error:
        raise ArchiveDamagedError(chunk.byte_offset) from error
    if size != chunk.byte_count:
        raise ArchiveDamagedError(chunk.byte_offset)


def decompress(frame: bytes, chunk: Chunk) -> bytes:
    """Return a chunk's output; zstd compares the checksum, which frames of older versions lack.

    Raises:
        ArchiveDamagedError: it is not what was stored.
    """
    check(frame, chunk)
    try:
        plain = zstandard.ZstdDecompressor().decompress(frame, max_output_size=chunk.byte_count)
    except zstandard.ZstdError as error:
        raise ArchiveDamagedError(chunk.byte_offset) from error
    if lines.newlines(plain) != chunk.line_count:
        raise ArchiveDamagedError(chunk.byte_offset)
    return plain


def cut(frame: bytes, chunk: Chunk, start: int, end: int) -> bytes:
    """Return [start, end) of the output, which lies in a chunk, as a frame of its own.

    Raises:
        ArchiveDamagedError: the chunk is not what was stored.
    """
    assert chunk.byte_offset <= start <= end <= chunk.end, "a part lies in its chunk"
    plain = decompress(frame, chunk)
    return compress(plain[start - chunk.byte_offset : end - chunk.byte_offset])
