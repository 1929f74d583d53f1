"""Reading small files: our own, where somebody else may have put something, and those one names."""

import errno
import os
import select
import stat
from pathlib import Path

from server.keeper.files import open_regular

SMALL_BYTES = 64 * 1024
WAIT_SECONDS = 5.0


def read_small(path: Path) -> str:
    """Return the text of a small file of ours, with U+FFFD for what is not UTF-8.

    Raises:
        OSError: it cannot be read, is a link or no file, or is larger than SMALL_BYTES.
    """
    descriptor = open_regular(path)
    try:
        return _small_text(descriptor, path)
    finally:
        os.close(descriptor)


def read_end(path: Path, offset: int) -> str:
    """Return what stands in a file of ours from this offset on, at most the last SMALL_BYTES.

    Raises:
        OSError: it cannot be read, or is a link or no file.
    """
    descriptor = open_regular(path)
    try:
        start = max(offset, os.fstat(descriptor).st_size - SMALL_BYTES)
        return os.pread(descriptor, SMALL_BYTES, start).decode("utf-8", "replace")
    finally:
        os.close(descriptor)


def read_line(path: Path, seconds: float = WAIT_SECONDS) -> str:
    """Return the first line of a small file, or of a pipe that is written to within the time.

    Blanks at its ends are part of it: they may be a password's. The path is the operator's own
    choice, so links are followed; /dev/fd/3 is one.

    Raises:
        OSError: it cannot be read, is neither, is larger than SMALL_BYTES, or nothing comes.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        mode = os.fstat(descriptor).st_mode
        if stat.S_ISFIFO(mode):
            text = _text_from_pipe(descriptor, path, seconds)
        elif stat.S_ISREG(mode):
            text = _small_text(descriptor, path)
        else:
            raise OSError(errno.EINVAL, "It is neither a file nor a pipe", str(path))
    finally:
        os.close(descriptor)
    return text.partition("\n")[0].removesuffix("\r")


def _small_text(descriptor: int, path: Path) -> str:
    content = os.read(descriptor, SMALL_BYTES + 1)
    if len(content) > SMALL_BYTES:
        raise OSError(errno.EFBIG, f"It is larger than {SMALL_BYTES} bytes", str(path))
    return content.decode("utf-8", "replace")


def _text_from_pipe(descriptor: int, path: Path, seconds: float) -> str:
    """Return what comes until a line is whole, or its writer has closed the pipe."""
    content = b""
    while select.select([descriptor], [], [], seconds)[0]:
        piece = os.read(descriptor, SMALL_BYTES)
        content += piece
        if not piece or b"\n" in content or len(content) > SMALL_BYTES:
            return content.decode("utf-8", "replace")
    raise OSError(errno.ETIMEDOUT, f"Nothing was written to it within {seconds:g} s", str(path))
