-- The host inside a server is known to the others, too: it has a lease, as workers have.
-- It can be applied again, and while servers of an older version work: theirs have none.

ALTER TABLE workers ADD COLUMN IF NOT EXISTS role TEXT NOT NULL DEFAULT 'worker';

COMMENT ON COLUMN workers.role IS 'worker, or server: the host inside one.';
