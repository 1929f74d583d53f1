DROP INDEX IF EXISTS commands_info_stops;
ALTER TABLE commands_info DROP COLUMN IF EXISTS stop_wanted;
