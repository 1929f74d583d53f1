"""What follows a run's end: a retry and notifications, made in the transaction that takes the end.

A trigger notes each end that something may follow, in that end's own transaction
(`migrations/0010.ends.sql`).
"""

# ruff: noqa: S608  what is put into the SQL are lists of columns and fragments of this layer

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

from server.access import Act, Actor, Outcome
from server.definition import NewRun, Pause
from server.models import Run, RunState
from server.repositories.access.audit import audit_parameters, audit_sql
from server.repositories.database.database import Database
from server.repositories.rows import RUN_COLUMNS, run_of
from server.repositories.run_statements import insert_run, new_run_parameters

ELSEWHERE = timedelta(seconds=60)
"""So old is an end of another server's run that this one takes: that server seems to be away.

Workers make nothing of their runs' ends, nor do servers that are away: any server does, at once."""

# A stop is on record before it is done: who asked for it wants nothing further of that run.
STOP_WANTED = f"""
    (r.stop_wanted IS NOT NULL OR r.state = 'lost' AND EXISTS (
        SELECT FROM audit a WHERE a.commands_info_id = r.id
            AND a.act = '{Act.RUN_STOP}' AND a.outcome = '{Outcome.DONE}'
    ))
"""

# The first run of a chain of attempts is the one that its retries name as their cause; what ended
# before is none of that chain. A run that somebody stopped says nothing of how the command is.
DUE = f"""
    SELECT c.paused, {STOP_WANTED}, (
        SELECT b.state FROM commands_info b
        WHERE b.commands_id = r.commands_id AND b.end_time IS NOT NULL AND b.state <> 'stopped'
            AND (b.created_at, b.id) < (r.created_at, r.id) AND b.id::text <> first.id
            AND coalesce(b.cause ->> 'id', '') <> first.id
        ORDER BY b.created_at DESC, b.id DESC LIMIT 1
    ), {RUN_COLUMNS}
    FROM commands_info_ends e JOIN commands_info r ON r.id = e.run_id
        JOIN commands c ON c.id = r.commands_id
        CROSS JOIN LATERAL (SELECT
            CASE WHEN r.cause ->> 'kind' = 'retry' THEN r.cause ->> 'id' ELSE r.id::text END AS id
        ) first
    WHERE (
            e.host = %(host)s OR e.host IS NULL OR e.ended_at < %(before)s
            OR EXISTS (
                SELECT FROM workers w
                WHERE w.id = e.host AND (w.role = 'worker' OR w.lease_until < now())
            )
        )
        AND NOT e.run_id = ANY(%(but)s::uuid[])
    ORDER BY e.ended_at, e.run_id LIMIT %(limit)s
"""

# The command is locked first, as by whoever deletes it. Of two servers one finds the end.
TAKE = f"""
    SELECT FROM commands WHERE id = %(command_id)s FOR KEY SHARE;
    WITH taken AS (
        DELETE FROM commands_info_ends WHERE run_id = %(ended_id)s RETURNING run_id
    ), ended AS (
        SELECT e.* FROM taken JOIN commands_info e ON e.id = taken.run_id
    ), cleared AS (
        UPDATE commands_info o SET secrets = NULL FROM taken
        WHERE o.id = taken.run_id AND o.secrets IS NOT NULL
    ), told AS (
        INSERT INTO notifications (
            id, created_at, commands_id, commands_info_id, target, occasion, next_try_at
        )
        SELECT gen_random_uuid(), %(now)s, ended.commands_id, ended.id, told.target,
            told.occasion, %(now)s
        FROM ended, unnest(%(targets)s::text[], %(occasions)s::text[]) told (target, occasion)
    ), r AS (
        {
    insert_run(
        "ended WHERE %(is_retried)s",
        commands_id="ended.commands_id",
        script="ended.script",
        run_as="ended.run_as",
        options="ended.options",
        parameters="ended.parameters",
        secrets="ended.secrets",
        host="CASE WHEN coalesce(ended.pool, %(pool)s::text) IS NULL THEN %(host)s END",
        pool="coalesce(ended.pool, %(pool)s::text)",
        requires="ended.requires",
    )
}
    ), audited AS ({audit_sql("r", command="r.commands_id", run="r.id", script="r.script")})
    SELECT {RUN_COLUMNS} FROM r
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """A run whose end something may follow.

    `before` is how the last run of its command ended that is no other attempt of the same; None:
    there is none. `stop_wanted`: its host was to stop it, or to have stopped it before it was lost.
    """

    run: Run
    before: RunState | None
    paused: Pause | None
    stop_wanted: bool


class EndRepository:
    """The table `commands_info_ends`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def due(self, host: str, limit: int, *, but: Collection[UUID] = ()) -> list[Ended]:
        """Return ends that something may follow, but for those of the runs in `but`.

        They are of this host's runs, of workers' and of no host's, and old ones of other servers'.
        """
        before = datetime.now(UTC) - ELSEWHERE
        parameters = {"host": host, "before": before, "limit": limit, "but": list(but)}
        rows = await self._database.fetch_all(DUE, parameters)
        return [
            Ended(
                run=run_of(row[3:]),
                before=None if row[2] is None else RunState.of(row[2]),
                paused=Pause.of(row[0]),
                stop_wanted=row[1],
            )
            for row in rows
        ]

    async def take(
        self,
        run: Run,
        *,
        retry: NewRun | None,
        told: Sequence[tuple[str, str]],
        host: str,
        by: Actor,
    ) -> Run | None:
        """Take a run's end, and store what follows it: a retry, and who is to be told of what.

        `told` are targets and occasions. Returns the retry; nothing is stored, and None returned,
        where somebody else has taken the end.
        """
        now = datetime.now(UTC)
        parameters = {
            "ended_id": run.id,
            "command_id": run.command_id,
            "now": now,
            "targets": [target for target, _ in told],
            "occasions": [occasion for _, occasion in told],
            "is_retried": retry is not None,
            "run_id": uuid4(),
            "host": host,
            **new_run_parameters(retry or NewRun()),
            **audit_parameters(Act.COMMAND_START, by, at=now),
        }
        row = await self._database.fetch_one(TAKE, parameters)
        return None if row is None else run_of(row)
