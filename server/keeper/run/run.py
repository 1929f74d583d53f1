"""One run in the keeper, from its start to the record of its end."""

import logging
import os
import signal
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TypeVar

from server.keeper import processes
from server.keeper.accounts import Account
from server.keeper.cgroups.group import Group, Groups
from server.keeper.children import Children
from server.keeper.failpoints import failpoint
from server.keeper.handover import Descriptors
from server.keeper.protocol import StartRequest
from server.keeper.records import ExitRecord, Limits, ProcessRecord, StopRecord
from server.keeper.run.ending import finish
from server.keeper.run.launch import explain, launch
from server.keeper.run.preparation import PreparationError
from server.keeper.run.process_tree import ProcessTree, Subreaper
from server.keeper.run.pump import Pump, free_bytes
from server.keeper.run.states import STEPS, State
from server.keeper.run.status import Status, wait_for_started
from server.keeper.run.stopping import Grace, due_at, sharpened
from server.keeper.spool import Spool

_Record = TypeVar("_Record")

logger = logging.getLogger(__name__)


class Run:
    """A run: its state, its processes, its pump, its bounds, and how it is stopped.

    `leased_at` is that of its StartRequest. `handed` are its open files, where an earlier keeper in
    this process has left them.

    Raises:
        OSError: its spool cannot be used.
    """

    def __init__(
        self,
        run_id: str,
        limits: Limits,
        spool: Spool,
        subreaper: Subreaper,
        mover: Executor,
        handed: Descriptors | None = None,
    ) -> None:
        self.run_id = run_id
        self.limits = limits
        self.leased_at: float | None = None
        self._state = State.STARTING
        self._spool = spool
        self._subreaper = subreaper
        self._directory = spool.directory(run_id)
        self._place = self._directory.stat()  # tells it from another one of this name
        is_sole = partial(subreaper.is_sole, run_id)
        self._pump = Pump(
            self._directory, limits, spool.trash, self._stop_for, mover, is_sole, handed
        )
        self._record: ProcessRecord | None = None
        self._tree: ProcessTree | None = None
        self._group: Group | None = None
        self._stop = spool.read_stop(run_id)
        self._grace = Grace(self._kill)
        self._timeout = Grace(partial(self._stop_for, "timeout"))

    @property
    def active(self) -> bool:
        """Whether its end is not recorded yet."""
        return self._state is not State.ENDED

    @property
    def settled(self) -> bool:
        """Whether another keeper would find all that this one knows of the run."""
        if self._pump.moving or self._state in {State.STARTING, State.EXITED}:
            return False
        # One that was reaped is about to be EXITED: its status is on its way to us.
        reaped = self._tree is not None and not self._tree.has_leader
        return not (self._state is State.RUNNING and reaped)

    def descriptors(self) -> Descriptors:
        """Return the run's open files, for a keeper that follows in this process.

        Raises:
            OSError: somebody has changed the output's size, and it cannot be put right now.
        """
        return self._pump.descriptors()

    async def start(
        self, request: StartRequest, account: Account | None, children: Children, groups: Groups
    ) -> None:
        """Start the main process; when that cannot be done, record the run's end."""
        self.leased_at = request.leased_at
        if (free := free_bytes(self._directory)) < self.limits.min_free_bytes:
            error = f"only {free} bytes are free; {self.limits.min_free_bytes} must remain"
            await self._finish(ExitRecord(cause="disk_full", error=error))
            return
        try:
            if (max_bytes := self.limits.max_run_memory_bytes) is not None:
                self._group = groups.make(self.run_id, max_bytes)
            async with children.launching():
                work = self._spool.work(self.run_id)
                process = await launch(request, self._directory, work, account, self._group)
                children.add(process.pid)
        except (OSError, PreparationError, TypeError, ValueError) as error:
            await self._finish(ExitRecord(error=explain(error, request)))
            return
        failpoint("keeper.spawned")
        found = processes.read(process.pid)
        record = ProcessRecord(
            pid=process.pid,
            start_ticks=found.start_ticks if found else 0,
            boot_id=processes.boot_id(),
            started_at=time.time(),
            limits=self.limits,
            memory_group=str(self._group.directory) if self._group is not None else None,
            label=request.label,
            user=request.user,
            leased_at=request.leased_at,
        )
        self._write(self._spool.write_process, record)
        failpoint("keeper.process_recorded")
        self.follow(record, wait_for_started(process, children), is_child=True)

    def follow(self, record: ProcessRecord, status: Awaitable[Status], *, is_child: bool) -> None:
        """Follow this main process, the keeper's child or not, whose end `status` waits for.

        A stop or time-out that was under way goes on.
        """
        self._step(State.RUNNING)
        self._record = record
        self._status = status
        if record.memory_group is not None:
            self._group = Group(Path(record.memory_group))
        self._tree = ProcessTree(
            self.run_id,
            record.pid,
            record.start_ticks,
            self._subreaper,
            is_child=is_child,
            cgroup=self._group,
        )
        self._pump.start()
        if (seconds := self.limits.timeout_seconds) is not None:
            self._timeout.end_in(record.started_at + seconds - time.time())
        if self._stop is not None:
            self._apply(self._tree, self._stop)

    async def live(self) -> None:
        """Wait for the main process, record the run's end, and end what it left behind.

        A stopped run ends when none of its processes is left, any other with its main process.
        """
        if self._tree is None or self._record is None:
            return
        status = await self._status
        self._step(State.EXITED)
        # A stop that comes from here on finds no group to signal: its leader was reaped.
        signalled = self._stop is not None
        self._timeout.cancel()
        await self._drain()
        if self._stop is None:
            left_behind, survivors = self._tree.left_behind(), []
        else:
            # Before its reaping can be forgotten: another keeper could not ask for it again.
            record = replace(self._record, exitcode=status.exitcode, signal=status.signal)
            self._write(self._spool.write_process, record)
            self._step(State.CLEARING)
            survivors = await self._tree.end(self._grace.over, signalled=signalled)
            left_behind = 0
            await self._drain()
        await self._finish(
            ExitRecord(
                exitcode=status.exitcode,
                signal=status.signal,
                cause=self._stop.cause if self._stop is not None else None,
                lost=not status.known,
                survivors=survivors,
                memory_reached=self._group is not None and self._group.exceeded(),
                left_behind=left_behind,
            )
        )
        if left_behind:
            # What a script leaves in the background must not delay the end of its run.
            self._grace.end_in(self.limits.grace_seconds)
            await self._tree.end(self._grace.over, signalled=False)
        self._grace.cancel()

    def stop(self, record: StopRecord) -> bool:
        """Stop the run, or hasten or sharpen a stop under way; False when it has ended."""
        if not self.active:
            return False
        if (stop := sharpened(self._stop, record)) is not None:
            self._stop = stop
            self._write(self._spool.write_stop, stop)
            if self._tree is not None:
                self._apply(self._tree, stop)
        return True

    def end_with_lease(self, seconds: float) -> None:
        """End the run within so many seconds, and what an ended one has left behind at once."""
        name = "SIGTERM" if seconds > 0 else "SIGKILL"
        grace_seconds = min(seconds, self.limits.grace_seconds)
        if not self.stop(StopRecord("lease", name, grace_seconds, time.time())):
            self._grace.end_in(0)

    def signal(self, name: str) -> bool:
        """Send a signal to the process group; False when the run is not active."""
        number = processes.signal_number(name)
        return self.active and self._tree is not None and self._tree.signal_group(number)

    def check_spool(self) -> None:
        """Put right what somebody else has changed in the spool; cheap where nobody has.

        Raises:
            OSError: it cannot be looked at, or put right, now.
        """
        if not self.active or self._tree is None:
            return
        try:
            self._pump.mend()
            gone = not os.path.samestat(self._directory.lstat(), self._place)
        except FileNotFoundError:
            gone = True
        if gone and self._stop is None:
            # A server that starts would not know of it.
            logger.warning("run %s: stopped: its spool was removed", self.run_id)
            self._stop_for("spool_removed")

    async def abandon(self) -> None:
        """Give the run up: kill it, and move no more of its output."""
        if self.active:
            self._step(State.ENDED)
            self._pump.stop()
            await self._pump.settle()
            self._pump.close()
        self._kill()

    async def remove_group(self) -> None:
        """Remove the run's cgroup, if it has one, with whatever is left in it."""
        if self._group is not None:
            await self._group.remove()

    def _step(self, state: State) -> None:
        assert state in STEPS[self._state], f"{self._state.name} is followed by {state.name}"
        self._state = state

    def _stop_for(self, cause: str) -> None:
        """Stop the run because a bound is reached."""
        self.stop(StopRecord(cause, "SIGTERM", self.limits.grace_seconds, time.time()))

    def _apply(self, tree: ProcessTree, stop: StopRecord) -> None:
        tree.remember()
        tree.signal_group(processes.signal_number(stop.signal))
        tree.signal_group(signal.SIGCONT)  # a paused group acts on nothing else
        self._grace.end_in(due_at(stop) - time.time())

    def _kill(self) -> None:
        if self._tree is not None:
            self._tree.kill()

    async def _drain(self) -> None:
        """Move what the main process, or the last of the others, has left in the pipe."""
        await self._pump.settle()
        self._pump.drain()

    async def _finish(self, record: ExitRecord) -> None:
        """Complete the output and record the end of the run."""
        # From here on nothing is moved: what is left in the pipe was written after the end.
        self._pump.stop()
        await self._pump.settle()
        failpoint("keeper.ended")
        await finish(self._spool, self.run_id, record, lambda: self._pump.output)
        failpoint("keeper.end_recorded")
        self._step(State.ENDED)
        self._pump.close()

    def _write(self, write: Callable[[str, _Record], None], record: _Record) -> None:
        try:
            write(self.run_id, record)
        except OSError as error:
            # The run goes on: the record is missed by a later keeper alone.
            logger.warning("run %s: record not written: %s", self.run_id, error)
