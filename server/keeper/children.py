"""The keeper's children: the main processes of runs, and orphans that it adopted.

asyncio reaps main processes, each by its pidfd. Orphans (descendants of runs whose parent ended;
the keeper is their subreaper, PR_SET_CHILD_SUBREAPER(2const)) are reaped here, each by its pid, so
that nobody's status is taken from who waits for it.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

from server.keeper import processes

REAP_BATCH = 100  # then other events have their turn


class Children:
    """Tells main processes from adopted orphans, and reaps the latter."""

    def __init__(self) -> None:
        self._mains: set[int] = set()
        self._launching = asyncio.Lock()

    @asynccontextmanager
    async def launching(self) -> AsyncIterator[None]:
        """Hold while a main process is started: until `add` it looks like an orphan."""
        try:
            async with self._launching:
                yield
        finally:
            self.reap()

    def add(self, pid: int) -> None:
        """Leave this child to who waits for it."""
        self._mains.add(pid)

    def discard(self, pid: int) -> None:
        """Forget a main process that was reaped."""
        self._mains.discard(pid)
        self.reap()

    def reap(self) -> None:
        """Reap the orphans that have ended."""
        # A main process that has ended may stand before them; `discard` then brings us back.
        for _ in range(REAP_BATCH):
            pid = _ended_child()
            if pid is None or pid in self._mains or self._launching.locked():
                return
            os.waitpid(pid, 0)
        asyncio.get_running_loop().call_soon(self.reap)

    def orphans(self) -> Iterator[int]:
        """Return the adopted orphans."""
        return (pid for pid in processes.children(os.getpid()) if pid not in self._mains)


def _ended_child() -> int | None:
    """Return a child that has ended, without reaping it."""
    try:
        found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return None
    return found.si_pid if found else None


def is_child(pid: int) -> bool:
    """Whether the process is a child of ours that was not reaped, ended or not."""
    try:
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True


async def ended(pid: int) -> None:
    """Wait until a process has ended, a child or not (pidfd_open(2))."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    loop = asyncio.get_running_loop()
    end = asyncio.Event()
    loop.add_reader(descriptor, end.set)
    try:
        await end.wait()
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)
