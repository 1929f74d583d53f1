"""What a row of the audit holds of an act: bounded, whatever its names are."""

import json
from datetime import UTC, datetime
from uuid import UUID

from server.access import Act, Actor, KnownBy, Outcome, Principal
from server.repositories.access.audit import (
    DETAILS,
    NAME_CHARACTERS,
    audit_parameters,
    audit_sql,
)

NOW = datetime(2026, 1, 2, 3, 4, 5, 678901, UTC)
TOKEN = UUID(int=7)


def actor(name: str = "local:alice", label: str | None = None) -> Actor:
    token = Principal(name=name, known_by=KnownBy.TOKEN, credential=TOKEN, label=label)
    return Actor(token, "192.0.2.1")


def test_a_row_says_who_did_what_with_which_credential() -> None:
    found = audit_parameters(
        Act.COMMAND_DELETE, actor(label="ci"), outcome=Outcome.REFUSED, details={"a": 1}, at=NOW
    )
    details = json.loads(str(found.pop("audit_details")))
    assert details == {"label": "ci", "credential": str(TOKEN), "a": 1}
    assert found == {
        "audit_at": NOW,
        "audit_principal": "local:alice",
        "audit_known_by": "token",
        "audit_address": "192.0.2.1",
        "audit_act": "command.delete",
        "audit_outcome": "refused",
    }


def test_hostile_names_are_cut_and_can_be_stored() -> None:
    name = "\0\ud800\x1b[31m\N{RIGHT-TO-LEFT OVERRIDE}" + "x" * 1_000_000
    given = {name: [name] * 1000, "deep": {"a": name}, **{f"n{one}": one for one in range(1000)}}
    found = audit_parameters(Act.DENIED, actor(name, name), details=given)
    assert len(str(found["audit_principal"])) == NAME_CHARACTERS
    assert len(str(found["audit_details"])) < 100_000
    assert "\0" not in str(found["audit_principal"])
    details = json.loads(str(found["audit_details"]))
    assert len(details) == DETAILS + 2
    json.dumps(details, ensure_ascii=False).encode()  # no lone surrogate
    assert "\0" not in json.dumps(details, ensure_ascii=False)
    assert "\\u0000" not in str(found["audit_details"])  # jsonb has none


def test_the_fragment_can_stand_in_what_is_formatted() -> None:
    assert audit_sql("made", name="made.name").format() == audit_sql("made", name="made.name")
