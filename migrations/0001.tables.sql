-- The tables of Tailrun: commands, their runs, and the runs' output.
-- Each statement can be applied again: yoyo records a migration in a transaction of its own,
-- so a process killed in between leaves it applied but unrecorded.

CREATE TABLE IF NOT EXISTS commands (
    id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
    name VARCHAR(64) NOT NULL,
    description TEXT,
    script TEXT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL DEFAULT CURRENT_TIMESTAMP,
    updated_at TIMESTAMPTZ NOT NULL DEFAULT CURRENT_TIMESTAMP
);

CREATE INDEX IF NOT EXISTS commands_newest ON commands (created_at DESC, id DESC);

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
    epoch INTEGER NOT NULL DEFAULT 1,
    host TEXT NOT NULL,
    CHECK (exitcode IS NULL OR signal IS NULL),
    CHECK ((end_time IS NULL) = (state IN ('queued', 'running')))
) WITH (fillfactor = 50);

COMMENT ON COLUMN commands_info.output IS
    'The start of the output as text; all of it, byte for byte, is in commands_info_output.';
COMMENT ON COLUMN commands_info.output_bytes IS
    'How much of the output is archived: the offset at which the next chunk begins.';
COMMENT ON COLUMN commands_info.epoch IS
    'Counts the servers that have owned the run; a write of an earlier epoch has no effect.';

CREATE INDEX IF NOT EXISTS commands_info_newest ON commands_info (created_at DESC, id DESC);
CREATE INDEX IF NOT EXISTS commands_info_newest_of_command
    ON commands_info (commands_id, created_at DESC, id DESC);
CREATE INDEX IF NOT EXISTS commands_info_newest_in_state
    ON commands_info (state, created_at DESC, id DESC);
CREATE INDEX IF NOT EXISTS commands_info_active
    ON commands_info (host, created_at, id) WHERE state IN ('queued', 'running');

-- The output, a row a chunk: `data` is one zstd frame, so the server need not compress it again.
CREATE TABLE IF NOT EXISTS commands_info_output (
    commands_info_id UUID NOT NULL REFERENCES commands_info (id) ON DELETE CASCADE,
    byte_offset BIGINT NOT NULL,
    byte_count INTEGER NOT NULL CHECK (byte_count > 0),
    first_line BIGINT NOT NULL,
    line_count INTEGER NOT NULL,
    written_at TIMESTAMPTZ NOT NULL,
    data BYTEA NOT NULL,
    PRIMARY KEY (commands_info_id, byte_offset)
);

ALTER TABLE commands_info_output ALTER COLUMN data SET STORAGE EXTERNAL;

-- Finds the chunk that holds a newline: the first whose next chunk begins in a later line.
CREATE INDEX IF NOT EXISTS commands_info_output_lines
    ON commands_info_output (commands_info_id, (first_line + line_count), byte_offset);
