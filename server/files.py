"""Reading small files that somebody else may have put there."""

import errno
import os
import select
import stat
from pathlib import Path

SMALL_BYTES = 64 * 1024
WAIT_SECONDS = 5.0


def read_small(path: Path, limit: int = SMALL_BYTES) -> str:
    """Return the text of a file that is to be small, with U+FFFD for what is no UTF-8.

    Nothing else than a regular file is read: opening a pipe would wait for its writer.
    OSError: it cannot be read, is no file, or is larger than `limit` bytes.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        mode = os.fstat(descriptor).st_mode
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        if not stat.S_ISREG(mode):
            raise OSError(errno.EINVAL, "It is no regular file", str(path))
        content = os.read(descriptor, limit + 1)
    finally:
        os.close(descriptor)
    if len(content) > limit:
        raise OSError(errno.EFBIG, f"It is larger than {limit} bytes", str(path))
    return content.decode("utf-8", "replace")


def read_line(path: Path, seconds: float = WAIT_SECONDS) -> str:
    """Return the first line of a small file, or of a pipe that is written to within the time.

    Blanks at its ends are part of it: they may be a password's.
    OSError: it cannot be read, is neither, is larger than SMALL_BYTES, or nothing comes.
    """
    if not stat.S_ISFIFO(path.stat().st_mode):
        return _first_line(read_small(path))
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        content = b""
        while select.select([descriptor], [], [], seconds)[0]:
            piece = os.read(descriptor, SMALL_BYTES)
            content += piece
            if not piece or b"\n" in content or len(content) > SMALL_BYTES:
                return _first_line(content.decode("utf-8", "replace"))
    finally:
        os.close(descriptor)
    raise OSError(errno.ETIMEDOUT, f"Nothing was written to it within {seconds:g} s", str(path))


def _first_line(text: str) -> str:
    return text.partition("\n")[0].removesuffix("\r")
