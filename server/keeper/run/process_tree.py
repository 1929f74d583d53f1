"""The processes of one run: its main process, that one's group, and whatever left the group."""

import asyncio
import contextlib
import logging
import signal
from collections.abc import Iterator
from typing import Protocol

from server.keeper import processes
from server.keeper.cgroups.group import Group
from server.keeper.processes import Process

POLL_SECONDS = 0.05  # the end of a process that is not our child is no event
KILL_ROUNDS = 100  # 5 s; what survives that waits in the kernel, mostly

logger = logging.getLogger(__name__)


class Subreaper(Protocol):
    """What a tree must know of the keeper, which adopts every orphan of its runs."""

    def orphans(self) -> Iterator[int]:
        """Return the processes that the keeper adopted."""

    def is_sole(self, run_id: str) -> bool:
        """Whether every orphan without a mark must be this run's, there being no other run."""


class ProcessTree:
    """Finds, signals and ends the processes of one run.

    The leader is the run's main process: first of its session and of its process group, and the
    pid is the group's number as well. `leader_ticks` distinguishes it from a later process of that
    pid; `is_child`: it is the keeper's child. `cgroup`, if the run has one, knows its processes
    whatever they did to leave it.
    """

    def __init__(
        self,
        run_id: str,
        leader: int,
        leader_ticks: int,
        subreaper: Subreaper,
        *,
        is_child: bool,
        cgroup: Group | None = None,
    ) -> None:
        self.run_id = run_id
        self._leader = leader
        self._leader_ticks = leader_ticks
        self._subreaper = subreaper
        self._is_child = is_child
        self._cgroup = cgroup
        self._known: set[Process] = set()

    @property
    def has_leader(self) -> bool:
        """Whether the leader was not reaped yet: only so long are its pid and group its own."""
        return processes.is_same(self._leader, self._leader_ticks)

    def signal_group(self, number: int) -> bool:
        """Signal the leader's group; False when the leader has gone."""
        return self.has_leader and processes.send_group(self._leader, number)

    def remember(self) -> None:
        """Look at the descendants while their line to the leader is whole."""
        # One that drops its mark and its parents when it is signalled is known by this.
        if self.has_leader:
            self._known.update(_read_all(processes.with_descendants([self._leader])))

    def left_behind(self) -> int:
        """Return how many processes are left after the leader was reaped; quick where none is."""
        # Each was adopted by the keeper, or descends from one that was; a leader that was nobody's
        # child of ours left its own to others.
        group_left = not self._is_child or processes.send_group(self._leader, 0)
        if not (group_left or any(self._subreaper.orphans()) or self._in_cgroup()):
            return 0
        return len(self.members(everywhere=False))

    def members(self, *, everywhere: bool) -> list[Process]:
        """Return the living processes of the run; `everywhere` looks at the whole machine.

        So does every look at a run whose leader is not a child: its orphans went elsewhere.
        """
        known = (one for one in self._known if processes.is_same(one.pid, one.start_ticks))
        roots = [process.pid for process in known]
        roots += [pid for pid in self._subreaper.orphans() if self._owns(pid)]
        roots += self._in_cgroup()
        if self.has_leader:
            roots.append(self._leader)
        if everywhere or not self._is_child:
            roots += [pid for pid, run_id in processes.owners().items() if run_id == self.run_id]
        found = _read_all(processes.with_descendants(roots))
        return [process for process in found if not process.ended]

    async def end(self, overdue: asyncio.Event, *, signalled: bool) -> list[str]:
        """End what is left after the leader: SIGTERM, SIGKILL when `overdue`; name survivors.

        `signalled`: the group was sent its signal already.
        """
        # Where everything is killed at once, that looks at the whole machine itself.
        for process in self.members(everywhere=not overdue.is_set()):
            if not (signalled and process.group == self._leader):
                processes.send(process, signal.SIGTERM)
                processes.send(process, signal.SIGCONT)  # a paused one acts on nothing else
        while not overdue.is_set() and self.members(everywhere=False):
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(overdue.wait(), POLL_SECONDS)
        # More than once: processes may be made while we look for them.
        for _ in range(KILL_ROUNDS):
            if not self.kill():
                return []
            await asyncio.sleep(POLL_SECONDS)
        survivors = [str(process) for process in self.members(everywhere=True)]
        logger.warning("run %s: processes survive: %s", self.run_id, ", ".join(survivors) or "none")
        return survivors

    def kill(self) -> list[Process]:
        """Kill once what is there, and return it."""
        self.signal_group(signal.SIGKILL)
        left = self.members(everywhere=True)
        if any(process.group == self._leader for process in left):
            # At once, before one of it can fork again. The number is still this group's: a pid
            # is not given anew while a group has it.
            processes.send_group(self._leader, signal.SIGKILL)
        for process in left:
            processes.send(process, signal.SIGKILL)
        return left

    def _in_cgroup(self) -> list[int]:
        return [] if self._cgroup is None else self._cgroup.pids()

    def _owns(self, orphan: int) -> bool:
        mark = processes.owner(orphan)
        if mark is not None:
            return mark == self.run_id
        # It has shed its environment, or may not be looked into.
        process = processes.read(orphan)
        in_group = process is not None and self._leader in (process.group, process.session)
        return in_group or self._subreaper.is_sole(self.run_id)


def _read_all(pids: Iterator[int]) -> list[Process]:
    return [process for pid in pids if (process := processes.read(pid)) is not None]
