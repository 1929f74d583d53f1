ALTER TABLE commands_hooks DROP COLUMN IF EXISTS enabled;
