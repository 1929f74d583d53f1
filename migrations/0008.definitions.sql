-- What a command says beyond its script, and what its runs were started with.
-- Each statement can be applied again, and while servers of an older version work: their commands
-- and runs say nothing of it. No index holds a column that a flush changes, as in the first
-- migration.

ALTER TABLE commands ADD COLUMN IF NOT EXISTS key TEXT;
ALTER TABLE commands ADD COLUMN IF NOT EXISTS options JSONB;
ALTER TABLE commands ADD COLUMN IF NOT EXISTS paused JSONB;

COMMENT ON COLUMN commands.key IS 'What files and the command line call it.';
COMMENT ON COLUMN commands.options IS
    'Parameters, environment, directory, bounds and the like; NULL: nothing of these.';
COMMENT ON COLUMN commands.paused IS 'Why, until when and by whom; NULL: it is not.';

CREATE UNIQUE INDEX IF NOT EXISTS commands_key ON commands (key) WHERE key IS NOT NULL;

ALTER TABLE commands_info ADD COLUMN IF NOT EXISTS options JSONB;
ALTER TABLE commands_info ADD COLUMN IF NOT EXISTS parameters JSONB;
ALTER TABLE commands_info ADD COLUMN IF NOT EXISTS secrets JSONB;
ALTER TABLE commands_info ADD COLUMN IF NOT EXISTS cause JSONB;
ALTER TABLE commands_info ADD COLUMN IF NOT EXISTS attempt INTEGER;
ALTER TABLE commands_info ADD COLUMN IF NOT EXISTS retry_of UUID;
ALTER TABLE commands_info ADD COLUMN IF NOT EXISTS not_before TIMESTAMPTZ;
ALTER TABLE commands_info ADD COLUMN IF NOT EXISTS claimed_at TIMESTAMPTZ;

COMMENT ON COLUMN commands_info.options IS 'Its command''s when it was stored, like the script.';
COMMENT ON COLUMN commands_info.parameters IS 'Their values, none of a secret one.';
COMMENT ON COLUMN commands_info.secrets IS
    'Values of secret parameters, until the run has ended (with retries: the last of them).';
COMMENT ON COLUMN commands_info.cause IS
    'Which schedule, hook or retry started it; NULL: somebody by hand.';
COMMENT ON COLUMN commands_info.attempt IS 'Which attempt it is, from 1; NULL: the first.';
COMMENT ON COLUMN commands_info.retry_of IS 'The run before, which this one tries again.';
COMMENT ON COLUMN commands_info.not_before IS 'It stays queued until then.';
COMMENT ON COLUMN commands_info.claimed_at IS
    'When it got its turn, where its command limits how many runs go on at a time.';
