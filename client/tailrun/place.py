"""Where a server is: at a URL, or on this host, over the socket in its state directory."""

import os
import pwd
import socket
from collections.abc import Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

NEAR_URL = "http://localhost"
SOCKET_NAME = "server.sock"
DEFAULT_PORT = "8000"
CONNECT_SECONDS = 2.0


class Place(NamedTuple):
    """A server's URL, without a slash at its end, and the directory of its socket, if it is near.

    Over the socket it is reached whatever stands before its port, and knows its own user and root.
    """

    url: str
    directory: Path | None = None

    @property
    def is_overheard(self) -> bool:
        """Whether what is sent there may be read on the way: it leaves this host, without TLS."""
        try:
            parts = urlsplit(self.url)
            host = parts.hostname or ""
        except ValueError:
            return False  # nothing is sent there
        if self.directory is not None or parts.scheme != "http" or host == "localhost":
            return False
        try:
            return not ip_address(host).is_loopback
        except ValueError:
            return True

    def __str__(self) -> str:
        """Return how people know it."""
        return self.url if self.directory is None else str(self.directory / SOCKET_NAME)


def place_of(environment: Mapping[str, str]) -> Place:
    """Return where TAILRUN_URL says, else where a server of this host answers."""
    url = environment.get("TAILRUN_URL", "").strip().rstrip("/")
    if url:
        return Place(url)
    directory = state_directory(environment)
    if answers(directory):
        return Place(NEAR_URL, directory)
    return Place(f"http://127.0.0.1:{environment.get('TAILRUN_PORT') or DEFAULT_PORT}")


def state_directory(environment: Mapping[str, str]) -> Path:
    """Return the state directory of a server with this environment (README, "Settings")."""
    given = environment.get("TAILRUN_STATE_DIR")
    if given:
        return Path(given)
    if os.geteuid() == 0:
        return Path("/var/lib/tailrun")
    return Path(environment.get("XDG_STATE_HOME") or Path.home() / ".local/state") / "tailrun"


def answers(directory: Path) -> bool:
    """Return whether somebody listens at the socket in a state directory."""
    try:
        handle = os.open(directory, os.O_PATH | os.O_DIRECTORY)
    except OSError:
        return False
    with socket.socket(socket.AF_UNIX) as asked:
        asked.settimeout(CONNECT_SECONDS)
        try:
            asked.connect(socket_path(handle))
        except OSError:
            return False
        finally:
            os.close(handle)
    return True


def socket_path(directory: int) -> str:
    """Return the path of the socket in an open directory: its own may be too long for unix(7)."""
    return f"/proc/self/fd/{directory}/{SOCKET_NAME}"


def closed(directory: Path) -> str:
    """Say whom a state directory is closed to, and who may ask over its socket."""
    return (
        f"The state directory {directory} is closed to {_user(os.geteuid())}: it is"
        f" {_owner(directory)}. Say this as the user that the server runs as:"
        " `sudo -u USER tailrun …`."
    )


def _owner(path: Path) -> str:
    try:
        return f"{_user(path.stat().st_uid)}'s"
    except OSError:  # it is in a directory that is closed as well
        return "somebody else's"


def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"
