"""The statements that store, end and delete runs, each with its row of the audit, and read them."""

# ruff: noqa: S608  what is put into the SQL are lists of columns, constants of this layer

import json
from collections.abc import Mapping

from server.access import Act
from server.definition import NO_OPTIONS, NewRun
from server.repositories.access.audit import audit_sql
from server.repositories.rows import (
    END_ASSIGNMENTS,
    KEPT_SECRETS,
    POSITION_COLUMNS,
    RUN_COLUMNS,
)

# The time is this host's: a database that was frozen may store the run long after the request.
NEW_RUN: Mapping[str, str] = {
    "id": "%(run_id)s",
    "commands_id": "%(command_id)s",
    "script": "%(script)s",
    "run_as": "%(run_as)s",
    "options": "%(options)s::jsonb",
    "parameters": "%(parameters)s::jsonb",
    "secrets": "%(secrets)s::jsonb",
    "cause": "%(cause)s::jsonb",
    "attempt": "%(attempt)s::int",
    "retry_of": "%(retry_of)s::uuid",
    "not_before": "%(not_before)s::timestamptz",
    "claimed_at": "%(claimed_at)s::timestamptz",
    "host": "CASE WHEN %(pool)s IS NULL THEN %(host)s END",
    "pool": "%(pool)s",
    "requires": "%(requires)s::text[]",
    "held_at": "CASE WHEN %(held)s THEN now() END",
    "created_at": "%(now)s",
    "start_time": "%(now)s",
    "state": "'queued'",
}
"""The columns of a run that is stored, as expressions; `new_run_parameters` gives some of them."""


def insert_run(source: str, **given: str) -> str:
    """Return the SQL that stores a run, queued, for each row of `source`, and returns it as `r`.

    `given` are expressions on that row in place of those of NEW_RUN. There are no braces in it, so
    it may stand in what is formatted.
    """
    values = {**NEW_RUN, **given}
    return f"""
        INSERT INTO commands_info AS r ({", ".join(values)})
        SELECT {", ".join(values.values())} FROM {source}
        RETURNING {RUN_COLUMNS}
    """


CLAIMED_AT = """
    CASE WHEN room.free AND %(not_before)s::timestamptz IS NULL
        AND NOT (room.has_line AND %(stands_in_line)s)
    THEN %(now)s::timestamptz END
"""


def new_run_parameters(new: NewRun) -> dict[str, object]:
    """Return what NEW_RUN takes of what a run is started with; None for what is as always.

    One of a pool is held that was asked for by hand; another is started though its storing was not
    confirmed (services.starting.unconfirmed).
    """
    pool = new.pool_of_workers
    return {
        "pool": pool,
        "requires": [*new.options.requires] or None,
        "held": pool is not None and new.cause is None,
        "options": None if new.options is NO_OPTIONS else _json(new.options.as_json()),
        "parameters": _json(new.parameters),
        "secrets": _json(new.secrets),
        "cause": None if new.cause is None else _json(new.cause.as_json()),
        "attempt": None if new.attempt == 1 else new.attempt,
        "retry_of": new.retry_of,
        "not_before": new.not_before,
        "claimed_at": new.claimed_at,
    }


def _json(value: Mapping[str, object]) -> str | None:
    return json.dumps(dict(value)) if value else None


ACTIVE_RUN = "r.state IN ('queued', 'running')"

WAITS = """(
    r.state = 'queued' AND r.claimed_at IS NULL
    AND (r.not_before IS NOT NULL OR r.options -> 'concurrency' IS NOT NULL)
)"""
"""Whether a run `r` is not to be started yet (Run.waits); of an active one that does not, it is
said that it has its turn."""

LIMIT = """
    CASE jsonb_typeof(c.options -> 'concurrency' -> 'limit') WHEN 'number'
    THEN least((c.options -> 'concurrency' ->> 'limit')::numeric, 1000000)::int END
"""
"""How many runs of a command `c` may have their turn at a time; NULL: any number."""

HOLD = """
    SELECT FROM commands WHERE id = ANY(%(commands)s::uuid[]) ORDER BY id FOR NO KEY UPDATE
"""
"""Holds commands, for nobody else to give turns of theirs; runs are added to them meanwhile."""

HAS_ROOM = f"""coalesce(
    (
        SELECT count(*) FROM commands_info r
        WHERE r.commands_id = c.id AND {ACTIVE_RUN} AND NOT {WAITS}
    ) < {LIMIT}, true
)"""
"""Whether a further run of a command `c` may have its turn; it is held meanwhile (HOLD)."""

ADD = f"""
    WITH request AS ({{request}}), r AS (
        {insert_run("request")}
    ){{with_body}}, audited AS (
        {audit_sql("r", command="r.commands_id", run="r.id", script="r.script")}
    )
    SELECT {RUN_COLUMNS} FROM r
"""

# Of a command with a limit. What may not wait is stored only where there is room; what may has its
# turn at once where nobody is before it in the line.
ADD_LIMITED = f"""
    {HOLD};
    WITH room AS (
        SELECT {HAS_ROOM} AS free, EXISTS (
            SELECT FROM commands_info r
            WHERE r.commands_id = c.id AND {ACTIVE_RUN} AND {WAITS}
                AND coalesce(r.not_before <= %(now)s, true)
        ) AS has_line
        FROM commands c WHERE c.id = %(command_id)s
    ), request AS ({{request}}), r AS (
        {insert_run("request, room", claimed_at=CLAIMED_AT)}
    ){{with_body}}, audited AS (
        {audit_sql("r", command="r.commands_id", run="r.id", script="r.script")}
    )
    SELECT room.free, {RUN_COLUMNS} FROM room LEFT JOIN r ON true
"""
MAY_ADD = "EXISTS (SELECT FROM room WHERE free OR %(may_wait)s)"

WITH_BODY = """, body AS (
        INSERT INTO commands_hooks_bodies (commands_info_id, body) SELECT r.id, %(hook_body)s FROM r
    )"""
"""What a start by a hook does besides."""

SECRETS = "SELECT secrets FROM commands_info WHERE id = %(id)s"

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

RUNNING = f"""
    SELECT {RUN_COLUMNS} FROM commands_info r WHERE r.host = %(host)s AND r.state = 'running'
"""

ACTIVE_AFTER = f"""
    SELECT {RUN_COLUMNS} FROM commands_info r
    WHERE r.host = %(host)s AND r.state IN ('queued', 'running')
        AND (%(after)s::uuid IS NULL OR r.id > %(after)s::uuid)
    ORDER BY r.id LIMIT %(limit)s
"""

ACTIVE_OF_COMMAND = f"""
    SELECT {RUN_COLUMNS} FROM commands_info r
    WHERE r.commands_id = %(command_id)s AND r.state IN ('queued', 'running')
    ORDER BY r.created_at DESC, r.id DESC
"""

COUNT_ACTIVE = """
    SELECT count(*) FROM commands_info
    WHERE commands_id = %(command_id)s AND state IN ('queued', 'running')
"""

# The epoch fences off any server that owns the run after all.
END_UNFOLLOWED = f"""
    UPDATE commands_info AS r
    SET state = 'lost', end_time = %(now)s, exitcode = NULL, signal = NULL, reason = %(reason)s,
        epoch = r.epoch + 1, secrets = {KEPT_SECRETS}
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
        SELECT FROM commands_info WHERE created_at >= %(since)s AND host IS DISTINCT FROM %(host)s
    ) OR EXISTS (
        SELECT FROM commands_info WHERE end_time >= %(since)s AND host IS DISTINCT FROM %(host)s
    )
"""

# Hosts that are known answer for theirs, or are away.
ACTIVE_ELSEWHERE = """
    SELECT count(*) FROM commands_info r
    WHERE r.state IN ('queued', 'running') AND r.host <> %(host)s
        AND NOT EXISTS (SELECT FROM workers w WHERE w.id = r.host)
"""

# Of those that are no host's: what is held for so long by the database's clock, as those of its
# servers may differ by more, and one that waits for its turn or its time, if there is any.
UNCONFIRMED = f"""
    (
        SELECT {RUN_COLUMNS} FROM commands_info r
        WHERE r.host = %(host)s AND r.state = 'queued' AND r.epoch = 1 AND r.created_at < %(before)s
    ) UNION ALL (
        SELECT {RUN_COLUMNS} FROM commands_info r
        WHERE r.host IS NULL AND r.end_time IS NULL
            AND r.held_at < now() - make_interval(secs => %(seconds)s)
    ) UNION ALL (
        SELECT {RUN_COLUMNS} FROM commands_info r
        WHERE r.host IS NULL AND r.end_time IS NULL AND r.held_at IS NULL AND {WAITS} LIMIT 1
    )
    ORDER BY created_at, id
"""

STARTER = f"""
    SELECT principal, known_by, address FROM audit
    WHERE commands_info_id = %(id)s
        AND act IN ('{Act.COMMAND_START.value}', '{Act.COMMAND_CREATE.value}')
    ORDER BY id LIMIT 1
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

# Of a host that says from which epochs: one that asks again finds them raised already. So of two
# processes of the host, as of a copied state directory, one may ask: they would both be owners.
TAKE_OVER_KNOWN = f"""
    WITH known AS (
        SELECT * FROM unnest(%(ids)s::uuid[], %(epochs)s::int[]) AS k (id, epoch)
    ), taken AS (
        SELECT r.id, k.epoch + 1 AS epoch FROM commands_info r JOIN known k USING (id)
        WHERE r.state IN ('queued', 'running') AND r.host = %(host)s
            AND r.epoch IN (k.epoch, k.epoch + 1)
            AND NOT EXISTS (
                SELECT FROM workers w
                WHERE w.id = r.host AND w.life IS NOT NULL AND w.life IS DISTINCT FROM %(life)s
            )
        ORDER BY r.id FOR UPDATE OF r
    )
    UPDATE commands_info r SET epoch = taken.epoch FROM taken
    WHERE r.id = taken.id AND r.state IN ('queued', 'running') AND r.host = %(host)s
        AND r.epoch IN (taken.epoch - 1, taken.epoch)
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
