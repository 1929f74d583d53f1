"""Lists of somebody who sees a few things among many are read off indexes."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from server.models import EVERY_RUN, RunFilter, RunState
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
    INSERT INTO commands_info (
        commands_id, host, state, exitcode, created_at, start_time, end_time
    ) SELECT id, 'here', 'succeeded', 0, created_at, created_at, created_at FROM commands
    """,
    "ANALYZE commands, commands_info",
)
FIRST = UUID("00000000-0000-4000-8000-000000000001")
RARE = """
    UPDATE commands_info SET state = 'lost', exitcode = 77, reason = 'the disk is full',
        end_time = start_time + interval '1 hour',
        retry_of = '00000000-0000-4000-8000-000000000001', pool = 'build', host = 'rare'
    WHERE id IN (SELECT id FROM commands_info ORDER BY created_at DESC LIMIT 5)
    RETURNING id
"""
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
    for states in [(), (RunState.SUCCEEDED,), (RunState.FAILED,), (RunState.FAILED, RunState.LOST)]:
        with subtests.test(f"runs in {states}"):
            sql, asked = run_listing(RunFilter(states=frozenset(states)), SMALL, newest=NEWEST)
            plan, count = await explained(many, sql, asked | PAGE)
            assert "Seq Scan" not in plan, plan
            assert count == (0 if RunState.FAILED in states else SMALL_ONES)


async def test_who_sees_every_group_is_answered_as_if_there_were_none(many: Database) -> None:
    for sql, asked in [
        listing("", None, newest=SEARCH_NEWEST),
        listing("backup", None, newest=SEARCH_NEWEST),
        run_listing(EVERY_RUN, None, newest=NEWEST),
    ]:
        plan, count = await explained(many, sql, {**PAGE, **asked})
        assert "group_name" not in plan.replace("c.group_name", "")
        assert "commands_group" not in plan
        assert count == 51


async def test_rare_runs_are_read_off_an_index(many: Database, subtests: pytest.Subtests) -> None:
    """Whatever they are rare by: no list of a few runs reads the table through."""
    await many.fetch_all(RARE)
    now = datetime.now(UTC)
    rare = {
        "exit code": RunFilter(exitcode=77),
        "pool": RunFilter(pool="build"),
        "host, by states": RunFilter(host="rare", states=frozenset({RunState.LOST})),
        "attempt before": RunFilter(retry_of=FIRST),
        "duration": RunFilter(min_seconds=3000),
        "reason": RunFilter(reason="DISK"),
        "states": RunFilter(states=frozenset({RunState.LOST, RunState.STOPPED})),
        "time": RunFilter(since=now - timedelta(minutes=5.5)),
        "both": RunFilter(states=frozenset({RunState.LOST, RunState.STOPPED}), reason="disk"),
    }
    for name, wanted in rare.items():
        with subtests.test(name):
            sql, asked = run_listing(wanted, None, newest=NEWEST)
            plan, count = await explained(many, sql, asked | PAGE)
            assert "Seq Scan" not in plan, plan
            assert count == 5


async def test_commands_by_their_ids_are_read_off_an_index(many: Database) -> None:
    ids = {row[0] for row in await many.fetch_all("SELECT id FROM commands LIMIT 50")}
    for groups, found in [(None, 50), (frozenset({"none"}), 0)]:
        sql, asked = listing("", groups, ids=ids, newest=SEARCH_NEWEST)
        plan, count = await explained(many, sql, asked | PAGE)
        assert "Seq Scan" not in plan, plan
        assert count == found


async def test_the_state_of_newest_runs_is_read_off_an_index(many: Database) -> None:
    await many.fetch_all(RARE)
    for query in ["", "backup"]:
        sql, asked = listing(query, None, {RunState.LOST, RunState.FAILED}, newest=SEARCH_NEWEST)
        plan, count = await explained(many, sql, asked | PAGE)
        assert "Seq Scan on commands_info" not in plan, plan
        assert count == 5
