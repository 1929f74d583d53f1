"""What somebody may put at a name where a file of ours is expected."""

import os
import socket
from collections.abc import Callable
from pathlib import Path


def directory(path: Path) -> None:
    """Make a directory that is not empty."""
    (path / "within").mkdir(parents=True)
    (path / "within" / "file").write_bytes(b"x")


def local_socket(path: Path) -> None:
    """Make a socket that nobody listens on; its path may be too long to be bound as it is."""
    parent = os.open(path.parent, os.O_PATH)
    try:
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(f"/proc/self/fd/{parent}/{path.name}")
    finally:
        os.close(parent)


def linked_file(path: Path) -> None:
    """Make a file that has another name elsewhere."""
    other = path.with_name(f"{path.name}.other")
    other.write_bytes(b"{}")
    path.hardlink_to(other)


STRANGERS: dict[str, Callable[[Path], object]] = {
    "directory": directory,
    "FIFO": os.mkfifo,
    "socket": local_socket,
    "link to a device": lambda path: path.symlink_to("/dev/zero"),
    "link loop": lambda path: path.symlink_to(path.name),
    "link to nothing": lambda path: path.symlink_to("nothing"),
    "hard link": linked_file,
}
"""Ways to make each of them at a name where nothing is."""
