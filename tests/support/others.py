"""What another user of the host does: `nobody`, whom the server does not know."""

import asyncio
import os
import tempfile
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.waiting import patience

NOBODY = 65534
AS_ROOT = pytest.mark.skipif(os.getuid() != 0, reason="needs root, to be another user as well")


async def curl(*arguments: str, user: int | None = NOBODY) -> bytes:
    """Run curl as another user; return what it writes."""
    process = await asyncio.create_subprocess_exec(
        *("curl", "--silent", "--insecure", "--noproxy", "*", *arguments),
        stdin=DEVNULL,
        stdout=PIPE,
        cwd="/",
        env={"PATH": os.environ["PATH"], "HOME": "/"},
        user=user,
        group=user,
        extra_groups=None if user is None else [],
    )
    try:
        async with patience():
            said, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return said


async def status(url: str, *arguments: str, user: int | None = NOBODY) -> int:
    """Ask for a URL as another user; return the status."""
    arguments = ("--output", "/dev/null", "--write-out", "%{http_code}", *arguments)
    return int(await curl(*arguments, url, user=user))


@contextmanager
def open_directory() -> Iterator[Path]:
    """Make a directory that other users come to, unlike those of pytest."""
    with tempfile.TemporaryDirectory() as directory:
        Path(directory).chmod(0o755)
        yield Path(directory)
