-- When commands are started by themselves, and what came of each time.
-- Each statement can be applied again, and while servers of an older version work: they know no
-- schedules.

CREATE TABLE IF NOT EXISTS schedules (
    id UUID PRIMARY KEY,
    commands_id UUID NOT NULL REFERENCES commands (id) ON DELETE CASCADE,
    cron TEXT NOT NULL,
    time_zone TEXT NOT NULL,
    parameters JSONB NOT NULL DEFAULT '{}',
    secrets JSONB,
    enabled BOOLEAN NOT NULL,
    overlap TEXT NOT NULL,
    missed TEXT NOT NULL,
    jitter_seconds INTEGER NOT NULL,
    next_times TIMESTAMPTZ[] NOT NULL,
    fire_at TIMESTAMPTZ,
    decided_until TIMESTAMPTZ,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL
);

COMMENT ON COLUMN schedules.secrets IS 'Values of secret parameters; they are shown to nobody.';
COMMENT ON COLUMN schedules.next_times IS 'The next due times; none: it is not enabled.';
COMMENT ON COLUMN schedules.fire_at IS
    'The first of next_times, with its jitter: who moves it on has the due time.';
COMMENT ON COLUMN schedules.decided_until IS
    'The last due time of which it was decided what comes of it: none before it comes again.';

CREATE INDEX IF NOT EXISTS schedules_newest ON schedules (created_at DESC, id DESC);
CREATE INDEX IF NOT EXISTS schedules_newest_of_command
    ON schedules (commands_id, created_at DESC, id DESC);
CREATE INDEX IF NOT EXISTS schedules_due ON schedules (fire_at) WHERE fire_at IS NOT NULL;
CREATE INDEX IF NOT EXISTS schedules_decided ON schedules (decided_until)
    WHERE fire_at IS NOT NULL;

-- What came of a due time, or of several in a row of which the same came.
CREATE TABLE IF NOT EXISTS schedules_fires (
    schedules_id UUID NOT NULL REFERENCES schedules (id) ON DELETE CASCADE,
    due_at TIMESTAMPTZ NOT NULL,
    last_due_at TIMESTAMPTZ NOT NULL,
    count INTEGER NOT NULL,
    decided_at TIMESTAMPTZ NOT NULL,
    outcome TEXT NOT NULL,
    reason TEXT,
    commands_info_id UUID,
    host TEXT NOT NULL,
    late_at TIMESTAMPTZ,
    long_at TIMESTAMPTZ,
    PRIMARY KEY (schedules_id, due_at)
);

COMMENT ON COLUMN schedules_fires.commands_info_id IS
    'The run that was started, which may be deleted by now.';
COMMENT ON COLUMN schedules_fires.late_at IS 'When it was found to be late.';
COMMENT ON COLUMN schedules_fires.long_at IS 'When its run was found to take long.';

CREATE INDEX IF NOT EXISTS schedules_fires_waiting ON schedules_fires (schedules_id, due_at)
    WHERE outcome = 'queued';
CREATE INDEX IF NOT EXISTS schedules_fires_oldest ON schedules_fires (decided_at);
