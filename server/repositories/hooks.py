"""Hooks of commands, with their secrets, and what they were sent for their runs."""

# ruff: noqa: S608  what is put into the SQL are lists of columns and fragments of this layer

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from uuid import UUID, uuid4

from psycopg2.errors import ForeignKeyViolation

from server.access import Act, Actor
from server.errors import (
    CommandNotFoundError,
    ConflictError,
    DatabaseRefusedError,
    HookNotFoundError,
)
from server.models import Hook, HookChange, HookScheme, NewHook
from server.repositories.access.audit import audit_parameters, audit_sql, bounded
from server.repositories.database.database import Database
from server.repositories.database.types import Row

MAX_HOOKS = 20
"""Of one command."""

COLUMNS = ", ".join(
    "h.commands_id" if entry.name == "command_id" else f"h.{entry.name}" for entry in fields(Hook)
)

FIND = f"SELECT {COLUMNS}, h.secret FROM commands_hooks h WHERE h.id = %(id)s"

OF_COMMAND = f"""
    SELECT {COLUMNS} FROM commands_hooks h WHERE h.commands_id = %(command_id)s
    ORDER BY h.created_at, h.id
"""

ADD = f"""
    WITH h AS (
        INSERT INTO commands_hooks AS h (
            id, commands_id, name, scheme, secret, events, parameters, enabled, created_at,
            created_by
        )
        SELECT %(id)s, %(command_id)s, %(name)s, %(scheme)s, %(secret)s, %(events)s::text[],
            %(parameters)s::jsonb, %(enabled)s, %(now)s, %(by)s
        WHERE (SELECT count(*) FROM commands_hooks WHERE commands_id = %(command_id)s) < %(most)s
        RETURNING {COLUMNS}
    ), audited AS ({audit_sql("h", command="h.commands_id", name="h.name")})
    SELECT {COLUMNS} FROM h
"""

CHANGE = f"""
    WITH h AS (
        UPDATE commands_hooks h SET
            name = coalesce(%(name)s, h.name),
            secret = coalesce(%(secret)s, h.secret),
            events = coalesce(%(events)s::text[], h.events),
            parameters = coalesce(%(parameters)s::jsonb, h.parameters),
            enabled = coalesce(%(enabled)s, h.enabled)
        WHERE h.id = %(id)s RETURNING {COLUMNS}
    ), audited AS ({audit_sql("h", command="h.commands_id", name="h.name")})
    SELECT {COLUMNS} FROM h
"""

DELETE = f"""
    WITH h AS (
        DELETE FROM commands_hooks h WHERE h.id = %(id)s RETURNING {COLUMNS}
    ), audited AS ({audit_sql("h", command="h.commands_id", name="h.name")})
    SELECT {COLUMNS} FROM h
"""

BODY = "SELECT body FROM commands_hooks_bodies WHERE commands_info_id = %(run_id)s"

# An attempt after it is stored soon after a run has ended, and is handed over the same body.
PURGE = """
    WITH purged AS (
        DELETE FROM commands_hooks_bodies b WHERE NOT EXISTS (
            SELECT FROM commands_info r WHERE r.id = b.commands_info_id AND (
                r.end_time IS NULL OR r.options -> 'retries' IS NOT NULL AND (
                    r.end_time > %(since)s OR EXISTS (
                        SELECT FROM commands_info a
                        WHERE a.commands_id = r.commands_id AND a.state IN ('queued', 'running')
                            AND a.cause ->> 'id' = r.id::text
                    )
                )
            )
        ) RETURNING 1
    )
    SELECT count(*) FROM purged
"""


@dataclass(frozen=True, slots=True)
class Secret:
    """A hook with its secret."""

    hook: Hook
    secret: str


class HookRepository:
    """The tables `commands_hooks` and `commands_hooks_bodies`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def find(self, hook_id: UUID) -> Secret | None:
        """Return a hook with its secret; None: there is no such hook."""
        row = await self._database.fetch_one(FIND, {"id": hook_id})
        return None if row is None else Secret(hook_of(row[:-1]), row[-1])

    async def of_command(self, command_id: UUID) -> Sequence[Hook]:
        """Return a command's hooks, oldest first."""
        rows = await self._database.fetch_all(OF_COMMAND, {"command_id": command_id})
        return [hook_of(row) for row in rows]

    async def add(self, command_id: UUID, new: NewHook, secret: str, *, by: Actor) -> Hook:
        """Store a hook of a command.

        Raises:
            CommandNotFoundError: there is no such command.
            ConflictError: it has MAX_HOOKS already.
        """
        now = datetime.now(UTC)
        parameters = {
            "id": uuid4(),
            "command_id": command_id,
            "name": new.name,
            "scheme": new.scheme.value,
            "secret": secret,
            "events": list(new.events),
            "parameters": _json(new.parameters),
            "enabled": new.enabled,
            "now": now,
            "by": bounded(by.principal.name),
            "most": MAX_HOOKS,
            **audit_parameters(Act.HOOK_CREATE, by, at=now, details={"scheme": new.scheme}),
        }
        try:
            row = await self._database.fetch_one(ADD, parameters)
        except DatabaseRefusedError as error:
            if not isinstance(error.__cause__, ForeignKeyViolation):
                raise
            raise CommandNotFoundError.of(command_id) from error
        if row is None:
            raise ConflictError(f"The command has {MAX_HOOKS} hooks, and no more are had of one.")
        return hook_of(row)

    async def change(self, hook_id: UUID, change: HookChange, *, by: Actor) -> Hook:
        """Change what is named of a hook.

        Raises:
            HookNotFoundError: there is no such hook.
        """
        parameters = {
            "id": hook_id,
            "name": change.name,
            "secret": change.secret,
            "events": None if change.events is None else list(change.events),
            "parameters": None if change.parameters is None else _json(change.parameters),
            "enabled": change.enabled,
            **audit_parameters(Act.HOOK_CHANGE, by, details={"fields": change.named_fields}),
        }
        return await self._one(CHANGE, hook_id, parameters)

    async def delete(self, hook_id: UUID, *, by: Actor) -> Hook:
        """Delete a hook; its runs stay. Returns what it was.

        Raises:
            HookNotFoundError: there is no such hook.
        """
        parameters = {"id": hook_id, **audit_parameters(Act.HOOK_DELETE, by)}
        return await self._one(DELETE, hook_id, parameters)

    async def body(self, run_id: UUID) -> bytes | None:
        """Return what the hook was sent that started this run; None: it is not there any more."""
        row = await self._database.fetch_one(BODY, {"run_id": run_id})
        return None if row is None else bytes(row[0])

    async def purge(self, since: datetime) -> int:
        """Delete the bodies of runs that are not started any more; return how many.

        Of one that may be tried again, and has ended since, it stays.
        """
        [(count,)] = await self._database.fetch_all(PURGE, {"since": since})
        return int(count)

    async def _one(self, sql: str, hook_id: UUID, parameters: Mapping[str, object]) -> Hook:
        row = await self._database.fetch_one(sql, parameters)
        if row is None:
            raise HookNotFoundError.of(hook_id)
        return hook_of(row)


def _json(pointers: Mapping[str, str]) -> str:
    return json.dumps(dict(pointers))


def hook_of(row: Row) -> Hook:
    """Return the hook in a row of COLUMNS."""
    names = [entry.name for entry in fields(Hook)]
    values = dict(zip(names, row, strict=True))
    return Hook(
        **values | {"scheme": HookScheme(values["scheme"]), "events": tuple(values["events"])}
    )
