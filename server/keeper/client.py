"""The server's side of the keeper: connects to it, and starts it when there is none."""

import asyncio
import logging
import os
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from server.keeper import failpoints
from server.keeper.connection import Connection
from server.keeper.protocol import (
    LOG_NAME,
    MAX_MESSAGE_BYTES,
    Hello,
    KeeperError,
    KeeperLeaseError,
    KeeperRefusedError,
    StartRequest,
    code_version,
    socket_address,
)
from server.keeper.spool import PIPE, Spool

LEASES_SINCE = 2  # the protocol of the first keepers that know of leases
OPEN_TIMEOUT_SECONDS = 10.0
CALL_TIMEOUT_SECONDS = 30.0
RETRY_SECONDS = 0.02  # between two attempts to connect
IDLE_SECONDS = 60.0  # a keeper without a run and a server ends after so long
LOG_TAIL_BYTES = 2000  # of the keeper's log in the error that it does not start
MAX_LOG_BYTES = 1024 * 1024  # a larger log is emptied before the next keeper writes to it

# By path and without `site`, the keeper needs nothing but the standard library and little memory.
KEEPER_COMMAND = (sys.executable, "-I", "-S", str(Path(__file__).with_name("__main__.py")))
KEEPER_ENVIRONMENT = {"LANG": "C.UTF-8", "PATH": os.defpath}

logger = logging.getLogger(__name__)


class KeeperClient:
    """One connection to the keeper of a state directory, made again when it was lost.

    Every call raises KeeperError when the keeper is lost meanwhile, is silent, or cannot do it
    now; KeeperRefusedError, which is one, when it never will.
    `on_lost` is called once for each connection that was lost; the next call opens another.
    `launches`: it starts a keeper where there is none; else one is waited for, which is a service
    of its own.
    """

    def __init__(
        self,
        state_dir: Path,
        *,
        on_lost: Callable[[], None] = lambda: None,
        idle_seconds: float = IDLE_SECONDS,
        command: Sequence[str] = KEEPER_COMMAND,
        open_timeout_seconds: float = OPEN_TIMEOUT_SECONDS,
        call_timeout_seconds: float = CALL_TIMEOUT_SECONDS,
        launches: bool = True,
    ) -> None:
        state_dir = state_dir.absolute()
        self._spool = Spool.of(state_dir)
        self._directory = state_dir / "keeper"
        self._command = (*command, str(state_dir), str(idle_seconds))
        self._on_lost = on_lost
        self._launches = launches
        self._open_timeout_seconds = open_timeout_seconds
        self._call_timeout_seconds = call_timeout_seconds
        self._opening = asyncio.Lock()
        self._connection: Connection | None = None
        self._held: list[int] = []

    async def open(self) -> Hello:
        """Connect to the keeper, starting one if there is none, and return who it is."""
        return (await self._connected()).hello

    @property
    def outdated(self) -> bool:
        """Whether the connected keeper runs other code than this client's; `renew` may mend it."""
        return self._connection is not None and self._connection.hello.version != code_version()

    async def start(self, request: StartRequest) -> bool:
        """Start a run; False when it was started before (then nothing happens).

        One that has ended lately, and whose spool is gone, raises KeeperEndedError.
        A script that cannot be started is a run that has ended: its ExitRecord says why.
        An older keeper takes no run that is confined: it would start it with the keeper's rights.
        Nor one of a hook, as it would start it without its body; nor one that is leased, as it
        would not end it. That one raises KeeperLeaseError, also where no lease stands for it.
        """
        connection = await self._connected()
        if request.confined and not connection.hello.starts_as:
            raise KeeperError(
                f"the keeper (pid {connection.hello.pid}) is of an older version, which can start"
                " no run as another user, without new privileges or with a umask: restart the"
                " server, which renews it; if that fails, let its runs end, then end it"
            )
        if request.hook_body is not None and not connection.hello.takes_bodies:
            raise KeeperRefusedError(
                f"the keeper (pid {connection.hello.pid}) is of an older version, which hands no"
                " hook's body over: restart the server, which renews it; if that fails, let its"
                " runs end, then end it"
            )
        if request.leased_at is not None and connection.hello.protocol < LEASES_SINCE:
            raise KeeperLeaseError(
                f"the keeper (pid {connection.hello.pid}) is of an older version, which ends no run"
                " with the lease of its host: restart the server or worker, which renews it; if"
                " that fails, let its runs end, then end it"
            )
        operation = "start_as" if request.confined else "start"
        return bool((await connection.call(operation, **asdict(request)))["started"])

    async def stop(
        self, run_id: str, *, signal: str, grace_seconds: float, cause: str = "stop"
    ) -> bool:
        """Stop a run: `signal`, and SIGKILL after the grace; False when it is not active."""
        answer = await self._call(
            "stop", run_id=run_id, signal=signal, grace_seconds=grace_seconds, cause=cause
        )
        return bool(answer["stopping"])

    async def signal(self, run_id: str, name: str) -> bool:
        """Send the named signal to a run's process group; False when it is not active."""
        return bool((await self._call("signal", run_id=run_id, signal=name))["sent"])

    async def lease(self, since: float, until: float) -> None:
        """Tell since when and until when this host has its lease, by CLOCK_BOOTTIME.

        An older keeper is not told: it is given no run that would need it.
        """
        connection = await self._connected()
        if connection.hello.protocol >= LEASES_SINCE:
            await connection.call("lease", since=since, until=until)

    async def runs(self) -> set[str]:
        """Return the active runs."""
        return set((await self._call("list"))["runs"])

    async def memory_problem(self) -> str | None:
        """Return why the memory of runs cannot be bounded where the keeper is; None: it can."""
        problem: str | None = (await self._call("memory"))["problem"]
        return problem

    async def give_up(self, run_id: str) -> None:
        """Have the keeper note that a run is to end even if its output cannot be stored."""
        await self._call("give_up", run_id=run_id)

    async def remove(self, run_id: str) -> None:
        """Have the keeper remove what is left of a run that has ended."""
        await self._call("remove", run_id=run_id)

    async def sweep(self) -> None:
        """Have the keeper remove what earlier removals left."""
        await self._call("sweep")

    async def renew(self) -> Hello:
        """Have the keeper execute its code anew, keeping its runs; return who it is then."""
        connection = await self._connected()
        async with self._opening:
            await connection.renew()
            self._connection = await self._connect_or(_wait)
            return self._connection.hello

    async def close(self) -> None:
        """Leave the keeper; it and its runs go on."""
        async with self._opening:
            if self._connection is not None:
                await self._connection.close()
                self._connection = None
            self._release_pipes()

    async def _call(self, operation: str, **arguments: Any) -> dict[str, Any]:
        return await (await self._connected()).call(operation, **arguments)

    async def _connected(self) -> Connection:
        async with self._opening:
            if self._connection is None or not self._connection.alive:
                otherwise = self._launch if self._launches else _wait
                self._connection = await self._connect_or(otherwise)
                self._release_pipes()
            return self._connection

    async def _connect_or(self, otherwise: Callable[[], Awaitable[None]]) -> Connection:
        try:
            async with asyncio.timeout(self._open_timeout_seconds):
                while (connection := await self._connect()) is None:
                    await otherwise()
        except TimeoutError as error:
            seconds = self._open_timeout_seconds
            raise self._failure(f"no answer within {seconds} s") from error
        except OSError as error:
            raise self._failure(str(error)) from error
        return connection

    async def _connect(self) -> Connection | None:
        """Connect to a keeper that listens; None when there is none."""
        try:
            directory = os.open(self._directory, os.O_PATH | os.O_DIRECTORY)
        except FileNotFoundError:
            return None
        try:
            reader, writer = await asyncio.open_unix_connection(
                socket_address(directory), limit=MAX_MESSAGE_BYTES
            )
        except (FileNotFoundError, ConnectionError):
            return None
        finally:
            os.close(directory)
        connection = Connection(reader, writer, self._call_timeout_seconds)
        try:
            await connection.greet(self._lost)
        except BaseException as error:
            if isinstance(error, KeeperError) and not connection.alive:
                return None  # it was about to go, or to renew itself
            await connection.close()
            raise
        return connection

    async def _launch(self) -> None:
        """Start a keeper that is nobody's child; return once it serves or another one does."""
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        log = self._open_log()
        try:
            process = await asyncio.create_subprocess_exec(
                *self._command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                env=KEEPER_ENVIRONMENT | failpoints.inherited(),
                start_new_session=True,
            )
        finally:
            os.close(log)
        try:
            status = await process.wait()
        except asyncio.CancelledError:
            process.kill()
            await process.wait()
            raise
        if status == os.EX_TEMPFAIL:
            await _wait()  # it listens in a moment, or is about to go
        elif status != 0:
            raise self._failure(f"exit status {status}")

    def _open_log(self) -> int:
        path = self._directory / LOG_NAME
        log = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        if os.fstat(log).st_size > MAX_LOG_BYTES:
            os.ftruncate(log, 0)
        return log

    def _failure(self, reason: str) -> KeeperError:
        """Make the error of a keeper that does not come up, with what it said last."""
        if not self._launches:
            return KeeperError(
                f"no keeper serves {self._directory} ({reason}): start the service that is to"
            )
        path = self._directory / LOG_NAME
        try:
            tail = path.read_bytes()[-LOG_TAIL_BYTES:].decode(errors="replace").strip()
        except OSError:
            tail = ""
        return KeeperError(f"the keeper cannot be started: {reason}; {path}: {tail or 'empty'}")

    def _lost(self) -> None:
        """Hold the pipes of the runs until there is another keeper."""
        # A run that ends meanwhile would take with it what is still in its pipe.
        for run_id in self._spool.run_ids():
            if self._spool.read_exit(run_id) is None:
                pipe = self._spool.directory(run_id) / PIPE
                try:
                    self._held.append(os.open(pipe, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW))
                except OSError as error:
                    logger.warning("pipe not held, output may be lost: %s: %s", pipe, error)
        self._on_lost()

    def _release_pipes(self) -> None:
        while self._held:
            os.close(self._held.pop())


async def _wait() -> None:
    await asyncio.sleep(RETRY_SECONDS)
