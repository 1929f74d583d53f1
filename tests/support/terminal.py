"""A person at a terminal: pastes a block of a document into bash, and sees what comes."""

import asyncio
import os
import pty
import re
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from tests.support.programs import PATH
from tests.support.waiting import patience

PROMPT = re.compile(r"<(\d+)\$ ")
"""With the exit code of what was done before."""

BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)
HERE = re.compile(r"(?<=<<'END')\n.*?\nEND\n|(?<=<<END)\n.*?\nEND\n", re.DOTALL)
"""What a command is given by a here-document, which the shell reads before it prompts again."""
ESCAPES = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]|\r")


def blocks(document: Path) -> list[str]:
    """Return what of a document is for a shell."""
    return BLOCK.findall(document.read_text(encoding="utf-8"))


class Terminal:
    """An interactive bash on a pseudo-terminal; what is pasted comes as if it was typed."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._said = ""
        self._more = asyncio.Event()
        asyncio.get_running_loop().add_reader(descriptor, self._read)

    async def paste(self, block: str) -> str:
        """Paste a block, wait until each of its commands is done, well; return what was seen."""
        whole = HERE.sub("\n", block)
        commands = sum(1 for line in whole.splitlines() if not line.endswith("\\"))
        seen = await self._until(block, lambda said: len(PROMPT.findall(said)) >= commands)
        assert set(PROMPT.findall(seen)) == {"0"}, seen
        return seen

    async def begin(self, block: str, pattern: str) -> re.Match[str]:
        """Paste a block that goes on, and return what it is to say, once it has said it."""
        seen = await self._until(block, re.compile(pattern).search)
        match = re.search(pattern, seen)
        assert match
        return match

    async def prompt(self) -> None:
        """Wait for the first prompt."""
        await self._until("", PROMPT.search)

    async def interrupt(self) -> None:
        """Type Ctrl-C, and wait for the prompt."""
        await self._until("\x03", PROMPT.search)

    async def _until(self, keys: str, seen: Callable[[str], object]) -> str:
        """Type keys, and return all that is said from then on, once it is what is waited for."""
        if keys:
            self._said = ""
            os.write(self._descriptor, keys.encode())
        try:
            async with patience():
                while not seen(self.said):
                    self._more.clear()
                    await self._more.wait()
        except TimeoutError as error:
            raise AssertionError(f"This is all that was seen:\n{self.said}") from error
        return self.said

    @property
    def said(self) -> str:
        """What was seen since keys were typed, without escape sequences."""
        return ESCAPES.sub("", self._said)

    def _read(self) -> None:
        try:
            self._said += os.read(self._descriptor, 65536).decode("utf-8", "replace")
        except OSError:  # the shell has ended
            asyncio.get_running_loop().remove_reader(self._descriptor)
        self._more.set()


@asynccontextmanager
async def terminal(directory: Path, **environment: str) -> AsyncIterator[Terminal]:
    """Open a terminal in a directory; in the end all that was begun there is hung up."""
    ours, theirs = pty.openpty()
    process = await asyncio.create_subprocess_exec(
        *("setsid", "--ctty", "bash", "--noprofile", "--norc", "-i"),
        cwd=directory,
        env={**os.environ, "PATH": PATH, "TERM": "xterm", "PS1": "<$?$ ", "INPUTRC": os.devnull}
        | environment,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    opened = Terminal(ours)
    try:
        await opened.prompt()
        await opened.paste("bind 'set enable-bracketed-paste off'\n")
        yield opened
    finally:
        asyncio.get_running_loop().remove_reader(ours)
        with suppress(OSError):  # nothing is left that a hang-up might not end
            os.killpg(os.tcgetpgrp(ours), signal.SIGTERM)
        os.close(ours)
        await process.wait()
