"""The least that the way to a viewer costs: Tailrun's processes, with hardly any code in them.

`python -m bench.relay PORT COMMAND…` serves one viewer, in the format `raw`: one process moves what
the command writes into a file, another hears of it from inotify, reads it and sends it. What
Tailrun takes beyond that is its own; what this takes beyond websocketd is one process more to wake
and one copy more, so that the output outlives the server.
"""

import fcntl
import os
import select
import socket
import subprocess
import sys
import tempfile
from collections.abc import Sequence

from inotify_simple import INotify, flags

from bench import wire

PIPE_BYTES = 1024 * 1024
SLAB_BYTES = 256 * 1024
ACCEPTED = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"


def move(command: Sequence[str], path: str) -> None:
    """Move what a command writes into a file, to its end."""
    file = os.open(path, os.O_WRONLY)
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process, select.epoll() as epoll:
        assert process.stdout is not None
        pipe = process.stdout.fileno()
        fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
        epoll.register(pipe, select.EPOLLIN)
        while epoll.poll() and os.splice(pipe, file, PIPE_BYTES):
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
            while data := os.pread(file, SLAB_BYTES, offset):
                offset += len(data)
                viewer.sendall(wire.header(wire.BINARY, len(data)) + data)
            if any(descriptor == ended for descriptor, _ in told):
                size = len(wire.NORMAL_CLOSURE)
                viewer.sendall(wire.header(wire.CLOSE, size) + wire.NORMAL_CLOSURE)
                return
            os.read(inotify.fileno(), SLAB_BYTES)


def main() -> None:
    """Serve one viewer."""
    with (
        socket.create_server(("127.0.0.1", int(sys.argv[1]))) as listener,
        tempfile.NamedTemporaryFile(prefix="tailrun-bench-") as file,
    ):
        viewer, _ = listener.accept()
        while not viewer.recv(SLAB_BYTES):  # who only looked whether anybody listens
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
