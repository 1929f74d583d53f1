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

# All times are of this host's clock, as its runs' are (repositories.runs): a first run is as old as
# its command, whatever the database's clock says.
NEW_COMMAND = f"""
    INSERT INTO commands AS c (
        id, name, description, script, group_name, run_as, created_at, updated_at
    )
    SELECT %(command_id)s, %(name)s, %(description)s, %(script)s, %(group)s, %(run_as)s,
        %(now)s, %(now)s
    FROM request
    RETURNING {COMMAND_COLUMNS}
"""

ADD = f"""
    WITH request AS ({{request}}), c AS ({NEW_COMMAND}), audited AS (
        {audit_sql("c", command="c.id", script="c.script", name="c.name")}
    )
    SELECT {COMMAND_COLUMNS} FROM c
"""

ADD_WITH_RUN = f"""
    WITH request AS ({{request}}), c AS ({NEW_COMMAND}), r AS (
        INSERT INTO commands_info AS r (
            id, commands_id, script, run_as, host, created_at, start_time, state
        )
        SELECT %(run_id)s, c.id, c.script, c.run_as, %(host)s, %(now)s, %(now)s, 'queued' FROM c
        RETURNING {RUN_COLUMNS}
    ), audited AS (
        {audit_sql("c", command="c.id", run="%(run_id)s", script="c.script", name="c.name")}
    )
    SELECT {COMMAND_COLUMNS}, {RUN_COLUMNS} FROM c, r
"""

# Without a key, those that come at the same time are one statement and one commit. Each request
# is one act, and one row of the audit: the creation's, which has the run's id as well.
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
ADD_WITH_RUNS = f"""
    WITH given (
        command_id, run_id, name, description, script, group_name, run_as, host, now, principal,
        known_by, address, details
    ) AS (
        VALUES {{rows}}
    ), c AS (
        INSERT INTO commands AS c (
            id, name, description, script, group_name, run_as, created_at, updated_at
        )
        SELECT command_id, name, description, script, group_name, run_as, now, now FROM given
        RETURNING {COMMAND_COLUMNS}
    ), r AS (
        INSERT INTO commands_info AS r (
            id, commands_id, script, run_as, host, created_at, start_time, state
        )
        SELECT run_id, command_id, script, run_as, host, now, now, 'queued' FROM given
        RETURNING {RUN_COLUMNS}
    ), audited AS ({AUDITED_ROWS})
    SELECT {COMMAND_COLUMNS}, {RUN_COLUMNS} FROM c JOIN r ON r.commands_id = c.id
"""

GET = f"SELECT {COMMAND_COLUMNS} FROM commands c WHERE c.id = %(id)s"

GET_WITH_LAST_RUN = f"""
    SELECT {COMMAND_COLUMNS}, {LISTED_RUN_COLUMNS} FROM commands c {LAST_RUN} WHERE c.id = %(id)s
"""

LABELS = "SELECT id, name, group_name FROM commands WHERE id = ANY(%(ids)s::uuid[])"

# `updated_at` is the command's version: it moves at each change, whatever the clock does.
CHANGE = f"""
    WITH c AS (
        UPDATE commands c
        SET name = coalesce(%(name)s, c.name), script = coalesce(%(script)s, c.script),
            description = CASE WHEN %(keep)s THEN c.description ELSE %(description)s END,
            group_name = coalesce(%(group)s, c.group_name),
            run_as = CASE WHEN %(keep_run_as)s THEN c.run_as ELSE %(run_as)s END,
            updated_at = greatest(%(now)s, c.updated_at + interval '1 microsecond')
        WHERE c.id = %(id)s
            AND (%(any_version)s OR c.updated_at = ANY(%(versions)s::timestamptz[]))
            AND (%(moved_from)s IS NULL OR c.group_name = %(moved_from)s)
            AND (%(any_user)s OR c.run_as IS NULL OR c.script = %(script)s)
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
