"""nginx before a server, with what a test has in its `location`."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.support import proxies

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
    location = f"location {path} {{ {directives} proxy_pass http://{proxies.BACKEND}/; }}"
    configuration = f"server {{ listen 80; {location} }}"
    async with proxies.nginx(directory, server, configuration) as address:
        yield address + path.rstrip("/")
