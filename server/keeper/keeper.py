"""The keeper: parent of all runs of a state directory, so that the server may come and go."""

import asyncio
import logging
import os
import signal
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from server.keeper import processes
from server.keeper.accounts import Accounts
from server.keeper.checks import build, seconds, string, value_of, whole
from server.keeper.configuration import Configuration, ListedAccounts, prepare
from server.keeper.handover import Descriptors, Handover
from server.keeper.listener import Listener, Message
from server.keeper.protocol import (
    OLDEST_PROTOCOL,
    PROTOCOL,
    KeeperError,
    StartRequest,
    code_version,
)
from server.keeper.records import STOP, StopRecord
from server.keeper.runs import Runs

UNSETTLED_SECONDS = 0.001  # a run that is being started or reaped is settled in a moment
CHECK_SECONDS = 1.0  # between two checks of what others may change of our files
TERMINAL_SIGNALS = (signal.SIGINT, signal.SIGHUP)  # they are for the server, not for its runs

logger = logging.getLogger(__name__)


class Keeper:
    """Starts, keeps and stops runs as its clients ask, until it was idle for `idle_seconds`.

    `execute` replaces the process by its code as it is on disk now, with the files of these runs
    open and these tombstones, which it finds in `handover` then. `configuration` is the file of one
    that is a service of its own.

    Raises:
        ConfigurationError: that file cannot be used.
        OSError: the directories cannot be made.
    """

    def __init__(
        self,
        state_dir: Path,
        idle_seconds: float,
        execute: Callable[[dict[str, Descriptors], list[int]], None],
        handover: Handover,
        configuration: Path | None = None,
    ) -> None:
        accounts, client = _permitted(state_dir, configuration)
        self._configuration = configuration
        self._version = code_version()
        self._idle_seconds = idle_seconds
        self._execute = execute
        self._runs = Runs(state_dir, handover, self._watch_idle, accounts)
        self._listener = Listener(
            state_dir / "keeper", self._answer, self._watch_idle, client=client
        )
        self._idle: asyncio.TimerHandle | None = None
        self._renewing = False
        self._ending = False
        self._over = asyncio.Event()
        self._operations: dict[str, Callable[[Message], Awaitable[Message]]] = {
            "hello": self._hello,
            "start": self._start,
            "start_as": self._start,
            "stop": self._stop,
            "signal": self._signal,
            "lease": self._lease,
            "list": self._list,
            "memory": self._memory,
            "give_up": self._give_up,
            "remove": self._remove,
            "sweep": self._sweep,
            "renew": self._renew,
        }

    async def serve(self, ready: Callable[[], None]) -> None:
        """Adopt what an earlier keeper left, call `ready`, and serve until idle or asked to end."""
        loop = asyncio.get_running_loop()
        self._runs.recover()
        loop.add_signal_handler(signal.SIGCHLD, self._runs.reap)
        loop.add_signal_handler(signal.SIGTERM, self._terminate)
        for number in TERMINAL_SIGNALS:
            # A handler that does nothing, for SIG_IGN would be inherited by the runs.
            loop.add_signal_handler(number, lambda: None)
        # Thousands of children may end at the same time. A wakeup that finds the queue full is one
        # of many SIGCHLD; those that are in it look at all children.
        signal.set_wakeup_fd(signal.set_wakeup_fd(-1), warn_on_full_buffer=False)
        signal.pthread_sigmask(signal.SIG_SETMASK, [])
        self._runs.reap()
        await self._listener.open()
        ready()
        self._watch_idle()
        checking = asyncio.create_task(self._check_files(), name="check files")
        await self._over.wait()
        checking.cancel()
        await self._listener.close()

    async def _answer(self, message: Message) -> Message:
        name = value_of(message, "op", string)
        operation = self._operations.get(name)
        if operation is None:
            raise KeeperError(f"unknown operation {name!r}")
        return await operation(message)

    async def _hello(self, message: Message) -> Message:
        asked = value_of({"protocol": OLDEST_PROTOCOL, **message}, "protocol", whole(1))
        return {
            "protocol": min(asked, PROTOCOL),
            "version": self._version,
            "pid": os.getpid(),
            "starts_as": True,
            "takes_bodies": True,
        }

    async def _start(self, message: Message) -> Message:
        if self._renewing:
            raise KeeperError("the keeper is renewing itself; ask again")
        if self._ending:
            raise KeeperError("the keeper is to end, and takes no further run; ask the next one")
        return {"started": await self._runs.start(StartRequest.from_message(message))}

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

    async def _lease(self, message: Message) -> Message:
        since, until = (value_of(message, name, seconds()) for name in ("since", "until"))
        self._runs.lease.extend(since, until)
        return {}

    async def _list(self, _: Message) -> Message:
        return {"runs": self._runs.active()}

    async def _memory(self, _: Message) -> Message:
        return {"problem": await self._runs.memory_problem()}

    async def _give_up(self, message: Message) -> Message:
        self._runs.give_up(value_of(message, "run_id", string))
        return {}

    async def _remove(self, message: Message) -> Message:
        await self._runs.remove(value_of(message, "run_id", string))
        return {}

    async def _sweep(self, _: Message) -> Message:
        await self._runs.sweep()
        return {}

    async def _renew(self, _: Message) -> Message:
        if self._configuration is not None:
            Configuration.read(self._configuration)  # or the renewed keeper could not serve
        if not self._renewing:
            self._renewing = True
            # The client waits for the answer first, and then for the end of its connection.
            asyncio.get_running_loop().call_soon(self._renew_when_settled)
        return {}

    def _renew_when_settled(self) -> None:
        if not self._runs.settled:
            loop = asyncio.get_running_loop()
            loop.call_later(UNSETTLED_SECONDS, self._renew_when_settled)
            return
        try:
            self._execute(self._runs.descriptors(), self._runs.unsaved())
        except OSError:
            logger.exception("renewal failed; the keeper goes on as it is")
            self._renewing = False

    async def _check_files(self) -> None:
        """Put right what somebody else changes of ours, forever."""
        while True:
            await asyncio.sleep(CHECK_SECONDS)
            await self._listener.check()
            self._runs.check()

    def _watch_idle(self) -> None:
        """Have the keeper end after a while without a run and a client."""
        if self._idle is not None:
            self._idle.cancel()
            self._idle = None
        if not (self._runs.busy or self._listener.connected):
            loop = asyncio.get_running_loop()
            self._idle = loop.call_later(self._idle_seconds, self._over.set)
        if self._ending and not self._runs.busy:
            self._over.set()

    def _terminate(self) -> None:
        """End on SIGTERM, but not away from a run: its end would not be seen.

        One that is a service of its own ends with its last run, and takes no further one.
        """
        if not len(self._runs):
            self._over.set()
        elif self._configuration is None:
            logger.warning("SIGTERM is ignored: %d runs are active", len(self._runs))
        else:
            self._ending = True
            logger.warning("SIGTERM: the keeper ends with the last of %d runs", len(self._runs))


def _permitted(
    state_dir: Path, configuration: Path | None
) -> tuple[Accounts | ListedAccounts, tuple[int, int] | None]:
    """Return whom runs may be started as, and which user and group may ask beside our own."""
    if configuration is None:
        return Accounts(), None
    server = Configuration.read(configuration).server
    prepare(state_dir, server.gid)
    return ListedAccounts(configuration), (server.uid, server.gid)
