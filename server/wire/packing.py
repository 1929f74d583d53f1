"""Output on its way between hosts: packed, where that makes it smaller. Pure.

Each byte is encrypted and decrypted twice on its way, and copied by the engine; on a network it is
what takes the time.
"""

from dataclasses import replace

import zstandard

from server.errors import WireError
from server.wire.messages import Piece

LEVEL = -3
"""800 MB/s of log text, to a third; level 1 takes half as long again, and makes a fifth of it."""

PACKED_BYTES = 16 * 1024
"""From so much on it is packed: less is sent as it is."""

WORTH = 0.9
"""What does not become so much smaller is sent as it is."""


def packed(data: bytes) -> bytes | None:
    """Return output as a zstd frame; None: it is to be sent as it is."""
    frame = zstandard.ZstdCompressor(LEVEL).compress(data)
    return frame if len(frame) < WORTH * len(data) else None


def unpacked(piece: Piece, limit: int) -> Piece:
    """Return a piece with its output as it is; of more than was asked for nothing is unpacked.

    Raises:
        WireError: it holds something else than it says, more than was asked for, or does not say
            when that was first seen.
    """
    size = piece.packed_bytes
    if piece.data and not piece.marks:
        raise WireError("A piece does not say when its output was first seen.")
    if size is None:
        if len(piece.data) > limit:
            raise WireError(f"A piece has {len(piece.data)} bytes where {limit} were asked for.")
        return piece
    if not 0 < size <= limit:
        raise WireError(f"A piece holds {size} bytes where {limit} were asked for.")
    try:
        if zstandard.frame_content_size(piece.data) != size:
            raise WireError(f"A piece does not hold the {size} bytes that it says.")
        data = zstandard.ZstdDecompressor().decompress(piece.data, max_output_size=size)
    except zstandard.ZstdError as error:
        raise WireError(f"A piece cannot be unpacked: {error}") from error
    return replace(piece, data=data, packed_bytes=None)
