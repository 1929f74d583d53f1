"""Programs that people use, run by tests."""

import asyncio
import os
import shutil
import sys
from asyncio.subprocess import PIPE, STDOUT
from pathlib import Path

from tests.support.waiting import patience

BIN = Path(sys.executable).parent
PATH = f"{BIN}:{os.environ['PATH']}"


def program(name: str) -> str:
    """Return where a program is that tests cannot do without."""
    found = shutil.which(name, path=PATH)
    assert found, f"There is no {name}. `make test` installs it; else put it on the PATH."
    return found


async def say(*command: str, given: str = "", **environment: str) -> str:
    """Run a command, which is given this on stdin; return what it says once it has ended well."""
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=PIPE,
        stdout=PIPE,
        stderr=STDOUT,
        env={**os.environ, "PATH": PATH, **environment},
    )
    try:
        async with patience():
            said, _ = await process.communicate(given.encode())
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, (command, said.decode())
    return said.decode()
