UPDATE commands_info_ends SET host = '' WHERE host IS NULL;
ALTER TABLE commands_info_ends ALTER COLUMN host SET NOT NULL;
DROP INDEX IF EXISTS commands_info_unclaimed;
UPDATE commands_info SET host = '' WHERE host IS NULL;
ALTER TABLE commands_info ALTER COLUMN host SET NOT NULL;
ALTER TABLE commands_info DROP COLUMN IF EXISTS held_at;
ALTER TABLE commands_info DROP COLUMN IF EXISTS requires;
ALTER TABLE commands_info DROP COLUMN IF EXISTS pool;
