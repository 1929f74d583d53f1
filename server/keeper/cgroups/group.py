"""A memory cgroup for each run that has a bound: all processes of the run share it (cgroups(7)).

    <place>/tailrun-<state directory>/<run id>      see place.py

A run's processes are born into its group and stay there, whatever they do to their parents,
sessions and environments. It is no wall: the keeper's user may move the processes out.
"""

import asyncio
import itertools
import logging
import os
import signal
from collections.abc import Callable, Container, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from server.keeper import processes
from server.keeper.cgroups.place import CgroupError, current, pids, write

CLOSE_BYTES = 64 * 1024  # what is asked for and refused may be several pages at once
PROBE = "probe"
PROBE_BYTES = 64 * 1024 * 1024
REMOVE_ROUNDS = 100  # 5 s: to kill many processes takes its time
REMOVE_SECONDS = 0.05

logger = logging.getLogger(__name__)


class Group:
    """The cgroup of one run, by its directory; it may have gone."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    @contextmanager
    def entrance(self) -> Iterator[Callable[[], object]]:
        """Provide what a process that is forked meanwhile calls to enter.

        Raises:
            CgroupError: there is no group to enter. The call raises OSError: it cannot.
        """
        try:
            members = os.open(self.directory / "cgroup.procs", os.O_WRONLY)
        except OSError as error:
            raise CgroupError(str(error)) from error
        try:
            yield lambda: os.write(members, b"0")
        finally:
            os.close(members)

    def bound(self, version: int, max_bytes: int) -> None:
        """Bound the memory of what is in it, swap included.

        Raises:
            OSError: that cannot be.
        """
        if version == 1:
            write(self.directory / "memory.limit_in_bytes", str(max_bytes))
            self._write_if_any("memory.memsw.limit_in_bytes", max_bytes)
        else:
            write(self.directory / "memory.max", str(max_bytes))
            self._write_if_any("memory.swap.max", 0)
            self._write_if_any("memory.oom.group", 1)

    def exceeded(self) -> bool:
        """Whether a process was killed because the bound was reached."""
        # A kill alone may be for want of memory in the whole machine, or in a container. Version 2
        # counts how often this bound was the cause; version 1 tells only how close the group came.
        events = self._counts("memory.events") | self._counts("memory.oom_control")
        if not events.get("oom_kill"):
            return False
        if "oom" in events:
            return bool(events["oom"])
        bound = int(self._read("memory.limit_in_bytes") or 0)
        names = ("memory.max_usage_in_bytes", "memory.memsw.max_usage_in_bytes")
        return max(int(self._read(name) or 0) for name in names) + CLOSE_BYTES >= bound

    def pids(self) -> list[int]:
        """Return the processes in it."""
        return pids(self.directory)

    async def remove(self, pause_seconds: float = REMOVE_SECONDS) -> None:
        """Kill what is left in it, and remove it; with the last group goes the one they were in."""
        for _ in range(REMOVE_ROUNDS):
            for pid in self.pids():
                if (process := processes.read(pid)) is not None:
                    processes.send(process, signal.SIGKILL)
            if self.remove_empty():
                with suppress(OSError):
                    self.directory.parent.rmdir()
                return
            await asyncio.sleep(pause_seconds)
        logger.warning("cgroup not removed: %s: it has processes %s", self.directory, self.pids())

    def remove_empty(self) -> bool:
        """Remove it, and what the run has made in it; False when it is not empty."""
        for directory, _, _ in os.walk(self.directory, topdown=False):
            with suppress(OSError):
                Path(directory).rmdir()
        return not self.directory.exists()

    def _write_if_any(self, name: str, value: int) -> None:
        if (self.directory / name).exists():
            write(self.directory / name, str(value))

    def _counts(self, name: str) -> dict[str, int]:
        lines = (line.split() for line in self._read(name).splitlines())
        return {key: int(value) for key, value in lines}

    def _read(self, name: str) -> str:
        try:
            return (self.directory / name).read_text()
        except OSError:
            return ""


class Groups:
    """The groups of a state directory's runs, wherever this process may make them."""

    def __init__(self, state_dir: Path) -> None:
        facts = state_dir.stat()
        self._name = f"tailrun-{facts.st_dev:x}-{facts.st_ino:x}"
        self._probes = itertools.count(1)

    def make(self, name: str, max_bytes: int) -> Group:
        """Make a bounded group.

        Raises:
            CgroupError: it cannot be.
        """
        try:
            hierarchy = current()
            place = hierarchy.place()
            hierarchy.enable_memory(place)
            ours = place / self._name
            ours.mkdir(exist_ok=True)
            hierarchy.enable_memory(ours)
            group = Group(ours / name)
            group.directory.mkdir()
            try:
                group.bound(hierarchy.version, max_bytes)
            except OSError:
                group.remove_empty()
                raise
        except OSError as error:
            raise CgroupError(str(error)) from error
        return group

    def left(self, active: Container[str]) -> Iterator[Group]:
        """Return the groups of other runs than those that are active."""
        with suppress(OSError):
            for directory in (current().place() / self._name).iterdir():
                if directory.is_dir() and directory.name not in active:
                    yield Group(directory)

    async def problem(self) -> str | None:
        """Make a group and have a process enter it: return why it cannot be; None: it can."""
        try:
            group = self.make(f"{PROBE}-{next(self._probes)}", PROBE_BYTES)
        except CgroupError as error:
            return str(error)
        try:
            with group.entrance() as enter:
                return _fork(enter)
        except CgroupError as error:
            return str(error)
        finally:
            await group.remove()


def _fork(enter: Callable[[], object]) -> str | None:
    """Have a child of ours enter a group; return why it cannot."""
    pid = os.fork()
    if pid == 0:
        try:
            enter()
        except OSError as error:
            os._exit(error.errno or 1)
        os._exit(0)
    _, status = os.waitpid(pid, 0)
    if status == 0:
        return None
    return f"a process cannot enter a cgroup: {os.strerror(os.waitstatus_to_exitcode(status))}"
