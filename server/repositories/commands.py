"""Stored commands."""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import NamedTuple
from uuid import UUID, uuid4

from psycopg2.errors import UniqueViolation

from server.access import DEFAULT_GROUP, Act, Actor
from server.definition import NO_OPTIONS, PLAIN_RUN, NewRun, Options
from server.errors import (
    CommandActiveError,
    CommandChangedError,
    CommandNotFoundError,
    DatabaseRefusedError,
    KeyTakenError,
    RequestRepeatedError,
)
from server.models import Command, CommandChange, CommandLabel, RequestKey, Run, RunState
from server.repositories.access.audit import all_details, audit_parameters, bounded
from server.repositories.command_statements import (
    ADD,
    ADD_WITH_RUN,
    ADD_WITH_RUNS,
    CHANGE,
    DELETE,
    GET,
    GET_WITH_LAST_RUN,
    LABELS,
    OF_KEY,
)
from server.repositories.database.batches import Batches
from server.repositories.database.database import Database
from server.repositories.database.types import Row
from server.repositories.page import Page, SortKey
from server.repositories.requests import request_parameters, request_sql
from server.repositories.rows import command_and_run_of, command_of, listed_command_and_run_of
from server.repositories.run_statements import new_run_parameters
from server.repositories.search import SEARCH_NEWEST, listing

DELETE_SECONDS = 600.0
"""For the deletion of a command, which may have any number of runs."""


class _New(NamedTuple):
    """A command that is to be stored, with its first run."""

    command_id: UUID
    run_id: UUID
    name: str
    description: str | None
    script: str
    group: str
    run_as: str | None
    key: str | None
    options: object
    parameters: object
    secrets: object
    host: str
    pool: object
    requires: object
    now: datetime
    principal: str
    known_by: str
    address: str
    details: str


class CommandRepository:
    """The table `commands`."""

    def __init__(self, database: Database, *, search_newest: int = SEARCH_NEWEST) -> None:
        self._database = database
        self._search_newest = search_newest
        self._batches = Batches(
            self._add_all,
            _size,
            timeout_seconds=database.statement_timeout_seconds,
        )

    async def add(
        self,
        name: str,
        description: str | None,
        script: str,
        *,
        group: str = DEFAULT_GROUP,
        run_as: str | None = None,
        key: str | None = None,
        options: Options = NO_OPTIONS,
        by: Actor,
        request: RequestKey | None = None,
    ) -> Command:
        """Store a command.

        Raises:
            KeyTakenError: another command has the key.
            RequestRepeatedError: the request was answered before.
        """
        fields = {"name": name, "description": description, "script": script, "group": group}
        said = {"run_as": run_as, "key": key, **new_run_parameters(NewRun(options=options))}
        return command_of(await self._add(ADD, {**fields, **said, "run_id": None}, by, request))

    async def add_with_run(
        self,
        name: str,
        description: str | None,
        script: str,
        *,
        host: str,
        group: str = DEFAULT_GROUP,
        run_as: str | None = None,
        key: str | None = None,
        new: NewRun = PLAIN_RUN,
        by: Actor,
        request: RequestKey | None = None,
    ) -> tuple[Command, Run]:
        """Store a command and its first run, queued, in one statement.

        The options of `new` are those of both.

        Raises:
            KeyTakenError: another command has the key.
            RequestRepeatedError: the request was answered before.
        """
        run = new_run_parameters(new)
        if request is None:
            now, known_by = datetime.now(UTC), by.principal.known_by.value
            who = bounded(by.principal.name), known_by, bounded(by.address)
            details = json.dumps(all_details(by.principal, _made(group, run_as)))
            stored = name, description, script, group, run_as, key
            said = run["options"], run["parameters"], run["secrets"]
            where = host, run["pool"], run["requires"]
            with _keys(key):
                return await self._batches.do(
                    _New(uuid4(), uuid4(), *stored, *said, *where, now, *who, details)
                )
        fields = {"name": name, "description": description, "script": script, "group": group}
        run |= {"run_as": run_as, "key": key, "host": host, "run_id": uuid4()}
        return _added(await self._add(ADD_WITH_RUN, {**fields, **run}, by, request))

    async def _add_all(self, batch: Sequence["_New"]) -> Sequence[tuple[Command, Run]]:
        parameters = {str(number): tuple(new) for number, new in enumerate(batch)}
        sql = ADD_WITH_RUNS.format(rows=", ".join(f"%({number})s" for number in parameters))
        rows = await self._database.fetch_all(sql, parameters)
        added = {row[0]: _added(row) for row in rows}
        return [added[new.command_id] for new in batch]

    async def _add(
        self, sql: str, fields: Mapping[str, object], by: Actor, request: RequestKey | None
    ) -> Row:
        now = datetime.now(UTC)
        parameters = {
            **fields,
            "command_id": uuid4(),
            "now": now,
            **request_parameters(request),
            **audit_parameters(
                Act.COMMAND_CREATE, by, at=now, details=_made(fields["group"], fields["run_as"])
            ),
        }
        with _keys(fields["key"]):
            rows = await self._database.fetch_all(
                sql.format(request=request_sql(request)), parameters
            )
        if not rows:
            raise RequestRepeatedError("The request was answered before.")
        return rows[0]

    async def get(self, command_id: UUID) -> Command:
        """Return a command.

        Raises:
            CommandNotFoundError: there is no such command.
        """
        row = await self._database.fetch_one(GET, {"id": command_id})
        if row is None:
            raise CommandNotFoundError.of(command_id)
        return command_of(row)

    async def of_key(self, key: str) -> Command | None:
        """Return the command that has a key."""
        row = await self._database.fetch_one(OF_KEY, {"key": key})
        return None if row is None else command_of(row)

    async def get_with_last_run(self, command_id: UUID) -> tuple[Command, Run | None]:
        """Return a command and its newest run.

        Raises:
            CommandNotFoundError: there is no such command.
        """
        row = await self._database.fetch_one(GET_WITH_LAST_RUN, {"id": command_id})
        if row is None:
            raise CommandNotFoundError.of(command_id)
        return command_and_run_of(row)

    async def labels(self, command_ids: Collection[UUID]) -> dict[UUID, CommandLabel]:
        """Return what commands are called, by their ids, of those that there are."""
        if not command_ids:
            return {}
        rows = await self._database.fetch_all(LABELS, {"ids": list(command_ids)})
        return {row[0]: CommandLabel(*row) for row in rows}

    async def change(
        self,
        command_id: UUID,
        change: CommandChange,
        *,
        by: Actor,
        versions: Sequence[datetime] | None = None,
        moved_from: str | None = None,
        any_user: bool = True,
    ) -> Command:
        """Change what the user wrote of a command, if it is of one of these versions.

        A version is a command's `updated_at`; None: whichever it is of. It must be of the group
        `moved_from`; None: of whichever. Unless it may be `any_user`'s, what its runs execute, and
        with what, changes only where it has no `run_as`.

        Raises:
            CommandNotFoundError: there is no such command.
            CommandChangedError: it is of another version or group, or has a `run_as`.
            KeyTakenError: another command has the key.
        """
        now = datetime.now(UTC)
        parameters = {
            "id": command_id,
            "name": change.name,
            "script": change.script,
            "description": change.description,
            "keep": change.keep_description,
            "group": change.group,
            "moved_from": moved_from,
            "run_as": change.run_as,
            "keep_run_as": change.keep_run_as,
            "key": change.key,
            "keep_key": change.keep_key,
            "keep_options": not change.options,
            "set": json.dumps({k: v for k, v in change.options.items() if v is not None}),
            "unset": [*change.options],
            "any_user": any_user or (change.script is None and not change.options),
            "now": now,
            "any_version": versions is None,
            "versions": list(versions or []),
            **audit_parameters(Act.COMMAND_CHANGE, by, at=now, details=_changed(change)),
        }
        with _keys(change.key):
            row = await self._database.fetch_one(CHANGE, parameters)
        if row is None:
            await self.get(command_id)  # or there is no such command
            raise CommandChangedError("The command was changed meanwhile.")
        return command_of(row)

    async def delete(self, command_id: UUID, *, by: Actor) -> str:
        """Delete a command with its runs; their output follows (RetentionRepository.purge).

        Returns the group that it was in.

        Raises:
            CommandNotFoundError: there is no such command.
            CommandActiveError: it has an active run.
        """
        parameters = {"id": command_id, **audit_parameters(Act.COMMAND_DELETE, by)}
        [(group, found)] = await self._database.fetch_all(
            DELETE, parameters, timeout_seconds=DELETE_SECONDS
        )
        if not found:
            raise CommandNotFoundError.of(command_id)
        if group is None:
            raise CommandActiveError("The command has an active run. Stop it first.")
        return str(group)

    async def list(
        self,
        *,
        query: str = "",
        groups: AbstractSet[str] | None = None,
        states: AbstractSet[RunState] = frozenset(),
        ids: AbstractSet[UUID] = frozenset(),
        key: str | None = None,
        name: str | None = None,
        limit: int,
        cursor: str | None = None,
    ) -> Page[tuple[Command, Run | None]]:
        """Return commands of some groups with their newest run, newest command first.

        None: of every group. With states, of those whose newest run is in one of them; with ids,
        of these alone; with a key or a name, of those that have exactly that.

        The words of `query` stand in the name or the description (in the first 4,096 characters
        of both), in that order, in whatever case. Long texts are cut (`LISTED_BYTES`), and of the
        run there is no script.

        Raises:
            InvalidCursorError: the cursor is none of ours.
        """
        sql, parameters = listing(query, groups, states, ids, key, name, newest=self._search_newest)
        parameters |= {**SortKey.parameters(cursor), "rows": limit + 1}
        rows = await self._database.fetch_all(sql, parameters)
        return Page.cut(
            [listed_command_and_run_of(row) for row in rows],
            limit,
            lambda item: SortKey(item[0].created_at, item[0].id),
        )


def _made(group: object, run_as: object) -> dict[str, object]:
    """Return what the audit tells of a new command beyond its name: what is not the default."""
    details: dict[str, object] = {} if group == DEFAULT_GROUP else {"group": group}
    return details if run_as is None else details | {"run_as": run_as}


def _changed(change: CommandChange) -> dict[str, object]:
    """Return what the audit tells of a change: its fields, the new group, the new user."""
    details: dict[str, object] = {"fields": change.named_fields}
    if not change.keep_run_as:
        details["run_as"] = change.run_as
    return details if change.group is None else details | {"group": change.group}


def _size(new: _New) -> int:
    texts = new.script, new.description, new.options, new.parameters, new.secrets
    return sum(len(str(text)) for text in texts if text is not None)


@contextmanager
def _keys(key: object) -> Iterator[None]:
    """Have a statement tell that the key is another command's."""
    try:
        yield
    except DatabaseRefusedError as error:
        cause = error.__cause__
        if not isinstance(cause, UniqueViolation) or "commands_key" not in str(cause):
            raise
        raise KeyTakenError.of(str(key)) from error


def _added(row: Row) -> tuple[Command, Run]:
    command, run = command_and_run_of(row)
    assert run is not None  # the statement has just inserted it
    return command, run
