DROP TRIGGER IF EXISTS commands_info_empty ON commands_info;
DROP TRIGGER IF EXISTS commands_info_complete ON commands_info;
DROP FUNCTION IF EXISTS commands_info_empty;
DROP FUNCTION IF EXISTS commands_info_complete;
ALTER TABLE commands_info
    ALTER COLUMN script DROP DEFAULT,
    ALTER COLUMN host DROP DEFAULT,
    ALTER COLUMN state SET DEFAULT 'queued',
    ALTER COLUMN exitcode SET DEFAULT 0;
DROP TABLE IF EXISTS commands_requests;
