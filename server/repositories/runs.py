"""Runs, without their output."""

# ruff: noqa: S608  what is put into the SQL are lists of columns, constants of this layer

from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

from psycopg2.errors import ForeignKeyViolation

from server.access import Act, Actor
from server.errors import (
    CommandNotFoundError,
    DatabaseRefusedError,
    RequestRepeatedError,
    RunActiveError,
    RunNotFoundError,
)
from server.models import Position, RequestKey, Run, RunEnd, RunState
from server.repositories.access.audit import audit_parameters, audit_sql
from server.repositories.database.database import Database
from server.repositories.page import Page, SortKey
from server.repositories.requests import request_parameters, request_sql
from server.repositories.rows import (
    END_ASSIGNMENTS,
    POSITION_COLUMNS,
    RUN_COLUMNS,
    end_parameters,
    position_of,
    run_of,
)
from server.repositories.run_lists import NEWEST, run_listing

# The time is this host's: a database that was frozen may store the run long after the request.
ADD = f"""
    WITH request AS ({{request}}), r AS (
        INSERT INTO commands_info AS r (
            id, commands_id, script, run_as, host, created_at, start_time, state
        )
        SELECT %(run_id)s, %(command_id)s, %(script)s, %(run_as)s, %(host)s, %(now)s, %(now)s,
            'queued'
        FROM request
        RETURNING {RUN_COLUMNS}
    ), audited AS ({audit_sql("r", command="r.commands_id", run="r.id", script="r.script")})
    SELECT {RUN_COLUMNS} FROM r
"""

GET = f"SELECT {RUN_COLUMNS} FROM commands_info r WHERE r.id = %(id)s"

LATEST = f"""
    SELECT {RUN_COLUMNS} FROM commands_info r WHERE r.commands_id = %(command_id)s
    ORDER BY r.created_at DESC, r.id DESC LIMIT 1
"""

ACTIVE = f"""
    SELECT {RUN_COLUMNS} FROM commands_info r
    WHERE r.host = %(host)s AND r.state IN ('queued', 'running')
    ORDER BY r.created_at, r.id
"""

ACTIVE_OF_COMMAND = f"""
    SELECT {RUN_COLUMNS} FROM commands_info r
    WHERE r.commands_id = %(command_id)s AND r.state IN ('queued', 'running')
    ORDER BY r.created_at DESC, r.id DESC
"""

# The epoch fences off any server that owns the run after all.
END_UNFOLLOWED = f"""
    UPDATE commands_info AS r
    SET state = 'lost', end_time = %(now)s, exitcode = NULL, signal = NULL, reason = %(reason)s,
        epoch = r.epoch + 1
    WHERE r.id = %(id)s AND r.epoch = %(epoch)s AND r.state IN ('queued', 'running')
    RETURNING {RUN_COLUMNS}
"""

NOTE_DAMAGE = """
    UPDATE commands_info
    SET reason = CASE WHEN reason IS NULL THEN %(damage)s ELSE reason || '; ' || %(damage)s END
    WHERE id = %(id)s AND end_time IS NOT NULL
        AND (reason IS NULL OR position(%(kind)s IN reason) = 0)
    RETURNING id
"""

ACTIVE_ELSEWHERE = """
    SELECT count(*) FROM commands_info WHERE state IN ('queued', 'running') AND host <> %(host)s
"""

UNCONFIRMED = f"""
    SELECT {RUN_COLUMNS} FROM commands_info r
    WHERE r.host = %(host)s AND r.state = 'queued' AND r.epoch = 1 AND r.created_at < %(before)s
    ORDER BY r.created_at, r.id
"""

# Rows are locked in the order of their ids, as append() does, so that two servers never deadlock.
TAKE_OVER = f"""
    WITH taken AS (
        SELECT id FROM commands_info
        WHERE id = ANY(%(ids)s::uuid[]) AND state IN ('queued', 'running')
        ORDER BY id FOR UPDATE
    )
    UPDATE commands_info r SET epoch = r.epoch + 1, host = %(host)s FROM taken
    WHERE r.id = taken.id AND r.state IN ('queued', 'running')
    RETURNING {POSITION_COLUMNS}
"""

FINISH_QUEUED = f"""
    UPDATE commands_info SET {END_ASSIGNMENTS}
    WHERE id = %(id)s AND state = 'queued'
    RETURNING id
"""

# Locked first, for the second statement's snapshot to show what another one left of the row.
DELETE = f"""
    SELECT FROM commands_info WHERE id = %(id)s FOR UPDATE;
    WITH deleted AS (
        DELETE FROM commands_info WHERE id = %(id)s AND end_time IS NOT NULL
        RETURNING id, commands_id, script
    ), audited AS (
        {audit_sql("deleted d", command="d.commands_id", run="d.id", script="d.script")}
    )
    SELECT EXISTS (SELECT FROM deleted), EXISTS (SELECT FROM commands_info WHERE id = %(id)s)
"""


class RunRepository:
    """The table `commands_info`, without the output."""

    def __init__(self, database: Database, *, newest: int = NEWEST) -> None:
        self._database = database
        self._newest = newest  # so many are looked through for those of some groups

    async def add(
        self,
        command_id: UUID,
        script: str,
        host: str,
        *,
        run_as: str | None = None,
        by: Actor,
        request: RequestKey | None = None,
    ) -> Run:
        """Store a run of a command, queued, in its first epoch.

        Raises:
            CommandNotFoundError: there is no such command.
            RequestRepeatedError: the request was answered before.
        """
        now = datetime.now(UTC)
        parameters = {
            "command_id": command_id,
            "run_id": uuid4(),
            "script": script,
            "run_as": run_as,
            "host": host,
            "now": now,
            **request_parameters(request),
            **audit_parameters(
                Act.COMMAND_START, by, at=now, details={} if run_as is None else {"run_as": run_as}
            ),
        }
        sql = ADD.format(request=request_sql(request))
        try:
            rows = await self._database.fetch_all(sql, parameters)
        except DatabaseRefusedError as error:
            if not isinstance(error.__cause__, ForeignKeyViolation):
                raise
            raise CommandNotFoundError.of(command_id) from error
        if not rows:
            raise RequestRepeatedError("The request was answered before.")
        return run_of(rows[0])

    async def get(self, run_id: UUID) -> Run:
        """Return a run.

        Raises:
            RunNotFoundError: there is no such run.
        """
        row = await self._database.fetch_one(GET, {"id": run_id})
        if row is None:
            raise RunNotFoundError.of(run_id)
        return run_of(row)

    async def latest(self, command_id: UUID) -> Run:
        """Return a command's newest run.

        Raises:
            RunNotFoundError: the command has none.
        """
        row = await self._database.fetch_one(LATEST, {"command_id": command_id})
        if row is None:
            raise RunNotFoundError(f"The command {command_id} has no run.")
        return run_of(row)

    async def active(self, host: str) -> Sequence[Run]:
        """Return the queued and running runs of a host, oldest first."""
        return [run_of(row) for row in await self._database.fetch_all(ACTIVE, {"host": host})]

    async def active_of_command(self, command_id: UUID) -> Sequence[Run]:
        """Return a command's queued and running runs, newest first, of whatever host."""
        rows = await self._database.fetch_all(ACTIVE_OF_COMMAND, {"command_id": command_id})
        return [run_of(row) for row in rows]

    async def end_unfollowed(self, run: Run, reason: str) -> Run | None:
        """End a run that no server here follows, as lost; None when it has changed meanwhile.

        Its epoch is raised: a server that follows it after all has no say any more.
        """
        parameters = {
            "id": run.id,
            "epoch": run.epoch,
            "now": datetime.now(UTC),
            "reason": reason,
        }
        row = await self._database.fetch_one(END_UNFOLLOWED, parameters)
        return None if row is None else run_of(row)

    async def note_damage(self, run_id: UUID, damage: str, *, kind: str) -> None:
        """Add to the reason of a run that has ended what is wrong with its archive.

        Nothing is added to a reason that names this kind of damage: readers may find any number.
        """
        parameters = {"id": run_id, "damage": damage, "kind": kind}
        await self._database.fetch_one(NOTE_DAMAGE, parameters)

    async def active_elsewhere(self, host: str) -> int:
        """Return how many runs of other hosts are queued or running."""
        [(count,)] = await self._database.fetch_all(ACTIVE_ELSEWHERE, {"host": host})
        return int(count)

    async def unconfirmed(self, host: str, older_than_seconds: float) -> Sequence[Run]:
        """Return the queued runs of a host that nobody has taken over since they were stored.

        Where the answer to `add` was lost, its run is among them: the user got an error, yet it was
        stored, perhaps much later, when a database that had been frozen went on. Its age is that of
        the request, by the clock of this host.
        """
        before = datetime.now(UTC) - timedelta(seconds=older_than_seconds)
        rows = await self._database.fetch_all(UNCONFIRMED, {"host": host, "before": before})
        return [run_of(row) for row in rows]

    async def take_over(self, run_ids: Iterable[UUID], host: str) -> dict[UUID, Position]:
        """Become the owner of runs: raise their epoch, which fences every owner before.

        Returns where each stands; runs that are no longer active are left out.
        """
        ids = list(run_ids)
        if not ids:
            return {}
        rows = await self._database.fetch_all(TAKE_OVER, {"ids": ids, "host": host})
        return dict(map(position_of, rows))

    async def finish_queued(self, run_id: UUID, end: RunEnd) -> bool:
        """End a run that is still queued; False when it is not."""
        parameters = {"id": run_id, **end_parameters(end)}
        return await self._database.fetch_one(FINISH_QUEUED, parameters) is not None

    async def delete(self, run_id: UUID, *, by: Actor) -> None:
        """Delete a run that has ended; its output follows (RetentionRepository.purge).

        Raises:
            RunNotFoundError: there is no such run.
            RunActiveError: it is active.
        """
        parameters = {"id": run_id, **audit_parameters(Act.RUN_DELETE, by)}
        [(deleted, found)] = await self._database.fetch_all(DELETE, parameters)
        if not found:
            raise RunNotFoundError.of(run_id)
        if not deleted:
            raise RunActiveError("The run is active. Stop it first.")

    async def list(
        self,
        *,
        state: RunState | None = None,
        command_id: UUID | None = None,
        groups: AbstractSet[str] | None = None,
        limit: int,
        cursor: str | None = None,
    ) -> Page[Run]:
        """Return runs of the commands of some groups, None for every one; newest first.

        Raises:
            InvalidCursorError: the cursor is none of ours.
        """
        sql, parameters = run_listing(command_id, groups, newest=self._newest)
        parameters |= {"state": state, "command_id": command_id, "rows": limit + 1}
        rows = await self._database.fetch_all(sql, parameters | SortKey.parameters(cursor))
        return Page.cut(
            [run_of(row) for row in rows], limit, lambda run: SortKey(run.created_at, run.id)
        )
