"""The statements that store, change and delete a command, each with its row of the audit."""

# ruff: noqa: S608  what is put into the SQL are lists of columns, constants of this layer

from server.access import Act, Outcome
from server.repositories.access.audit import audit_sql
from server.repositories.rows import (
    COMMAND_COLUMNS,
    LAST_RUN,
    LISTED_RUN_COLUMNS,
    RUN_COLUMNS,
)
from server.repositories.run_statements import insert_run

# All times are of this host's clock, as its runs' are (repositories.runs): a first run is as old as
# its command, whatever the database's clock says.
NEW_COMMAND = f"""
    INSERT INTO commands AS c (
        id, name, description, script, group_name, run_as, key, options, created_at, updated_at
    )
    SELECT %(command_id)s, %(name)s, %(description)s, %(script)s, %(group)s, %(run_as)s,
        %(key)s, %(options)s::jsonb, %(now)s, %(now)s
    FROM request
    RETURNING {COMMAND_COLUMNS}
"""

ADD = f"""
    WITH request AS ({{request}}), c AS ({NEW_COMMAND}), audited AS (
        {audit_sql("c", command="c.id", script="c.script", name="c.name")}
    )
    SELECT {COMMAND_COLUMNS} FROM c
"""

# A first run has its turn.
CLAIMED = "CASE WHEN %(options)s::jsonb ? 'concurrency' THEN %(now)s END"

ADD_WITH_RUN = f"""
    WITH request AS ({{request}}), c AS ({NEW_COMMAND}), r AS (
        {insert_run("c", commands_id="c.id", claimed_at=CLAIMED)}
    ), audited AS (
        {audit_sql("c", command="c.id", run="%(run_id)s", script="c.script", name="c.name")}
    )
    SELECT {COMMAND_COLUMNS}, {RUN_COLUMNS} FROM c, r
"""

# Without a key, those that come at the same time are one statement and one commit. Each request
# is one act, and one row of the audit: the creation's, which has the run's id as well. A column of
# VALUES that has nothing but NULL is text, whatever it is for.
GIVEN_BY_ROW = {
    "at": "now",
    "principal": "principal",
    "known_by": "known_by",
    "address": "address",
    "act": f"'{Act.COMMAND_CREATE.value}'",
    "outcome": f"'{Outcome.DONE.value}'",
    "details": "details",
}
AUDITED_ROWS = audit_sql(
    "given", command="command_id", run="run_id", script="script", name="name", given=GIVEN_BY_ROW
)
RUN_BY_ROW = {
    "id": "run_id",
    "commands_id": "command_id",
    "script": "script",
    "run_as": "run_as",
    "options": "options::jsonb",
    "parameters": "parameters::jsonb",
    "secrets": "secrets::jsonb",
    "cause": "NULL",
    "attempt": "NULL",
    "retry_of": "NULL",
    "not_before": "NULL",
    "claimed_at": "CASE WHEN options::jsonb ? 'concurrency' THEN now END",
    "host": "CASE WHEN pool IS NULL THEN host END",
    "pool": "pool",
    "requires": "requires::text[]",
    "held_at": "CASE WHEN pool IS NOT NULL THEN now() END",
    "created_at": "now",
    "start_time": "now",
}
ADD_WITH_RUNS = f"""
    WITH given (
        command_id, run_id, name, description, script, group_name, run_as, key, options,
        parameters, secrets, host, pool, requires, now, principal, known_by, address, details
    ) AS (
        VALUES {{rows}}
    ), c AS (
        INSERT INTO commands AS c (
            id, name, description, script, group_name, run_as, key, options, created_at, updated_at
        )
        SELECT command_id, name, description, script, group_name, run_as, key, options::jsonb, now,
            now
        FROM given
        RETURNING {COMMAND_COLUMNS}
    ), r AS (
        {insert_run("given", **RUN_BY_ROW)}
    ), audited AS ({AUDITED_ROWS})
    SELECT {COMMAND_COLUMNS}, {RUN_COLUMNS} FROM c JOIN r ON r.commands_id = c.id
"""

GET = f"SELECT {COMMAND_COLUMNS} FROM commands c WHERE c.id = %(id)s"

OF_KEY = f"SELECT {COMMAND_COLUMNS} FROM commands c WHERE c.key = %(key)s"

GET_WITH_LAST_RUN = f"""
    SELECT {COMMAND_COLUMNS}, {LISTED_RUN_COLUMNS} FROM commands c {LAST_RUN} WHERE c.id = %(id)s
"""

LABELS = "SELECT id, name, group_name FROM commands WHERE id = ANY(%(ids)s::uuid[])"

CHANGED_OPTIONS = """nullif(
    coalesce(c.options, '{}') - %(unset)s::text[] || %(set)s::jsonb, '{}'
)"""

# Who may not say whom runs are started as may not say what that user executes, either. What is
# left out here changes how many runs there are, and who is told of them.
RUNS_AS_BEFORE = f"""(
    coalesce(%(script)s, c.script) = c.script AND (
        %(keep_options)s OR coalesce(c.options, '{{}}') - '{{concurrency,retries,notify}}'::text[]
        = coalesce({CHANGED_OPTIONS}, '{{}}') - '{{concurrency,retries,notify}}'::text[]
    )
)"""

# `updated_at` is the command's version: it moves at each change, whatever the clock does.
CHANGE = f"""
    WITH c AS (
        UPDATE commands c
        SET name = coalesce(%(name)s, c.name), script = coalesce(%(script)s, c.script),
            description = CASE WHEN %(keep)s THEN c.description ELSE %(description)s END,
            group_name = coalesce(%(group)s, c.group_name),
            run_as = CASE WHEN %(keep_run_as)s THEN c.run_as ELSE %(run_as)s END,
            key = CASE WHEN %(keep_key)s THEN c.key ELSE %(key)s END,
            options = CASE WHEN %(keep_options)s THEN c.options ELSE {CHANGED_OPTIONS} END,
            updated_at = greatest(%(now)s, c.updated_at + interval '1 microsecond')
        WHERE c.id = %(id)s
            AND (%(any_version)s OR c.updated_at = ANY(%(versions)s::timestamptz[]))
            AND (%(moved_from)s IS NULL OR c.group_name = %(moved_from)s)
            AND (%(any_user)s OR c.run_as IS NULL OR {RUNS_AS_BEFORE})
        RETURNING {COMMAND_COLUMNS}
    ), audited AS ({audit_sql("c", command="c.id", script="c.script", name="c.name")})
    SELECT {COMMAND_COLUMNS} FROM c
"""

# Whoever adds a run locks its command's row (the foreign key does), so once this holds the row
# no run appears any more. The second statement's snapshot is taken after that, and sees them all.
DELETE = f"""
    SET LOCAL statement_timeout = 0;
    SELECT FROM commands WHERE id = %(id)s FOR UPDATE;
    WITH deleted AS (
        DELETE FROM commands WHERE id = %(id)s AND NOT EXISTS (
            SELECT FROM commands_info
            WHERE commands_id = %(id)s AND state IN ('queued', 'running')
        ) RETURNING id, name, script, group_name
    ), audited AS (
        {audit_sql("deleted d", command="d.id", script="d.script", name="d.name")}
    )
    SELECT (SELECT group_name FROM deleted), EXISTS (SELECT FROM commands WHERE id = %(id)s)
"""
