"""What the kernel knows of a viewer's connection: how much of what was sent has been taken.

See tcp(7) and, for the fields of TCP_INFO, linux/tcp.h.
"""

import asyncio
import fcntl
import socket
import struct
import termios
from typing import Protocol

UNSENT_BYTES = 128 * 1024
"""What the kernel takes of a viewer's output beyond what is on its way (TCP_NOTSENT_LOWAT).

Without it up to 4 MiB wait there, and what is said last, a ping too, waits behind them."""

KEEPALIVE_IDLE_SECONDS = 20
KEEPALIVE_INTERVAL_SECONDS = 5
KEEPALIVE_PROBES = 3
"""A peer whose host is gone is noticed even where nothing is ever sent to it."""

UNWATCHED_SECONDS = 30
"""How much later than a viewer a connection is ended that takes nothing and is watched no more."""

RECEIVE_BYTES = 16 * 1024
"""A WebSocket viewer has little to say: so much of it, at most, is parsed at a time."""

_TCP_NOTSENT_LOWAT = 25
_INFO_BYTES = 136
_BYTES_ACKED_AND_RECEIVED = struct.Struct("=QQ")
_BYTES_ACKED_OFFSET = 120
_OUTSTANDING = struct.Struct("=i")


class Peer(Protocol):
    """How far the peer of a connection has come."""

    def outstanding(self) -> int:
        """Return how many bytes were sent and not acknowledged."""
        ...

    def acknowledged(self) -> int:
        """Return how many bytes the peer has acknowledged since it connected."""
        ...

    def received(self) -> int:
        """Return how many bytes the peer has sent since it connected."""
        ...

    def limit_receiving(self) -> None:
        """Limit how much of what the peer sends may wait to be read."""
        ...


class TcpConnection:
    """What the kernel knows of a TCP connection; OSError and ValueError: it is gone."""

    def __init__(self, transport: asyncio.WriteTransport) -> None:
        self._transport = transport
        self._socket: socket.socket = transport.get_extra_info("socket")

    def outstanding(self) -> int:
        """Return what waits here, and in the kernel (SIOCOUTQ) for its acknowledgement."""
        answer = fcntl.ioctl(self._socket.fileno(), termios.TIOCOUTQ, bytes(_OUTSTANDING.size))
        in_kernel: int = _OUTSTANDING.unpack(answer)[0]
        return in_kernel + self._transport.get_write_buffer_size()

    def acknowledged(self) -> int:
        """Return `tcpi_bytes_acked`."""
        return self._counted()[0]

    def received(self) -> int:
        """Return `tcpi_bytes_received`."""
        return self._counted()[1]

    def _counted(self) -> tuple[int, int]:
        info = self._socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _INFO_BYTES)
        acked, received = _BYTES_ACKED_AND_RECEIVED.unpack_from(info, _BYTES_ACKED_OFFSET)
        return acked, received


class TcpPeer(TcpConnection):
    """The peer of a viewer's connection, of which little waits here.

    Raises:
        OSError: the connection is gone.
    """

    def __init__(self, transport: asyncio.WriteTransport, patience_seconds: float) -> None:
        super().__init__(transport)
        # The next frame is not made before the kernel has the one before.
        transport.set_write_buffer_limits(high=0)
        for option, value in [
            (_TCP_NOTSENT_LOWAT, UNSENT_BYTES),
            # The kernel ends what is left once nobody watches it: the last bytes of an answer.
            (socket.TCP_USER_TIMEOUT, round(1000 * (patience_seconds + UNWATCHED_SECONDS))),
            (socket.TCP_KEEPIDLE, KEEPALIVE_IDLE_SECONDS),
            (socket.TCP_KEEPINTVL, KEEPALIVE_INTERVAL_SECONDS),
            (socket.TCP_KEEPCNT, KEEPALIVE_PROBES),
        ]:
            self._socket.setsockopt(socket.IPPROTO_TCP, option, value)

    def limit_receiving(self) -> None:
        """Limit how much of what the peer sends may wait to be read."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BYTES)


class LocalPeer:
    """A viewer over the socket in the state directory, a process of our own user.

    It ends with its process, and is never given up: whom that troubles has troubled himself.
    """

    def __init__(self, transport: asyncio.WriteTransport) -> None:
        transport.set_write_buffer_limits(high=0)

    def outstanding(self) -> int:
        """Return 0: nothing is waited for."""
        return 0

    def acknowledged(self) -> int:
        """Return 0."""
        return 0

    def received(self) -> int:
        """Return 0."""
        return 0

    def limit_receiving(self) -> None:
        """Limit nothing."""


def peer_of(transport: asyncio.WriteTransport, patience_seconds: float) -> Peer:
    """Return the peer of a viewer's connection.

    Raises:
        OSError: the connection is gone.
    """
    found: socket.socket = transport.get_extra_info("socket")
    if found.family == socket.AF_UNIX:
        return LocalPeer(transport)
    return TcpPeer(transport, patience_seconds)
