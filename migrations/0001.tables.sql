-- The tables of Tailrun: commands, their runs, and the runs' output.
-- Each statement can be applied again: yoyo records a migration in a transaction of its own,
-- so a process killed in between leaves it applied but unrecorded.

CREATE TABLE IF NOT EXISTS commands (
    id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
    name VARCHAR(64) NOT NULL,
    description TEXT,
    script TEXT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL DEFAULT CURRENT_TIMESTAMP,
    updated_at TIMESTAMPTZ NOT NULL DEFAULT CURRENT_TIMESTAMP,
    searched TEXT COLLATE "C" GENERATED ALWAYS AS (
        lower(left(name || chr(10) || coalesce(description, ''), 4096))
    ) STORED
);

COMMENT ON COLUMN commands.searched IS 'Where a search looks: the start of name and description.';

CREATE INDEX IF NOT EXISTS commands_newest ON commands (created_at DESC, id DESC);

-- Finding a part of a text by index takes the text's pieces of up to three characters. The
-- extension pg_trgm does that, but not every server has it, the embedded one among them.
-- Of a text that is looked for, `shortest` 3 leaves out the pieces that are part of others.
-- The cost says: use the index, come what may; and no workers, which take longer to start.
CREATE OR REPLACE FUNCTION commands_pieces(searched TEXT, shortest INTEGER) RETURNS TEXT[]
LANGUAGE sql IMMUTABLE PARALLEL UNSAFE COST 10000 AS $$
    SELECT coalesce(array_agg(DISTINCT left(three, size)), '{}')
    FROM (
        SELECT letter || coalesce(lead(letter, 1) OVER text, '')
            || coalesce(lead(letter, 2) OVER text, '') AS three
        FROM unnest(string_to_array(searched, NULL)) WITH ORDINALITY AS u (letter, place)
        WINDOW text AS (ORDER BY place)
    ) t, generate_series(least(shortest, char_length(searched)), 3) size
    WHERE char_length(three) >= size
$$;

CREATE INDEX IF NOT EXISTS commands_pieces ON commands
    USING gin (commands_pieces(searched, 1)) WITH (fastupdate = off);

-- A row a run. It is updated at every flush of its output, so pages keep room for the new
-- version beside the old one, and no index holds a column that a flush changes: then an update
-- touches no index (a HOT update: src/backend/access/heap/README.HOT).
CREATE TABLE IF NOT EXISTS commands_info (
    id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
    commands_id UUID NOT NULL REFERENCES commands (id) ON DELETE CASCADE,
    created_at TIMESTAMPTZ NOT NULL DEFAULT CURRENT_TIMESTAMP,
    start_time TIMESTAMPTZ NOT NULL DEFAULT CURRENT_TIMESTAMP,
    end_time TIMESTAMPTZ,
    state TEXT NOT NULL DEFAULT 'queued' CHECK (state IN (
        'queued', 'running', 'succeeded', 'failed', 'stopped', 'timed_out', 'lost'
    )),
    exitcode INTEGER DEFAULT 0,
    signal TEXT,
    reason TEXT,
    script TEXT NOT NULL,
    output TEXT DEFAULT '',
    output_bytes BIGINT NOT NULL DEFAULT 0,
    output_lines BIGINT NOT NULL DEFAULT 0,
    final_bytes BIGINT GENERATED ALWAYS AS (
        CASE WHEN end_time IS NOT NULL THEN output_bytes END
    ) STORED,
    epoch INTEGER NOT NULL DEFAULT 1,
    host TEXT NOT NULL,
    CHECK (exitcode IS NULL OR signal IS NULL),
    CHECK ((end_time IS NULL) = (state IN ('queued', 'running')))
) WITH (fillfactor = 50);

COMMENT ON COLUMN commands_info.output IS
    'The start of the output as text; all of it, byte for byte, is in commands_info_output.';
COMMENT ON COLUMN commands_info.output_bytes IS
    'How much of the output is archived: the offset at which the next chunk begins.';
COMMENT ON COLUMN commands_info.final_bytes IS
    'output_bytes of a run that has ended: unlike that, no flush changes it, so it may be indexed.';
COMMENT ON COLUMN commands_info.epoch IS
    'Counts the servers that have owned the run; a write of an earlier epoch has no effect.';

CREATE INDEX IF NOT EXISTS commands_info_newest ON commands_info (created_at DESC, id DESC);
CREATE INDEX IF NOT EXISTS commands_info_newest_of_command
    ON commands_info (commands_id, created_at DESC, id DESC);
CREATE INDEX IF NOT EXISTS commands_info_newest_in_state
    ON commands_info (state, created_at DESC, id DESC);
CREATE INDEX IF NOT EXISTS commands_info_newest_of_command_in_state
    ON commands_info (commands_id, state, created_at DESC, id DESC);
CREATE INDEX IF NOT EXISTS commands_info_active
    ON commands_info (host, created_at, id) WHERE state IN ('queued', 'running');
CREATE INDEX IF NOT EXISTS commands_info_ended
    ON commands_info (end_time, id) INCLUDE (final_bytes) WHERE end_time IS NOT NULL;

-- The output, a row a chunk: `data` is one zstd frame, so the server need not compress it again.
-- It is cut into partitions because space comes back only when a table is written anew, which
-- locks it: what is locked is small then (server/repositories/retention.py). No foreign key
-- leads to commands_info: the output of deleted runs is deleted after them, bit by bit.
CREATE TABLE IF NOT EXISTS commands_info_output (
    commands_info_id UUID NOT NULL,
    byte_offset BIGINT NOT NULL,
    byte_count INTEGER NOT NULL CHECK (byte_count > 0),
    first_line BIGINT NOT NULL,
    line_count INTEGER NOT NULL,
    written_at TIMESTAMPTZ NOT NULL,
    data BYTEA NOT NULL,
    PRIMARY KEY (commands_info_id, byte_offset)
) PARTITION BY HASH (commands_info_id);

ALTER TABLE commands_info_output ALTER COLUMN data SET STORAGE EXTERNAL;

-- Finds the chunk that holds a newline: the first whose next chunk begins in a later line.
CREATE INDEX IF NOT EXISTS commands_info_output_lines
    ON commands_info_output (commands_info_id, (first_line + line_count), byte_offset);

-- What was deleted is vacuumed soon, for new output to take its space.
DO $$
BEGIN
    FOR part IN 0..31 LOOP
        EXECUTE format(
            'CREATE TABLE IF NOT EXISTS commands_info_output_%s PARTITION OF commands_info_output'
            ' FOR VALUES WITH (MODULUS 32, REMAINDER %s)'
            ' WITH (autovacuum_vacuum_scale_factor = 0.05,'
            ' toast.autovacuum_vacuum_scale_factor = 0.05)',
            part, part
        );
    END LOOP;
END
$$;

-- Runs that were deleted and may have output left, however they were deleted.
CREATE TABLE IF NOT EXISTS commands_info_deleted (id UUID PRIMARY KEY);

CREATE OR REPLACE FUNCTION commands_info_note_deleted() RETURNS TRIGGER
LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO commands_info_deleted SELECT id FROM deleted ON CONFLICT DO NOTHING;
    RETURN NULL;
END
$$;

CREATE OR REPLACE TRIGGER commands_info_note_deleted AFTER DELETE ON commands_info
    REFERENCING OLD TABLE AS deleted
    FOR EACH STATEMENT EXECUTE FUNCTION commands_info_note_deleted();
