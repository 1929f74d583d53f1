CREATE OR REPLACE TRIGGER commands_info_note_end AFTER UPDATE OF end_time ON commands_info
    FOR EACH ROW
    WHEN (
        OLD.end_time IS NULL AND NEW.end_time IS NOT NULL AND (
            NEW.options -> 'retries' IS NOT NULL OR NEW.options -> 'notify' IS NOT NULL
        )
    )
    EXECUTE FUNCTION commands_info_note_end();
ALTER TABLE commands_info DROP COLUMN IF EXISTS given_up_at;
