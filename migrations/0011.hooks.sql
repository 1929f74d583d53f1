-- Hooks: what other services start runs by, and what they sent.
-- Each statement can be applied again, and while servers of an older version work.

CREATE TABLE IF NOT EXISTS commands_hooks (
    id UUID PRIMARY KEY,
    commands_id UUID NOT NULL REFERENCES commands ON DELETE CASCADE,
    name TEXT NOT NULL,
    scheme TEXT NOT NULL,
    secret TEXT NOT NULL,
    events TEXT[] NOT NULL DEFAULT '{}',
    parameters JSONB NOT NULL DEFAULT '{}',
    created_at TIMESTAMPTZ NOT NULL,
    created_by TEXT NOT NULL
);

COMMENT ON COLUMN commands_hooks.secret IS
    'As it is: a signature is made with it, and cannot be checked by a hash of it.';
COMMENT ON COLUMN commands_hooks.events IS 'Which events start a run; empty: every one.';
COMMENT ON COLUMN commands_hooks.parameters IS
    'Where in the body the values of parameters are: JSON pointers, by name.';

CREATE INDEX IF NOT EXISTS commands_hooks_of_command
    ON commands_hooks (commands_id, created_at, id);

-- What a run is handed over in a file, for as long as it may still be started.
CREATE TABLE IF NOT EXISTS commands_hooks_bodies (
    commands_info_id UUID PRIMARY KEY,
    body BYTEA NOT NULL
);
