-- Runs that wait for a worker: of a pool, and with labels that it is to have.
-- Each statement can be applied again, and while servers of an older version work: their runs are of
-- no pool, and they start none that is. No index holds a column that a flush changes, as in the first
-- migration.

ALTER TABLE commands_info ADD COLUMN IF NOT EXISTS pool TEXT;
ALTER TABLE commands_info ADD COLUMN IF NOT EXISTS requires TEXT[];
ALTER TABLE commands_info ADD COLUMN IF NOT EXISTS held_at TIMESTAMPTZ;
ALTER TABLE commands_info ALTER COLUMN host DROP NOT NULL;

COMMENT ON COLUMN commands_info.pool IS
    'Of its workers one is to run it; NULL: the host whose server stored it.';
COMMENT ON COLUMN commands_info.requires IS 'The labels that the worker is to have; NULL: none.';
COMMENT ON COLUMN commands_info.held_at IS
    'When it was stored, by this database''s clock, until its server knows of that: no worker gets'
    ' it before. NULL: it is not held.';
COMMENT ON COLUMN commands_info.host IS
    'Whose run it is: a state directory''s identity. NULL: a worker is to claim it.';

CREATE INDEX IF NOT EXISTS commands_info_unclaimed ON commands_info (pool, created_at, id)
    WHERE host IS NULL AND end_time IS NULL;

-- A run that ends before a worker has claimed it is no host's: what follows is any server's to make.
ALTER TABLE commands_info_ends ALTER COLUMN host DROP NOT NULL;
