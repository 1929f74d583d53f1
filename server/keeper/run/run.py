"""One run in the keeper, from its start to the record of its end."""

import asyncio
import logging
import os
import signal
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from subprocess import SubprocessError
from typing import TypeVar

from server.keeper import processes
from server.keeper.cgroups.group import Group, Groups
from server.keeper.children import Children, ended
from server.keeper.failpoints import failpoint
from server.keeper.files import PASSING_ERRORS
from server.keeper.handover import Descriptors
from server.keeper.protocol import StartRequest
from server.keeper.records import ExitRecord, Limits, ProcessRecord, StopRecord
from server.keeper.run.family import Family, Orphanage
from server.keeper.run.launch import explain, launch
from server.keeper.run.output import OutputFiles, reopened
from server.keeper.run.pump import Pump, free_bytes
from server.keeper.spool import Spool

RECORD_RETRY_SECONDS = 1.0
RECORD_ATTEMPTS = 5
"""So often an end that the disk refuses is tried as it is; a shortage may last longer."""

MAX_ERROR_LENGTH = 500
MAX_SURVIVORS = 16
"""What the space that is kept free for an exit record takes."""

_Record = TypeVar("_Record")

_log = logging.getLogger(__name__)


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


class Run:
    """A run: its main process, its pump, its bounds, and how it is stopped."""

    def __init__(
        self,
        run_id: str,
        limits: Limits,
        spool: Spool,
        orphanage: Orphanage,
        mover: Executor,
        handed: Descriptors | None = None,
    ) -> None:
        self.run_id = run_id
        self.active = True
        self.limits = limits
        self._spool = spool
        self._orphanage = orphanage
        self._directory = spool.directory(run_id)
        self._place = self._directory.stat()
        is_sole = partial(orphanage.is_sole, run_id)
        self._pump = Pump(self._directory, limits, spool.trash, self._reach, mover, is_sole, handed)
        self._record: ProcessRecord | None = None
        self._family: Family | None = None
        self._group: Group | None = None
        self._stop = spool.read_stop(run_id)
        self._timeout: asyncio.TimerHandle | None = None
        self._due: asyncio.TimerHandle | None = None
        self._overdue = asyncio.Event()

    def descriptors(self) -> Descriptors:
        """Return the run's open files, for a keeper that follows in this process.

        OSError: somebody has changed the output's size, and it cannot be put right now.
        """
        return self._pump.descriptors()

    @property
    def settled(self) -> bool:
        """Whether another keeper would find all that this one knows of the run.

        Not so while it is being started, nor between the end of its main process and the record.
        """
        if self._record is None or self._family is None:
            return not self.active
        if self._pump.moving:
            return False
        ended = Status(self._record.exitcode, self._record.signal)
        return not self.active or ended.known or self._family.has_leader

    async def start(self, request: StartRequest, children: Children, groups: Groups) -> None:
        """Start the main process; when that cannot be done, record the run's end."""
        directory = self._spool.directory(self.run_id)
        if (free := free_bytes(directory)) < self.limits.min_free_bytes:
            error = f"only {free} bytes are free; {self.limits.min_free_bytes} must remain"
            await self._finish(ExitRecord(cause="disk_full", error=error))
            return
        try:
            if (max_bytes := self.limits.max_run_memory_bytes) is not None:
                self._group = groups.make(self.run_id, max_bytes)
            async with children.launching():
                process = await launch(
                    request, directory, self._spool.work(self.run_id), self._group
                )
                children.add(process.pid)
        except (OSError, SubprocessError, TypeError, ValueError) as error:
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
        )
        self._write(self._spool.write_process, record)
        failpoint("keeper.process_recorded")
        self.take(record, reaped(process, children), ours=True)

    def take(self, record: ProcessRecord, status: Awaitable[Status], *, ours: bool) -> None:
        """Keep the run of this main process, whose end `status` waits for.

        `ours`: it is the keeper's child. A stop or time-out that was under way goes on.
        """
        self._record = record
        self._status = status
        if record.memory_group is not None:
            self._group = Group(Path(record.memory_group))
        self._family = Family(
            self.run_id,
            record.pid,
            record.start_ticks,
            self._orphanage,
            ours=ours,
            cgroup=self._group,
        )
        self._pump.start()
        if (seconds := self.limits.timeout_seconds) is not None:
            left = record.started_at + seconds - time.time()
            self._timeout = _call_later(left, self._reach, "timeout")
        if self._stop is not None:
            self._apply(self._family, self._stop)

    async def live(self) -> None:
        """Wait for the main process, record the run's end, and end what it left behind.

        A stopped run ends when none of its processes is left, any other with its main process:
        what that one left in the background does not hold the run.
        """
        family = self._family
        if family is None:
            return
        status = await self._status
        signalled = self._stop is not None
        if self._timeout is not None:
            self._timeout.cancel()
        await self._pump.settle()
        self._pump.drain()
        left_behind = family.left_behind() if self._stop is None else 0
        survivors: list[str] = []
        if self._stop is not None:
            self._write_status(status)
            survivors = await family.end(self._overdue, signalled=signalled)
            await self._pump.settle()
            self._pump.drain()
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
            self._set_due(self.limits.grace_seconds)
            await family.end(self._overdue, signalled=False)
        if self._due is not None:
            self._due.cancel()

    def stop(self, record: StopRecord) -> bool:
        """Stop the run, or hasten or sharpen a stop under way; False when it has ended.

        The first cause stays, and so does the earliest end of the grace period.
        """
        if not self.active:
            return False
        due_at = _due_at(record)
        if self._stop is not None:
            if record.signal == self._stop.signal and due_at >= _due_at(self._stop):
                return True
            due_at = min(due_at, _due_at(self._stop))
            record = replace(record, cause=self._stop.cause)
        self._stop = replace(record, grace_seconds=due_at - record.requested_at)
        self._write(self._spool.write_stop, self._stop)
        if self._family is not None:
            self._apply(self._family, self._stop)
        return True

    def signal(self, name: str) -> bool:
        """Send a signal to the process group; False when the run is not active."""
        number = processes.signal_number(name)
        return self.active and self._family is not None and self._family.signal_group(number)

    def look(self) -> None:
        """Look whether somebody else has changed the spool; cheap where nobody has.

        A run whose spool is gone is stopped: a server that starts would not know of it.
        """
        if not self.active or self._family is None:
            return
        try:
            self._pump.mend()
            gone = not os.path.samestat(self._directory.lstat(), self._place)
        except FileNotFoundError:
            gone = True
        if gone and self._stop is None:
            _log.warning("run %s: its spool was removed", self.run_id)
            self._reach("spool_removed")

    async def abandon(self) -> None:
        """Give the run up: kill it, and move no more of its output."""
        self.active = False
        self._pump.stop()
        await self._pump.settle()
        self._pump.close()
        if self._family is not None:
            self._family.kill()

    async def remove_group(self) -> None:
        """Remove the run's cgroup, if it has one, with whatever is left in it."""
        if self._group is not None:
            await self._group.remove()

    def _reach(self, cause: str) -> None:
        """Stop the run because a bound is reached."""
        self.stop(StopRecord(cause, "SIGTERM", self.limits.grace_seconds, time.time()))

    def _apply(self, family: Family, stop: StopRecord) -> None:
        """Signal the group, and SIGCONT so that a paused one hears it."""
        family.remember()
        family.signal_group(processes.signal_number(stop.signal))
        family.signal_group(signal.SIGCONT)
        self._set_due(_due_at(stop) - time.time())

    def _set_due(self, seconds: float) -> None:
        if self._due is not None:
            self._due.cancel()
        self._due = _call_later(seconds, self._expire)

    def _expire(self) -> None:
        """End the grace period."""
        self._overdue.set()
        if self._family is not None:
            self._family.kill()

    async def _finish(self, record: ExitRecord) -> None:
        """Complete the output and record the end of the run."""
        self._pump.stop()
        await self._pump.settle()
        failpoint("keeper.ended")
        await finish(self._spool, self.run_id, record, lambda: self._pump.output)
        failpoint("keeper.end_recorded")
        self.active = False
        self._pump.close()

    def _write_status(self, status: Status) -> None:
        """Record how the main process ended before its reaping can be forgotten."""
        if self._record is not None:
            self._record = replace(self._record, exitcode=status.exitcode, signal=status.signal)
            self._write(self._spool.write_process, self._record)

    def _write(self, write: Callable[[str, _Record], None], record: _Record) -> None:
        """Write a record; one that the disk refuses is missed only by a later keeper."""
        try:
            write(self.run_id, record)
        except OSError as error:
            _log.warning("run %s: cannot write its record: %s", self.run_id, error)


async def finish(
    spool: Spool, run_id: str, record: ExitRecord, output: Callable[[], OutputFiles]
) -> None:
    """Complete a run's output and record its end, however long the disk has no room for it.

    What stands in the way otherwise is put aside after a while, with all of the spool.
    """
    record = replace(
        record,
        ended_at=time.time(),
        error=record.error and record.error[:MAX_ERROR_LENGTH],
        survivors=record.survivors[:MAX_SURVIVORS],
    )
    left = RECORD_ATTEMPTS
    while True:
        try:
            spool.restore(run_id)
            completed = await _completed(record, output, hopeless=left <= 0)
            failpoint("keeper.output_completed")
            spool.write_exit(run_id, completed)
        except OSError as error:
            if not spool.root.is_dir():
                return  # there is no spool at all any more: nobody will ask
            _log.warning("run %s: cannot record its end: %s", run_id, error)
            if error.errno not in PASSING_ERRORS:
                left -= 1
                _put_aside(spool, run_id, hopeless=left < 0)
            await asyncio.sleep(RECORD_RETRY_SECONDS)  # nobody tells when there is room again
        else:
            return


async def finish_unkept(spool: Spool, run_id: str, limits: Limits, record: ExitRecord) -> None:
    """Record the end of a run whose files are not open: as its spool is damaged, or not whole."""
    files: list[OutputFiles] = []

    def output() -> OutputFiles:
        if not files:
            files.append(reopened(spool.directory(run_id), limits, spool.trash))
        return files[0]

    try:
        await finish(spool, run_id, record, output)
    finally:
        for opened in files:
            opened.close()


async def _completed(
    record: ExitRecord, output: Callable[[], OutputFiles], *, hopeless: bool
) -> ExitRecord:
    """Complete the output, and tell of it in the record; where it is hopeless, why it is not."""
    try:
        files = output()
        size, left_out = await files.finish()
    except OSError as error:
        if not hopeless or error.errno in PASSING_ERRORS:
            raise
        return replace(record, output_error=str(error)[:MAX_ERROR_LENGTH])
    return replace(record, output_bytes=size, left_out_bytes=left_out, output_changed=files.changed)


def _put_aside(spool: Spool, run_id: str, *, hopeless: bool) -> None:
    if hopeless:
        with suppress(OSError):
            spool.put_aside(run_id)


async def reaped(process: asyncio.subprocess.Process, children: Children) -> Status:
    """Wait for a main process that asyncio reaps."""
    returncode = await process.wait()
    children.discard(process.pid)
    return Status.of(returncode)


async def inherited(pid: int, children: Children) -> Status:
    """Wait for a main process that was started before the keeper renewed itself."""
    await ended(pid)
    _, status = os.waitpid(pid, 0)  # noqa: ASYNC222 - it has ended
    children.discard(pid)
    return Status.of(os.waitstatus_to_exitcode(status))


async def unseen(pid: int) -> Status:
    """Wait for a main process that is another's child: its status is not ours to see."""
    await ended(pid)
    return Status()


def _due_at(stop: StopRecord) -> float:
    """Return when a stop's grace period ends, in Unix seconds."""
    return stop.requested_at + (0 if stop.signal == "SIGKILL" else stop.grace_seconds)


def _call_later(
    seconds: float, callback: Callable[..., None], *arguments: object
) -> asyncio.TimerHandle:
    return asyncio.get_running_loop().call_later(max(seconds, 0), callback, *arguments)
