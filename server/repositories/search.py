"""The statements that list commands, all of them or those whose texts have some words."""

# ruff: noqa: S608  what is put into the SQL are lists of columns, constants of this layer

import re

from server.repositories.rows import (
    LAST_RUN,
    LISTED_COMMAND_COLUMNS,
    LISTED_RUN_COLUMNS,
    sanitize,
)

# The parameters are literals when the planner sees them: a condition that is absent costs nothing.
AFTER = "(%(id)s IS NULL OR (c.created_at, c.id) < (%(created_at)s, %(id)s))"

LIST = f"""
    SELECT {LISTED_COMMAND_COLUMNS}, {LISTED_RUN_COLUMNS} FROM (
        SELECT * FROM commands c
        WHERE {AFTER} ORDER BY c.created_at DESC, c.id DESC LIMIT %(rows)s
    ) c {LAST_RUN} ORDER BY c.created_at DESC, c.id DESC
"""

# What is common is found among the newest commands; what is rare, by the index of pieces, which
# finds all there is, in no order. Either alone is slow at the other. The index is asked for the
# longest word, which is the rarest, mostly: blanks between words may be others where they stand.
SEARCH_NEWEST = 2000
SEARCH = f"""
    WITH newest AS MATERIALIZED (
        SELECT c.id, c.created_at FROM (
            SELECT * FROM commands c
            WHERE {AFTER} ORDER BY c.created_at DESC, c.id DESC LIMIT %(newest)s
        ) c
        WHERE c.searched LIKE lower(%(pattern)s)
        ORDER BY c.created_at DESC, c.id DESC LIMIT %(rows)s
    ), indexed AS MATERIALIZED (
        SELECT c.id, c.created_at FROM commands c
        WHERE (SELECT count(*) FROM newest) < %(rows)s AND {AFTER}
            AND commands_pieces(c.searched, 1) @> commands_pieces(lower(%(longest)s), 3)
            AND c.searched LIKE lower(%(pattern)s)
    )
    SELECT {LISTED_COMMAND_COLUMNS}, {LISTED_RUN_COLUMNS} FROM (
        SELECT * FROM newest WHERE (SELECT count(*) FROM newest) = %(rows)s
        UNION ALL SELECT * FROM indexed
        ORDER BY created_at DESC, id DESC LIMIT %(rows)s
    ) found JOIN commands c ON c.id = found.id {LAST_RUN}
    ORDER BY c.created_at DESC, c.id DESC
"""


def listing(query: str, *, newest: int) -> tuple[str, dict[str, object]]:
    """Return the statement that lists the commands with these words, and its parameters for that.

    Without words it lists all. The `newest` commands are searched before the index is. A page takes
    `rows`, and `created_at` and `id` of `SortKey.parameters`.
    """
    words = sanitize(query).split()
    if not words:
        return LIST, {}
    # Anything may stand between two words. What has a meaning in LIKE is escaped.
    escaped = [re.sub(r"([\\%_])", r"\\\1", word) for word in words]
    pattern = f"%{'%'.join(escaped)}%"
    return SEARCH, {"newest": newest, "longest": max(words, key=len), "pattern": pattern}
