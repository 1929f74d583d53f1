"""Lists of somebody who sees a few things among many are read off indexes."""

import pytest

from server.repositories.database.database import Database
from server.repositories.page import SortKey
from server.repositories.run_lists import NEWEST, run_listing
from server.repositories.search import SEARCH_NEWEST, listing
from tests.support.postgres import execute

SMALL_ONES = 10
MANY = (
    """
    INSERT INTO commands (name, description, script, group_name, created_at)
    SELECT 'backup ' || n, 'the words', repeat('echo line; ', 100),
        CASE WHEN n % 500 = 0 THEN 'small' ELSE 'big' END, now() - n * interval '1 minute'
    FROM generate_series(1, 5000) n
    """,
    """
    INSERT INTO commands_info (commands_id, exitcode, created_at, start_time)
    SELECT id, 0, created_at, created_at FROM commands
    """,
    "ANALYZE commands, commands_info",
)
PAGE = {**SortKey.parameters(None), "rows": 51}
SMALL = frozenset({"small"})


@pytest.fixture
def many(database_url: str, database: Database) -> Database:
    """Store many commands, of which few are of the group `small`, with a run each."""
    execute(database_url, *MANY)
    return database


async def explained(database: Database, sql: str, parameters: dict[str, object]) -> tuple[str, int]:
    """Return how a statement is carried out, and how many rows it returns."""
    rows = await database.fetch_all(sql, parameters)
    plan = await database.fetch_all(f"EXPLAIN {sql}", parameters)
    return "\n".join(line for (line,) in plan), len(rows)


async def test_who_sees_a_small_group_reads_no_table_through(
    many: Database, subtests: pytest.Subtests
) -> None:
    for query in ["", "backup", "nothing like it"]:
        with subtests.test(f"commands with {query!r}"):
            sql, asked = listing(query, SMALL, newest=100)
            plan, count = await explained(many, sql, {**PAGE, **asked})
            assert "Seq Scan" not in plan, plan
            assert count == (0 if "nothing" in query else SMALL_ONES)
    for state in [None, "succeeded", "failed"]:
        with subtests.test(f"runs in {state}"):
            sql, asked = run_listing(None, SMALL, newest=NEWEST)
            asked |= {**PAGE, "state": state, "command_id": None}
            plan, count = await explained(many, sql, asked)
            assert "Seq Scan" not in plan, plan
            assert count == (0 if state == "failed" else SMALL_ONES)


async def test_who_sees_every_group_is_answered_as_if_there_were_none(many: Database) -> None:
    for sql, asked in [
        listing("", None, newest=SEARCH_NEWEST),
        listing("backup", None, newest=SEARCH_NEWEST),
        run_listing(None, None, newest=NEWEST),
    ]:
        plan, count = await explained(
            many, sql, {"state": None, "command_id": None, **PAGE, **asked}
        )
        assert "group_name" not in plan.replace("c.group_name", "")
        assert "commands_group" not in plan
        assert count == 51
