"""The statements on sets of commands, with their schedules and hooks."""

# ruff: noqa: S608  what is put into the SQL are lists of columns, constants of this layer

from server.access import Outcome
from server.command_parts import Fate
from server.repositories.access.audit import audit_sql
from server.repositories.hooks import COLUMNS as HOOK_COLUMNS
from server.repositories.rows import COMMAND_COLUMNS
from server.repositories.schedule_statements import COLUMNS as SCHEDULE_COLUMNS

PAGE_BYTES = 4 * 1024 * 1024
"""Of the texts in a page of whole commands, but for its first."""

SIZE = """
    SELECT (
        SELECT coalesce(sum(octet_length(script) + octet_length(coalesce(options, '{}')::text)), 0)
        FROM commands WHERE key = ANY(%(keys)s)
    ) + (
        SELECT coalesce(sum(octet_length(s.parameters::text)), 0)
        FROM schedules s JOIN commands c ON c.id = s.commands_id
        WHERE c.key = ANY(%(parts_of)s)
    ) + (
        SELECT coalesce(sum(octet_length(h.parameters::text) + octet_length(h.events::text)), 0)
        FROM commands_hooks h JOIN commands c ON c.id = h.commands_id
        WHERE c.key = ANY(%(parts_of)s)
    )
"""

OF_KEYS = f"SELECT {COMMAND_COLUMNS} FROM commands c WHERE c.key = ANY(%(keys)s)"

OTHERS = f"""
    SELECT {COMMAND_COLUMNS} FROM commands c
    WHERE c.key IS NOT NULL AND c.key <> ALL(%(keys)s) AND c.group_name = ANY(%(groups)s)
"""

SCHEDULES = f"""
    SELECT {SCHEDULE_COLUMNS}, ARRAY(SELECT jsonb_object_keys(s.secrets))
    FROM schedules s WHERE s.commands_id = ANY(%(ids)s::uuid[]) ORDER BY s.created_at, s.id
"""

# Hooks have no version: this is PostgreSQL's own, another one after each change of the row.
HOOKS = f"""
    SELECT {HOOK_COLUMNS}, h.xmin::text
    FROM commands_hooks h WHERE h.commands_id = ANY(%(ids)s::uuid[]) ORDER BY h.created_at, h.id
"""

EXPORT = f"""
    WITH page AS (
        SELECT c.* FROM commands c
        WHERE c.key > %(after)s AND (%(every)s OR c.group_name = ANY(%(groups)s))
        ORDER BY c.key LIMIT %(rows)s
    ), measured AS (
        SELECT id, sum(octet_length(script)) OVER (ORDER BY key) - octet_length(script) AS before
        FROM page
    )
    SELECT {COMMAND_COLUMNS} FROM page c JOIN measured m ON m.id = c.id
    WHERE m.before < {PAGE_BYTES}
    ORDER BY c.key
"""

GIVEN_BY_ROW = {
    "at": "%(now)s",
    "principal": "%(principal)s",
    "known_by": "%(known_by)s",
    "address": "%(address)s",
    "act": "act",
    "outcome": f"'{Outcome.DONE.value}'",
    "details": "details",
}
AUDITED = audit_sql("wanted", command="id", script="script", name="name", given=GIVEN_BY_ROW)
SCHEDULES_AUDITED = audit_sql("wanted_schedules", command="commands_id", given=GIVEN_BY_ROW)
HOOKS_AUDITED = audit_sql("wanted_hooks", command="commands_id", name="name", given=GIVEN_BY_ROW)

# The rows are locked first: nobody changes them then, and whoever adds a run, a schedule or a hook
# locks its command's row as well (the foreign key does). The last statement's snapshot is taken
# after that. It does all or nothing: `ready` is empty unless each row is of the version that the
# plan was made of, there are no schedules or hooks beside those, and no command that is to be
# deleted has an active run.
APPLY = f"""
    SET LOCAL statement_timeout = 0;
    SELECT FROM commands WHERE id = ANY(%(ids)s::uuid[]) ORDER BY id FOR UPDATE;
    SELECT FROM schedules WHERE commands_id = ANY(%(scheduled)s::uuid[]) ORDER BY id FOR UPDATE;
    SELECT FROM commands_hooks WHERE commands_id = ANY(%(hooked)s::uuid[]) ORDER BY id FOR UPDATE;
    WITH given AS (
        SELECT * FROM jsonb_to_recordset(%(given)s::jsonb) AS given (
            id uuid, fate text, version timestamptz, key text, name text, description text,
            script text, group_name text, run_as text, options jsonb, act text, details text
        )
    ), given_schedules AS (
        SELECT * FROM jsonb_to_recordset(%(schedules)s::jsonb) AS given (
            id uuid, commands_id uuid, fate text, version timestamptz, decided_until timestamptz,
            cron text, time_zone text, parameters jsonb, enabled boolean, overlap text, missed text,
            jitter_seconds integer, next_times timestamptz[], fire_at timestamptz, kept text[],
            created_at timestamptz, act text, details text
        )
    ), given_hooks AS (
        SELECT * FROM jsonb_to_recordset(%(hooks)s::jsonb) AS given (
            id uuid, commands_id uuid, fate text, version text, name text, scheme text, secret text,
            events text[], parameters jsonb, enabled boolean, created_at timestamptz, act text,
            details text
        )
    ), held AS (
        SELECT count(c.id) = count(*) AS all_held
        FROM given g LEFT JOIN commands c ON c.id = g.id AND c.updated_at = g.version
        WHERE g.fate <> '{Fate.CREATED.value}'
    ), held_schedules AS (
        SELECT count(s.id) = count(*) AND count(*) = (
            SELECT count(*) FROM schedules WHERE commands_id = ANY(%(scheduled)s::uuid[])
        ) AS all_held
        FROM given_schedules g LEFT JOIN schedules s ON s.id = g.id AND s.updated_at = g.version
            AND (g.next_times IS NULL OR s.decided_until IS NOT DISTINCT FROM g.decided_until)
        WHERE g.fate <> '{Fate.CREATED.value}'
    ), held_hooks AS (
        SELECT count(h.id) = count(*) AND count(*) = (
            SELECT count(*) FROM commands_hooks WHERE commands_id = ANY(%(hooked)s::uuid[])
        ) AS all_held
        FROM given_hooks g LEFT JOIN commands_hooks h ON h.id = g.id AND h.xmin::text = g.version
        WHERE g.fate <> '{Fate.CREATED.value}'
    ), busy AS (
        SELECT coalesce(array_agg(DISTINCT g.key ORDER BY g.key), '{{}}') AS keys
        FROM given g JOIN commands_info r ON r.commands_id = g.id
        WHERE g.fate = '{Fate.DELETED.value}' AND r.state IN ('queued', 'running')
    ), ready AS (
        SELECT FROM held h, held_schedules s, held_hooks k, busy
        WHERE h.all_held AND s.all_held AND k.all_held AND busy.keys = '{{}}'
    ), wanted AS (
        SELECT given.* FROM given, ready WHERE fate <> '{Fate.UNCHANGED.value}'
    ), wanted_schedules AS (
        SELECT given.* FROM given_schedules given, ready WHERE fate <> '{Fate.UNCHANGED.value}'
    ), wanted_hooks AS (
        SELECT given.* FROM given_hooks given, ready WHERE fate <> '{Fate.UNCHANGED.value}'
    ), created AS (
        INSERT INTO commands (
            id, key, name, description, script, group_name, run_as, options, created_at, updated_at
        )
        SELECT id, key, name, description, script, group_name, run_as, options, %(now)s, %(now)s
        FROM wanted WHERE fate = '{Fate.CREATED.value}'
    ), changed AS (
        UPDATE commands c
        SET name = w.name, description = w.description, script = w.script,
            group_name = w.group_name, run_as = w.run_as, options = w.options,
            updated_at = greatest(%(now)s, c.updated_at + interval '1 microsecond')
        FROM wanted w WHERE w.id = c.id AND w.fate = '{Fate.CHANGED.value}'
    ), deleted AS (
        DELETE FROM commands c USING wanted w
        WHERE w.id = c.id AND w.fate = '{Fate.DELETED.value}'
    ), created_schedules AS (
        INSERT INTO schedules (
            id, commands_id, cron, time_zone, parameters, enabled, overlap, missed,
            jitter_seconds, next_times, fire_at, created_at, updated_at
        )
        SELECT id, commands_id, cron, time_zone, parameters, enabled, overlap, missed,
            jitter_seconds, next_times, fire_at, created_at, created_at
        FROM wanted_schedules WHERE fate = '{Fate.CREATED.value}'
    ), changed_schedules AS (
        UPDATE schedules s
        SET cron = w.cron, time_zone = w.time_zone, parameters = w.parameters, secrets = (
                SELECT jsonb_object_agg(one.key, one.value) FROM jsonb_each(s.secrets) one
                WHERE one.key = ANY(w.kept)
            ), enabled = w.enabled, overlap = w.overlap, missed = w.missed,
            jitter_seconds = w.jitter_seconds, next_times = coalesce(w.next_times, s.next_times),
            fire_at = CASE WHEN w.next_times IS NULL THEN s.fire_at ELSE w.fire_at END,
            updated_at = greatest(%(now)s, s.updated_at + interval '1 microsecond')
        FROM wanted_schedules w WHERE w.id = s.id AND w.fate = '{Fate.CHANGED.value}'
    ), deleted_schedules AS (
        DELETE FROM schedules s USING wanted_schedules w
        WHERE w.id = s.id AND w.fate = '{Fate.DELETED.value}'
    ), created_hooks AS (
        INSERT INTO commands_hooks (
            id, commands_id, name, scheme, secret, events, parameters, enabled, created_at,
            created_by
        )
        SELECT id, commands_id, name, scheme, secret, events, parameters, enabled, created_at,
            %(principal)s
        FROM wanted_hooks WHERE fate = '{Fate.CREATED.value}'
    ), changed_hooks AS (
        UPDATE commands_hooks h
        SET name = w.name, events = w.events, parameters = w.parameters, enabled = w.enabled
        FROM wanted_hooks w WHERE w.id = h.id AND w.fate = '{Fate.CHANGED.value}'
    ), deleted_hooks AS (
        DELETE FROM commands_hooks h USING wanted_hooks w
        WHERE w.id = h.id AND w.fate = '{Fate.DELETED.value}'
    ), audited AS ({AUDITED}), schedules_audited AS ({SCHEDULES_AUDITED}),
    hooks_audited AS ({HOOKS_AUDITED})
    SELECT EXISTS (SELECT FROM ready), busy.keys FROM busy
"""
