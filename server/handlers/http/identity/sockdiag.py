"""Asks the kernel whose a TCP connection on this host is, by its other end's socket.

See sock_diag(7), netlink(7) and linux/inet_diag.h. The question is for one socket by its addresses
and ports, which the kernel looks up in its hash table; a dump would go through all of them.
"""

import errno
import os
import socket
import struct
from collections.abc import Callable, Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import NamedTuple, Self

from server.handlers.http.authority import ip

NETLINK_SOCK_DIAG = 4
SOCK_DIAG_BY_FAMILY = 20
NLM_F_REQUEST = 1
NLMSG_ERROR = 2
EVERY_STATE = 0xFFFFFFFF
NO_COOKIE = b"\xff" * 8  # INET_DIAG_NOCOOKIE: the socket is not known from an earlier answer

_HEADER = struct.Struct("=IHHII")  # nlmsghdr
_REQUEST = struct.Struct("=BBBxI")  # inet_diag_req_v2, up to its id
_PORTS = struct.Struct("!HH")  # inet_diag_sockid: ports, two addresses of 16 bytes each, …
_ADDRESS_BYTES = 16
_ANY_INTERFACE = bytes(4)  # … an interface; then the cookie
_ERROR = struct.Struct("=i")
_ANSWER = struct.Struct("=BBBB")  # inet_diag_msg, up to its id
_OWNER = struct.Struct("=IIIII")  # … and behind it: expires, rqueue, wqueue, uid, inode
_ID_BYTES = 48
_ANSWER_BYTES = _ANSWER.size + _ID_BYTES + _OWNER.size
_MAX_ANSWER = 4096

ESTABLISHED, FIN_WAIT1, FIN_WAIT2, CLOSE_WAIT = 1, 4, 5, 8
"""States of tcp_states.h."""

OPEN = frozenset({ESTABLISHED, FIN_WAIT1, FIN_WAIT2, CLOSE_WAIT})


class Endpoint(NamedTuple):
    """An end of a TCP connection."""

    address: IPv4Address | IPv6Address
    port: int

    @classmethod
    def of(cls, name: Sequence[object]) -> "Endpoint":
        """Read a socket's name, as getsockname(2) and getpeername(2) return it.

        Raises:
            ValueError: it is no address.
        """
        return cls(ip(str(name[0])), int(str(name[1])))


GONE = frozenset({errno.ENOENT, errno.ECONNREFUSED})
"""What the kernel answers where there is no such socket, by its version."""


class OwnerUnknownError(Exception):
    """The kernel does not tell; the message says why.

    It `is_lasting` where it tells of no connection, and not of this one alone.
    """

    def __init__(self, why: str, *, is_lasting: bool = False) -> None:
        super().__init__(why)
        self.is_lasting = is_lasting


class SockDiag:
    """Asks over a netlink socket that is kept; a question takes some microseconds.

    The kernel answers within send(2), so nothing ever waits.
    """

    def __init__(self) -> None:
        self._socket: socket.socket | None = None
        self._sequence = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the netlink socket; the next question opens another."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def uid_of(self, local: Endpoint, remote: Endpoint) -> int:
        """Return the uid that owns the socket at `local` of a connection to `remote`.

        Raises:
            OwnerUnknownError: there is no such socket, or nobody has it open any more, or the
                kernel does not answer such questions.
        """
        try:
            answer = self._ask(_question(local, remote))
        except OSError as error:
            self.close()
            is_lasting = error.errno not in GONE
            raise OwnerUnknownError(os.strerror(error.errno or 0), is_lasting=is_lasting) from error
        return _owner(answer, local, remote)

    def _ask(self, question: bytes) -> bytes:
        """Send a question; return the answer's payload."""
        if self._socket is None:
            kind = socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK
            self._socket = socket.socket(socket.AF_NETLINK, kind, NETLINK_SOCK_DIAG)
        self._sequence = (self._sequence + 1) & 0x7FFFFFFF
        header = _HEADER.pack(
            _HEADER.size + len(question), SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST, self._sequence, 0
        )
        self._socket.sendto(header + question, (0, 0))
        told, (sender, _groups) = self._socket.recvfrom(_MAX_ANSWER)
        length, kind, _flags, sequence, _port = _HEADER.unpack_from(told)
        if sender != 0 or sequence != self._sequence:
            raise OSError(errno.EPROTO, os.strerror(errno.EPROTO))
        payload = told[_HEADER.size : length]
        if kind == NLMSG_ERROR:
            [negative] = _ERROR.unpack_from(payload)
            raise OSError(-negative, os.strerror(-negative))
        return payload


def _question(local: Endpoint, remote: Endpoint) -> bytes:
    family = socket.AF_INET if local.address.version == 4 else socket.AF_INET6
    addresses = [one.address.packed.ljust(_ADDRESS_BYTES, b"\0") for one in (local, remote)]
    return b"".join(
        [
            _REQUEST.pack(family, socket.IPPROTO_TCP, 0, EVERY_STATE),
            _PORTS.pack(local.port, remote.port),
            *addresses,
            _ANY_INTERFACE,
            NO_COOKIE,
        ]
    )


def _owner(answer: bytes, local: Endpoint, remote: Endpoint) -> int:
    """Return the uid in an answer that is of this very connection.

    The kernel also finds listening sockets, and what is left of closed ones: their uid is told
    as 0. So the socket must be connected as asked, and somebody must have it open (its inode).
    """
    if len(answer) < _ANSWER_BYTES:
        raise OwnerUnknownError("the kernel's answer is too short")
    family, state, _timer, _retransmits = _ANSWER.unpack_from(answer)
    found = answer[_ANSWER.size :]
    ports = _PORTS.unpack_from(found)
    size = _ADDRESS_BYTES if family == socket.AF_INET6 else 4
    ends = [_address(found, at, size) for at in (_PORTS.size, _PORTS.size + _ADDRESS_BYTES)]
    _expires, _received, _sent, uid, inode = _OWNER.unpack_from(found, _ID_BYTES)
    asked = [local.address, remote.address]
    if ports != (local.port, remote.port) or ends != asked or state not in OPEN or not inode:
        raise OwnerUnknownError("the other end is closed")
    return int(uid)


def _address(found: bytes, at: int, size: int) -> IPv4Address | IPv6Address:
    return ip(str(ip_address(found[at : at + size])))


UidOf = Callable[[Endpoint, Endpoint], int]
"""As `SockDiag.uid_of`."""
