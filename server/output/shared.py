"""Frames that the viewers of one output share, so that each is encoded once."""

from typing import NamedTuple

SHARED_BYTES = 512 * 1024
"""Payload that one output keeps for its viewers, at most."""

SHARED_FRAMES = 64
"""Frames that one output keeps for its viewers, at most."""


class Encoded(NamedTuple):
    """An encoded stretch of output: where the following one starts, and the newlines in it."""

    payload: bytes
    next: int
    newlines: int = 0


class SharedFrames:
    """The frames encoded last, by format and offset; the oldest go first.

    Viewers that are caught up ask for the same frame one after the other, so a few are enough.
    """

    def __init__(
        self, *, limit_bytes: int = SHARED_BYTES, limit_frames: int = SHARED_FRAMES
    ) -> None:
        self._limit_bytes = limit_bytes
        self._limit_frames = limit_frames
        self._frames: dict[tuple[str, int], Encoded] = {}
        self._bytes = 0

    def get(self, stream_format: str, offset: int) -> Encoded | None:
        """Return the frame that starts at `offset`, if it is kept."""
        return self._frames.get((stream_format, offset))

    def put(self, stream_format: str, offset: int, frame: Encoded) -> None:
        """Keep a frame for the other viewers."""
        self._drop((stream_format, offset))  # or its bytes would count twice
        self._frames[stream_format, offset] = frame
        self._bytes += len(frame.payload)
        while self._bytes > self._limit_bytes or len(self._frames) > self._limit_frames:
            self._drop(next(iter(self._frames)))

    def _drop(self, key: tuple[str, int]) -> None:
        frame = self._frames.pop(key, None)
        if frame is not None:
            self._bytes -= len(frame.payload)
