"""The statements that list runs, all of them or those of some groups of commands."""

# ruff: noqa: S608  what is put into the SQL are lists of columns, constants of this layer

from collections.abc import Set as AbstractSet
from uuid import UUID

from server.repositories.rows import LISTED_RUN_COLUMNS

# The parameters are literals when the planner sees them: a condition that is absent costs nothing.
ASKED = """
    (%(state)s IS NULL OR r.state = %(state)s)
    AND (%(command_id)s IS NULL OR r.commands_id = %(command_id)s)
    AND (%(id)s IS NULL OR (r.created_at, r.id) < (%(created_at)s, %(id)s))
"""

LIST = f"""
    SELECT {LISTED_RUN_COLUMNS} FROM commands_info r
    WHERE {ASKED}
    ORDER BY r.created_at DESC, r.id DESC LIMIT %(rows)s
"""

OF_COMMAND = f"""
    SELECT {LISTED_RUN_COLUMNS} FROM commands_info r
    WHERE {ASKED} AND EXISTS (
        SELECT FROM commands c
        WHERE c.id = %(command_id)s AND c.group_name = ANY(%(groups)s::text[])
    )
    ORDER BY r.created_at DESC, r.id DESC LIMIT %(rows)s
"""

# A run has no group of its own: its command may be moved, with any number of runs. Of groups that
# many runs are of, a page is found among the newest; of others, command by command. Either alone is
# slow at the other.
NEWEST = 1000
OF_GROUPS = f"""
    WITH newest AS MATERIALIZED (
        SELECT r.id, r.created_at, r.commands_id FROM commands_info r
        WHERE {ASKED} ORDER BY r.created_at DESC, r.id DESC LIMIT %(newest)s
    ), among AS MATERIALIZED (
        SELECT n.id, n.created_at FROM newest n JOIN commands c ON c.id = n.commands_id
        WHERE c.group_name = ANY(%(groups)s::text[])
        ORDER BY n.created_at DESC, n.id DESC LIMIT %(rows)s
    ), further AS (
        SELECT r.id, r.created_at FROM commands c CROSS JOIN LATERAL (
            SELECT r.id, r.created_at FROM commands_info r
            WHERE r.commands_id = c.id AND {ASKED}
            ORDER BY r.created_at DESC, r.id DESC LIMIT %(rows)s
        ) r
        WHERE c.group_name = ANY(%(groups)s::text[])
            AND (SELECT count(*) FROM among) < %(rows)s
            AND (SELECT count(*) FROM newest) = %(newest)s
    ), found AS (
        SELECT id, created_at FROM among UNION SELECT id, created_at FROM further
        ORDER BY created_at DESC, id DESC LIMIT %(rows)s
    )
    SELECT {LISTED_RUN_COLUMNS} FROM found JOIN commands_info r ON r.id = found.id
    ORDER BY r.created_at DESC, r.id DESC
"""


def run_listing(
    command_id: UUID | None, groups: AbstractSet[str] | None, *, newest: int
) -> tuple[str, dict[str, object]]:
    """Return the statement that lists runs, and its parameters for `groups`, None for every one.

    A page takes `state`, `command_id`, `rows`, and `created_at` and `id` of `SortKey.parameters`.
    """
    if groups is None:
        return LIST, {}
    named: dict[str, object] = {"groups": sorted(groups)}
    return (OF_GROUPS, named | {"newest": newest}) if command_id is None else (OF_COMMAND, named)
