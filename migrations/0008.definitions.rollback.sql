ALTER TABLE commands_info
    DROP COLUMN IF EXISTS claimed_at,
    DROP COLUMN IF EXISTS not_before,
    DROP COLUMN IF EXISTS retry_of,
    DROP COLUMN IF EXISTS attempt,
    DROP COLUMN IF EXISTS cause,
    DROP COLUMN IF EXISTS secrets,
    DROP COLUMN IF EXISTS parameters,
    DROP COLUMN IF EXISTS options;
DROP INDEX IF EXISTS commands_key;
ALTER TABLE commands
    DROP COLUMN IF EXISTS paused,
    DROP COLUMN IF EXISTS options,
    DROP COLUMN IF EXISTS key;
