"""The statements that store, end and delete runs, each with its row of the audit, and read them."""

# ruff: noqa: S608  what is put into the SQL are lists of columns, constants of this layer

from server.repositories.access.audit import audit_sql
from server.repositories.rows import END_ASSIGNMENTS, POSITION_COLUMNS, RUN_COLUMNS

# The time is this host's: a database that was frozen may store the run long after the request.
ADD = f"""
    WITH request AS ({{request}}), r AS (
        INSERT INTO commands_info AS r (
            id, commands_id, script, run_as, host, created_at, start_time, state
        )
        SELECT %(run_id)s, %(command_id)s, %(script)s, %(run_as)s, %(host)s, %(now)s, %(now)s,
            'queued'
        FROM request
        RETURNING {RUN_COLUMNS}
    ), audited AS ({audit_sql("r", command="r.commands_id", run="r.id", script="r.script")})
    SELECT {RUN_COLUMNS} FROM r
"""

GET = f"SELECT {RUN_COLUMNS} FROM commands_info r WHERE r.id = %(id)s"

LATEST = f"""
    SELECT {RUN_COLUMNS} FROM commands_info r WHERE r.commands_id = %(command_id)s
    ORDER BY r.created_at DESC, r.id DESC LIMIT 1
"""

ACTIVE = f"""
    SELECT {RUN_COLUMNS} FROM commands_info r
    WHERE r.host = %(host)s AND r.state IN ('queued', 'running')
    ORDER BY r.created_at, r.id
"""

ACTIVE_OF_COMMAND = f"""
    SELECT {RUN_COLUMNS} FROM commands_info r
    WHERE r.commands_id = %(command_id)s AND r.state IN ('queued', 'running')
    ORDER BY r.created_at DESC, r.id DESC
"""

# The epoch fences off any server that owns the run after all.
END_UNFOLLOWED = f"""
    UPDATE commands_info AS r
    SET state = 'lost', end_time = %(now)s, exitcode = NULL, signal = NULL, reason = %(reason)s,
        epoch = r.epoch + 1
    WHERE r.id = %(id)s AND r.epoch = %(epoch)s AND r.state IN ('queued', 'running')
    RETURNING {RUN_COLUMNS}
"""

NOTE_DAMAGE = """
    UPDATE commands_info
    SET reason = CASE WHEN reason IS NULL THEN %(damage)s ELSE reason || '; ' || %(damage)s END
    WHERE id = %(id)s AND end_time IS NOT NULL
        AND (reason IS NULL OR position(%(kind)s IN reason) = 0)
    RETURNING id
"""

CHANGED_ELSEWHERE = """
    SELECT EXISTS (
        SELECT FROM commands_info WHERE created_at >= %(since)s AND host <> %(host)s
    ) OR EXISTS (
        SELECT FROM commands_info WHERE end_time >= %(since)s AND host <> %(host)s
    )
"""

ACTIVE_ELSEWHERE = """
    SELECT count(*) FROM commands_info WHERE state IN ('queued', 'running') AND host <> %(host)s
"""

UNCONFIRMED = f"""
    SELECT {RUN_COLUMNS} FROM commands_info r
    WHERE r.host = %(host)s AND r.state = 'queued' AND r.epoch = 1 AND r.created_at < %(before)s
    ORDER BY r.created_at, r.id
"""

# Rows are locked in the order of their ids, as append() does, so that two servers never deadlock.
TAKE_OVER = f"""
    WITH taken AS (
        SELECT id FROM commands_info
        WHERE id = ANY(%(ids)s::uuid[]) AND state IN ('queued', 'running')
        ORDER BY id FOR UPDATE
    )
    UPDATE commands_info r SET epoch = r.epoch + 1, host = %(host)s FROM taken
    WHERE r.id = taken.id AND r.state IN ('queued', 'running')
    RETURNING {POSITION_COLUMNS}
"""

FINISH_QUEUED = f"""
    UPDATE commands_info SET {END_ASSIGNMENTS}
    WHERE id = %(id)s AND state = 'queued'
    RETURNING id
"""

# Locked first, for the second statement's snapshot to show what another one left of the row.
DELETE = f"""
    SELECT FROM commands_info WHERE id = %(id)s FOR UPDATE;
    WITH deleted AS (
        DELETE FROM commands_info WHERE id = %(id)s AND end_time IS NOT NULL
        RETURNING id, commands_id, script
    ), audited AS (
        {audit_sql("deleted d", command="d.commands_id", run="d.id", script="d.script")}
    )
    SELECT (SELECT commands_id FROM deleted), EXISTS (SELECT FROM commands_info WHERE id = %(id)s)
"""


# All are locked first, in the order of their ids, as append() does.
DELETE_ALL = f"""
    SELECT FROM commands_info WHERE id = ANY(%(ids)s::uuid[]) ORDER BY id FOR UPDATE;
    WITH asked AS (
        SELECT r.id, r.commands_id, c.group_name, r.end_time IS NOT NULL AS ended
        FROM commands_info r JOIN commands c ON c.id = r.commands_id
        WHERE r.id = ANY(%(ids)s::uuid[])
    ), deleted AS (
        DELETE FROM commands_info r USING asked a
        WHERE r.id = a.id AND a.ended
            AND (%(any_group)s OR a.group_name = ANY(%(groups)s::text[]))
        RETURNING r.id, r.commands_id, r.script
    ), audited AS (
        {audit_sql("deleted d", command="d.commands_id", run="d.id", script="d.script")}
    )
    SELECT a.id, a.commands_id, a.group_name, EXISTS (SELECT FROM deleted d WHERE d.id = a.id)
    FROM asked a
"""
