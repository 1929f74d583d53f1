"""How a main process ended, as far as it can be seen."""

import asyncio
import os
from dataclasses import dataclass

from server.keeper import processes
from server.keeper.children import Children, ended


@dataclass(frozen=True, slots=True)
class Status:
    """How a main process ended: `exitcode` or `signal`, or neither when it was not seen."""

    exitcode: int | None = None
    signal: str | None = None

    @classmethod
    def of(cls, returncode: int) -> "Status":
        """Read a status as the standard library gives it: negative for a signal."""
        if returncode < 0:
            return cls(signal=processes.signal_name(-returncode))
        return cls(exitcode=returncode)

    @property
    def known(self) -> bool:
        """Whether the end was seen."""
        return self != Status()


async def wait_for_started(process: asyncio.subprocess.Process, children: Children) -> Status:
    """Wait for a main process that asyncio reaps."""
    returncode = await process.wait()
    children.discard(process.pid)
    return Status.of(returncode)


async def wait_for_inherited(pid: int, children: Children) -> Status:
    """Wait for a child that was started before the keeper executed its code anew."""
    await ended(pid)
    _, status = os.waitpid(pid, 0)  # noqa: ASYNC222 - it has ended
    children.discard(pid)
    return Status.of(os.waitstatus_to_exitcode(status))


async def wait_for_stranger(pid: int) -> Status:
    """Wait for a process that is no child of ours: only its parent learns its status."""
    await ended(pid)
    return Status()
