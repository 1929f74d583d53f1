-- Workers: hosts without a database, which run what they claim.
-- Each statement can be applied again, and while servers of an older version work.

CREATE TABLE IF NOT EXISTS workers (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    version TEXT NOT NULL,
    pools TEXT[] NOT NULL,
    labels TEXT[] NOT NULL,
    places INT NOT NULL,
    state TEXT NOT NULL DEFAULT 'active',
    first_seen_at TIMESTAMPTZ NOT NULL,
    seen_at TIMESTAMPTZ NOT NULL,
    lease_until TIMESTAMPTZ NOT NULL
);

COMMENT ON COLUMN workers.id IS 'The identity of its state directory: commands_info.host.';
COMMENT ON COLUMN workers.places IS 'How many runs it has at once.';
COMMENT ON COLUMN workers.state IS
    'active; draining: it gets no more runs; removed: it gets none, and is not let in again.';
COMMENT ON COLUMN workers.lease_until IS
    'Until when it may claim, by this database''s clock; each beat extends it.';
