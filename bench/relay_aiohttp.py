"""The bare relay with the libraries that Tailrun is made of: asyncio in both processes, aiohttp.

`python -m bench.relay_aiohttp PORT COMMAND…` serves one viewer as `relay.py` does. What it takes
beyond that is asyncio's and aiohttp's; what Tailrun takes beyond this is Tailrun's own.
"""

import asyncio
import fcntl
import os
import sys
import tempfile

from aiohttp import WSMsgType, web
from inotify_simple import INotify, flags

from bench.relay import PIPE_BYTES, SLAB_BYTES


async def move(command: list[str], path: str) -> None:
    """Move what a command writes into a file, to its end."""
    file, (pipe, written) = os.open(path, os.O_WRONLY), os.pipe()
    fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
    process = await asyncio.create_subprocess_exec(*command, stdout=written)
    os.close(written)
    over = asyncio.Event()

    def ready() -> None:
        if not os.splice(pipe, file, PIPE_BYTES):
            over.set()

    loop = asyncio.get_running_loop()
    loop.add_reader(pipe, ready)
    await over.wait()
    loop.remove_reader(pipe)
    await process.wait()


async def send(path: str, mover: "asyncio.Task[int]", viewer: web.WebSocketResponse) -> None:
    """Send what comes in a file, until the process that moves it there has ended."""
    file = os.open(path, os.O_RDONLY)
    loop, grown, offset = asyncio.get_running_loop(), asyncio.Event(), 0
    mover.add_done_callback(lambda _: grown.set())
    with INotify() as inotify:
        inotify.add_watch(path, flags.MODIFY)

        def ready() -> None:
            os.read(inotify.fileno(), SLAB_BYTES)
            grown.set()

        loop.add_reader(inotify.fileno(), ready)
        over = False
        while not over:
            await grown.wait()
            grown.clear()
            over = mover.done()
            while data := os.pread(file, SLAB_BYTES, offset):
                offset += len(data)
                await viewer.send_frame(data, WSMsgType.BINARY)
        loop.remove_reader(inotify.fileno())


async def serve(request: web.Request) -> web.WebSocketResponse:
    """Serve a viewer."""
    viewer = web.WebSocketResponse(compress=False)
    await viewer.prepare(request)
    with tempfile.NamedTemporaryFile(prefix="tailrun-bench-") as file:
        command = [sys.executable, "-m", "bench.relay_aiohttp", "move", file.name, *sys.argv[2:]]
        mover = await asyncio.create_subprocess_exec(*command)
        await send(file.name, asyncio.create_task(mover.wait()), viewer)
    await viewer.close()
    return viewer


def main() -> None:
    """Serve, or move."""
    if sys.argv[1] == "move":
        asyncio.run(move(sys.argv[3:], sys.argv[2]))
        return
    app = web.Application()
    app.router.add_get("/", serve)
    web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]), print=None)


if __name__ == "__main__":
    main()
