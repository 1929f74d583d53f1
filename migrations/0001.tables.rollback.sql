DROP TABLE IF EXISTS commands_info_output;
DROP TABLE IF EXISTS commands_info;
DROP TABLE IF EXISTS commands;
