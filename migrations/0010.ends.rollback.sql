DROP INDEX IF EXISTS commands_info_retry_of;
DROP TABLE IF EXISTS notifications;
DROP TABLE IF EXISTS notification_targets;
DROP TRIGGER IF EXISTS commands_info_note_end ON commands_info;
DROP FUNCTION IF EXISTS commands_info_note_end();
DROP TABLE IF EXISTS commands_info_ends;
