"""Stored commands."""

from collections.abc import Collection, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from server.access import Act, Actor
from server.definition import NO_OPTIONS, PLAIN_START, Options, StartAsked
from server.models import (
    Command,
    CommandChange,
    CommandLabel,
    MadeBefore,
    RequestKey,
    Run,
    RunState,
)
from server.repositories.commands import CommandRepository
from server.repositories.page import Page
from server.services.access.audit import Audit
from server.services.events.events import Events
from server.services.hosts.hosts import Hosts
from server.services.requests import Requests
from server.services.starting.starts import Starts
from server.services.views import CommandView


class CommandService:
    """What users ask of commands."""

    def __init__(
        self,
        commands: CommandRepository,
        hosts: Hosts,
        starts: Starts,
        requests: Requests,
        audit: Audit,
        events: Events,
    ) -> None:
        self._audit = audit
        self._events = events
        self._requests = requests
        self._commands = commands
        self._starts = starts
        self._hosts = hosts

    async def create(
        self,
        *,
        name: str,
        description: str | None,
        script: str,
        group: str,
        run_as: str | None = None,
        key: str | None = None,
        options: Options = NO_OPTIONS,
        asked: StartAsked = PLAIN_START,
        start: bool,
        by: Actor,
        request: RequestKey | None = None,
    ) -> tuple[CommandView, bool]:
        """Store a command and start its first run, unless `start` is false.

        Also returns whether this was done before, for a request of the same key.

        Raises:
            KeyTakenError: another command has the key.
            ParametersError: the command does not take the values of its first run.
            RequestChangedError: the key was used for another request.
        """

        async def make() -> CommandView:
            if not start:
                added = await self._commands.add(
                    name,
                    description,
                    script,
                    group=group,
                    run_as=run_as,
                    key=key,
                    options=options,
                    by=by,
                    request=request,
                )
                return self._told(CommandView(added, None))
            command, run = await self._commands.add_with_run(
                name,
                description,
                script,
                group=group,
                run_as=run_as,
                key=key,
                new=self._starts.new_run(options, asked),
                host=self._starts.host,
                by=by,
                request=request,
            )
            return self._told(CommandView(command, await self._starts.queue(run)))

        async def again(made: MadeBefore) -> CommandView:
            run = None if made.run_id is None else await self._starts.resume(made.run_id)
            return CommandView(await self._commands.get(made.command_id), run)

        with self._audit.trying(Act.COMMAND_CREATE, by):
            return await self._requests.once(request, make, again)

    async def of_key(self, key: str) -> Command | None:
        """Return the command that has a key."""
        return await self._commands.of_key(key)

    async def get(self, command_id: UUID) -> CommandView:
        """Return a command.

        Raises:
            CommandNotFoundError: there is no such command.
        """
        return self._view(*await self._commands.get_with_last_run(command_id))

    async def told(self, command_id: UUID) -> CommandView:
        """Return a command that something else has changed, and tell those who listen.

        Raises:
            CommandNotFoundError: there is no such command.
        """
        return self._told(await self.get(command_id))

    async def labels(self, command_ids: Collection[UUID]) -> Mapping[UUID, CommandLabel]:
        """Return what commands are called, by their ids, of those that there are."""
        return await self._commands.labels(command_ids)

    async def list(
        self,
        *,
        query: str,
        groups: AbstractSet[str] | None,
        states: AbstractSet[RunState],
        ids: AbstractSet[UUID],
        key: str | None = None,
        name: str | None = None,
        limit: int,
        cursor: str | None,
    ) -> Page[CommandView]:
        """Return commands whose name or description has the words of `query`, newest first.

        They are of one of the groups, None for every one, and, with states, their newest run is in
        one of them, and, with ids, theirs are among these. With a key or a name they have exactly
        that. Long scripts and descriptions are cut.
        """
        page = await self._commands.list(
            query=query,
            groups=groups,
            states=states,
            ids=ids,
            key=key,
            name=name,
            limit=limit,
            cursor=cursor,
        )
        return Page([self._view(command, run) for command, run in page.items], page.next)

    async def change(
        self,
        command_id: UUID,
        change: CommandChange,
        *,
        by: Actor,
        versions: Sequence[datetime] | None = None,
        moved_from: str | None = None,
        any_user: bool = True,
    ) -> CommandView:
        """Change a command, if it is of one of these versions; started runs keep their script.

        Where it gets another group, `moved_from` is the one that it is in. Unless it may be
        `any_user`'s, it gets a new script only where it has no `run_as`.

        Raises:
            CommandNotFoundError: there is no such command.
            CommandChangedError: it is of another version (`updated_at`) or group, or has a
                `run_as`.
        """
        # Of the row read afterwards only the run counts: another editor may have changed the rest.
        with self._audit.trying(Act.COMMAND_CHANGE, by, command_id=command_id):
            changed = await self._commands.change(
                command_id,
                change,
                by=by,
                versions=versions,
                moved_from=moved_from,
                any_user=any_user,
            )
        view = replace(await self.get(command_id), command=changed)
        return self._told(view, moved_from=moved_from)

    async def delete(self, command_id: UUID, *, by: Actor) -> None:
        """Delete a command with all its runs.

        Raises:
            CommandNotFoundError: there is no such command.
            CommandActiveError: it has an active run.
        """
        with self._audit.trying(Act.COMMAND_DELETE, by, command_id=command_id):
            group = await self._commands.delete(command_id, by=by)
        self._events.command_deleted(command_id, group)

    def _view(self, command: Command, run: Run | None) -> CommandView:
        return CommandView(command, None if run is None else self._hosts.view(run))

    def _told(self, view: CommandView, *, moved_from: str | None = None) -> CommandView:
        """Tell those who listen of a command that was made or changed."""
        self._events.command_changed(view, moved_from=moved_from)
        return view
