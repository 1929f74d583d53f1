"""The audit: who did what.

An act that changes rows adds its row of the audit by its own statement, so that there is both or
neither:

    WITH made AS (INSERT INTO tokens … RETURNING id), audited AS ({audit_sql("made")})
    SELECT … FROM made

with `audit_parameters(Act.TOKEN_CREATE, by, …)` among its parameters. A statement that changes
nothing adds nothing.
"""

# ruff: noqa: S608  what is put into the SQL are expressions of this layer

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from uuid import UUID

from server.access import Act, Actor, AuditAsked, AuditEntry, Outcome, Principal
from server.errors import InvalidCursorError
from server.repositories.database.database import Database
from server.repositories.database.types import Row
from server.repositories.page import Page, SortKey
from server.repositories.rows import sanitize

NAME_CHARACTERS = 200
"""Of a name in a row, at most; names come from clients and from whoever signs people in."""

DETAILS = 20
"""Details of a row, at most, and values of one that is a list."""

GIVEN: Mapping[str, str] = {
    name: f"%(audit_{name})s"
    for name in ("at", "principal", "known_by", "address", "act", "outcome", "details")
}
"""The columns that `audit_parameters` gives, as expressions."""

ENTRY_COLUMNS = """
    a.at, a.principal, a.known_by, a.address, a.act, a.outcome, a.commands_id, a.commands_info_id,
    encode(a.script_sha256, 'hex'), a.details, a.id
"""
"""The fields of an AuditEntry, in their order."""

# Of entries that were added before none is added again, nor are they changed.
ADD = """
    WITH added AS (
        INSERT INTO audit (
            key, at, principal, known_by, address, act, outcome, commands_id, commands_info_id,
            details
        )
        SELECT key, at, principal, known_by, address, act, outcome, command_id, run_id, details
        FROM jsonb_to_recordset(%(entries)s::jsonb) AS e (
            key uuid, at timestamptz, principal text, known_by text, address text, act text,
            outcome text, command_id uuid, run_id uuid, details jsonb
        )
        ON CONFLICT (key) WHERE key IS NOT NULL DO NOTHING
        RETURNING 1
    )
    SELECT count(*) FROM added
"""

# The parameters are literals when the planner sees them: a condition that is absent costs nothing.
LIST = f"""
    SELECT {ENTRY_COLUMNS} FROM audit a
    WHERE (%(principal)s IS NULL OR a.principal = %(principal)s)
    AND (%(act)s IS NULL OR a.act = %(act)s)
    AND (%(command_id)s IS NULL OR a.commands_id = %(command_id)s)
    AND (%(run_id)s IS NULL OR a.commands_info_id = %(run_id)s)
    AND (%(since)s IS NULL OR a.at >= %(since)s)
    AND (%(until)s IS NULL OR a.at < %(until)s)
    AND (%(id)s IS NULL OR (a.at, a.id) < (%(created_at)s, %(id)s))
    ORDER BY a.at DESC, a.id DESC LIMIT %(rows)s
"""

ENTERED = f"""
    SELECT {ENTRY_COLUMNS} FROM audit a WHERE a.id > %(after)s ORDER BY a.id LIMIT %(limit)s
"""
LATE = f"SELECT {ENTRY_COLUMNS} FROM audit a WHERE a.id = ANY(%(ids)s::bigint[]) ORDER BY a.id"
NEWEST = "SELECT coalesce(max(id), 0) FROM audit"

MAX_ID = 2**63 - 1


def audit_sql(
    source: str,
    *,
    command: str = "NULL::uuid",
    run: str = "NULL::uuid",
    script: str = "NULL::text",
    name: str | None = None,
    given: Mapping[str, str] = GIVEN,
) -> str:
    """Return the SQL that adds a row of the audit for each row of `source`.

    The rest are expressions on it: the ids of the command and of the run, the script of which the
    row has the SHA-256, and the name of the thing, which the details get. `given` are those of the
    other columns. There are no braces in it, so it may stand in what is formatted.
    """
    details = f"({given['details']})::jsonb"
    if name is not None:
        details += f" || jsonb_build_object('name', left({name}, {NAME_CHARACTERS}))"
    return f"""
        INSERT INTO audit (
            at, principal, known_by, address, act, commands_id, commands_info_id, script_sha256,
            outcome, details
        )
        SELECT {given["at"]}, {given["principal"]}, {given["known_by"]}, {given["address"]},
            {given["act"]}, {command}, {run}, sha256(convert_to({script}, 'UTF8')),
            {given["outcome"]}, {details}
        FROM {source}
    """


def audit_parameters(
    act: Act,
    by: Actor,
    *,
    outcome: Outcome = Outcome.DONE,
    details: Mapping[str, object] | None = None,
    at: datetime | None = None,
) -> dict[str, object]:
    """Return what `audit_sql` takes of an act: who, what, and when, now if not given.

    Times are of this host's clock, as the runs' are.
    """
    return {
        "audit_at": at or datetime.now(UTC),
        "audit_principal": bounded(by.principal.name),
        "audit_known_by": by.principal.known_by.value,
        "audit_address": bounded(by.address),
        "audit_act": act.value,
        "audit_outcome": outcome.value,
        "audit_details": json.dumps(all_details(by.principal, details)),
    }


def all_details(principal: Principal, details: Mapping[str, object] | None) -> dict[str, object]:
    """Return an act's details, bounded, with those of the credential that it was done with."""
    found: dict[str, object] = {}
    if principal.label is not None:
        found["label"] = bounded(principal.label)
    if principal.credential is not None:
        found["credential"] = str(principal.credential)
    for name, value in list((details or {}).items())[:DETAILS]:
        found[bounded(name)] = _bounded(value)
    return found


def bounded(text: str) -> str:
    """Return a text that a row can hold: of NAME_CHARACTERS at most, an ellipsis where cut."""
    cut = text if len(text) <= NAME_CHARACTERS else f"{text[: NAME_CHARACTERS - 1]}…"
    return sanitize(cut)


def _bounded(value: object) -> object:
    """Return a detail as JSON has it, bounded."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, list | tuple):
        return [_bounded(one) for one in value[:DETAILS]]
    return bounded(str(value))


class AuditRepository:
    """The table `audit`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, entries: Sequence[AuditEntry]) -> None:
        """Add entries with their keys; those that were added before are left as they are."""
        given = [asdict(entry) for entry in entries]
        await self._database.fetch_all(ADD, {"entries": json.dumps(given, default=str)})

    async def list(
        self, asked: AuditAsked, *, limit: int, cursor: str | None = None
    ) -> Page[AuditEntry]:
        """Return entries, the newest act first.

        Raises:
            InvalidCursorError: the cursor is none of ours.
        """
        parameters = {**asdict(asked), **_cursor_parameters(cursor), "rows": limit + 1}
        rows = await self._database.fetch_all(LIST, parameters)
        return Page.cut([_entry_of(row) for row in rows], limit, _key_of)

    async def entered(self, after: int, limit: int) -> Sequence[AuditEntry]:
        """Return the next entries behind the one of this id, in the order of their ids."""
        rows = await self._database.fetch_all(ENTERED, {"after": after, "limit": limit})
        return [_entry_of(row) for row in rows]

    async def late(self, ids: Iterable[int]) -> Sequence[AuditEntry]:
        """Return those of these ids that are there."""
        rows = await self._database.fetch_all(LATE, {"ids": list(ids)})
        return [_entry_of(row) for row in rows]

    async def newest_id(self) -> int:
        """Return the highest id, 0 where there is none."""
        [(newest,)] = await self._database.fetch_all(NEWEST)
        return int(newest)


def _entry_of(row: Row) -> AuditEntry:
    at, principal, known_by, address, act, outcome, command_id, run_id, script, details, number = (
        row
    )
    return AuditEntry(
        at=at,
        principal=principal,
        known_by=known_by,
        address=address,
        act=act,
        outcome=outcome,
        command_id=command_id,
        run_id=run_id,
        script_sha256=script,
        details=details,
        id=number,
    )


def _key_of(entry: AuditEntry) -> SortKey:
    """Return an entry's place in the list; cursors have a UUID there, and here it is a number."""
    assert entry.id is not None  # it was read
    return SortKey(entry.at, UUID(int=entry.id))


def _cursor_parameters(cursor: str | None) -> dict[str, object]:
    if cursor is None:
        return {"created_at": None, "id": None}
    key = SortKey.decode(cursor)
    if key.id.int > MAX_ID:
        raise InvalidCursorError("The cursor was not made by this service.")
    return {"created_at": key.created_at, "id": key.id.int}
