"""Starts: a run is stored, then queued where it is to run."""

from collections.abc import Callable
from dataclasses import replace
from uuid import UUID

from server.access import Actor
from server.definition import PLAIN_START, NewRun, Options, StartAsked
from server.models import Command, RequestKey, RunState
from server.repositories.runs import RunRepository
from server.services.hosts.hosts import Hosts
from server.services.parameters import new_run
from server.services.running.live import RunView


class Starts:
    """Stores runs and has them started, whoever asks for them.

    `host` is the identity of the host that new runs are stored for, and `pool` None; or the server
    runs nothing itself, and what names no pool waits for a worker of the `pool`. `admit` raises
    LimitReachedError where a command has as many active runs as it may; it is told how many are
    stored, where those of other hosts count.
    """

    def __init__(
        self,
        host: str,
        hosts: Hosts,
        runs: RunRepository,
        admit: Callable[[UUID, int], None],
        pool: str | None = None,
    ) -> None:
        self.host = host
        self._pool = pool
        self._admit = admit
        self.queue = hosts.queue
        self._hosts = hosts
        self._runs = runs

    async def start(
        self,
        command: Command,
        asked: StartAsked = PLAIN_START,
        *,
        by: Actor,
        request: RequestKey | None = None,
    ) -> RunView:
        """Store a new run of the command and start it, or queue it when all places are taken.

        Raises:
            ParametersError: the command does not take the values.
            ConcurrencyLimitError: as many of its runs go on as it lets, and no more is to wait.
            LimitReachedError: the command has as many active runs as it may.
            RequestRepeatedError: the request was answered before.
            DatabaseUnavailableError: the run cannot be stored.
        """
        new = self.new_run(command.options, asked)
        await self.admit(command)  # before it is stored: what is refused leaves nothing
        return await self.queue(
            await self._runs.add(
                command.id,
                command.script,
                self.host,
                run_as=command.run_as,
                new=new,
                by=by,
                request=request,
            )
        )

    def new_run(self, options: Options, asked: StartAsked) -> NewRun:
        """Return what is to be stored of a run that is asked for, whoever stores it.

        Raises:
            ParametersError: the command does not take the values.
        """
        return self.placed(new_run(options, asked))

    def placed(self, new: NewRun) -> NewRun:
        """Return a new run with the pool that it waits in where its command names none."""
        return new if self._pool is None else replace(new, pool=self._pool)

    async def admit(self, command: Command) -> None:
        """Check that one more run of the command may be stored.

        Raises:
            LimitReachedError: the command has as many active runs as it may.
        """
        # What a pool runs is in no memory of this server, as a rule.
        is_of_pool = self._pool is not None or command.options.pool_of_workers is not None
        self._admit(command.id, await self._runs.count_active(command.id) if is_of_pool else 0)

    async def resume(self, run_id: UUID) -> RunView:
        """Return a run that was stored; start it if the answer to its storing was lost.

        Raises:
            RunNotFoundError: it was deleted.
        """
        live = self._hosts.live(run_id)
        if live is not None:
            return live.view
        run = await self._runs.get(run_id)
        # Of its first epoch, it was stored, and the answer to that was lost: it was not queued.
        is_ours = (self._pool is None and run.host == self.host) or run.held_at is not None
        unheard = run.state is RunState.QUEUED and run.epoch == 1 and is_ours
        return await self.queue(run) if unheard else self._hosts.view(run)
