"""The statements that list runs, all of them or those of some groups of commands."""

# ruff: noqa: S608  what is put into the SQL are lists of columns, constants of this layer

from collections.abc import Set as AbstractSet
from datetime import UTC, datetime, timedelta

from server.models import RunFilter
from server.repositories.rows import LISTED_RUN_COLUMNS
from server.repositories.words import like, words_of

# The parameters are literals when the planner sees them: a condition that is absent costs nothing.
ASKED = """
    (%(command_id)s IS NULL OR r.commands_id = %(command_id)s)
    AND (%(since)s IS NULL OR r.created_at >= %(since)s)
    AND (%(until)s IS NULL OR r.created_at < %(until)s)
    AND (%(exitcode)s IS NULL OR r.exitcode = %(exitcode)s)
    AND (%(retry_of)s IS NULL OR r.retry_of = %(retry_of)s)
    AND (%(host)s IS NULL OR r.host = %(host)s)
    AND (%(pool)s IS NULL OR r.pool = %(pool)s)
    AND (%(at_least)s IS NULL OR r.end_time - r.start_time >= %(at_least)s::interval
        OR (r.state = 'running' AND r.start_time <= %(now)s - %(at_least)s::interval))
    AND (%(at_most)s IS NULL OR r.end_time - r.start_time <= %(at_most)s::interval
        OR (r.state = 'running' AND r.start_time >= %(now)s - %(at_most)s::interval))
    AND (%(pattern)s IS NULL OR lower(r.reason) LIKE lower(%(pattern)s))
    AND (%(id)s IS NULL OR (r.created_at, r.id) < (%(created_at)s, %(id)s))
"""

NEWEST_FIRST = "ORDER BY r.created_at DESC, r.id DESC"

IN_ONE_STATE = f"""
    SELECT {{columns}} FROM commands_info r
    WHERE (%(state)s IS NULL OR r.state = %(state)s) AND {ASKED} AND {{more}}
    {NEWEST_FIRST} LIMIT {{limit}}
"""

# Each state's newest are read off its index, however many runs the others have.
IN_SOME_STATES = f"""
    SELECT {{columns}} FROM unnest(%(states)s::text[]) one (state) CROSS JOIN LATERAL (
        SELECT * FROM commands_info r WHERE r.state = one.state AND {ASKED} AND {{more}}
        {NEWEST_FIRST} LIMIT {{limit}}
    ) r {NEWEST_FIRST} LIMIT {{limit}}
"""

OF_COMMAND = """EXISTS (
    SELECT FROM commands c
    WHERE c.id = %(command_id)s AND c.group_name = ANY(%(groups)s::text[])
)"""

# A run has no group of its own: its command may be moved, with any number of runs. Of groups that
# many runs are of, a page is found among the newest; of others, command by command. Either alone is
# slow at the other.
NEWEST = 1000
OF_GROUPS = f"""
    WITH newest AS MATERIALIZED (
        {{newest}}
    ), among AS MATERIALIZED (
        SELECT n.id, n.created_at FROM newest n JOIN commands c ON c.id = n.commands_id
        WHERE c.group_name = ANY(%(groups)s::text[])
        ORDER BY n.created_at DESC, n.id DESC LIMIT %(rows)s
    ), further AS (
        SELECT r.id, r.created_at FROM commands c CROSS JOIN LATERAL (
            {{of_command}}
        ) r
        WHERE c.group_name = ANY(%(groups)s::text[])
            AND (SELECT count(*) FROM among) < %(rows)s
            AND (SELECT count(*) FROM newest) = %(newest)s
    ), found AS (
        SELECT id, created_at FROM among UNION SELECT id, created_at FROM further
        ORDER BY created_at DESC, id DESC LIMIT %(rows)s
    )
    SELECT {LISTED_RUN_COLUMNS} FROM found JOIN commands_info r ON r.id = found.id
    {NEWEST_FIRST}
"""


def run_listing(
    asked: RunFilter, groups: AbstractSet[str] | None, *, newest: int
) -> tuple[str, dict[str, object]]:
    """Return the statement that lists runs, and its parameters for `groups`, None for every one.

    A page takes `rows`, and `created_at` and `id` of `SortKey.parameters`.
    """
    listed = IN_SOME_STATES if len(asked.states) > 1 else IN_ONE_STATE
    parameters = _parameters(asked)
    if groups is None:
        return listed.format(columns=LISTED_RUN_COLUMNS, more="true", limit="%(rows)s"), parameters
    parameters |= {"groups": sorted(groups), "newest": newest}
    if asked.command_id is not None:
        sql = listed.format(columns=LISTED_RUN_COLUMNS, more=OF_COMMAND, limit="%(rows)s")
        return sql, parameters
    columns = "r.id, r.created_at, r.commands_id"
    sql = OF_GROUPS.format(
        newest=listed.format(columns=columns, more="true", limit="%(newest)s"),
        of_command=listed.format(columns=columns, more="r.commands_id = c.id", limit="%(rows)s"),
    )
    return sql, parameters


def _parameters(asked: RunFilter) -> dict[str, object]:
    words = words_of(asked.reason)
    states = sorted(asked.states)
    return {
        "state": states[0] if len(states) == 1 else None,
        "states": states,
        "command_id": asked.command_id,
        "since": asked.since,
        "until": asked.until,
        "exitcode": asked.exitcode,
        "retry_of": asked.retry_of,
        "host": asked.host,
        "pool": asked.pool,
        "at_least": _seconds(asked.min_seconds),
        "at_most": _seconds(asked.max_seconds),
        "now": datetime.now(UTC),
        "pattern": like(words) if words else None,
    }


def _seconds(given: float | None) -> timedelta | None:
    return None if given is None else timedelta(seconds=given)
