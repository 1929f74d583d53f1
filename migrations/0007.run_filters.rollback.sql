DROP INDEX IF EXISTS commands_info_newest_with_reason;
DROP INDEX IF EXISTS commands_info_duration;
DROP INDEX IF EXISTS commands_info_newest_with_exitcode;
