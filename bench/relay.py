"""The least that a line's way costs: Tailrun's processes, with hardly any code in them.

`python -m bench.relay PORT COMMAND…` serves one viewer as websocketd does: one process moves what
the command writes into a file, another hears of it from inotify, reads it and sends it, a message
for each growth. What Tailrun takes beyond that is its own; what this takes beyond websocketd is
one process more to wake, so that the output outlives the server.
"""

import os
import select
import socket
import subprocess
import sys
import tempfile
from collections.abc import Sequence

from inotify_simple import INotify, flags

from bench import wire

MOST_BYTES = 64 * 1024
ACCEPTED = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"


def move(command: Sequence[str], path: str) -> None:
    """Move what a command writes into a file, to its end."""
    file = os.open(path, os.O_WRONLY)
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process, select.epoll() as epoll:
        assert process.stdout is not None
        pipe = process.stdout.fileno()
        epoll.register(pipe, select.EPOLLIN)
        while epoll.poll() and os.splice(pipe, file, MOST_BYTES):
            pass


def send(path: str, mover: int, viewer: socket.socket) -> None:
    """Send what comes in a file, until the process that moves it there has ended."""
    file = os.open(path, os.O_RDONLY)
    ended = os.pidfd_open(mover)
    offset = 0
    with INotify() as inotify, select.epoll() as epoll:
        inotify.add_watch(path, flags.MODIFY)
        epoll.register(inotify.fileno(), select.EPOLLIN)
        epoll.register(ended, select.EPOLLIN)
        while True:
            told = epoll.poll()
            while data := os.pread(file, MOST_BYTES, offset):
                offset += len(data)
                message = data.removesuffix(b"\n")
                viewer.sendall(wire.short(wire.TEXT, message))
            if any(descriptor == ended for descriptor, _ in told):
                return
            os.read(inotify.fileno(), MOST_BYTES)


def main() -> None:
    """Serve one viewer."""
    with (
        socket.create_server(("127.0.0.1", int(sys.argv[1]))) as listener,
        tempfile.NamedTemporaryFile(prefix="tailrun-bench-") as file,
    ):
        viewer, _ = listener.accept()
        while not viewer.recv(MOST_BYTES):  # who only looked whether anybody listens
            viewer.close()
            viewer, _ = listener.accept()
        with viewer:
            viewer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            viewer.sendall(ACCEPTED)
            mover = os.fork()
            if mover == 0:
                move(sys.argv[2:], file.name)
                os._exit(0)
            send(file.name, mover, viewer)
            os.waitpid(mover, 0)


if __name__ == "__main__":
    main()
