ALTER TABLE commands_info_output DROP COLUMN IF EXISTS marks;
