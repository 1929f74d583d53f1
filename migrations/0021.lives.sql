-- Each process of a host has an identity of its own: of a copied state directory there are several,
-- and one of them at a time has the lease.
-- Each statement can be applied again, and while servers of an older version work: they let all in.

ALTER TABLE workers ADD COLUMN IF NOT EXISTS life TEXT;
ALTER TABLE workers ADD COLUMN IF NOT EXISTS life_age BIGINT NOT NULL DEFAULT 0;

COMMENT ON COLUMN workers.life IS
    'The process that has the lease. NULL: of a version before, or there was none yet.';
COMMENT ON COLUMN workers.life_age IS
    'What its state directory has counted up to: one that was copied before has less.';
