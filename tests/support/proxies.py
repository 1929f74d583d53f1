"""Real proxies before a server: nginx, HAProxy and Caddy, on free ports of the loopback interface.

Their configurations are those of docs/operations.md, or a test's own.
"""

import asyncio
import os
import re
import shutil
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from tests.support.certificates import make_certificate
from tests.support.service import ROOT
from tests.support.waiting import until_true

DOCUMENT = ROOT / "docs" / "operations.md"
BACKEND = "127.0.0.1:8000"
PLACES = f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin"

NGINX = """
daemon off;
master_process off;
pid {directory}/pid;
error_log {directory}/log;
events {{ worker_connections 256; }}
http {{
    access_log off;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    {snippet}
}}
"""
CADDY = """
{{
    admin off
    auto_https off
}}
{snippet}
"""


def snippet(language: str, number: int) -> str:
    """Return a configuration of docs/operations.md: the so-manieth in a language, from 0."""
    text = DOCUMENT.read_text(encoding="utf-8")
    found: list[str] = re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return found[number]


@asynccontextmanager
async def nginx(
    directory: Path, backend: str, configuration: str, *, user: int | None = None
) -> AsyncIterator[str]:
    """Run nginx with what its `http` block has, as a user; yield its address.

    It listens where `listen 80` or `listen 443 ssl` stand, the latter with a certificate of its
    own, and leads to `backend`, a URL, where BACKEND stands.
    """
    directory.mkdir()
    port, tls = free_port(), "listen 443 ssl;" in configuration
    changes = {
        "listen 80;": f"listen 127.0.0.1:{port};",
        "listen 443 ssl;": f"listen 127.0.0.1:{port} ssl;",
        "/etc/ssl/certs/runs.pem": f"{directory}/certificate.pem",
        "/etc/ssl/private/runs.key": f"{directory}/key.pem",
    }
    if tls:
        make_certificate(directory, name="runs.example.org")
    file = directory / "nginx.conf"
    text = _changed(configuration, backend, changes)
    file.write_text(NGINX.format(directory=directory, snippet=text))
    arguments = ("nginx", "-p", str(directory), "-c", str(file))
    async with _running(directory, port, *arguments, user=user):
        yield f"{'https' if tls else 'http'}://127.0.0.1:{port}"


@asynccontextmanager
async def haproxy(directory: Path, backend: str, configuration: str) -> AsyncIterator[str]:
    """Run HAProxy; yield its address. It listens where `bind :80` stands."""
    directory.mkdir()
    port, file = free_port(), directory / "haproxy.cfg"
    file.write_text(_changed(configuration, backend, {"bind :80": f"bind 127.0.0.1:{port}"}))
    async with _running(directory, port, "haproxy", "-db", "-f", str(file)):
        yield f"http://127.0.0.1:{port}"


@asynccontextmanager
async def caddy(directory: Path, backend: str, configuration: str) -> AsyncIterator[str]:
    """Run Caddy, without TLS; yield its address. It listens for `runs.example.org {`."""
    directory.mkdir()
    port, file = free_port(), directory / "Caddyfile"
    changes = {"runs.example.org {": f"http://127.0.0.1:{port} {{"}
    file.write_text(CADDY.format(snippet=_changed(configuration, backend, changes)))
    arguments = ("run", "--config", str(file), "--adapter", "caddyfile")
    async with _running(directory, port, "caddy", *arguments):
        yield f"http://127.0.0.1:{port}"


def free_port() -> int:
    """Return a port of the loopback interface that nobody listens on."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


def _changed(configuration: str, backend: str, changes: Mapping[str, str]) -> str:
    assert BACKEND in configuration
    for old, new in {**changes, BACKEND: backend.removeprefix("http://")}.items():
        configuration = configuration.replace(old, new)
    return configuration


@asynccontextmanager
async def _running(
    directory: Path, port: int, name: str, *arguments: str, user: int | None = None
) -> AsyncIterator[None]:
    """Run a program from when it listens; what it says is in `directory`/output."""
    program, output = shutil.which(name, path=PLACES), directory / "output"
    assert program is not None, f"This test needs {name} (apt-get install {name})."
    if user is not None:
        for path in [directory, *directory.iterdir()]:
            os.chown(path, user, user)
    with output.open("wb") as file:
        process = await asyncio.create_subprocess_exec(
            *(program, *arguments),
            env={"HOME": str(directory)},
            stdout=file,
            stderr=file,
            user=user,
            group=user,
            extra_groups=None if user is None else [],
        )

    async def listens() -> bool:
        assert process.returncode is None, output.read_text()
        with socket.socket() as client:
            return client.connect_ex(("127.0.0.1", port)) == 0

    try:
        await until_true(listens)
        yield
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()
