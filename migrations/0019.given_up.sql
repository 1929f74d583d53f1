-- Runs that are given up while their host is away.
-- Each statement can be applied again, and while servers of an older version work: they give up none.

ALTER TABLE commands_info ADD COLUMN IF NOT EXISTS given_up_at TIMESTAMPTZ;

COMMENT ON COLUMN commands_info.given_up_at IS
    'When it ended as lost since its host was away: it may go on there. NULL: it did not.';

-- What may be tried again where its host is away is noted at its end, too.
CREATE OR REPLACE TRIGGER commands_info_note_end AFTER UPDATE OF end_time ON commands_info
    FOR EACH ROW
    WHEN (
        OLD.end_time IS NULL AND NEW.end_time IS NOT NULL AND (
            NEW.options -> 'retries' IS NOT NULL OR NEW.options -> 'notify' IS NOT NULL
            OR NEW.options ->> 'on_unreachable' = 'retry'
        )
    )
    EXECUTE FUNCTION commands_info_note_end();
