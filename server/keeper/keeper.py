"""The keeper: parent of all runs of a state directory, so that the server may come and go."""

import asyncio
import logging
import os
import signal
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from server.keeper import processes, rlimits
from server.keeper.cgroups.group import Groups
from server.keeper.checks import build, string, value_of
from server.keeper.children import Children, is_child
from server.keeper.failpoints import failpoint
from server.keeper.handover import Descriptors, Handover
from server.keeper.listener import Listener, Message
from server.keeper.protocol import (
    PROTOCOL,
    KeeperError,
    KeeperFullError,
    StartRequest,
    code_version,
)
from server.keeper.records import STOP, ExitRecord, Limits, ProcessRecord, StopRecord
from server.keeper.run.ending import finish_unkept
from server.keeper.run.pump import loud_mover
from server.keeper.run.run import Run
from server.keeper.run.status import Status, wait_for_inherited, wait_for_strange
from server.keeper.spool import Spool

UNSETTLED_SECONDS = 0.001
CHECK_SECONDS = 1.0
RUN_DESCRIPTORS = 6  # a run's pipe, output, two segments, pidfd; its pipe again during a renewal
OWN_DESCRIPTORS = 64
TERMINAL_SIGNALS = (signal.SIGINT, signal.SIGHUP)

logger = logging.getLogger(__name__)


class Keeper:
    """Starts, keeps and stops runs as its clients ask, until it was idle for `idle_seconds`.

    `execute` replaces the process by its code as it is on disk now, with the files of these runs
    open, which it finds in `handover` then.
    """

    def __init__(
        self,
        state_dir: Path,
        idle_seconds: float,
        execute: Callable[[dict[str, Descriptors]], None],
        handover: Handover,
    ) -> None:
        self._version = code_version()
        self._spool = Spool.of(state_dir)
        self._idle_seconds = idle_seconds
        self._execute = execute
        self._handover = handover
        self._children = Children()
        self._mover = loud_mover()
        self._groups = Groups(state_dir)
        self._runs: dict[str, Run] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._listener = Listener(state_dir / "keeper", self._answer, self._watch_idle)
        self._idle: asyncio.TimerHandle | None = None
        self._renewing = False
        self._over = asyncio.Event()
        self._operations: dict[str, Callable[[Message], Awaitable[Message]]] = {
            "hello": self._hello,
            "start": self._start,
            "stop": self._stop,
            "signal": self._signal,
            "list": self._list,
            "memory": self._memory,
            "renew": self._renew,
        }

    async def serve(self, ready: Callable[[], None]) -> None:
        """Adopt what an earlier keeper left, say `ready`, and serve until idle or told to end."""
        loop = asyncio.get_running_loop()
        self._recover()
        loop.add_signal_handler(signal.SIGCHLD, self._children.reap)
        loop.add_signal_handler(signal.SIGTERM, self._terminate)
        for number in TERMINAL_SIGNALS:
            # A handler that does nothing, for SIG_IGN would be inherited by the runs.
            loop.add_signal_handler(number, lambda: None)
        # Thousands of children may end at the same time. A wakeup that finds the queue full is one
        # of many SIGCHLD; those that are in it look at all children.
        signal.set_wakeup_fd(signal.set_wakeup_fd(-1), warn_on_full_buffer=False)
        signal.pthread_sigmask(signal.SIG_SETMASK, [])
        self._children.reap()
        await self._listener.open()
        ready()
        self._watch_idle()
        checking = asyncio.create_task(self._check_files(), name="check files")
        await self._over.wait()
        checking.cancel()
        await self._listener.close()

    def orphans(self) -> Iterator[int]:
        """Return the processes that the keeper adopted."""
        return self._children.orphans()

    def is_sole(self, run_id: str) -> bool:
        """Whether there is no run but this one, so that every unmarked orphan must be its."""
        return self._runs.keys() == {run_id}

    async def _answer(self, message: Message) -> Message:
        name = value_of(message, "op", string)
        operation = self._operations.get(name)
        if operation is None:
            raise KeeperError(f"unknown operation {name!r}")
        return await operation(message)

    async def _hello(self, _: Message) -> Message:
        return {"protocol": PROTOCOL, "version": self._version, "pid": os.getpid()}

    async def _start(self, message: Message) -> Message:
        if self._renewing:
            raise KeeperError("the keeper is renewing itself; ask again")
        if not _descriptors_allow(len(self._runs) + 1):
            limit = rlimits.OPEN_FILES.most
            raise KeeperFullError(f"{limit} open files (ulimit -Hn) allow for no further run")
        request = StartRequest.from_message(message)
        try:
            if not self._spool.create(request.run_id, request.script.encode()):
                return {"started": False}
            failpoint("keeper.spool_made")
            run = Run(request.run_id, request.limits, self._spool, self, self._mover)
        except OSError as error:
            if not self._spool.directory(request.run_id).is_dir():
                raise
            self._end(request.run_id, ExitRecord(error=f"its spool cannot be made: {error}"))
            return {"started": True}
        self._runs[request.run_id] = run
        try:
            await run.start(request, self._children, self._groups)
        except Exception as error:
            logger.exception("run %s: not started: the keeper failed", run.run_id)
            await self._give_up(run, ExitRecord(error=f"the keeper failed: {error!r}"))
        else:
            self._supervise(self._live(run), run.run_id)
        return {"started": True}

    async def _stop(self, message: Message) -> Message:
        run = self._runs.get(value_of(message, "run_id", string))
        number = processes.signal_number(value_of(message, "signal", string))
        name = processes.signal_name(number)
        values = {"cause": "stop", **message, "signal": name, "requested_at": time.time()}
        record = build(StopRecord, values, STOP)
        return {"stopping": run is not None and run.stop(record)}

    async def _signal(self, message: Message) -> Message:
        run = self._runs.get(value_of(message, "run_id", string))
        name = value_of(message, "signal", string)
        return {"sent": run is not None and run.signal(name)}

    async def _list(self, _: Message) -> Message:
        return {"runs": [run.run_id for run in self._runs.values() if run.active]}

    async def _memory(self, _: Message) -> Message:
        return {"problem": await self._groups.problem()}

    async def _renew(self, _: Message) -> Message:
        if not self._renewing:
            self._renewing = True
            # The client waits for the answer first, and then for the end of its connection.
            asyncio.get_running_loop().call_soon(self._renew_when_settled)
        return {}

    def _renew_when_settled(self) -> None:
        if not all(run.settled for run in self._runs.values()):
            loop = asyncio.get_running_loop()
            loop.call_later(UNSETTLED_SECONDS, self._renew_when_settled)
            return
        try:
            active = (run for run in self._runs.values() if run.active)
            self._execute({run.run_id: run.descriptors() for run in active})
        except OSError:
            logger.exception("renewal failed; the keeper goes on as it is")
            self._renewing = False

    def _supervise(self, life: Coroutine[Any, Any, None], run_id: str) -> None:
        task = asyncio.create_task(life, name=f"run {run_id}")
        self._tasks.add(task)

        def release(task: asyncio.Task[None]) -> None:
            self._tasks.discard(task)
            self._watch_idle()

        task.add_done_callback(release)
        self._watch_idle()

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

    async def _check_files(self) -> None:
        """Put right what somebody else changes of ours, forever."""
        while True:
            await asyncio.sleep(CHECK_SECONDS)
            await self._listener.check()
            for run in list(self._runs.values()):
                try:
                    run.check_spool()
                except OSError as error:
                    logger.warning("run %s: spool not checked: %s", run.run_id, error)

    def _recover(self) -> None:
        """Adopt every run that has not ended, and kill what is left of those that have."""
        ended = set()
        run_ids = self._spool.run_ids()
        _descriptors_allow(len(run_ids))
        for run_id in run_ids:
            try:
                if self._spool.read_exit(run_id) is None:
                    self._adopt(run_id, self._spool.read_process(run_id))
            except Exception as error:
                logger.exception("run %s: not adopted: the keeper failed", run_id)
                self._runs.pop(run_id, None)
                self._lose(run_id, f"its spool cannot be used: {error!r}")
            if run_id not in self._runs:
                ended.add(run_id)
        self._kill_leftovers(ended)
        for group in self._groups.left(self._runs):
            self._supervise(group.remove(), group.directory.name)

    def _adopt(self, run_id: str, record: ProcessRecord | None) -> None:
        if record is None:
            self._lose(run_id, "the keeper ended while it was starting the run")
            return
        try:
            run = Run(
                run_id,
                record.limits,
                self._spool,
                self,
                self._mover,
                self._handover.take(run_id),
            )
        except OSError as error:
            self._lose(run_id, f"its spool cannot be used: {error}", record.limits)
            return
        self._runs[run_id] = run
        if record.boot_id != processes.boot_id():
            record = replace(record, start_ticks=0)
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
            return await wait_for_strange(record.pid)
        return Status(record.exitcode, record.signal)

    def _kill_leftovers(self, ended: set[str]) -> None:
        """Kill what an earlier keeper was ending when it went: of ended runs, or adopted."""
        orphans = set(self.orphans())
        for pid, run_id in processes.owners().items():
            stray = pid in orphans or self._spool.is_work(processes.directory(pid), run_id)
            if run_id in ended or (stray and run_id not in self._runs):
                process = processes.read(pid)
                if process is not None:
                    processes.send(process, signal.SIGKILL)

    def _lose(self, run_id: str, error: str, limits: Limits | None = None) -> None:
        self._end(run_id, ExitRecord(error=error, lost=True), limits)

    def _end(self, run_id: str, record: ExitRecord, limits: Limits | None = None) -> None:
        """End a run that is not kept: its spool is damaged, or was never whole."""
        self._supervise(finish_unkept(self._spool, run_id, limits or Limits(), record), run_id)

    def _watch_idle(self) -> None:
        """Have the keeper end after a while without a run and a client."""
        if self._idle is not None:
            self._idle.cancel()
            self._idle = None
        if not (self._runs or self._tasks or self._listener.connected):
            loop = asyncio.get_running_loop()
            self._idle = loop.call_later(self._idle_seconds, self._over.set)

    def _terminate(self) -> None:
        """Go on SIGTERM, but not away from a run: its end would not be seen."""
        if self._runs:
            logger.warning("SIGTERM is ignored: %d runs are active", len(self._runs))
        else:
            self._over.set()


def _descriptors_allow(runs: int) -> bool:
    return rlimits.allow_open_files(runs * RUN_DESCRIPTORS + OWN_DESCRIPTORS)
