-- Lists of runs by exit code, duration and reason.
-- Each statement can be applied again, and while servers of an older version work. No index holds
-- a column that a flush changes, as in the first migration.

CREATE INDEX IF NOT EXISTS commands_info_newest_with_exitcode
    ON commands_info (exitcode, created_at DESC, id DESC) WHERE exitcode IS NOT NULL;
CREATE INDEX IF NOT EXISTS commands_info_duration
    ON commands_info ((end_time - start_time)) WHERE end_time IS NOT NULL;

-- Few runs have a reason, which may be longer than an index takes.
CREATE INDEX IF NOT EXISTS commands_info_newest_with_reason
    ON commands_info (created_at DESC, id DESC) WHERE reason IS NOT NULL;
