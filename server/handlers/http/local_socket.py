"""The socket in the state directory: its mode, and the kernel, say who may come over it.

The command line speaks to the server over it, whatever address that listens on, and whether or not
local users are let in over TCP.
"""

import os
import socket
from contextlib import suppress
from pathlib import Path

SOCKET_NAME = "server.sock"


def bound(directory: Path) -> socket.socket:
    """Return a socket that is bound at SOCKET_NAME of a directory, in the place of a former one.

    Raises:
        OSError: it cannot be.
    """
    made = socket.socket(socket.AF_UNIX)
    new = f"{SOCKET_NAME}.new"
    handle = os.open(directory, os.O_PATH | os.O_DIRECTORY)
    try:
        with suppress(FileNotFoundError):
            os.unlink(new, dir_fd=handle)
        # By its open directory: a path to it may be too long for unix(7).
        made.bind(f"/proc/self/fd/{handle}/{new}")
        os.chmod(new, 0o600, dir_fd=handle)
        os.rename(new, SOCKET_NAME, src_dir_fd=handle, dst_dir_fd=handle)
    except OSError:
        made.close()
        raise
    finally:
        os.close(handle)
    made.settimeout(0)
    return made
