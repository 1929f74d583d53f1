-- What follows a run's end: a retry, and notifications.
-- Each statement can be applied again, and while servers of an older version work: runs that they
-- store have no options, so nothing follows their ends.

-- Whoever ends a run, and by whichever statement: what is to follow is noted in that transaction.
CREATE TABLE IF NOT EXISTS commands_info_ends (
    run_id UUID PRIMARY KEY REFERENCES commands_info (id) ON DELETE CASCADE,
    host TEXT NOT NULL,
    ended_at TIMESTAMPTZ NOT NULL
);

CREATE OR REPLACE FUNCTION commands_info_note_end() RETURNS TRIGGER
LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO commands_info_ends (run_id, host, ended_at)
    VALUES (NEW.id, NEW.host, NEW.end_time) ON CONFLICT DO NOTHING;
    RETURN NULL;
END
$$;

-- A flush names the column, too, and costs no call of the function: the condition is looked at first.
CREATE OR REPLACE TRIGGER commands_info_note_end AFTER UPDATE OF end_time ON commands_info
    FOR EACH ROW
    WHEN (
        OLD.end_time IS NULL AND NEW.end_time IS NOT NULL AND (
            NEW.options -> 'retries' IS NOT NULL OR NEW.options -> 'notify' IS NOT NULL
        )
    )
    EXECUTE FUNCTION commands_info_note_end();

CREATE TABLE IF NOT EXISTS notification_targets (
    id UUID PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    type TEXT NOT NULL,
    url TEXT NOT NULL,
    secret TEXT,
    created_at TIMESTAMPTZ NOT NULL,
    created_by TEXT NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL
);

COMMENT ON COLUMN notification_targets.secret IS
    'What a webhook''s messages are signed with, as it is: a hash could sign nothing.';

-- What is to be told, and what became of it: `next_try_at` is NULL when nothing is to be done,
-- `claimed_by` the host whose server makes an attempt.
CREATE TABLE IF NOT EXISTS notifications (
    id UUID PRIMARY KEY,
    created_at TIMESTAMPTZ NOT NULL,
    commands_id UUID NOT NULL REFERENCES commands (id) ON DELETE CASCADE,
    commands_info_id UUID REFERENCES commands_info (id) ON DELETE CASCADE,
    target TEXT NOT NULL,
    occasion TEXT NOT NULL,
    details JSONB NOT NULL DEFAULT '{}',
    attempts INTEGER NOT NULL DEFAULT 0,
    next_try_at TIMESTAMPTZ,
    claimed_by TEXT,
    last_error TEXT,
    delivered_at TIMESTAMPTZ,
    given_up_at TIMESTAMPTZ
);

CREATE INDEX IF NOT EXISTS notifications_due ON notifications (target, next_try_at)
    WHERE next_try_at IS NOT NULL;
CREATE INDEX IF NOT EXISTS notifications_newest ON notifications (created_at DESC, id DESC);
CREATE INDEX IF NOT EXISTS notifications_newest_of_command
    ON notifications (commands_id, created_at DESC, id DESC);
CREATE INDEX IF NOT EXISTS notifications_of_run ON notifications (commands_info_id);
CREATE INDEX IF NOT EXISTS commands_info_retry_of ON commands_info (retry_of)
    WHERE retry_of IS NOT NULL;
