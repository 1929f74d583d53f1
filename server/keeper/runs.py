"""All runs of a keeper: started, adopted from the keeper before, and forgotten at their ends."""

import asyncio
import logging
import signal
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from server.keeper import processes, rlimits
from server.keeper.accounts import Accounts
from server.keeper.cgroups.group import Groups
from server.keeper.children import Children, is_child
from server.keeper.configuration import ListedAccounts
from server.keeper.failpoints import failpoint
from server.keeper.handover import Descriptors, Handover
from server.keeper.lease import LeaseTimer
from server.keeper.protocol import (
    KeeperEndedError,
    KeeperFullError,
    KeeperLeaseError,
    KeeperRefusedError,
    StartRequest,
)
from server.keeper.records import ExitRecord, Limits, ProcessRecord
from server.keeper.run.ending import finish_unkept
from server.keeper.run.pump import loud_mover
from server.keeper.run.run import Run
from server.keeper.run.status import Status, wait_for_inherited, wait_for_stranger
from server.keeper.spool import Spool
from server.keeper.tombstones import Tombstones

RUN_DESCRIPTORS = 6
"""Its pipe, its output, two segments of its tail, its pidfd; and one of those that are opened."""

OWN_DESCRIPTORS = 64

logger = logging.getLogger(__name__)


class Runs:
    """The runs of a state directory; a fault in what is done for one ends that one alone.

    `on_change` is called when a run has begun, or was forgotten. `accounts` are whom they may be
    started as.
    """

    def __init__(
        self,
        state_dir: Path,
        handover: Handover,
        on_change: Callable[[], None],
        accounts: Accounts | ListedAccounts,
    ) -> None:
        self._spool = Spool.of(state_dir, on_end=self._note_end)
        self._tombstones = Tombstones(state_dir, self._spool.run_ids, unsaved=handover.ended)
        self.lease = LeaseTimer(state_dir, self._end_unleased)
        self._handover = handover
        self._on_change = on_change
        self._children = Children()
        self._mover = loud_mover()
        self._groups = Groups(state_dir)
        self._accounts = accounts
        self._runs: dict[str, Run] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return len(self._runs)

    @property
    def busy(self) -> bool:
        """Whether a run goes on, or is still being ended."""
        return bool(self._runs or self._tasks)

    @property
    def settled(self) -> bool:
        """Whether another keeper would find all that this one knows of its runs."""
        return all(run.settled for run in self._runs.values())

    def active(self) -> list[str]:
        """Return the runs whose ends are not recorded."""
        return [run.run_id for run in self._runs.values() if run.active]

    def get(self, run_id: str) -> Run | None:
        """Return a run that was not forgotten."""
        return self._runs.get(run_id)

    def descriptors(self) -> dict[str, Descriptors]:
        """Return the open files of the active runs, for a keeper that follows in this process.

        Raises:
            OSError: those of one cannot be put right now.
        """
        return {run_id: self._runs[run_id].descriptors() for run_id in self.active()}

    def unsaved(self) -> list[int]:
        """Return the tombstones that are not on disk, for a keeper that follows here."""
        return self._tombstones.unsaved

    def orphans(self) -> Iterator[int]:
        """Return the processes that the keeper adopted."""
        return self._children.orphans()

    def is_sole(self, run_id: str) -> bool:
        """Whether there is no run but this one, so that every unmarked orphan must be its."""
        return self._runs.keys() == {run_id}

    def reap(self) -> None:
        """Reap the orphans that have ended."""
        self._children.reap()

    async def memory_problem(self) -> str | None:
        """Return why the memory of runs cannot be bounded here; None: it can."""
        return await self._groups.problem()

    async def start(self, request: StartRequest) -> bool:
        """Start a run; False when it was started before. What cannot be started has ended.

        Raises:
            KeeperEndedError: it was, and has ended.
            KeeperFullError: no descriptors are left for it.
            KeeperLeaseError: no lease has stood since it was this host's.
            KeeperRefusedError: it is to run as a user that cannot be.
            OSError: not even its spool's directory can be made.
        """
        directory = self._spool.directory(request.run_id)
        if self._was_started(request.run_id, directory):
            return False
        if not _descriptors_allow(len(self._runs) + 1):
            limit = rlimits.OPEN_FILES.most
            raise KeeperFullError(f"{limit} open files (ulimit -Hn) allow for no further run")
        self._check_lease(request)
        try:
            account = self._accounts.find(request.user)
        except KeeperRefusedError:
            if directory.is_dir():
                return False  # it was started while that user could still be had
            raise
        self._tombstones.reserve(self._endings + 1)
        try:
            script = request.script.encode()
            if not self._spool.create(request.run_id, script, account, request.body):
                return False
            failpoint("keeper.spool_made")
            run = Run(request.run_id, request.limits, self._spool, self, self._mover)
        except OSError as error:
            if not directory.is_dir():
                raise  # nothing was begun: the client may ask again
            self._end(request.run_id, ExitRecord(error=f"its spool cannot be made: {error}"))
            return True
        self._runs[request.run_id] = run
        try:
            await run.start(request, account, self._children, self._groups)
        except Exception as error:
            logger.exception("run %s: not started: the keeper failed", run.run_id)
            await self._give_up(run, ExitRecord(error=f"the keeper failed: {error!r}"))
        else:
            self._supervise(self._live(run), run.run_id)
        return True

    def _was_started(self, run_id: str, directory: Path) -> bool:
        """Whether that is known without a try to make the spool, which may just be removed.

        Raises:
            KeeperEndedError: it was, and its spool is gone.
        """
        if run_id in self._runs:
            return True  # somebody may have removed its spool meanwhile
        if run_id not in self._tombstones:
            return False
        if not directory.is_dir():
            raise KeeperEndedError("it has run and ended here, and is not started again")
        return True

    def _check_lease(self, request: StartRequest) -> None:
        """Have a run that needs the lease start within it alone, and end with it."""
        if request.leased_at is not None:
            if not self.lease.covers(request.leased_at):
                raise KeeperLeaseError("this host has no lease that has stood since it was asked")
            self.lease.watch()

    def _end_unleased(self) -> None:
        """End the runs that another host may have begun, as no lease has held them throughout."""
        seconds = self.lease.ends_in
        unleased = [
            run
            for run in self._runs.values()
            if run.leased_at is not None and not self.lease.covers(run.leased_at)
        ]
        if not seconds:
            for run in unleased:
                run.signal("SIGKILL")  # all of them, before any is written down
        for run in unleased:
            run.end_with_lease(seconds)

    def give_up(self, run_id: str) -> None:
        """Note that a run is to end even if its output cannot be stored.

        For a server that may not write in the spool, as are the next two.

        Raises:
            OSError: it could not be noted.
        """
        self._spool.give_up(run_id)

    async def remove(self, run_id: str) -> None:
        """Remove what is left of a run that has ended.

        Raises:
            KeeperRefusedError: it has not.
        """
        if run_id in self.active():
            raise KeeperRefusedError("the run is active, and its spool is needed")
        # Not in the loop: it may have left a million files. The thread only asks the kernel.
        await asyncio.to_thread(self._spool.remove, run_id)

    async def sweep(self) -> None:
        """Remove what earlier removals left."""
        await asyncio.to_thread(self._spool.sweep)

    def recover(self) -> None:
        """Adopt every run that has not ended, and kill what is left of those that have."""
        ended = set()
        run_ids = self._spool.run_ids()
        _descriptors_allow(len(run_ids))  # ended runs are counted as well: it is to raise the limit
        for run_id in run_ids:
            try:
                if self._spool.read_exit(run_id) is None:
                    self._adopt(run_id, self._spool.read_process(run_id))
                else:
                    self._note_end(run_id)  # a keeper before may have been of an older version
            except Exception as error:
                logger.exception("run %s: not adopted: the keeper failed", run_id)
                self._runs.pop(run_id, None)
                self._lose(run_id, f"its spool cannot be used: {error!r}")
            if run_id not in self._runs:
                ended.add(run_id)
        self._tombstones.check(self._endings)
        if any(run.leased_at is not None for run in self._runs.values()):
            self.lease.watch()
            self._end_unleased()
        self._kill_leftovers(ended)
        for group in self._groups.left(self._runs):
            self._supervise(group.remove(), group.directory.name)

    def check(self) -> None:
        """Put right what somebody else has changed of the runs' files, or of ours."""
        self._tombstones.check(self._endings)
        for run in list(self._runs.values()):
            try:
                run.check_spool()
            except OSError as error:
                logger.warning("run %s: spool not checked: %s", run.run_id, error)

    @property
    def _endings(self) -> int:
        """How many runs may yet end; some are counted twice."""
        return len(self._runs) + len(self._tasks)

    def _note_end(self, run_id: str) -> None:
        self._tombstones.add(run_id)

    def _adopt(self, run_id: str, record: ProcessRecord | None) -> None:
        if record is None:
            self._lose(run_id, "the keeper ended while it was starting the run")
            return
        handed = self._handover.take(run_id)
        try:
            run = Run(run_id, record.limits, self._spool, self, self._mover, handed)
        except OSError as error:
            self._lose(run_id, f"its spool cannot be used: {error}", record.limits)
            return
        self._runs[run_id] = run
        run.leased_at = record.leased_at
        if record.boot_id != processes.boot_id():
            record = replace(record, start_ticks=0)  # the pid is another process's by now
        same = processes.is_same(record.pid, record.start_ticks)
        ours = same and is_child(record.pid)
        if ours:
            self._children.add(record.pid)
        run.follow(record, self._status(record, same=same, ours=ours), is_child=ours)
        self._supervise(self._live(run), run_id)

    async def _status(self, record: ProcessRecord, *, same: bool, ours: bool) -> Status:
        """Wait for the end of an adopted run's main process, which may have been recorded."""
        if ours:
            return await wait_for_inherited(record.pid, self._children)
        if same:
            return await wait_for_stranger(record.pid)
        return Status(record.exitcode, record.signal)

    def _kill_leftovers(self, ended: set[str]) -> None:
        """Kill what an earlier keeper was ending when it went: of ended runs, or adopted."""
        orphans = set(self.orphans())
        for pid, run_id in processes.owners().items():
            # Another state directory's keeper may have runs beside ours: theirs are left alone.
            stray = pid in orphans or self._spool.is_work(processes.directory(pid), run_id)
            if run_id in ended or (stray and run_id not in self._runs):
                process = processes.read(pid)
                if process is not None:
                    processes.send(process, signal.SIGKILL)

    def _supervise(self, life: Coroutine[Any, Any, None], run_id: str) -> None:
        task = asyncio.create_task(life, name=f"run {run_id}")
        self._tasks.add(task)

        def release(task: asyncio.Task[None]) -> None:
            self._tasks.discard(task)
            self._on_change()

        task.add_done_callback(release)
        self._on_change()

    async def _live(self, run: Run) -> None:
        try:
            await run.live()
        except Exception:
            logger.exception("run %s: given up: the keeper failed", run.run_id)
            lost = ExitRecord(error="the keeper failed; see its log", lost=True)
            await self._give_up(run, lost)
        else:
            await run.remove_group()
            del self._runs[run.run_id]

    async def _give_up(self, run: Run, record: ExitRecord) -> None:
        """End a run that cannot be kept any more, and no other; an end that is recorded stands."""
        recorded = not run.active
        await run.abandon()
        if not recorded:
            self._end(run.run_id, record, run.limits)
        await run.remove_group()
        del self._runs[run.run_id]

    def _lose(self, run_id: str, error: str, limits: Limits | None = None) -> None:
        self._end(run_id, ExitRecord(error=error, lost=True), limits)

    def _end(self, run_id: str, record: ExitRecord, limits: Limits | None = None) -> None:
        """End a run that is not kept: its spool is damaged, or was never whole."""
        self._supervise(finish_unkept(self._spool, run_id, limits or Limits(), record), run_id)


def _descriptors_allow(runs: int) -> bool:
    return rlimits.allow_open_files(runs * RUN_DESCRIPTORS + OWN_DESCRIPTORS)
