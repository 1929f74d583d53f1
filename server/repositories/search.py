"""The statements that list commands, all of them or those whose texts have some words."""

# ruff: noqa: S608  what is put into the SQL are lists of columns, constants of this layer

from collections.abc import Set as AbstractSet
from uuid import UUID

from server.models import RunState
from server.repositories.rows import LAST_RUN, LISTED_COMMAND_COLUMNS, LISTED_RUN_COLUMNS
from server.repositories.words import like, words_of

# The parameters are literals when the planner sees them: a condition that is absent costs nothing.
AFTER = "(%(id)s IS NULL OR (c.created_at, c.id) < (%(created_at)s, %(id)s))"

# The newest run of each command is found by index, and no further command than the page needs.
IN_STATES = """(
    SELECT r.state FROM commands_info r WHERE r.commands_id = c.id
    ORDER BY r.created_at DESC, r.id DESC LIMIT 1
) = ANY(%(states)s::text[])"""

OF_IDS = "c.id = ANY(%(ids)s::uuid[])"

EXACTLY = "(%(key)s IS NULL OR c.key = %(key)s) AND (%(name)s IS NULL OR c.name = %(name)s)"

NEWEST = f"""
    SELECT * FROM commands c
    WHERE {AFTER} AND {{which}} ORDER BY c.created_at DESC, c.id DESC LIMIT {{limit}}
"""

# Each group's newest are read off its index, however many commands the others have.
NEWEST_OF_GROUPS = f"""
    SELECT c.* FROM unnest(%(groups)s::text[]) one (group_name) CROSS JOIN LATERAL (
        SELECT * FROM commands c WHERE c.group_name = one.group_name AND {AFTER} AND {{which}}
        ORDER BY c.created_at DESC, c.id DESC LIMIT {{limit}}
    ) c ORDER BY c.created_at DESC, c.id DESC LIMIT {{limit}}
"""

LIST = f"""
    SELECT {LISTED_COMMAND_COLUMNS}, {LISTED_RUN_COLUMNS} FROM (
        {{newest}}
    ) c {LAST_RUN} ORDER BY c.created_at DESC, c.id DESC
"""

# What is common is found among the newest commands; what is rare, by the index of pieces, which
# finds all there is, in no order. Either alone is slow at the other. The index is asked for the
# longest word, which is the rarest, mostly: blanks between words may be others where they stand.
SEARCH_NEWEST = 2000
SEARCH = f"""
    WITH newest AS MATERIALIZED (
        SELECT c.id, c.created_at FROM (
            {{newest}}
        ) c
        WHERE c.searched LIKE lower(%(pattern)s) AND {{which}}
        ORDER BY c.created_at DESC, c.id DESC LIMIT %(rows)s
    ), indexed AS MATERIALIZED (
        SELECT c.id, c.created_at FROM commands c
        WHERE (SELECT count(*) FROM newest) < %(rows)s AND {AFTER} AND {{of_groups}}
            AND commands_pieces(c.searched, 1) @> commands_pieces(lower(%(longest)s), 3)
            AND c.searched LIKE lower(%(pattern)s) AND {{which}}
    )
    SELECT {LISTED_COMMAND_COLUMNS}, {LISTED_RUN_COLUMNS} FROM (
        SELECT * FROM newest WHERE (SELECT count(*) FROM newest) = %(rows)s
        UNION ALL SELECT * FROM indexed
        ORDER BY created_at DESC, id DESC LIMIT %(rows)s
    ) found JOIN commands c ON c.id = found.id {LAST_RUN}
    ORDER BY c.created_at DESC, c.id DESC
"""


def listing(
    query: str,
    groups: AbstractSet[str] | None = None,
    states: AbstractSet[RunState] = frozenset(),
    ids: AbstractSet[UUID] = frozenset(),
    key: str | None = None,
    name: str | None = None,
    *,
    newest: int,
) -> tuple[str, dict[str, object]]:
    """Return the statement that lists the commands with these words, and its parameters for that.

    Without words it lists all; of `groups` alone, where they are not None; of those whose newest
    run is in one of `states`, and whose id is one of `ids`, where there are any; of those with this
    `key` and this `name`, where they are not None. The `newest` commands are searched before the
    index is. A page takes `rows`, and `created_at` and `id` of `SortKey.parameters`.
    """
    first = NEWEST if groups is None else NEWEST_OF_GROUPS
    parameters: dict[str, object] = {} if groups is None else {"groups": sorted(groups)}
    if states:
        parameters["states"] = sorted(states)
    if ids:
        parameters["ids"] = sorted(ids)
    parameters |= {"key": key, "name": name}
    which = " AND ".join([*[OF_IDS] * bool(ids), *[IN_STATES] * bool(states), EXACTLY])
    # A name's words are found by the index of pieces, which stands in for one of whole names.
    words = words_of(query) or words_of(name or "")
    if not words:
        newest_sql = first.format(limit="%(rows)s", which=which)
        return LIST.format(newest=newest_sql), parameters
    sql = SEARCH.format(
        newest=first.format(limit="%(newest)s", which="true"),
        of_groups="true" if groups is None else "c.group_name = ANY(%(groups)s::text[])",
        which=which,
    )
    parameters |= {"newest": newest, "longest": max(words, key=len), "pattern": like(words)}
    return sql, parameters
