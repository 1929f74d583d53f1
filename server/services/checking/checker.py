"""Has a script read, not executed, by the interpreter that it names."""

import asyncio
import os
import shutil
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from server.errors import LimitReachedError
from server.services.checking.interpreters import DIRECTORIES, interpreter_of
from server.services.checking.problems import Problem, problems_in

TIMEOUT_SECONDS = 5
MEMORY_BYTES = 512 * 1024 * 1024
SAID_BYTES = 64 * 1024
AT_A_TIME = 2
MOST_WAITING = 20

_CONFINED = str(Path(__file__).with_name("confined.py"))


@dataclass(frozen=True, slots=True)
class Check:
    """What an interpreter said of a script; `unchecked` says why it was not asked, if so."""

    interpreter: str
    problems: list[Problem]
    unchecked: str | None = None


@dataclass(frozen=True, slots=True)
class _Said:
    text: str
    status: int
    whole: bool


class Checker:
    """Checks some scripts at a time, each in a process that is bounded and can do nothing else."""

    def __init__(self, shell: str) -> None:
        self._shell = shell
        self._free = asyncio.Semaphore(AT_A_TIME)
        self._waiting = 0

    async def check(self, script: str) -> Check:
        """Return the problems of a script.

        Raises:
            LimitReachedError: too many scripts wait to be checked.
        """
        named = interpreter_of(script, self._shell, _find)
        if named.arguments is None:
            return Check(named.name, [], "Scripts of this interpreter are not checked.")
        if self._waiting >= MOST_WAITING:
            raise LimitReachedError(f"{self._waiting} scripts wait to be checked.")
        self._waiting += 1
        try:
            async with self._free:
                said = await _ask(script, *named.arguments)
        finally:
            self._waiting -= 1
        if said is None:
            return Check(named.name, [], f"It took longer than {TIMEOUT_SECONDS} seconds.")
        problems = problems_in(said.text)
        if problems or said.status == 0 or not said.whole:
            return Check(named.name, problems)
        first = said.text.strip().partition("\n")[0][:SAID_BYTES]
        return Check(named.name, [], f"The interpreter could not check it: {first}".rstrip(": "))


def _find(name: str) -> str | None:
    return shutil.which(name, path=os.pathsep.join(DIRECTORIES))


async def _ask(script: str, *command: str) -> _Said | None:
    """Return what a command says of a script on its stdin; None if it took too long."""
    with _readable(script) as stdin:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-I", "-S", _CONFINED),
            *(str(TIMEOUT_SECONDS), str(MEMORY_BYTES)),
            *command,
            stdin=stdin,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            cwd="/",
            env={},
            start_new_session=True,
        )
    assert process.stderr is not None
    try:
        async with asyncio.timeout(TIMEOUT_SECONDS):
            said = await _read(process.stderr)
            if len(said) < SAID_BYTES:
                await process.wait()
    except TimeoutError:
        return None
    finally:
        with suppress(ProcessLookupError):
            process.send_signal(signal.SIGKILL)
        await asyncio.shield(process.wait())
    return _Said(said.decode(errors="replace"), process.returncode or 0, len(said) < SAID_BYTES)


@contextmanager
def _readable(script: str) -> Iterator[int]:
    """Provide a file that holds the script, and has no name.

    It is no pipe, of which a shell reads a byte at a time and tells no lines, and no socket, at
    which bash takes itself for started by rshd and reads ~/.bashrc.
    """
    descriptor = os.memfd_create("script")
    try:
        with open(descriptor, "wb", closefd=False) as file:
            file.write(script.encode())
        os.lseek(descriptor, 0, os.SEEK_SET)
        yield descriptor
    finally:
        os.close(descriptor)


async def _read(stream: asyncio.StreamReader) -> bytes:
    """Return what is said, at most SAID_BYTES."""
    said = b""
    while len(said) < SAID_BYTES and (more := await stream.read(SAID_BYTES - len(said))):
        said += more
    return said
