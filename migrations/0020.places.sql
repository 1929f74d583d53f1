-- Servers of before enrolment store as a worker's pools, labels and places whatever it says of them,
-- and those that are enrolled say nothing of that: beside such servers they would have none.
-- Each statement can be applied again, and while servers of an older version work.

CREATE OR REPLACE FUNCTION workers_keep_place() RETURNS TRIGGER
LANGUAGE plpgsql AS $$
BEGIN
    NEW.pools := OLD.pools;
    NEW.labels := OLD.labels;
    NEW.places := OLD.places;
    RETURN NEW;
END
$$;

-- Enrolment changes `enrolled_at`, users nothing that a hello does: no beat comes here.
CREATE OR REPLACE TRIGGER workers_keep_place BEFORE UPDATE OF pools ON workers
    FOR EACH ROW
    WHEN (
        NEW.role = 'worker'
        AND OLD.enrolled_at IS NOT NULL AND NEW.enrolled_at IS NOT DISTINCT FROM OLD.enrolled_at
        AND NEW.seen_at IS DISTINCT FROM OLD.seen_at
    )
    EXECUTE FUNCTION workers_keep_place();
