"""The audit on a real PostgreSQL."""

import hashlib
from typing import Any
from uuid import uuid4

import pytest

from server.access import EVERYBODY, Act, Actor
from server.errors import DatabaseRefusedError
from server.repositories.access.audit import audit_parameters, audit_sql
from server.repositories.database.database import Database

BY = Actor(EVERYBODY, "192.0.2.1")
NAME = "\x1b[31m\N{RIGHT-TO-LEFT OVERRIDE}" + "x" * 100_000


async def add(database: Database, *, here: bool = True, **fields: object) -> None:
    """Do what an act's statement does."""
    made = "SELECT %(command)s AS command, %(script)s AS script, %(name)s AS name WHERE %(here)s"
    audited = audit_sql("made", command="command::uuid", script="script", name="name")
    given = {"command": str(uuid4()), "script": "true", "name": "n", "here": here, **fields}
    await database.fetch_all(
        f"WITH made AS ({made}), audited AS ({audited}) SELECT FROM made",
        given | audit_parameters(Act.COMMAND_CHANGE, BY),
    )


async def rows(database: Database) -> list[tuple[Any, ...]]:
    return await database.fetch_all(
        "SELECT principal, known_by, address, act, outcome, script_sha256, details FROM audit"
    )


async def test_a_statement_adds_a_row_for_each_of_its_own(database: Database) -> None:
    await add(database, script="echo ä", name=NAME)
    [(principal, known_by, address, act, outcome, script, details)] = await rows(database)
    assert (principal, known_by, address) == ("everybody", "everybody", "192.0.2.1")
    assert (act, outcome) == ("command.change", "done")
    assert bytes(script) == hashlib.sha256("echo ä".encode()).digest()
    assert details == {"name": NAME[:200]}
    await add(database, here=False)
    assert len(await rows(database)) == 1


@pytest.mark.parametrize(
    "statement", ["UPDATE audit SET outcome = 'failed'", "DELETE FROM audit", "TRUNCATE audit"]
)
async def test_rows_are_neither_changed_nor_deleted(database: Database, statement: str) -> None:
    await add(database)
    with pytest.raises(DatabaseRefusedError):
        await database.fetch_all(f"{statement}; SELECT 1")
    assert [row[4] for row in await rows(database)] == ["done"]
