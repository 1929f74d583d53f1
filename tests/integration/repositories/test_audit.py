"""The audit on a real PostgreSQL."""

import hashlib
from typing import Any
from uuid import uuid4

import pytest

from server.access import Act, Actor, AuditAsked, KnownBy, Outcome, Principal
from server.errors import DatabaseRefusedError
from server.models import CommandChange, RequestKey
from server.repositories.access.audit import AuditRepository, audit_parameters, audit_sql
from server.repositories.commands import CommandRepository
from server.repositories.database.database import Database
from server.repositories.runs import RunRepository
from server.services.access.entries import entry_of
from tests.support.access import BY

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


async def test_a_row_tells_the_group_and_the_user_that_are_not_the_default(
    database: Database,
) -> None:
    commands, runs = CommandRepository(database), RunRepository(database)
    await commands.add("n", None, "true", by=BY)
    await commands.add("n", None, "true", by=BY, group="web", run_as="nobody")
    for key in None, RequestKey("key", b"asked"):
        command, _ = await commands.add_with_run(
            "n", None, "true", host="h", by=BY, group="web", run_as="nobody", request=key
        )
    await commands.change(command.id, CommandChange(keep_description=True, group="mail"), by=BY)
    await runs.add(command.id, "true", "h", by=BY, run_as="nobody")
    await runs.add(command.id, "true", "h", by=BY)
    named, made = {"name": "n"}, {"group": "web", "run_as": "nobody"}
    assert [row[-1] for row in await rows(database)] == [
        named,
        *[named | made] * 3,
        named | {"fields": ["group"], "group": "mail"},
        {"run_as": "nobody"},
        {},
    ]


async def test_an_entry_with_hostile_names_is_added_once(database: Database) -> None:
    name = "\0\ud800\x1b\n\N{RIGHT-TO-LEFT OVERRIDE}'; --" + "x" * 1_000_000
    by = Actor(Principal(name=name, known_by=KnownBy.SESSION, label=name), name)
    entry = entry_of(Act.RUN_STOP, by, Outcome.DONE, run_id=uuid4(), details={name: name})
    audit = AuditRepository(database)
    for _ in range(2):
        await audit.add([entry, entry])
    [found] = (await audit.list(AuditAsked(run_id=entry.run_id), limit=10)).items
    assert (found.principal, found.address, found.details) == (
        *(entry.principal, entry.address, entry.details),
    )
    assert found.at == entry.at
    assert found.id is not None
