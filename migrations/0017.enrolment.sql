-- Enrolment: workers are let in by a token, once, and known by a key from then on; what they are told
-- is signed with the fleet's key.
-- Each statement can be applied again, and while servers of an older version work: they ask no key.

ALTER TABLE workers ADD COLUMN IF NOT EXISTS public_key TEXT;
ALTER TABLE workers ADD COLUMN IF NOT EXISTS enrolled_at TIMESTAMPTZ;
ALTER TABLE workers ADD COLUMN IF NOT EXISTS enrolled_by TEXT;

COMMENT ON COLUMN workers.public_key IS 'The nkey that NATS knows it by. NULL: not known here.';
COMMENT ON COLUMN workers.enrolled_by IS
    'Who made the token that it was enrolled with. NULL: of before there were any, or a server.';

CREATE TABLE IF NOT EXISTS workers_tokens (
    id UUID PRIMARY KEY,
    hash BYTEA NOT NULL UNIQUE,
    pools TEXT[] NOT NULL,
    labels TEXT[] NOT NULL,
    places INT NOT NULL,
    made_by TEXT NOT NULL,
    made_at TIMESTAMPTZ NOT NULL,
    expires_at TIMESTAMPTZ NOT NULL,
    used_at TIMESTAMPTZ,
    used_by TEXT
);

COMMENT ON TABLE workers_tokens IS 'What workers are enrolled with, each once.';
COMMENT ON COLUMN workers_tokens.hash IS 'The SHA-256 of the token, which is stored nowhere.';
COMMENT ON COLUMN workers_tokens.used_by IS 'The id of the worker that was enrolled with it.';

CREATE TABLE IF NOT EXISTS fleet_keys (
    role TEXT NOT NULL,
    host TEXT NOT NULL,
    public_key TEXT NOT NULL,
    noted_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (role, host)
);

COMMENT ON TABLE fleet_keys IS
    'Public parts of keys. Role fleet: what all servers sign with, one row, without a host. Role'
    ' server: the nkey by which NATS knows the server of this host.';
