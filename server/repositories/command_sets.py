"""Sets of commands in the table `commands`: read by their keys, and changed in one transaction."""

# ruff: noqa: S608  what is put into the SQL are lists of columns, constants of this layer

import json
from collections.abc import Collection, Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import UTC, datetime
from typing import NamedTuple
from uuid import UUID, uuid4

from psycopg2.errors import UniqueViolation

from server.access import DEFAULT_GROUP, Act, Actor, Outcome
from server.command_set import Fate, Step
from server.errors import DatabaseRefusedError
from server.models import Command
from server.repositories.access.audit import all_details, audit_sql, bounded
from server.repositories.database.database import Database
from server.repositories.rows import COMMAND_COLUMNS, command_of

PAGE_BYTES = 4 * 1024 * 1024
"""Of the texts in a page of whole commands, but for its first."""

APPLY_SECONDS = 600.0
"""For a set from which commands with any number of runs may be deleted."""

SIZE = """
    SELECT coalesce(sum(octet_length(script) + octet_length(coalesce(options, '{}')::text)), 0)
    FROM commands WHERE key = ANY(%(keys)s)
"""

OF_KEYS = f"SELECT {COMMAND_COLUMNS} FROM commands c WHERE c.key = ANY(%(keys)s)"

OTHERS = f"""
    SELECT {COMMAND_COLUMNS} FROM commands c
    WHERE c.key IS NOT NULL AND c.key <> ALL(%(keys)s) AND c.group_name = ANY(%(groups)s)
"""

EXPORT = f"""
    WITH page AS (
        SELECT c.* FROM commands c
        WHERE c.key > %(after)s AND (%(every)s OR c.group_name = ANY(%(groups)s))
        ORDER BY c.key LIMIT %(rows)s
    ), measured AS (
        SELECT id, sum(octet_length(script)) OVER (ORDER BY key) - octet_length(script) AS before
        FROM page
    )
    SELECT {COMMAND_COLUMNS} FROM page c JOIN measured m ON m.id = c.id
    WHERE m.before < {PAGE_BYTES}
    ORDER BY c.key
"""

GIVEN_BY_ROW = {
    "at": "%(now)s",
    "principal": "%(principal)s",
    "known_by": "%(known_by)s",
    "address": "%(address)s",
    "act": "act",
    "outcome": f"'{Outcome.DONE.value}'",
    "details": "details",
}
AUDITED = audit_sql("wanted", command="id", script="script", name="name", given=GIVEN_BY_ROW)

# The rows are locked first: nobody changes them then, and whoever adds a run locks its command's
# row as well (the foreign key does). The second statement's snapshot is taken after that. It does
# all or nothing: `wanted` is empty unless each row is of the version that the plan was made of, and
# none that is to be deleted has an active run.
APPLY = f"""
    SET LOCAL statement_timeout = 0;
    SELECT FROM commands WHERE id = ANY(%(ids)s::uuid[]) ORDER BY id FOR UPDATE;
    WITH given AS (
        SELECT * FROM jsonb_to_recordset(%(given)s::jsonb) AS given (
            id uuid, fate text, version timestamptz, key text, name text, description text,
            script text, group_name text, run_as text, options jsonb, act text, details text
        )
    ), held AS (
        SELECT count(c.id) = count(*) AS all_held
        FROM given g LEFT JOIN commands c ON c.id = g.id AND c.updated_at = g.version
        WHERE g.fate <> '{Fate.CREATED.value}'
    ), busy AS (
        SELECT coalesce(array_agg(DISTINCT g.key ORDER BY g.key), '{{}}') AS keys
        FROM given g JOIN commands_info r ON r.commands_id = g.id
        WHERE g.fate = '{Fate.DELETED.value}' AND r.state IN ('queued', 'running')
    ), wanted AS (
        SELECT given.* FROM given, held, busy WHERE all_held AND busy.keys = '{{}}'
    ), created AS (
        INSERT INTO commands (
            id, key, name, description, script, group_name, run_as, options, created_at, updated_at
        )
        SELECT id, key, name, description, script, group_name, run_as, options, %(now)s, %(now)s
        FROM wanted WHERE fate = '{Fate.CREATED.value}'
    ), changed AS (
        UPDATE commands c
        SET name = w.name, description = w.description, script = w.script,
            group_name = w.group_name, run_as = w.run_as, options = w.options,
            updated_at = greatest(%(now)s, c.updated_at + interval '1 microsecond')
        FROM wanted w WHERE w.id = c.id AND w.fate = '{Fate.CHANGED.value}'
    ), deleted AS (
        DELETE FROM commands c USING wanted w
        WHERE w.id = c.id AND w.fate = '{Fate.DELETED.value}'
    ), audited AS ({AUDITED})
    SELECT held.all_held, busy.keys FROM held, busy
"""

ACTS = {
    Fate.CREATED: Act.COMMAND_CREATE,
    Fate.CHANGED: Act.COMMAND_CHANGE,
    Fate.DELETED: Act.COMMAND_DELETE,
}


class Applied(NamedTuple):
    """Whether a set was applied: if others changed its commands meanwhile, or some are busy, not.

    `busy` are the keys of those that were to be deleted, and have active runs.
    """

    done: bool
    busy: tuple[str, ...]


class CommandSetRepository:
    """The table `commands`, many rows at a time."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def size(self, keys: Collection[str]) -> int:
        """Return how many bytes are stored of the commands of these keys."""
        [(size,)] = await self._database.fetch_all(SIZE, {"keys": [*keys]})
        return int(size)

    async def of_keys(self, keys: Collection[str]) -> Mapping[str, Command]:
        """Return commands by their keys, of those that there are."""
        rows = await self._database.fetch_all(OF_KEYS, {"keys": [*keys]})
        return {str(found.key): found for found in map(command_of, rows)}

    async def others(self, keys: Collection[str], groups: AbstractSet[str]) -> Sequence[Command]:
        """Return the commands of some groups that have another key than these."""
        parameters = {"keys": [*keys], "groups": sorted(groups)}
        return [command_of(row) for row in await self._database.fetch_all(OTHERS, parameters)]

    async def page(
        self, groups: AbstractSet[str] | None, after: str, limit: int
    ) -> Sequence[Command]:
        """Return up to `limit` commands with keys behind one, whole, in their order.

        They are of some groups, None: of every one. There are fewer where their texts are large.
        """
        rows = await self._database.fetch_all(
            EXPORT,
            {
                "after": after,
                "every": groups is None,
                "groups": sorted(groups or ()),
                "rows": limit,
            },
        )
        return [command_of(row) for row in rows]

    async def apply(self, steps: Sequence[Step], by: Actor) -> Applied:
        """Do all steps, with a row of the audit each, or nothing."""
        now = datetime.now(UTC)
        given = [_given(step, by) for step in steps]
        parameters = {
            "ids": [str(step.id) for step in steps if step.id is not None],
            "given": json.dumps(given),
            "now": now,
            "principal": bounded(by.principal.name),
            "known_by": by.principal.known_by.value,
            "address": bounded(by.address),
        }
        try:
            [(is_held, busy)] = await self._database.fetch_all(
                APPLY, parameters, timeout_seconds=APPLY_SECONDS
            )
        except DatabaseRefusedError as error:
            if isinstance(error.__cause__, UniqueViolation):  # another has one of the keys by now
                return Applied(done=False, busy=())
            raise
        return Applied(done=bool(is_held) and not busy, busy=tuple(busy))


def _given(step: Step, by: Actor) -> dict[str, object]:
    said = step.wanted or step.stored
    assert said is not None, "a step is of what is stored, or is to be"
    command_id: UUID = step.id or uuid4()
    return {
        "id": str(command_id),
        "fate": step.fate.value,
        "version": None if step.stored is None else step.stored.updated_at.isoformat(),
        "key": step.key,
        "name": said.name,
        "description": said.description,
        "script": said.script,
        "group_name": step.group,
        "run_as": step.run_as,
        "options": said.options.as_json() or None,
        "act": ACTS[step.fate].value,
        "details": json.dumps(all_details(by.principal, _details(step))),
    }


def _details(step: Step) -> dict[str, object]:
    """Return what the audit tells of a step, as it does of a change by itself."""
    named = {"group", "run_as"} & step.fields
    if step.fate is Fate.CREATED:
        named -= {"group"} if step.group == DEFAULT_GROUP else set()
        return {name: getattr(step, name) for name in sorted(named)}
    if step.fate is Fate.DELETED:
        return {}
    return {"fields": sorted(step.fields)} | {name: getattr(step, name) for name in sorted(named)}
