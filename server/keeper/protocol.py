"""What the keeper and its client say to each other: JSON, a line each, over a Unix socket.

Requests are `{"id": n, "op": name, ...}`, answers `{"id": n, "ok": true, ...}` or
`{"id": n, "ok": false, "error": text, "refused": bool, "full": bool, "ended": bool}`; answers may
come out of order. What was refused would be so again: its fields are wrong, or it was to start what
has ended. A keeper that is full has a bound of its own, which `error` says. A flag that is missing
is false; `unleased` is that no lease stands for the run that was to be started.

    hello  protocol (the client's, missing: 1)   -> protocol (the one that both speak), version,
                                                    pid, starts_as, takes_bodies
    start  the fields of a StartRequest          -> started (false: was started before)
    start_as  the same                           -> the same; see StartRequest.confined
    stop   run_id, signal, grace_seconds, cause  -> stopping (false: not active)
    signal run_id, signal                        -> sent (false: not active)
    lease  since, until                          -> notes since when and until when the host has its
                                                    lease, in seconds of CLOCK_BOOTTIME (lease.py)
    list                                         -> runs (the active ones)
    memory                                       -> problem (why a run's memory cannot be bounded,
                                                    or null)
    give_up run_id                               -> notes that the run is to end (spool.py)
    remove run_id                                -> removes the spool of a run that has ended
    sweep                                        -> removes what earlier removals left
    renew                                        -> answers, then the keeper executes itself anew
"""

import json
import time
import zlib
from base64 import b64decode
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from server.keeper.checks import (
    Checks,
    build,
    flag,
    mapping,
    optional,
    seconds,
    string,
    text,
    whole,
)
from server.keeper.records import LIMITS, MAX_USER_LENGTH, Limits

PROTOCOL = 2
OLDEST_PROTOCOL = 1
"""Both sides know all from the one to the other; since 2 there are leases."""

SOCKET_NAME = "socket"
LOG_NAME = "log"
RUN_ID_VARIABLE = "TAILRUN_RUN_ID"
RUN_DIRECTORY_VARIABLE = "TAILRUN_RUN_DIRECTORY"
HOOK_BODY_VARIABLE = "TAILRUN_HOOK_BODY"
MAX_MESSAGE_BYTES = 64 * 1024 * 1024

SERVERS_FILES = frozenset({"client.py", "connection.py"})
"""What of this package the server alone uses: to change it is no reason to renew the keeper."""


class KeeperError(Exception):
    """The keeper cannot be reached, or cannot do it now."""


class KeeperFullError(KeeperError):
    """The keeper takes no further run until one has ended; users may read why."""


class KeeperRefusedError(KeeperError):
    """The keeper does not take this request, and never will: to ask again is of no use."""


class KeeperEndedError(KeeperRefusedError):
    """The keeper does not start the run, since it has run and ended there, and its spool is gone.

    To an older server it is refused: it ends the run, unless its end is stored.
    """


class KeeperLeaseError(KeeperError):
    """The keeper does not start the run now: no lease has stood since its host was asked for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StartRequest(Limits):
    """A run to start, within its bounds.

    `shell` is the program that runs a script without a `#!` line; `environment` is all that the
    script gets, but for the mark TAILRUN_RUN_ID and TAILRUN_RUN_DIRECTORY, its work directory.
    `label` is the client's own, to be found in the spool again.

    `user` is whom to run as, None: the keeper's own user. For another one HOME and the like are
    set, and an empty `directory` is its home. `no_new_privileges`: no program of the run gains
    rights by set-user-id or the like, such as sudo. `umask` is None where it is to be the keeper's.
    `oom_score_adj` is that of proc(5), from 0 to 1000; one that is less than the keeper's is none.
    `hook_body`, in base64, is written into a file of the work directory, which TAILRUN_HOOK_BODY
    names; None: there is none.

    `leased_at` is that of a run that another host may begin once this one's lease is over: the
    moment of CLOCK_BOOTTIME at which it was asked whether it is this host's. The keeper starts it
    if the lease has stood since, and ends it with the lease. None: it goes on whatever happens.
    """

    run_id: str
    script: str
    shell: str
    directory: str
    environment: dict[str, str]
    label: str = ""
    user: str | None = None
    no_new_privileges: bool = False
    umask: int | None = None
    oom_score_adj: int = 0
    hook_body: str | None = field(default=None, repr=False)
    leased_at: float | None = None

    @property
    def confined(self) -> bool:
        """Whether the run may do less than an older keeper, which ignores that, would let it do.

        So it is started by an operation that such a keeper does not know.
        """
        return self.user is not None or self.no_new_privileges or self.umask is not None

    @property
    def body(self) -> bytes | None:
        """What a hook was sent, if the run is one of a hook.

        Raises:
            ValueError: it is no base64.
        """
        return None if self.hook_body is None else b64decode(self.hook_body, validate=True)

    @property
    def limits(self) -> Limits:
        """The bounds alone."""
        return Limits(**{entry.name: getattr(self, entry.name) for entry in fields(Limits)})

    @classmethod
    def from_message(cls, message: dict[str, Any]) -> "StartRequest":
        """Read a request.

        Raises:
            ValueError: a field is missing or wrong.
        """
        return build(cls, message, _START)


_START: Checks = {
    **LIMITS,
    "run_id": string,
    "script": string,
    "shell": string,
    "directory": string,
    "environment": mapping,
    "label": text(1000),
    "user": optional(text(MAX_USER_LENGTH)),
    "no_new_privileges": flag,
    "umask": optional(whole(0, 0o777)),
    "oom_score_adj": whole(0, 1000),
    "hook_body": optional(string),
    "leased_at": optional(seconds()),
}


@dataclass(frozen=True, slots=True)
class Hello:
    """Who a keeper is; `version` identifies its code (see `code_version`).

    `protocol` is the one that both sides speak. `starts_as`: it knows the operation of that name.
    `takes_bodies`: it hands a hook's body over.
    """

    protocol: int
    version: str
    pid: int
    starts_as: bool = False
    takes_bodies: bool = False


def boottime() -> float:
    """Return the moment by CLOCK_BOOTTIME, which leases are told in."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def encode(message: dict[str, Any]) -> bytes:
    """Make a line of a message."""
    text = json.dumps(message, separators=(",", ":"), ensure_ascii=False)
    return text.encode(errors="surrogatepass") + b"\n"


def decode(line: bytes) -> dict[str, Any]:
    """Read a line.

    Raises:
        ValueError: it is no message.
    """
    try:
        message = json.loads(line)
    except RecursionError:
        raise ValueError("a message is nested too deeply") from None
    if not isinstance(message, dict):
        raise ValueError("a message must be a JSON object")  # noqa: TRY004
    return message


def socket_address(directory: int) -> str:
    """Name the socket by its open directory: a path to it may be too long for unix(7)."""
    return f"/proc/self/fd/{directory}/{SOCKET_NAME}"


def code_version(directory: Path = Path(__file__).parent) -> str:
    """Return a checksum of the keeper's code as it is on disk now, without the server's share."""
    checksum = 0
    for path in sorted(directory.rglob("*.py")):
        name = str(path.relative_to(directory))
        if name not in SERVERS_FILES:
            checksum = zlib.crc32(name.encode() + path.read_bytes(), checksum)
    return f"{checksum:08x}"
