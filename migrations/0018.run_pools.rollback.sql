DROP INDEX IF EXISTS commands_info_newest_of_pool;
