"""What the kernel tells of a connection, over real sockets."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from server.handlers.http.peer import RECEIVE_BYTES, UNSENT_BYTES, TcpPeer, peer_of
from tests.support.waiting import until


@asynccontextmanager
async def connection() -> AsyncIterator[tuple[asyncio.WriteTransport, socket.socket]]:
    """Connect; yields the server's transport and the peer's socket."""
    accepted: asyncio.Queue[asyncio.StreamWriter] = asyncio.Queue()

    async def accept(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        accepted.put_nowait(writer)

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    with socket.socket() as client:
        client.setblocking(False)  # noqa: FBT003
        await asyncio.get_running_loop().sock_connect(client, server.sockets[0].getsockname())
        writer = await accepted.get()
        try:
            yield writer.transport, client
        finally:
            writer.transport.abort()
            server.close()
            await server.wait_closed()


async def test_what_a_peer_takes_is_acknowledged_and_no_longer_outstanding() -> None:
    """Also what waits in the process counts; what it does not take stays outstanding."""
    async with connection() as (transport, client):
        peer = TcpPeer(transport, 15.0)
        assert peer.outstanding() == 0
        size = 20_000_000
        before = peer.acknowledged()
        transport.write(bytes(size))
        await until(lambda: peer.acknowledged() > before)
        assert 0 < peer.outstanding() < size
        assert transport.get_write_buffer_size() > size / 2
        left = size
        while left:
            left -= len(await asyncio.get_running_loop().sock_recv(client, 2**20))
        await until(lambda: peer.outstanding() == 0)
        assert peer.acknowledged() - before == size


async def test_what_a_peer_says_is_counted() -> None:
    async with connection() as (transport, client):
        peer = TcpPeer(transport, 15.0)
        before = peer.received()
        await asyncio.get_running_loop().sock_sendall(client, b"hello")
        await until(lambda: peer.received() - before == 5)


async def test_little_waits_in_the_kernel_on_either_side() -> None:
    async with connection() as (transport, _):
        peer = TcpPeer(transport, 15.0)
        peer.limit_receiving()
        own: socket.socket = transport.get_extra_info("socket")
        assert own.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) <= 2 * RECEIVE_BYTES
        assert own.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 45_000
        assert own.getsockopt(socket.IPPROTO_TCP, 25) == UNSENT_BYTES
        transport.write(b"")
        assert transport.get_write_buffer_limits() == (0, 0)


async def test_a_connection_that_is_gone_is_told() -> None:
    async with connection() as (transport, _):
        transport.abort()
        await until(lambda: transport.get_extra_info("socket").fileno() == -1)
        with pytest.raises((OSError, ValueError)):
            TcpPeer(transport, 15.0).outstanding()


async def test_a_viewer_over_the_local_socket_is_a_peer_like_any_other() -> None:
    """The kernel counts nothing of it; it is not given up, whatever it takes."""
    ours, theirs = socket.socketpair(socket.AF_UNIX)
    ours.setblocking(False)  # noqa: FBT003
    transport, _ = await asyncio.get_running_loop().create_connection(asyncio.Protocol, sock=ours)
    try:
        peer = peer_of(transport, 15.0)
        transport.write(b"x" * 1_000_000)
        assert transport.get_write_buffer_size() > 0
        assert (peer.outstanding(), peer.acknowledged(), peer.received()) == (0, 0, 0)
        peer.limit_receiving()
    finally:
        transport.abort()
        theirs.close()
