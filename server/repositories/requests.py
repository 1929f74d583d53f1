"""Requests that may come again: what was made for the first of them.

A request with a key notes it in the statement that makes what it asks for, so that there is both
or neither. Of two at a time the second waits for the first's transaction, and then finds the key.
"""

from datetime import UTC, datetime, timedelta

from server.models import MadeBefore, RequestKey
from server.repositories.database.database import Database

KEPT_FOR = timedelta(hours=24)
"""How long a key is known; after that it may be used anew."""

REMEMBER = f"""
    INSERT INTO commands_requests AS k (
        key, fingerprint, commands_id, commands_info_id, created_at
    )
    SELECT %(request_key)s, %(fingerprint)s, %(command_id)s, %(run_id)s, %(now)s
    WHERE {{condition}}
    ON CONFLICT (key) DO UPDATE
    SET fingerprint = excluded.fingerprint, commands_id = excluded.commands_id,
        commands_info_id = excluded.commands_info_id, created_at = excluded.created_at
    WHERE k.created_at < excluded.created_at - interval '{KEPT_FOR.total_seconds():.0f} seconds'
    RETURNING 1
"""  # noqa: S608  a number of this layer

FIND = """
    SELECT fingerprint, commands_id, commands_info_id FROM commands_requests
    WHERE key = %(key)s AND created_at >= %(since)s
"""

FORGET = """
    WITH forgotten AS (
        DELETE FROM commands_requests WHERE key IN (
            SELECT key FROM commands_requests WHERE created_at < %(before)s
            ORDER BY created_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED
        ) RETURNING 1
    )
    SELECT count(*) FROM forgotten
"""


def request_sql(request: RequestKey | None, condition: str = "true") -> str:
    """Return the SQL of one row, or of none where the request was answered before.

    Nor is there one, or the key noted, where the condition does not hold.

    It takes `command_id`, `run_id`, `now`, and what `request_parameters` returns.
    """
    if request is None:
        return f"SELECT 1 WHERE {condition}"
    return REMEMBER.format(condition=condition)


def request_parameters(request: RequestKey | None) -> dict[str, object]:
    """Return what `request_sql` takes of the request itself."""
    return (
        {} if request is None else {"request_key": request.key, "fingerprint": request.fingerprint}
    )


class RequestRepository:
    """The table `commands_requests`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def find(self, key: str) -> MadeBefore | None:
        """Return what was made for the request of this key, in the last 24 hours."""
        since = datetime.now(UTC) - KEPT_FOR
        row = await self._database.fetch_one(FIND, {"key": key, "since": since})
        if row is None:
            return None
        fingerprint, command_id, run_id = row
        return MadeBefore(bytes(fingerprint), command_id, run_id)

    async def forget(self, limit: int) -> int:
        """Forget up to `limit` keys that are old enough; return how many."""
        parameters = {"before": datetime.now(UTC) - KEPT_FOR, "limit": limit}
        [(count,)] = await self._database.fetch_all(FORGET, parameters)
        return int(count)
