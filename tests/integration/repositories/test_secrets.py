"""The values of secrets: read for a start, and gone with the end, whichever statement stores it."""

import importlib
import pkgutil
import re
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from server import repositories
from server.definition import NewRun, Options, Parameter, ParameterType, Retries
from server.models import Advance, Command, Run, RunEnd, RunState
from server.repositories.commands import CommandRepository
from server.repositories.database.database import Database
from server.repositories.output import OutputRepository
from server.repositories.runs import RunRepository
from tests.support.access import BY

NOW = datetime(2026, 1, 2, 3, 4, 5, 678901, UTC)
SECRETS = {"PASSWORD": "hunter2 \N{SNOWMAN}"}
PARAMETERS = (Parameter(name="PASSWORD", type=ParameterType.SECRET),)
END = RunEnd(RunState.STOPPED, NOW)

ENDING = re.compile(r"UPDATE commands_info\b.*\bend_time = ", re.DOTALL)

End = Callable[[Database, Run], Awaitable[object]]


async def by_the_archive(database: Database, run: Run) -> None:
    end = Advance(run.id, run.epoch, 0, 0, 0, end=END)
    assert await OutputRepository(database).append([end]) == {run.id}


async def in_the_queue(database: Database, run: Run) -> None:
    assert await RunRepository(database).finish_queued(run.id, END)


async def by_a_user_without_its_server(database: Database, run: Run) -> None:
    assert await RunRepository(database).end_unfollowed(run, "nobody follows it")


ENDS = [by_the_archive, in_the_queue, by_a_user_without_its_server]


@pytest.fixture
async def command(database: Database) -> Command:
    return await CommandRepository(database).add("name", None, "true", by=BY)


async def stored(database: Database, command: Command, **options: Any) -> Run:
    new = NewRun(options=Options(parameters=PARAMETERS, **options), secrets=SECRETS)
    return await RunRepository(database).add(command.id, "true", "here", new=new, by=BY)


@pytest.mark.parametrize("end", ENDS)
async def test_they_are_gone_with_the_end(database: Database, command: Command, end: End) -> None:
    run, runs = await stored(database, command), RunRepository(database)
    assert await runs.secrets(run.id) == SECRETS
    await end(database, run)
    assert await runs.secrets(run.id) == {}


@pytest.mark.parametrize("end", ENDS)
async def test_they_are_kept_for_a_run_that_may_be_tried_again(
    database: Database, command: Command, end: End
) -> None:
    run = await stored(database, command, retries=Retries(limit=1))
    await end(database, run)
    assert await RunRepository(database).secrets(run.id) == SECRETS


async def test_a_step_of_the_archive_leaves_them(database: Database, command: Command) -> None:
    run = await stored(database, command)
    step = Advance(run.id, run.epoch, 0, 0, 0, start_time=NOW)
    assert await OutputRepository(database).append([step]) == {run.id}
    assert await RunRepository(database).secrets(run.id) == SECRETS


async def test_a_first_run_is_stored_with_them_and_no_model_has_them(database: Database) -> None:
    commands, runs = CommandRepository(database), RunRepository(database)
    new = NewRun(options=Options(parameters=PARAMETERS), secrets=SECRETS)
    command, run = await commands.add_with_run("n", None, "true", host="h", new=new, by=BY)
    assert await runs.secrets(run.id) == SECRETS
    values = [command, run, await runs.get(run.id), await commands.get(command.id), new]
    assert "hunter2" not in repr(values)


def test_each_statement_that_stores_an_end_takes_them_away() -> None:
    """Also one that is written some day."""
    names = [
        one.name for one in pkgutil.walk_packages(repositories.__path__, "server.repositories.")
    ]
    statements = [
        (f"{name}.{constant}", sql)
        for name in names
        for constant, sql in vars(importlib.import_module(name)).items()
        if isinstance(sql, str) and ENDING.search(sql)
    ]
    assert len(statements) >= len(ENDS)
    for name, sql in statements:
        assert "secrets = " in sql, name
