-- Fills the tables that the lists are asked of; the parameters are psycopg2's.
INSERT INTO commands (id, name, description, script, created_at)
SELECT CASE WHEN n = 1 THEN %(crowded)s::uuid ELSE gen_random_uuid() END,
    CASE WHEN n > %(commands)s * 0.95 THEN 'legacy-' ELSE '' END
        || w[1 + n * 7 %% 10] || '-' || w[1 + n / 10 %% 10] || '-' || left(md5(n::text), 6),
    CASE WHEN n %% 3 > 0 THEN 'Runs the ' || w[1 + n * 3 %% 10] || ' for the customer team, '
        || 'every day at ' || n %% 24 || ' o''clock; ask host-' || left(md5(n::text), 5) END,
    repeat(E'echo a line of a script\n', 10), %(newest)s::timestamptz - n * interval '1 minute'
FROM generate_series(1, %(commands)s) n, (SELECT string_to_array(
    'backup nightly database deploy restart service report invoice cleanup export', ' ') w) w;
INSERT INTO commands_info (commands_id, script, host, created_at, start_time, state, end_time,
    exitcode, output, output_bytes, output_lines)
SELECT c.id, 'echo a line of a script', 'host-' || r.n %% 3, at, at, state,
    CASE WHEN state NOT IN ('queued', 'running') THEN at + interval '1 minute' END,
    CASE state WHEN 'succeeded' THEN 0 WHEN 'failed' THEN 1 END,
    repeat(md5(r.n::text) || E'\n', 8), 264, 8
FROM (SELECT n, %(newest)s::timestamptz - n * interval '7 seconds' AS at,
        CASE WHEN n <= 50 THEN 'queued' WHEN n <= 150 THEN 'running'
            WHEN n > %(runs)s - 10 THEN 'lost' WHEN n %% 10 = 0 THEN 'failed'
            WHEN n %% 101 = 0 THEN 'stopped' WHEN n %% 1001 = 0 THEN 'timed_out'
            ELSE 'succeeded' END AS state,
        CASE n %% 5 WHEN 0 THEN 1 ELSE 1 + n::bigint * 7919 %% %(commands)s END AS command
    FROM generate_series(1, %(runs)s) n) r
JOIN (SELECT id, row_number() OVER (ORDER BY created_at DESC) AS n FROM commands) c
    ON c.n = r.command
