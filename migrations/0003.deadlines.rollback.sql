DROP FUNCTION IF EXISTS commands_check_deadline;
