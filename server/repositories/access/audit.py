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
from collections.abc import Mapping
from datetime import UTC, datetime

from server.access import Act, Actor, Outcome, Principal
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
