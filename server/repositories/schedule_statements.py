"""The statements on schedules and what came of their due times."""

# ruff: noqa: S608  what is put into the SQL are lists of columns, constants of this layer

from dataclasses import fields

from server.repositories.access.audit import audit_sql
from server.repositories.notifications import telling_sql
from server.repositories.rows import RUN_COLUMNS
from server.repositories.run_statements import HAS_ROOM, insert_run
from server.schedules import Fire, Schedule

COLUMNS = ", ".join(
    {"command_id": "s.commands_id"}.get(one.name, f"s.{one.name}") for one in fields(Schedule)
)
"""The columns of a Schedule, in the order of its fields."""

FIRE_COLUMNS = ", ".join(
    {"schedule_id": "f.schedules_id", "run_id": "f.commands_info_id"}.get(one.name, f"f.{one.name}")
    for one in fields(Fire)
)
"""The columns of a Fire, in the order of its fields."""

# Its command is locked as by a foreign key, so that none is made while the command is deleted.
ADD = f"""
    WITH s AS (
        INSERT INTO schedules AS s (
            id, commands_id, cron, time_zone, parameters, secrets, enabled, overlap, missed,
            jitter_seconds, next_times, fire_at, created_at, updated_at
        ) SELECT %(id)s, %(command_id)s, %(cron)s, %(time_zone)s, %(parameters)s::jsonb,
            %(secrets)s::jsonb, %(enabled)s, %(overlap)s, %(missed)s, %(jitter_seconds)s,
            %(next_times)s::timestamptz[], %(fire_at)s, %(now)s, %(now)s
        WHERE (SELECT count(*) FROM schedules WHERE commands_id = %(command_id)s) < %(most)s
        RETURNING {COLUMNS}
    ), audited AS ({audit_sql("s", command="s.commands_id")})
    SELECT {COLUMNS} FROM s
"""

GET = f"SELECT {COLUMNS} FROM schedules s WHERE s.id = %(id)s"

SECRETS = "SELECT secrets FROM schedules WHERE id = %(id)s"

# What was read before must still be so: due times that were decided meanwhile do not come again.
CHANGE = f"""
    WITH s AS (
        UPDATE schedules s
        SET cron = %(cron)s, time_zone = %(time_zone)s, parameters = %(parameters)s::jsonb,
            secrets = %(secrets)s::jsonb, enabled = %(enabled)s, overlap = %(overlap)s,
            missed = %(missed)s, jitter_seconds = %(jitter_seconds)s,
            next_times = %(next_times)s::timestamptz[], fire_at = %(fire_at)s,
            updated_at = greatest(%(now)s, s.updated_at + interval '1 microsecond')
        WHERE s.id = %(id)s AND s.updated_at = %(version)s
            AND s.decided_until IS NOT DISTINCT FROM %(decided_until)s
        RETURNING {COLUMNS}
    ), audited AS ({audit_sql("s", command="s.commands_id")})
    SELECT {COLUMNS} FROM s
"""

DELETE = f"""
    WITH s AS (DELETE FROM schedules s WHERE s.id = %(id)s RETURNING {COLUMNS}),
    audited AS ({audit_sql("s", command="s.commands_id")})
    SELECT {COLUMNS} FROM s
"""

LIST = f"""
    SELECT {COLUMNS}, c.name, c.group_name, c.paused
    FROM schedules s JOIN commands c ON c.id = s.commands_id
    WHERE (%(command_id)s IS NULL OR s.commands_id = %(command_id)s)
        AND (%(any_group)s OR c.group_name = ANY(%(groups)s::text[]))
        AND (%(id)s IS NULL OR (s.created_at, s.id) < (%(created_at)s, %(id)s))
    ORDER BY s.created_at DESC, s.id DESC LIMIT %(rows)s
"""

PAUSE = f"""
    WITH c AS (
        UPDATE commands c SET paused = %(paused)s::jsonb WHERE c.id = %(id)s
        RETURNING c.id, c.name
    ), audited AS ({audit_sql("c", command="c.id", name="c.name")})
    SELECT id FROM c
"""

COMING = """
    SELECT
        (SELECT min(fire_at) FROM schedules),
        EXISTS (SELECT FROM schedules_fires WHERE outcome = 'queued'),
        EXISTS (SELECT FROM schedules WHERE fire_at IS NOT NULL AND decided_until > %(ahead)s)
"""

DUE = f"""
    SELECT {COLUMNS} FROM schedules s
    WHERE s.fire_at <= %(now)s AND s.id <> ALL(%(except)s::uuid[])
    ORDER BY s.fire_at LIMIT %(rows)s
"""

AHEAD = f"""
    SELECT {COLUMNS} FROM schedules s
    WHERE s.fire_at IS NOT NULL AND s.decided_until > %(ahead)s AND s.id <> ALL(%(except)s::uuid[])
    LIMIT %(rows)s
"""

# The schedule goes on by the clock as it is now. Due times that have a row do not fire again.
RESET = """
    UPDATE schedules s
    SET next_times = %(next_times)s::timestamptz[], fire_at = %(fire_at)s, decided_until = NULL
    WHERE s.id = %(id)s AND s.updated_at = %(version)s AND s.decided_until = %(decided_until)s
    RETURNING s.id
"""

ACTIVE = """
    SELECT
        (
            SELECT r.id FROM commands_info r
            WHERE r.commands_id = %(command_id)s AND r.state IN ('queued', 'running')
                AND r.cause->>'kind' = 'schedule' AND r.cause->>'id' = %(id)s::text
            ORDER BY r.created_at DESC LIMIT 1
        ),
        (
            SELECT count(*) FROM schedules_fires
            WHERE schedules_id = %(id)s AND outcome = 'queued'
        )
"""

# The command is locked first, as its deletion does: neither waits for the other's lock then. One
# that limits how many of its runs go on is held.
LOCK = "SELECT FROM commands WHERE id = %(command_id)s FOR KEY SHARE"

# What may not wait for its turn is started only where there is room.
DECISION = f"""
    o AS (
        SELECT b.starts AND b.free AS starts,
            CASE WHEN b.starts AND NOT b.free THEN 'refused' ELSE %(outcome)s END AS outcome,
            CASE WHEN b.starts AND NOT b.free THEN %(no_room)s ELSE %(reason)s END AS reason
        FROM (
            SELECT %(starts)s AS starts, %(may_wait)s OR {HAS_ROOM} AS free
            FROM commands c WHERE c.id = %(command_id)s
        ) b
    )
"""

# The command is as it was read: what is started is what was checked, and nothing is while it is
# paused.
AS_READ = """EXISTS (
    SELECT FROM commands c
    WHERE c.id = %(command_id)s AND c.updated_at = %(command_version)s AND %(is_paused)s = (
        c.paused IS NOT NULL AND coalesce((c.paused->>'until')::timestamptz > %(now)s, true)
    )
)"""

# A due time is whose statement moves the schedule on. With it goes what came of it, its run, and
# who is told that it was late.
# Several in a row of which the same came are one row, unless a run was started for each.
FIRE = f"""
    WITH {DECISION}, s AS (
        UPDATE schedules s
        SET next_times = %(next_times)s::timestamptz[], fire_at = %(fire_at)s,
            decided_until = %(last_due_at)s
        WHERE s.id = %(schedule_id)s AND s.next_times[1] = %(due_at)s
            AND s.updated_at = %(schedule_version)s AND s.fire_at IS NOT NULL
            AND {AS_READ}
        RETURNING s.id
    ), extended AS (
        UPDATE schedules_fires f
        SET last_due_at = %(last_due_at)s, count = f.count + %(count)s, decided_at = %(now)s,
            host = %(host)s
        FROM s, o
        WHERE f.schedules_id = s.id AND o.outcome NOT IN ('started', 'queued', 'missed')
            AND f.outcome = o.outcome AND f.reason IS NOT DISTINCT FROM o.reason
            AND f.due_at = (SELECT max(due_at) FROM schedules_fires WHERE schedules_id = s.id)
        RETURNING 1
    ), f AS (
        INSERT INTO schedules_fires AS f (
            schedules_id, due_at, last_due_at, count, decided_at, outcome, reason,
            commands_info_id, host, late_at
        )
        SELECT s.id, %(due_at)s, %(last_due_at)s, %(count)s, %(now)s, o.outcome, o.reason,
            CASE WHEN o.starts THEN %(run_id)s::uuid END, %(host)s,
            CASE WHEN %(late)s THEN %(now)s::timestamptz END
        FROM s, o WHERE NOT EXISTS (SELECT FROM extended)
        ON CONFLICT DO NOTHING
        RETURNING 1
    ), told AS ({telling_sql("s")}),
    request AS (SELECT 1 FROM f, o WHERE o.starts), r AS ({insert_run("request")}),
    audited AS ({audit_sql("r", command="r.commands_id", run="r.id", script="r.script")})
    SELECT EXISTS (SELECT FROM s), {RUN_COLUMNS} FROM (SELECT 1) one LEFT JOIN r ON true
"""

WAITING = f"""
    SELECT DISTINCT ON (f.schedules_id) {FIRE_COLUMNS}
    FROM schedules_fires f
    WHERE f.outcome = 'queued' AND NOT EXISTS (
        SELECT FROM schedules s JOIN commands_info r ON r.commands_id = s.commands_id
        WHERE s.id = f.schedules_id AND r.state IN ('queued', 'running')
            AND r.cause->>'kind' = 'schedule' AND r.cause->>'id' = s.id::text
    ) AND f.schedules_id <> ALL(%(except)s::uuid[])
    ORDER BY f.schedules_id, f.due_at LIMIT %(rows)s
"""

# Of a due time that waited: whose statement changes its row starts its run.
SETTLE = f"""
    WITH {DECISION}, f AS (
        UPDATE schedules_fires f
        SET outcome = o.outcome, reason = o.reason, decided_at = %(now)s, host = %(host)s,
            commands_info_id = CASE WHEN o.starts THEN %(run_id)s::uuid END
        FROM o
        WHERE f.schedules_id = %(schedule_id)s AND f.due_at = %(due_at)s AND f.outcome = 'queued'
            AND {AS_READ}
        RETURNING 1
    ), request AS (SELECT 1 FROM f, o WHERE o.starts), r AS ({insert_run("request")}),
    audited AS ({audit_sql("r", command="r.commands_id", run="r.id", script="r.script")})
    SELECT EXISTS (SELECT FROM f), {RUN_COLUMNS} FROM (SELECT 1) one LEFT JOIN r ON true
"""

FIRES = f"""
    SELECT {FIRE_COLUMNS} FROM schedules_fires f
    WHERE f.schedules_id = %(id)s AND (%(before)s IS NULL OR f.due_at < %(before)s)
    ORDER BY f.due_at DESC LIMIT %(rows)s
"""

# The row of a moment is the last that began before it, or the first after it, whichever is nearer.
FIRE_AT = f"""
    SELECT {FIRE_COLUMNS} FROM (
        (
            SELECT * FROM schedules_fires WHERE schedules_id = %(id)s AND due_at <= %(at)s
            ORDER BY due_at DESC LIMIT 1
        ) UNION ALL (
            SELECT * FROM schedules_fires WHERE schedules_id = %(id)s AND due_at > %(at)s
            ORDER BY due_at LIMIT 1
        )
    ) f
    ORDER BY greatest(f.due_at - %(at)s, %(at)s - f.last_due_at, interval '0') LIMIT 1
"""

# With the mark goes who is told of it: neither is there without the other.
MARK = f"""
    WITH marked AS (
        UPDATE schedules_fires SET {{column}} = %(now)s
        WHERE schedules_id = %(schedule_id)s AND due_at = %(due_at)s AND {{column}} IS NULL
        RETURNING 1
    ), told AS ({telling_sql("marked")})
    SELECT count(*) FROM told
"""

# How long the last runs of each command took that succeeded: the longest, and how many there are.
USUAL = """
    SELECT c.id, max(l.seconds), count(l.seconds)
    FROM unnest(%(commands)s::uuid[]) AS c (id), LATERAL (
        SELECT extract(epoch FROM r.end_time - r.start_time)::float AS seconds
        FROM commands_info r
        WHERE r.commands_id = c.id AND r.state = 'succeeded'
        ORDER BY r.created_at DESC, r.id DESC LIMIT %(runs)s
    ) l
    GROUP BY c.id
"""

PRUNE = """
    WITH pruned AS (
        DELETE FROM schedules_fires WHERE (schedules_id, due_at) IN (
            SELECT schedules_id, due_at FROM schedules_fires
            WHERE decided_at < %(before)s AND outcome <> 'queued'
            ORDER BY decided_at LIMIT %(rows)s FOR UPDATE SKIP LOCKED
        ) RETURNING 1
    )
    SELECT count(*) FROM pruned
"""
