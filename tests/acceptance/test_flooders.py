"""A viewer that floods the server with frames costs nobody else their turn."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread

from tests.support.client import Client
from tests.support.waiting import patience

EMPTY_FRAME = b"\x81\x80\0\0\0\0"
"""A text message of nothing, masked (RFC 6455, section 5.2)."""

BLOCK = EMPTY_FRAME * 10_000
MOST_BYTES = 4 * 1024 * 1024
"""Of a flood, by the server and the kernel's buffers, before it is thrown out."""

TIMES_OUT = 3
ROUNDS = 100

HANDSHAKE = """GET {path} HTTP/1.1\r
Host: {host}\r
Upgrade: websocket\r
Connection: Upgrade\r
Sec-WebSocket-Version: 13\r
Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r
\r
"""


class Flooder:
    """Sends empty frames as fast as they are taken; where it is thrown out it comes back."""

    def __init__(self, client: Client, run_id: str) -> None:
        url = client.url(f"runs/{run_id}/ws")
        self._address = url.host, url.port
        self._handshake = HANDSHAKE.format(path=url.path, host=url.authority).encode()
        self._socket: socket.socket | None = None
        self._stopped = False
        self.connections = 0
        self.taken_bytes = 0
        """Of all connections, by the server and the kernel's buffers."""

    def run(self) -> None:
        """Flood until `stop`."""
        while not self._stopped:
            with suppress(ConnectionError), socket.create_connection(self._address) as connection:
                self._socket = connection
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, len(BLOCK))
                connection.sendall(self._handshake)
                self.connections += 1
                while not self._stopped:
                    self.taken_bytes += connection.send(BLOCK)

    def stop(self) -> None:
        """End it; a send that waits ends at once."""
        self._stopped = True
        if self._socket is not None:
            with suppress(OSError):  # the server has closed it
                self._socket.shutdown(socket.SHUT_RDWR)


@contextmanager
def flooded(client: Client, run_id: str) -> Iterator[Flooder]:
    """Flood a run's stream meanwhile, from a thread of its own."""
    flooder = Flooder(client, run_id)
    thread = Thread(target=flooder.run)
    thread.start()
    try:
        yield flooder
    finally:
        flooder.stop()
        thread.join()


async def test_others_are_served_while_a_flood_waits(client: Client, tmp_path: Path) -> None:
    """By counts: however many turns others have meanwhile, no more of the flood is taken."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    run_id = await client.run(f"exec cat {pipe}")
    writer = os.open(pipe, os.O_RDWR)
    served = 0
    async with patience(), client.connect(run_id) as stream:
        with flooded(client, run_id) as flooder:
            while served < ROUNDS or flooder.connections <= TIMES_OUT:
                os.write(writer, b"%d\n" % served)
                assert (await stream.receive()).data == str(served)
                await client.call("GET", "ping")
                assert flooder.taken_bytes <= max(flooder.connections, 1) * MOST_BYTES
                served += 1
    os.close(writer)
    await client.finished(run_id)
