"""Who is local: a user of this host, by the uid that the kernel tells of the other end's socket.

In doubt nobody is: a proxy, a name that is not loopback's, a connection that is closed by now.
"""

import asyncio
import logging
import pwd
import socket
import struct
from collections.abc import Iterable, Mapping
from pathlib import Path
from weakref import WeakKeyDictionary

from aiohttp import hdrs, web

from server.access import EVERY_GROUP, KnownBy, Principal, Role
from server.errors import StartupError
from server.handlers.http.authority import Authority
from server.handlers.http.identity.sockdiag import (
    CLOSE_WAIT,
    ESTABLISHED,
    Endpoint,
    OwnerUnknownError,
    UidOf,
)
from server.settings.values import NamedGrant

ROOT = 0
FORWARDED = ("forwarded", "via", "x-real-ip", "x-client-ip", "true-client-ip")
FORWARDED_PREFIXES = ("x-forwarded-", "cf-", "x-original-")
"""Headers, in lower case, that show that a proxy passed a request on."""

UID_MAP = Path("/proc/self/uid_map")
ALL_UIDS = ["0", "0", "4294967295"]
OVERFLOW_UID = 65534
"""What the kernel tells of a uid that has no name in this user namespace."""

_CREDENTIALS = struct.Struct("=iII")  # struct ucred of unix(7): pid, uid, gid

logger = logging.getLogger(__name__)


class Local:
    """Tells the principals of this host's users; `users` are those who are let in, by uid.

    `over_tcp` says whether a loopback TCP connection will do. Over the socket in the state
    directory root may come as well, who could become any of them.
    """

    def __init__(self, users: Mapping[int, Principal], uid_of: UidOf, *, over_tcp: bool) -> None:
        self._over_tcp = over_tcp
        self._uid_of = uid_of
        self._users = {uid: who for uid, who in users.items() if not _is_ambiguous(uid)}
        self._unix_users = {ROOT: _principal("root", {EVERY_GROUP: Role.ADMIN}), **self._users}
        self._uids: WeakKeyDictionary[asyncio.BaseTransport, int | None] = WeakKeyDictionary()
        self._warned = False

    @property
    def grants(self) -> Mapping[str, Mapping[str, Role]]:
        """What local users may, by the names of their principals."""
        return {who.name: who.grants for who in self._unix_users.values()}

    def of(self, request: web.Request) -> Principal | None:
        """Return the principal of a local user, None for everybody else."""
        transport = request.transport
        if transport is None:
            return None
        is_unix = _is_unix(transport)
        if not is_unix and not self._over_tcp:
            return None
        uid = self.uid_of(transport)
        who = None if uid is None else (self._unix_users if is_unix else self._users).get(uid)
        return who if who is not None and _is_direct(request) else None

    def why_not(self, request: web.Request) -> str | None:
        """Say to whoever comes from this host why that is not enough; None to everybody else."""
        transport = request.transport
        uid = None if transport is None or not self._over_tcp else self.uid_of(transport)
        if uid is None:
            return None
        if uid not in self._users:
            return f"{_user_name(uid)}, a user of this host, is not in TAILRUN_LOCAL_USERS."
        if _is_forwarded(request):
            return "A proxy passed it on, and so it is no local user's."
        return "A local user is known at localhost, 127.0.0.1 and [::1] alone."

    def uid_of(self, transport: asyncio.BaseTransport) -> int | None:
        """Return the uid at the other end of a connection from this host; None: it is not known.

        It is asked for once a connection.
        """
        try:
            return self._uids[transport]
        except KeyError:
            uid = self._uids[transport] = self._found(transport)
            return uid

    def _found(self, transport: asyncio.BaseTransport) -> int | None:
        found = transport.get_extra_info("socket")
        try:
            if _is_unix(transport):
                peer = found.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
                return int(_CREDENTIALS.unpack(peer)[1])
            theirs = Endpoint.of(transport.get_extra_info("peername"))
            if not theirs.address.is_loopback:
                return None
            uid = self._uid_of(theirs, Endpoint.of(transport.get_extra_info("sockname")))
            # As long as our end is connected, no other connection can have had these ports.
            state = found.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0]
        except (AttributeError, OSError, TypeError, ValueError):  # it is closed by now
            return None
        except OwnerUnknownError as error:
            self._warn(error)
            return None
        else:
            return uid if state in {ESTABLISHED, CLOSE_WAIT} else None

    def _warn(self, error: OwnerUnknownError) -> None:
        """Say once why local users are not known, unless it is just that one has gone."""
        if error.is_lasting and not self._warned:
            self._warned = True
            logger.warning(
                "local users cannot be told apart, so all must sign in: the kernel does not answer"
                " which user a connection is of (NETLINK_SOCK_DIAG): %s",
                error,
            )


def local_users(own_uid: int, named: Iterable[NamedGrant]) -> Mapping[int, Principal]:
    """Return who is let in as a local user, by uid: our own as an admin, and those named.

    Raises:
        StartupError: there is no such user, or it is our own.
    """
    users = {own_uid: _principal(_user_name(own_uid), {EVERY_GROUP: Role.ADMIN})}
    roles: dict[int, dict[str, Role]] = {}
    for one in named:
        uid = _uid(one.name)
        if uid == own_uid:
            raise StartupError(
                f"TAILRUN_LOCAL_USERS names {one.name}, the user that Tailrun runs as, who may"
                " everything. Leave that one out."
            )
        roles.setdefault(uid, {})[one.group] = one.role
    return users | {uid: _principal(_user_name(uid), grants) for uid, grants in roles.items()}


def _principal(user: str, grants: Mapping[str, Role]) -> Principal:
    return Principal(name=f"local:{user}", known_by=KnownBy.LOCAL, grants=grants)


def _user_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _uid(name: str) -> int:
    try:
        return pwd.getpwnam(name).pw_uid
    except KeyError:
        if name.isascii() and name.isdigit():
            return int(name)
    raise StartupError(
        f"TAILRUN_LOCAL_USERS names {name}, and this host has no such user. Correct it."
    )


def _is_ambiguous(uid: int) -> bool:
    """Return whether a uid may stand for users that have no name in our user namespace."""
    if uid != OVERFLOW_UID:
        return False
    try:
        return UID_MAP.read_text(encoding="ascii").split() != ALL_UIDS
    except OSError:
        return True


def _is_unix(transport: asyncio.BaseTransport) -> bool:
    return getattr(transport.get_extra_info("socket"), "family", None) == socket.AF_UNIX


def _is_direct(request: web.Request) -> bool:
    """Return whether a request is addressed to a loopback name, and no proxy passed it on."""
    hosts = request.headers.getall(hdrs.HOST, [])
    try:
        addressed = len(hosts) == 1 and Authority.parse(hosts[0]).is_loopback
    except ValueError:
        return False
    return addressed and not _is_forwarded(request)


def _is_forwarded(request: web.Request) -> bool:
    names = (name.lower() for name in request.headers)
    return any(name in FORWARDED or name.startswith(FORWARDED_PREFIXES) for name in names)
