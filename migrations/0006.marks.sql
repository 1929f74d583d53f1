-- When the output in a chunk was first seen, more finely than by the chunk's last byte.
-- It can be applied again, and while servers of an older version work: their chunks have none.

ALTER TABLE commands_info_output ADD COLUMN IF NOT EXISTS marks BYTEA;

COMMENT ON COLUMN commands_info_output.marks IS
    'Offsets and times, packed (server/output/marks.py); NULL: all is of written_at.';
