"""What the keeper and its client say to each other: JSON, a line each, over a Unix socket.

Requests are `{"id": n, "op": name, ...}`, answers `{"id": n, "ok": true, ...}` or
`{"id": n, "ok": false, "error": text}`; answers may come out of order.

    hello                                        -> protocol, version, pid
    start  the fields of a StartRequest          -> started (false: was started before)
    stop   run_id, signal, grace_seconds, cause  -> stopping (false: not active)
    signal run_id, signal                        -> sent (false: not active)
    list                                         -> runs (the active ones)
    memory                                       -> problem (why a run's memory cannot be bounded,
                                                    or null)
    renew                                        -> answers, then the keeper executes itself anew
"""

import json
import zlib
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from server.keeper.spool import Limits

PROTOCOL = 1
SOCKET_NAME = "socket"
LOG_NAME = "log"
RUN_ID_VARIABLE = "TAILRUN_RUN_ID"
MAX_MESSAGE_BYTES = 64 * 1024 * 1024


class KeeperError(Exception):
    """The keeper refused, or cannot be reached."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StartRequest(Limits):
    """A run to start, within its bounds.

    `shell` is the program that runs a script without a `#!` line; `environment` is all that the
    script gets, but for the mark TAILRUN_RUN_ID. `label` is the client's own, to be found in the
    spool again.
    """

    run_id: str
    script: str
    shell: str
    directory: str
    environment: dict[str, str]
    label: str = ""

    @property
    def limits(self) -> Limits:
        """The bounds alone."""
        return Limits(**{entry.name: getattr(self, entry.name) for entry in fields(Limits)})

    @classmethod
    def from_message(cls, message: dict[str, Any]) -> "StartRequest":
        """Read a request; TypeError when a field is missing."""
        names = {entry.name for entry in fields(cls)}
        return cls(**{name: value for name, value in message.items() if name in names})


@dataclass(frozen=True, slots=True)
class Hello:
    """Who a keeper is; `version` tells its code from another (see `code_version`)."""

    protocol: int
    version: str
    pid: int


def encode(message: dict[str, Any]) -> bytes:
    """Make a line of a message."""
    return json.dumps(message, separators=(",", ":")).encode() + b"\n"


def decode(line: bytes) -> dict[str, Any]:
    """Read a line; ValueError when it is no message."""
    message = json.loads(line)
    if not isinstance(message, dict):
        raise ValueError("a message must be a JSON object")  # noqa: TRY004
    return message


def socket_address(directory: int) -> str:
    """Name the socket by its open directory: a path to it may be too long for unix(7)."""
    return f"/proc/self/fd/{directory}/{SOCKET_NAME}"


def code_version() -> str:
    """Return a checksum of the keeper's code as it is on disk now."""
    checksum = 0
    for path in sorted(Path(__file__).parent.glob("*.py")):
        checksum = zlib.crc32(path.read_bytes(), checksum)
    return f"{checksum:08x}"
