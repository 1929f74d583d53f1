-- Who may do what, and who did what.
-- Each statement can be applied again, and while servers of an older version work: their commands
-- are of the group `default`.

ALTER TABLE commands ADD COLUMN IF NOT EXISTS group_name TEXT NOT NULL DEFAULT 'default';

CREATE INDEX IF NOT EXISTS commands_group ON commands (group_name, created_at DESC, id DESC);

-- Those who were seen, with what their sign-in gives them (roles by group, as JSON).
CREATE TABLE IF NOT EXISTS principals (
    name TEXT PRIMARY KEY,
    grants JSONB NOT NULL DEFAULT '{}',
    seen_at TIMESTAMPTZ NOT NULL
);

COMMENT ON COLUMN principals.grants IS
    'What the last sign-in gave, such as by a claim of OpenID Connect; `grants` has the rest.';

CREATE TABLE IF NOT EXISTS grants (
    id UUID PRIMARY KEY,
    principal TEXT NOT NULL,
    role TEXT NOT NULL CHECK (role IN ('viewer', 'operator', 'editor', 'admin')),
    group_name TEXT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    created_by TEXT NOT NULL,
    UNIQUE (principal, group_name)
);

COMMENT ON COLUMN grants.group_name IS 'A group of commands, or * for every one.';

CREATE INDEX IF NOT EXISTS grants_created ON grants (created_at DESC, id DESC);

CREATE TABLE IF NOT EXISTS tokens (
    id UUID PRIMARY KEY,
    hash BYTEA NOT NULL UNIQUE,
    name TEXT NOT NULL,
    owner TEXT NOT NULL,
    role TEXT NOT NULL CHECK (role IN ('viewer', 'operator', 'editor', 'admin')),
    group_name TEXT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    expires_at TIMESTAMPTZ NOT NULL,
    revoked_at TIMESTAMPTZ,
    last_used_at TIMESTAMPTZ,
    made_by UUID REFERENCES tokens
);

COMMENT ON COLUMN tokens.hash IS 'SHA-256 of the token, which is stored nowhere.';
COMMENT ON COLUMN tokens.made_by IS 'The token by which it was made: with that one it is revoked.';

CREATE INDEX IF NOT EXISTS tokens_created ON tokens (created_at DESC, id DESC);
CREATE INDEX IF NOT EXISTS tokens_owner ON tokens (owner, created_at DESC, id DESC);

CREATE TABLE IF NOT EXISTS sessions (
    id UUID PRIMARY KEY,
    hash BYTEA NOT NULL UNIQUE,
    principal TEXT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    used_at TIMESTAMPTZ NOT NULL,
    expires_at TIMESTAMPTZ NOT NULL
);

COMMENT ON COLUMN sessions.hash IS 'SHA-256 of the cookie''s value, which is stored nowhere.';

CREATE TABLE IF NOT EXISTS audit (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    key UUID,
    at TIMESTAMPTZ NOT NULL,
    principal TEXT NOT NULL,
    known_by TEXT NOT NULL,
    address TEXT NOT NULL,
    act TEXT NOT NULL,
    commands_id UUID,
    commands_info_id UUID,
    script_sha256 BYTEA,
    outcome TEXT NOT NULL,
    details JSONB NOT NULL DEFAULT '{}'
);

COMMENT ON TABLE audit IS 'Who did what: rows are added, and never changed or deleted.';
COMMENT ON COLUMN audit.key IS
    'Of a row that was entered after the act, perhaps more than once: it is added once.';

-- Lists are ordered by the time of the act, whatever they are filtered by.
CREATE INDEX IF NOT EXISTS audit_at ON audit (at, id);
CREATE INDEX IF NOT EXISTS audit_principal ON audit (principal, at, id);
CREATE INDEX IF NOT EXISTS audit_act ON audit (act, at, id);
CREATE INDEX IF NOT EXISTS audit_command ON audit (commands_id, at, id)
    WHERE commands_id IS NOT NULL;
CREATE INDEX IF NOT EXISTS audit_run ON audit (commands_info_id) WHERE commands_info_id IS NOT NULL;
CREATE UNIQUE INDEX IF NOT EXISTS audit_key ON audit (key) WHERE key IS NOT NULL;

CREATE OR REPLACE FUNCTION audit_stays() RETURNS TRIGGER
LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'rows of the audit are neither changed nor deleted';
END
$$;

CREATE OR REPLACE TRIGGER audit_stays BEFORE UPDATE OR DELETE OR TRUNCATE ON audit
    FOR EACH STATEMENT EXECUTE FUNCTION audit_stays();
