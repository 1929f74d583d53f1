"""Runs as users see them: the stored ones, overlaid with what is live here."""

import logging
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import asynccontextmanager, suppress
from types import MappingProxyType
from uuid import UUID

from server.access import ANONYMOUS, Act, Actor
from server.definition import PLAIN_START, StartAsked
from server.errors import (
    ArchiveDamagedError,
    DatabaseUnavailableError,
    NoActiveRunError,
    RunNotFollowedError,
    RunNotFoundError,
)
from server.keeper.failpoints import failpoint
from server.models import MadeBefore, RequestKey, Run, RunFilter
from server.output.frames import cut_characters
from server.output.source import Output
from server.repositories.commands import CommandRepository
from server.repositories.page import Page
from server.repositories.runs import RunRepository
from server.services.access.audit import Audit
from server.services.archive.chunks import Chunks
from server.services.archive.reader import ArchivedOutput
from server.services.events.events import Events
from server.services.hosts.hosts import Hosts, Watched
from server.services.hosts.roll import Roll
from server.services.requests import Requests
from server.services.running.live import LiveRun, RunView
from server.services.starting.starts import Starts

NO_DETAILS: Mapping[str, object] = MappingProxyType({})

logger = logging.getLogger(__name__)


class RunService:
    """What users ask of runs. What is live is answered without the database."""

    def __init__(
        self,
        hosts: Hosts,
        starts: Starts,
        commands: CommandRepository,
        runs: RunRepository,
        chunks: Chunks,
        requests: Requests,
        audit: Audit,
        events: Events,
        roll: Roll | None,
        *,
        stop_grace_seconds: float,
    ) -> None:
        self._hosts = hosts
        self._starts = starts
        self._commands = commands
        self._runs = runs
        self._chunks = chunks
        self._requests = requests
        self._audit = audit
        self._events = events
        self._roll = roll
        self._stop_grace_seconds = stop_grace_seconds

    async def start(
        self,
        command_id: UUID,
        asked: StartAsked = PLAIN_START,
        *,
        by: Actor,
        request: RequestKey | None = None,
    ) -> tuple[RunView, bool]:
        """Start a run of the command; also return whether a request of the same key did so before.

        Raises:
            ParametersError: the command does not take the values.
            ConcurrencyLimitError: as many of its runs go on as it lets, and no more is to wait.
            CommandNotFoundError: there is no such command.
            LimitReachedError: the command has as many active runs as it may.
            RequestChangedError: the key was used for another request.
            DatabaseUnavailableError: the run cannot be stored.
        """

        async def make() -> RunView:
            command = await self._commands.get(command_id)
            return await self._starts.start(command, asked, by=by, request=request)

        async def again(made: MadeBefore) -> RunView:
            if made.run_id is None:
                raise RunNotFoundError("The request of this key started no run.")
            return await self._starts.resume(made.run_id)

        with self._audit.trying(Act.COMMAND_START, by, command_id=command_id):
            return await self._requests.once(request, make, again)

    async def get(self, run_id: UUID) -> RunView:
        """Return a run.

        Raises:
            RunNotFoundError: there is no such run.
        """
        live = self._hosts.live(run_id)
        if isinstance(live, LiveRun):
            return live.view
        if live is not None:
            await self._look_for([live.run])
            return live.view
        [view] = await self._views([await self._runs.get(run_id)])
        return view

    async def script_of(self, run_id: UUID) -> str:
        """Return the script that a run executes, as it was when the run was stored.

        Raises:
            RunNotFoundError: there is no such run.
        """
        return (await self._runs.get(run_id)).script

    async def latest(self, command_id: UUID) -> RunView:
        """Return the command's newest run.

        Raises:
            RunNotFoundError: the command has no run.
            CommandNotFoundError: there is no such command.
        """
        active = self._hosts.of_command(command_id)
        if active and active[0].run.pool is None:
            return active[0].view
        await self._commands.get(command_id)
        [view] = await self._views([await self._runs.latest(command_id)])
        return view

    async def list(
        self,
        asked: RunFilter,
        *,
        groups: AbstractSet[str] | None,
        limit: int,
        cursor: str | None,
    ) -> Page[RunView]:
        """Return runs of the commands of some groups, None for every one; newest first."""
        page = await self._runs.list(asked, groups=groups, limit=limit, cursor=cursor)
        return Page(await self._views(page.items), page.next)

    async def _look_for(self, runs: Sequence[Run]) -> None:
        if self._roll is not None:
            await self._roll.look_for(runs)

    async def _views(self, runs: Sequence[Run]) -> Sequence[RunView]:
        await self._look_for(runs)
        return [self._hosts.view(run) for run in runs]

    async def history(
        self, command_id: UUID, *, groups: AbstractSet[str] | None, limit: int, cursor: str | None
    ) -> Page[RunView]:
        """Return a command's runs, newest first, if it is of one of the groups.

        Raises:
            CommandNotFoundError: there is no such command.
        """
        await self._commands.get(command_id)
        asked = RunFilter(command_id=command_id)
        return await self.list(asked, groups=groups, limit=limit, cursor=cursor)

    async def delete(self, run_id: UUID, *, by: Actor) -> None:
        """Delete a run that has ended, with its output.

        Raises:
            RunNotFoundError: there is no such run.
            RunActiveError: it is active.
        """
        with self._audit.trying(Act.RUN_DELETE, by, run_id=run_id):
            failpoint("run.delete")
            command_id = await self._runs.delete(run_id, by=by)
        self._events.run_deleted(run_id, command_id)

    async def stop(
        self,
        run_id: UUID,
        *,
        by: Actor,
        signal: str = "SIGTERM",
        grace_seconds: float | None = None,
    ) -> RunView:
        """Stop a run; again: harmless.

        Raises:
            RunNotFoundError: there is no such run.
            NoActiveRunError: the run has ended.
            AuditUnavailableError: it cannot be put on record, and is not stopped.
        """
        with self._audit.trying(Act.RUN_STOP, by, run_id=run_id):
            run = (await self.get(run_id)).run
            if run.state.final:
                raise NoActiveRunError(f"The run has ended already ({run.state}).")
        return await self._stop(run, by, signal=signal, grace_seconds=grace_seconds)

    async def stop_replaced(self, run_id: UUID, replaced_by: UUID) -> RunView:
        """Stop a run for another one to have its turn: an act of whoever started that one.

        Raises:
            RunNotFoundError: there is no such run.
            NoActiveRunError: the run has ended.
            AuditUnavailableError: it cannot be put on record, and is not stopped.
        """
        by = await self._runs.starter(replaced_by) or Actor(ANONYMOUS, "")
        run = (await self.get(run_id)).run
        for_whom = {"replaced_by": str(replaced_by)}
        return await self._stop(run, by, signal="SIGTERM", grace_seconds=None, details=for_whom)

    async def _stop(
        self,
        run: Run,
        by: Actor,
        *,
        signal: str,
        grace_seconds: float | None,
        details: Mapping[str, object] = NO_DETAILS,
    ) -> RunView:
        own = run.options.grace_seconds
        usual = self._stop_grace_seconds if own is None else own
        grace = usual if grace_seconds is None else grace_seconds
        async with self._audit.act(
            Act.RUN_STOP,
            by,
            command_id=run.command_id,
            run_id=run.id,
            details={"signal": signal, "grace_seconds": grace, **details},
        ):
            is_here = isinstance(self._hosts.live(run.id), LiveRun)
            view = await self._hosts.stop(run, signal=signal, grace_seconds=grace)
            if not is_here:  # else each of its changes is told of
                self._events.run_told(view)
            return view

    async def signal(self, run_id: UUID, *, by: Actor, signal: str) -> RunView:
        """Send a signal to a run's process group; SIGSTOP pauses it, SIGCONT resumes it.

        Raises:
            RunNotFoundError: there is no such run.
            NoActiveRunError: the run has no process.
            AuditUnavailableError: it cannot be put on record, and is not sent.
        """
        with self._audit.trying(Act.RUN_SIGNAL, by, run_id=run_id):
            run = (await self.get(run_id)).run
        async with self._audit.act(
            Act.RUN_SIGNAL,
            by,
            command_id=run.command_id,
            run_id=run_id,
            details={"signal": signal},
        ):
            return await self._hosts.signal(run, signal)

    async def stop_command(
        self,
        command_id: UUID,
        *,
        by: Actor,
        signal: str = "SIGTERM",
        grace_seconds: float | None = None,
    ) -> Sequence[RunView]:
        """Stop all active runs of a command; each is an act of its own.

        Raises:
            CommandNotFoundError: there is no such command.
            NoActiveRunError: it has no active run.
            AuditUnavailableError: it cannot be put on record; the rest is not stopped.
        """
        with self._audit.trying(Act.RUN_STOP, by, command_id=command_id):
            found = await self._active_of(command_id)
        stopped = []
        for run_id in found:
            with suppress(NoActiveRunError, RunNotFoundError):  # it has just ended
                run = (await self.get(run_id)).run
                if not run.state.final:
                    stopped.append(
                        await self._stop(run, by, signal=signal, grace_seconds=grace_seconds)
                    )
        if not stopped:
            with self._audit.trying(Act.RUN_STOP, by, command_id=command_id):
                raise NoActiveRunError("The command has no active run.")
        return stopped

    async def _active_of(self, command_id: UUID) -> Iterable[UUID]:
        """Return a command's active runs; also those of another server, which nobody may follow."""
        await self._commands.get(command_id)
        stored = [run.id for run in await self._runs.active_of_command(command_id)]
        live = [live.run.id for live in self._hosts.of_command(command_id)]
        return dict.fromkeys([*live, *stored])

    async def text(self, run_id: UUID, limit: int) -> tuple[str, bool]:
        """Return the first `limit` bytes of a run's output as text, and whether there is more."""
        data, truncated = bytearray(), False
        try:
            async with self.output(run_id) as output:
                while len(data) < limit and len(data) < output.size:
                    data += await output.read(len(data), limit - len(data))
                truncated = output.size > len(data)
        except ArchiveDamagedError:
            truncated = True
        # A character that the limit splits is left out; an invalid end of the output is shown.
        whole = cut_characters(bytes(data)) if truncated else len(data)
        return data[:whole].decode("utf-8", "replace"), truncated

    async def wait_ended(self, run_id: UUID, live: Watched | None) -> Run:
        """Return a run with its end, once all of its output was read.

        `live` is the run as it was when reading began.

        Raises:
            RunNotFoundError: it was deleted meanwhile.
            RunNotFollowedError: it has not ended, and this server does not follow it.
        """
        if live is not None:
            return await self._hosts.wait_ended(live)
        run = (await self.get(run_id)).run
        if not run.state.final:
            raise RunNotFollowedError("The run has not ended, but this server does not follow it.")
        return run

    @asynccontextmanager
    async def output(self, run_id: UUID) -> AsyncIterator[Output]:
        """Open a run's output for reading; a live one stays readable after its spool is removed.

        Raises:
            RunNotFoundError: there is no such run.
            ArchiveDamagedError: from there on; the run's reason says so from now on.
        """
        failpoint("output.opened")
        async with self._hosts.follow(run_id) as live:
            if live is not None and live.log is not None:
                with live.log.acquire() as log:
                    yield log
                return
        try:
            yield ArchivedOutput(await self._runs.get(run_id), self._chunks)
        except ArchiveDamagedError as error:
            logger.error("%s", error, extra={"run": run_id})  # noqa: TRY400  it is no defect
            with suppress(DatabaseUnavailableError):
                await self._runs.note_damage(run_id, str(error), kind=error.KIND)
            raise
