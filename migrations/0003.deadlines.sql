-- The deadline of a statement says so itself when it has passed.
-- It can be applied again, and while servers of an older version work: they do not call it.

-- Fails with an SQLSTATE that nothing else has, so that a row's own fault is not taken for it.
CREATE OR REPLACE FUNCTION commands_check_deadline(deadline TIMESTAMPTZ) RETURNS VOID
LANGUAGE plpgsql AS $$
BEGIN
    IF clock_timestamp() >= deadline THEN
        RAISE EXCEPTION 'the deadline % has passed', deadline USING ERRCODE = 'TR001';
    END IF;
END
$$;

COMMENT ON FUNCTION commands_check_deadline IS
    'Precedes what a server sends: what it has given up must have no effect later.';
