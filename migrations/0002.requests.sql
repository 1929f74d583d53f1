-- Requests that are tried again, rows that others insert, and tables that are emptied.
-- Each statement can be applied again, as in the first migration; none rewrites a table.

-- What was made for a request that came with an Idempotency-Key, to be answered again.
CREATE TABLE IF NOT EXISTS commands_requests (
    key TEXT PRIMARY KEY,
    fingerprint BYTEA NOT NULL,
    commands_id UUID NOT NULL,
    commands_info_id UUID,
    created_at TIMESTAMPTZ NOT NULL
);

COMMENT ON COLUMN commands_requests.fingerprint IS
    'A hash of the request: another one may not have the same key.';

CREATE INDEX IF NOT EXISTS commands_requests_oldest ON commands_requests (created_at);

-- A row that names no state is completed by the trigger below.
ALTER TABLE commands_info
    ALTER COLUMN script SET DEFAULT '',
    ALTER COLUMN host SET DEFAULT '',
    ALTER COLUMN state DROP DEFAULT,
    ALTER COLUMN exitcode DROP DEFAULT;

-- A row without a state and a host was inserted by hand: no server runs it, so it is no active run
-- but one that has ended, as its exit code says. One with a host is of a server of version 0001.
CREATE OR REPLACE FUNCTION commands_info_complete() RETURNS TRIGGER
LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.host <> '' THEN
        NEW.state := 'queued';
        RETURN NEW;
    END IF;
    NEW.state := CASE
        WHEN NEW.exitcode IS NULL THEN 'lost' WHEN NEW.exitcode = 0 THEN 'succeeded' ELSE 'failed'
    END;
    NEW.end_time := coalesce(NEW.end_time, NEW.start_time);
    NEW.reason := coalesce(NEW.reason, 'it was not run: its row was inserted by hand');
    RETURN NEW;
END
$$;

CREATE OR REPLACE TRIGGER commands_info_complete BEFORE INSERT ON commands_info
    FOR EACH ROW WHEN (NEW.state IS NULL) EXECUTE FUNCTION commands_info_complete();

-- The output has no foreign key that TRUNCATE ... CASCADE could follow.
CREATE OR REPLACE FUNCTION commands_info_empty() RETURNS TRIGGER
LANGUAGE plpgsql AS $$
BEGIN
    TRUNCATE commands_info_output, commands_info_deleted, commands_requests;
    RETURN NULL;
END
$$;

CREATE OR REPLACE TRIGGER commands_info_empty AFTER TRUNCATE ON commands_info
    FOR EACH STATEMENT EXECUTE FUNCTION commands_info_empty();
