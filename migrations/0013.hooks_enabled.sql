-- A hook may be disabled: what is sent to it starts nothing then.
-- It can be applied again, and while servers of an older version work: they go on starting runs.

ALTER TABLE commands_hooks ADD COLUMN IF NOT EXISTS enabled BOOLEAN NOT NULL DEFAULT true;
