"""All hosts that there are: the server's own, and those that are reached over the wire."""

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol
from uuid import UUID

from server.errors import NoActiveRunError, NoAnswerError, WireError
from server.models import Run
from server.repositories.runs import RunRepository
from server.services.archive.chunks import Chunks
from server.services.archive.reader import ArchivedOutput
from server.services.hosts.hosts import Hosts, Watched
from server.services.hosts.remote_output import RemoteOutput
from server.services.hosts.remote_run import RemoteRun, as_seen, spacing_of
from server.services.running.live import RunView
from server.services.tasks import Tasks
from server.wire.asking import Workers
from server.wire.messages import Marked, Piece, Place, Read, Seen, Signal, Stop
from server.wire.packing import unpacked

if TYPE_CHECKING:
    from asyncio import Task


class Known(Protocol):
    """The workers that are known, whether they are there or not."""

    async def knows(self, host: str) -> bool:
        """Return whether a host is, or was, a worker of these servers."""
        ...

    async def want_stop(self, run_id: UUID, *, signal: str, grace_seconds: float) -> bool:
        """Note a stop for when the run's worker is back; False: the run has ended."""
        ...


class RemoteHosts:
    """`Hosts` of which `hosts` are the server's own; `host` is its identity.

    A run of another host is followed for as long as somebody watches it, once for all of them.
    """

    def __init__(
        self,
        host: str,
        hosts: Hosts,
        workers: Workers,
        known: Known,
        runs: RunRepository,
        chunks: Chunks,
        tasks: Tasks,
    ) -> None:
        self._host = host
        self._hosts = hosts
        self._workers = workers
        self._known = known
        self._runs = runs
        self._chunks = chunks
        self._tasks = tasks
        self._remote: dict[UUID, RemoteRun] = {}
        self._following: dict[UUID, Task[Any]] = {}
        self.queue, self.until_claimed = hosts.queue, hosts.until_claimed

    def __iter__(self) -> Iterator[Watched]:
        yield from self._hosts
        yield from [*self._remote.values()]

    def live(self, run_id: UUID) -> Watched | None:
        """Return a run as it is followed here; None: it is not."""
        return self._hosts.live(run_id) or self._remote.get(run_id)

    def of_command(self, _command_id: UUID) -> Sequence[Watched]:
        """Return none: which runs a command has on all hosts, the database knows alone."""
        return ()

    def view(self, run: Run) -> RunView:
        """View a stored run, as it is live where it is followed here."""
        remote = self._remote.get(run.id)
        return self._hosts.view(run) if remote is None else remote.view

    @asynccontextmanager
    async def follow(self, run_id: UUID) -> AsyncIterator[Watched | None]:
        """Hold a run for somebody who watches it; None: no host has it.

        Raises:
            RunNotFoundError: there is no such run.
        """
        async with self._hosts.follow(run_id) as live:
            if live is not None:
                yield live
                return
        run = await self._runs.get(run_id)
        if run.state.final or not self._is_elsewhere(run):
            yield None
            return
        async with self._held(run) as remote:
            await remote.until_heard()
            yield remote

    async def wait_ended(self, live: Watched) -> Run:
        """Return a run that is followed with its end, once its output has ended."""
        if isinstance(live, RemoteRun):
            return await live.wait_ended()
        return await self._hosts.wait_ended(live)

    async def stop(self, run: Run, *, signal: str, grace_seconds: float) -> RunView:
        """End a run; one of a host that nobody knows ends as lost.

        While its worker is away the stop is noted, and done when that is back.

        Raises:
            NoActiveRunError: it has ended already.
            KeeperUnavailableError: its keeper did not take the request.
            DatabaseUnavailableError: it has no process, and its end cannot be stored.
        """
        if not self._is_elsewhere(run):
            return await self._hosts.stop(run, signal=signal, grace_seconds=grace_seconds)
        asked = Stop(run_id=run.id, signal=signal, grace_seconds=grace_seconds)
        try:
            return _seen(run, await self._ask(run, asked))
        except NoAnswerError:
            if not await self._known.knows(run.host or ""):
                # Nobody will be back for it: its state directory is lost.
                return await self._hosts.stop(run, signal=signal, grace_seconds=grace_seconds)
            if not await self._known.want_stop(run.id, signal=signal, grace_seconds=grace_seconds):
                raise NoActiveRunError("The run has ended already.") from None
            return replace(self.view(run), stopping=True)

    async def signal(self, run: Run, name: str) -> RunView:
        """Send a signal to a run's process group.

        Raises:
            NoActiveRunError: the run has no process (any more).
            KeeperUnavailableError: its keeper did not take the request.
            NoAnswerError: its host is away.
        """
        if not self._is_elsewhere(run):
            return await self._hosts.signal(run, name)
        return _seen(run, await self._ask(run, Signal(run_id=run.id, name=name)))

    def _is_elsewhere(self, run: Run) -> bool:
        return run.host not in {None, self._host} and self._hosts.live(run.id) is None

    @asynccontextmanager
    async def _held(self, run: Run) -> AsyncIterator[RemoteRun]:
        """Follow a run while somebody holds it."""
        remote = self._remote.get(run.id)
        if remote is None:
            remote = self._remote[run.id] = self._remote_run(run)
        remote.users += 1
        try:
            yield remote
        finally:
            remote.users -= 1
            if not remote.users:
                del self._remote[run.id]
                self._following.pop(run.id).cancel()
                remote.close()

    def _remote_run(self, run: Run) -> RemoteRun:
        async def ask(asked: Read, wait_seconds: float) -> Piece:
            piece: Piece = await self._ask(run, asked, wait_seconds, attempts=1)
            return piece

        archived = partial(self._archived, run.id)
        output = RemoteOutput(run.id, partial(self._ask, run), archived, run.output_bytes)
        remote = RemoteRun(
            run,
            output,
            ask,
            partial(self._runs.get, run.id),
            lambda: spacing_of(len(self._remote)),
        )
        self._following[run.id] = self._tasks.start_for_run(
            remote.follow(), f"follow {run.id}", remote.fail
        )
        return remote

    async def _ask(
        self, run: Run, asked: object, wait_seconds: float = 0.0, attempts: int | None = None
    ) -> Any:
        assert run.host is not None, "some host has it"
        if isinstance(asked, Read):
            asked = replace(asked, packed=True)
        answer = await self._workers.ask(
            run.host, asked, wait_seconds=wait_seconds, attempts=attempts
        )
        return checked(asked, answer)

    async def _archived(self, run_id: UUID) -> ArchivedOutput:
        return ArchivedOutput(await self._runs.get(run_id), self._chunks)


def _seen(run: Run, seen: Seen) -> RunView:
    """View a run as its host has just said that it is."""
    return RunView(as_seen(run, seen), seen.stopping, seen.paused, max(seen.size, run.output_bytes))


def checked(asked: object, answer: Any) -> Any:
    """Return what a host answers, as it is counted on; a piece of output unpacked.

    Raises:
        WireError: no host of ours answers that.
    """
    match asked, answer:
        case Read(limit=limit), Piece():
            return unpacked(answer, limit)
        case _, Place(number=number) if number < 0:
            raise WireError(f"There is no line or offset {number}.")
        case _, Marked(marks=()):
            raise WireError("Output was first seen at some time.")
    return answer
