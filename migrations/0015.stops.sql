-- Stops of runs whose worker is away: it is told of them when it is back.
-- Each statement can be applied again, and while servers of an older version work: they tell nobody.

ALTER TABLE commands_info ADD COLUMN IF NOT EXISTS stop_wanted JSONB;

COMMENT ON COLUMN commands_info.stop_wanted IS
    'The stop that its worker was to do while it was away: signal and grace_seconds. NULL: none.';

CREATE INDEX IF NOT EXISTS commands_info_stops ON commands_info (host)
    WHERE stop_wanted IS NOT NULL AND end_time IS NULL;
