DROP TRIGGER IF EXISTS workers_keep_place ON workers;
DROP FUNCTION IF EXISTS workers_keep_place();
