"""The least that the way to a viewer costs: Tailrun's processes, with hardly any code in them.

`python -m bench.relay PORT COMMAND…` serves one viewer: one process moves what the command writes
into a file, another hears of it from inotify, reads it and sends it.
"""

import fcntl
import os
import select
import socket
import subprocess
import sys
import tempfile

from inotify_simple import INotify, flags

PIPE_BYTES, SLAB_BYTES = 1024 * 1024, 256 * 1024
ANSWER = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"


def move(command: list[str], path: str) -> None:
    file = os.open(path, os.O_WRONLY)
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process, select.epoll() as epoll:
        assert process.stdout is not None
        pipe = process.stdout.fileno()
        fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
        epoll.register(pipe, select.EPOLLIN)
        while epoll.poll() and os.splice(pipe, file, PIPE_BYTES):
            pass


def send(path: str, mover: int, viewer: socket.socket) -> None:
    file, ended, offset = os.open(path, os.O_RDONLY), os.pidfd_open(mover), 0
    with INotify() as inotify, select.epoll() as epoll:
        inotify.add_watch(path, flags.MODIFY)
        epoll.register(inotify.fileno(), select.EPOLLIN)
        epoll.register(ended, select.EPOLLIN)
        told: set[int] = set()
        while ended not in told:
            told = {descriptor for descriptor, _ in epoll.poll()}
            while data := os.pread(file, SLAB_BYTES, offset):
                offset += len(data)
                viewer.sendall(data)
            if inotify.fileno() in told:
                os.read(inotify.fileno(), SLAB_BYTES)


def accept(port: int) -> socket.socket:
    """Return the connection of the viewer, who has asked."""
    with socket.create_server(("127.0.0.1", port)) as listener:
        viewer, _ = listener.accept()
        while not viewer.recv(SLAB_BYTES):  # who only looked whether anybody listens
            viewer, _ = listener.accept()
    viewer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return viewer


def main() -> None:
    with tempfile.NamedTemporaryFile(prefix="tailrun-bench-") as file:
        viewer = accept(int(sys.argv[1]))
        viewer.sendall(ANSWER)
        if (mover := os.fork()) == 0:
            move(sys.argv[2:], file.name)
            os._exit(0)
        send(file.name, mover, viewer)
        os.waitpid(mover, 0)


if __name__ == "__main__":
    main()
