DROP TABLE IF EXISTS commands_info_deleted;
DROP TABLE IF EXISTS commands_info_output;
DROP TABLE IF EXISTS commands_info;
DROP TABLE IF EXISTS commands;
DROP FUNCTION IF EXISTS commands_info_note_deleted;
DROP FUNCTION IF EXISTS commands_pieces;
