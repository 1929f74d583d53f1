"""A viewer that takes what comes and looks at nothing: `python -m bench.sink PORT PATH`."""

import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from bench import wire
from bench.viewer import LOW_WATER_BYTES, RECEIVE_BYTES, ROOT


@contextmanager
def watching(port: int, path: str) -> Iterator[None]:
    """Have a stream watched, in a process of its own, for as long as this is entered."""
    command = [sys.executable, "-m", "bench.sink", str(port), path]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        try:
            process.stdout.read(1)
            yield
        finally:
            process.kill()


def main() -> None:
    """Take what comes; a byte on stdout tells that it does."""
    port, path = int(sys.argv[1]), sys.argv[2]
    buffer = bytearray(RECEIVE_BYTES)
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(wire.handshake(path, f"127.0.0.1:{port}"))
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, LOW_WATER_BYTES)
        connection.recv_into(buffer)
        sys.stdout.write("!")
        sys.stdout.flush()
        while connection.recv_into(buffer):
            pass


if __name__ == "__main__":
    main()
