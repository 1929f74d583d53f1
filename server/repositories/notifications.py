"""What is to be told to targets, and what became of it: each row is sent at least once."""

# ruff: noqa: S608  what is put into the SQL are lists of columns and fragments of this layer

from collections.abc import Collection, Mapping
from collections.abc import Set as AbstractSet
from datetime import UTC, datetime, timedelta
from uuid import UUID

import orjson

from server.notifications import (
    FailingTarget,
    Notification,
    NotificationFilter,
    NotificationState,
    Telling,
)
from server.repositories.database.database import Database
from server.repositories.database.types import Row
from server.repositories.page import Page, SortKey
from server.repositories.rows import sanitize

ERROR_CHARACTERS = 500
"""Of why an attempt failed, at most."""

COLUMNS = """
    n.id, n.created_at, n.commands_id, n.commands_info_id, n.target, n.occasion, n.details,
    n.attempts, n.next_try_at, n.last_error, n.delivered_at, n.given_up_at
"""

# Of each target the one that is due first, each found by a look at the index: thousands may wait
# for one that is away.
FIRST = """
    names AS (
        (SELECT target FROM notifications WHERE next_try_at IS NOT NULL ORDER BY target LIMIT 1)
        UNION ALL
        SELECT (
            SELECT n.target FROM notifications n
            WHERE n.next_try_at IS NOT NULL AND n.target > names.target ORDER BY n.target LIMIT 1
        ) FROM names WHERE names.target IS NOT NULL
    ), first AS (
        SELECT names.target, f.id, f.next_try_at FROM names CROSS JOIN LATERAL (
            SELECT n.id, n.next_try_at FROM notifications n
            WHERE n.target = names.target AND n.next_try_at IS NOT NULL
            ORDER BY n.next_try_at LIMIT 1
        ) f
        WHERE NOT names.target = ANY(%(but)s::text[])
    )
"""

# An attempt is claimed by moving its next one on: whoever dies over it leaves it to that time. Of
# two servers the second finds the time moved, as the row's condition is looked at again.
CLAIM = f"""
    WITH RECURSIVE {FIRST}, due AS (
        SELECT id, next_try_at, is_doubtful, row_number() OVER (
            PARTITION BY is_doubtful ORDER BY next_try_at
        ) AS place
        FROM first, LATERAL (SELECT target = ANY(%(doubtful)s::text[]) AS is_doubtful) d
        WHERE next_try_at <= %(now)s
    )
    UPDATE notifications n
    SET attempts = n.attempts + 1, next_try_at = %(now)s + %(lease)s, claimed_by = %(host)s
    FROM (
        SELECT id FROM due WHERE NOT is_doubtful OR place <= %(doubtful_limit)s
        ORDER BY is_doubtful, next_try_at LIMIT %(limit)s
    ) d
    WHERE n.id = d.id AND n.next_try_at <= %(now)s
    RETURNING {COLUMNS}
"""

NEXT = f"WITH RECURSIVE {FIRST} SELECT min(next_try_at) FROM first"

DELIVERED = """
    UPDATE notifications
    SET delivered_at = %(now)s, next_try_at = NULL, claimed_by = NULL, last_error = NULL
    WHERE id = %(id)s AND delivered_at IS NULL
    RETURNING id
"""

FAILED = """
    UPDATE notifications
    SET last_error = %(error)s, next_try_at = %(next)s, claimed_by = NULL,
        given_up_at = CASE WHEN %(next)s IS NULL THEN %(now)s END
    WHERE id = %(id)s AND delivered_at IS NULL
    RETURNING id
"""

# What has waited too long for a target that is away has failed with this attempt, too.
GIVE_UP = """
    UPDATE notifications
    SET last_error = %(error)s, next_try_at = NULL, claimed_by = NULL, given_up_at = %(now)s
    WHERE target = %(target)s AND next_try_at IS NOT NULL AND claimed_by IS NULL
        AND created_at <= %(before)s
    RETURNING id
"""

RELEASE = """
    UPDATE notifications SET next_try_at = %(now)s, claimed_by = NULL
    WHERE next_try_at IS NOT NULL AND claimed_by = %(host)s
    RETURNING id
"""


def telling_sql(source: str) -> str:
    """Return the SQL that notes who is to be told, if `source` has a row, and returns the ids.

    Of one run a target is told of an occasion once. There are no braces in it, so it may stand in
    what is formatted.
    """
    return f"""
        INSERT INTO notifications (
            id, created_at, commands_id, commands_info_id, target, occasion, details, next_try_at
        )
        SELECT gen_random_uuid(), %(told_at)s, c.id, %(told_run_id)s::uuid, told.target,
            %(told_occasion)s, %(told_details)s::jsonb, %(told_at)s
        FROM commands c, unnest(%(told_targets)s::text[]) told (target)
        WHERE c.id = %(told_command_id)s AND EXISTS (SELECT FROM {source}) AND NOT EXISTS (
            SELECT FROM notifications n
            WHERE n.commands_info_id = %(told_run_id)s::uuid AND n.target = told.target
                AND n.occasion = %(told_occasion)s
        )
        RETURNING id
    """


NOBODY: Mapping[str, object] = {
    **dict.fromkeys(("told_at", "told_command_id", "told_run_id", "told_occasion")),
    "told_targets": [],
    "told_details": "{}",
}


def telling_parameters(telling: Telling | None) -> Mapping[str, object]:
    """Return what `telling_sql` takes; None: nobody is told."""
    if telling is None:
        return NOBODY
    return {
        "told_at": datetime.now(UTC),
        "told_command_id": telling.command_id,
        "told_run_id": telling.run_id,
        "told_occasion": telling.occasion,
        "told_targets": list(telling.targets),
        "told_details": orjson.dumps(dict(telling.details)).decode(),
    }


ADD = telling_sql("(SELECT) one")

STATES = {
    None: "true",
    NotificationState.WAITING: "n.next_try_at IS NOT NULL",
    NotificationState.DELIVERED: "n.delivered_at IS NOT NULL",
    NotificationState.GIVEN_UP: "n.given_up_at IS NOT NULL",
}

LIST = f"""
    SELECT {COLUMNS} FROM notifications n
    WHERE (%(command_id)s IS NULL OR n.commands_id = %(command_id)s)
        AND (%(run_id)s IS NULL OR n.commands_info_id = %(run_id)s)
        AND (%(target)s IS NULL OR n.target = %(target)s)
        AND (%(any_group)s OR EXISTS (
            SELECT FROM commands c
            WHERE c.id = n.commands_id AND c.group_name = ANY(%(groups)s::text[])
        ))
        AND (%(id)s IS NULL OR (n.created_at, n.id) < (%(created_at)s, %(id)s))
        AND {{state}}
    ORDER BY n.created_at DESC, n.id DESC LIMIT %(rows)s
"""


# Of a target that fails, all that waits is behind what failed.
FAILING = """
    SELECT target, count(*), min(created_at) FROM notifications
    WHERE next_try_at IS NOT NULL
    GROUP BY target HAVING bool_or(last_error IS NOT NULL)
    ORDER BY min(created_at), target LIMIT %(rows)s
"""


class NotificationRepository:
    """The table `notifications`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, telling: Telling) -> int:
        """Note that targets are to be told of something; return how many are."""
        return len(await self._database.fetch_all(ADD, telling_parameters(telling)))

    async def claim(
        self,
        *,
        host: str,
        but: Collection[str],
        limit: int,
        lease: timedelta,
        doubtful: Collection[str] = (),
        doubtful_limit: int = 0,
    ) -> list[Notification]:
        """Claim the attempts that are due, one a target, not of the targets in `but`.

        Those of `doubtful` targets come last, and are few. Whoever claims one says what became of
        it within the lease, or it is made again.
        """
        parameters = {
            "now": datetime.now(UTC),
            "host": host,
            "but": list(but),
            "limit": limit,
            "lease": lease,
            "doubtful": list(doubtful),
            "doubtful_limit": doubtful_limit,
        }
        rows = await self._database.fetch_all(CLAIM, parameters)
        return [_notification_of(row) for row in rows]

    async def failing(self, limit: int) -> list[FailingTarget]:
        """Return targets for which something waits that has failed, those first that wait longest.

        It is what all servers found.
        """
        rows = await self._database.fetch_all(FAILING, {"rows": limit})
        return [FailingTarget(*row) for row in rows]

    async def release(self, host: str) -> None:
        """Have the attempts made now that this host's server claimed before it was started."""
        await self._database.fetch_all(RELEASE, {"host": host, "now": datetime.now(UTC)})

    async def next_due(self, *, but: Collection[str]) -> datetime | None:
        """Return when the next attempt is due, not of the targets in `but`; None: none is."""
        [(next_try_at,)] = await self._database.fetch_all(NEXT, {"but": list(but)})
        found: datetime | None = next_try_at
        return found

    async def delivered(self, notification_id: UUID) -> None:
        """Note that a target was told."""
        await self._database.fetch_all(DELIVERED, {"id": notification_id, "now": datetime.now(UTC)})

    async def failed(self, notification_id: UUID, error: str, next_try_at: datetime | None) -> None:
        """Note why an attempt failed, and when the next one comes; None: it is given up."""
        parameters = {
            "id": notification_id,
            "error": sanitize(error[:ERROR_CHARACTERS]),
            "next": next_try_at,
            "now": datetime.now(UTC),
        }
        await self._database.fetch_all(FAILED, parameters)

    async def give_up(self, target: str, error: str, *, before: datetime) -> None:
        """Give up what has waited for a target since before a moment, for this reason."""
        parameters = {
            "target": target,
            "error": sanitize(error[:ERROR_CHARACTERS]),
            "before": before,
            "now": datetime.now(UTC),
        }
        await self._database.fetch_all(GIVE_UP, parameters)

    async def list(
        self,
        asked: NotificationFilter,
        *,
        groups: AbstractSet[str] | None,
        limit: int,
        cursor: str | None = None,
    ) -> Page[Notification]:
        """Return notifications of the commands of some groups, None for every one, newest first.

        Raises:
            InvalidCursorError: the cursor is none of ours.
        """
        parameters = {
            "command_id": asked.command_id,
            "run_id": asked.run_id,
            "target": asked.target,
            "any_group": groups is None,
            "groups": sorted(groups or ()),
            **SortKey.parameters(cursor),
            "rows": limit + 1,
        }
        rows = await self._database.fetch_all(LIST.format(state=STATES[asked.state]), parameters)
        return Page.cut(
            [_notification_of(row) for row in rows],
            limit,
            lambda one: SortKey(one.created_at, one.id),
        )


def _notification_of(row: Row) -> Notification:
    names = (
        *("id", "created_at", "command_id", "run_id", "target", "occasion", "details"),
        *("attempts", "next_try_at", "last_error", "delivered_at", "given_up_at"),
    )
    return Notification(**dict(zip(names, row, strict=True)))
