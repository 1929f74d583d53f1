"""Rows of the audit as they are made of an act, and as lines of JSON. Pure."""

import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

from server.access import Act, Actor, AuditEntry, KnownBy, Outcome
from server.errors import (
    ConflictError,
    CredentialRefusedError,
    LimitReachedError,
    NotFoundError,
    TooManyGuessesError,
)
from server.repositories.access.audit import all_details, bounded

REFUSALS = (
    ConflictError,
    CredentialRefusedError,
    LimitReachedError,
    NotFoundError,
    TooManyGuessesError,
)

SEVERAL = "several"
"""The principal of a row that counts what several may have done."""


def entry_of(
    act: Act,
    by: Actor,
    outcome: Outcome,
    *,
    command_id: UUID | None = None,
    run_id: UUID | None = None,
    details: Mapping[str, object] | None = None,
) -> AuditEntry:
    """Make an entry of an act of this moment, with a key of its own."""
    return AuditEntry(
        at=datetime.now(UTC),
        principal=bounded(by.principal.name),
        known_by=by.principal.known_by.value,
        address=bounded(by.address),
        act=act.value,
        outcome=outcome.value,
        command_id=command_id,
        run_id=run_id,
        details=all_details(by.principal, details),
        key=uuid4(),
    )


def further(act: Act, number: int) -> AuditEntry:
    """Make the entry that counts acts which have none of their own, as there were too many."""
    return AuditEntry(
        at=datetime.now(UTC),
        principal=SEVERAL,
        known_by=KnownBy.NOBODY.value,
        address="",
        act=act.value,
        outcome=Outcome.REFUSED.value,
        details={"further": number},
        key=uuid4(),
    )


def ended(entry: AuditEntry, outcome: Outcome, why: str | None = None) -> AuditEntry:
    """Return the entry with what became of the act."""
    details = entry.details if why is None else {**entry.details, "why": bounded(why)}
    return replace(entry, outcome=outcome.value, details=details)


def outcome_of(error: Exception) -> Outcome:
    """Return what an act's error makes of it: its thing, or a limit, forbade it; or it failed."""
    return Outcome.REFUSED if isinstance(error, REFUSALS) else Outcome.FAILED


def json_line(entry: AuditEntry) -> bytes:
    """Write an entry as a line of JSON in ASCII: no name in it can move a terminal's cursor."""
    fields = asdict(entry)
    del fields["key"]
    return _line({"id": fields.pop("id"), **fields})


def record(entry: AuditEntry) -> bytes:
    """Write an entry that is not entered yet as a line that `entry_in` reads."""
    fields = asdict(entry)
    del fields["id"]
    return _line(fields)


def entry_in(line: bytes) -> AuditEntry:
    """Read what `record` has written.

    Raises:
        ValueError: it is something else.
    """
    try:
        fields: dict[str, Any] = json.loads(line)
        ids = {
            name: None if fields[name] is None else UUID(fields[name])
            for name in ("command_id", "run_id")
        }
        at, key = datetime.fromisoformat(fields["at"]), UUID(fields["key"])
        return AuditEntry(**{**fields, **ids, "at": at, "key": key})
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError("no entry of the audit") from error


def _line(fields: Mapping[str, object]) -> bytes:
    return json.dumps(fields, default=_text, separators=(",", ":")).encode("ascii") + b"\n"


def _text(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)
