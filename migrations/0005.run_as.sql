-- Whom a command's runs are started as; NULL: as the settings say.
-- Each statement can be applied again, and while servers of an older version work: their commands
-- and runs name nobody.

ALTER TABLE commands ADD COLUMN IF NOT EXISTS run_as TEXT;

-- As it was when the run was stored, like its script.
ALTER TABLE commands_info ADD COLUMN IF NOT EXISTS run_as TEXT;
