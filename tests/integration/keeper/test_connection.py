"""A connection to the keeper that breaks."""

import asyncio
import socket

from server.keeper.connection import Connection


async def test_a_connection_is_dead_before_its_reader_hears_that_it_was_reset() -> None:
    """Whoever asks a keeper that renews itself meets that, and has to connect once more."""
    ours, keeper = socket.socketpair()
    reader, writer = await asyncio.open_unix_connection(sock=ours)
    connection = Connection(reader, writer, timeout_seconds=60)
    assert connection.alive
    writer.transport.abort()
    assert not connection.alive
    await connection.close()
    keeper.close()
