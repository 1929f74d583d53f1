"""A real nginx before a server, with what a test has in its `location`."""

import asyncio
import shutil
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.support.waiting import until_true

CONFIGURATION = """
daemon off;
master_process off;
worker_processes 1;
pid {directory}/pid;
error_log {directory}/error.log;
events {{ worker_connections 256; }}
http {{
  access_log off;
  client_body_temp_path {directory}/body;
  proxy_temp_path {directory}/proxy;
  fastcgi_temp_path {directory}/fastcgi;
  uwsgi_temp_path {directory}/uwsgi;
  scgi_temp_path {directory}/scgi;
  server {{
    listen 127.0.0.1:{port};
    location {path} {{ {directives} proxy_pass {server}/; }}
  }}
}}
"""
HOST = "proxy_set_header Host $http_host;"
UPGRADE = (
    "proxy_http_version 1.1;"
    " proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade;"
)


@asynccontextmanager
async def nginx(
    directory: Path, server: str, directives: str, path: str = "/"
) -> AsyncIterator[str]:
    """Run nginx before a server; yield the address of the path where that is seen."""
    directory.mkdir()
    port = _free_port()
    text = CONFIGURATION.format(
        directory=directory, port=port, path=path, directives=directives, server=server
    )
    file = directory / "nginx.conf"
    file.write_text(text)
    program = shutil.which("nginx", path="/usr/sbin:/usr/bin")
    assert program is not None, "This test needs nginx (apt-get install nginx-light)."
    process = await asyncio.create_subprocess_exec(program, "-c", str(file), "-p", str(directory))

    async def listens() -> bool:
        assert process.returncode is None, (directory / "error.log").read_text()
        with socket.socket() as client:
            return client.connect_ex(("127.0.0.1", port)) == 0

    try:
        await until_true(listens)
        yield f"http://127.0.0.1:{port}{path.rstrip('/')}"
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port
