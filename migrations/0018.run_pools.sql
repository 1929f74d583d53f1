-- Lists of runs by pool.
-- Each statement can be applied again, and while servers of an older version work. No index holds
-- a column that a flush changes, as in the first migration; runs of no pool cost nothing.

CREATE INDEX IF NOT EXISTS commands_info_newest_of_pool
    ON commands_info (pool, created_at DESC, id DESC) WHERE pool IS NOT NULL;
