"""Which migrations a database has, as yoyo notes them."""

from psycopg2.extensions import cursor as Cursor  # noqa: N812

YOYO_TABLE = "_yoyo_migration"


def applied_in(cursor: Cursor) -> tuple[str, ...] | None:
    """Return the names of the migrations that were applied, in order; None: there never were any.

    Others may use the database, and yoyo, too: not all of them need be ours.
    """
    cursor.execute("SELECT to_regclass(%s) IS NOT NULL", [YOYO_TABLE])
    [(exists,)] = cursor.fetchall()
    if not exists:
        return None
    cursor.execute(f"SELECT migration_id FROM {YOYO_TABLE} ORDER BY migration_id")  # noqa: S608
    return tuple(name for (name,) in cursor.fetchall())
