"""Runs, without their output."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

from psycopg2.errors import ForeignKeyViolation

from server.access import Act, Actor, KnownBy, Principal
from server.definition import PLAIN_RUN, Beyond, NewRun
from server.errors import (
    CommandNotFoundError,
    ConcurrencyLimitError,
    DatabaseRefusedError,
    RequestRepeatedError,
    RunActiveError,
    RunNotFoundError,
)
from server.models import EVERY_RUN, Position, RequestKey, Run, RunEnd, RunFilter
from server.repositories.access.audit import audit_parameters
from server.repositories.database.database import Database
from server.repositories.page import Page, SortKey
from server.repositories.requests import request_parameters, request_sql
from server.repositories.rows import end_parameters, position_of, run_of
from server.repositories.run_lists import NEWEST, run_listing
from server.repositories.run_statements import (
    ACTIVE,
    ACTIVE_AFTER,
    ACTIVE_ELSEWHERE,
    ACTIVE_OF_COMMAND,
    ADD,
    ADD_LIMITED,
    CHANGED_ELSEWHERE,
    COUNT_ACTIVE,
    DELETE,
    DELETE_ALL,
    END_UNFOLLOWED,
    FINISH_QUEUED,
    GET,
    LATEST,
    MAY_ADD,
    NOTE_DAMAGE,
    RUNNING,
    SECRETS,
    STARTER,
    TAKE_OVER,
    TAKE_OVER_KNOWN,
    UNCONFIRMED,
    WITH_BODY,
    new_run_parameters,
)

MAX_NAMED = 10
"""Runs that an error names, at most."""


@dataclass(frozen=True, slots=True)
class Found:
    """What was found of a run that was to be deleted, and whether it was."""

    command_id: UUID
    group: str
    deleted: bool


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
        new: NewRun = PLAIN_RUN,
        by: Actor,
        request: RequestKey | None = None,
    ) -> Run:
        """Store a run of a command, queued, in its first epoch.

        Where its command limits how many go on at a time, it waits for its turn, or has it.

        Raises:
            CommandNotFoundError: there is no such command.
            ConcurrencyLimitError: it has no turn, and is not to wait for one.
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
            "hook_body": new.hook_body,
            **new_run_parameters(new),
            **request_parameters(request),
            **audit_parameters(
                Act.COMMAND_START, by, at=now, details={} if run_as is None else {"run_as": run_as}
            ),
        }
        if new.options.concurrency is not None:
            return await self._add_limited(new, parameters, request)
        with_body = WITH_BODY if new.hook_body is not None else ""
        sql = ADD.format(request=request_sql(request), with_body=with_body)
        try:
            rows = await self._database.fetch_all(sql, parameters)
        except DatabaseRefusedError as error:
            if not isinstance(error.__cause__, ForeignKeyViolation):
                raise
            raise CommandNotFoundError.of(command_id) from error
        if not rows:
            raise RequestRepeatedError("The request was answered before.")
        return run_of(rows[0])

    async def _add_limited(
        self, new: NewRun, parameters: Mapping[str, object], request: RequestKey | None
    ) -> Run:
        command_id, concurrency = parameters["command_id"], new.options.concurrency
        assert isinstance(command_id, UUID)
        assert concurrency is not None
        may_wait = new.not_before is not None or concurrency.beyond is not Beyond.REFUSE
        more = {
            "commands": [command_id],
            "may_wait": may_wait,
            "stands_in_line": concurrency.beyond is Beyond.QUEUE,
        }
        with_body = WITH_BODY if new.hook_body is not None else ""
        sql = ADD_LIMITED.format(request=request_sql(request, MAY_ADD), with_body=with_body)
        row = await self._database.fetch_one(sql, {**parameters, **more})
        if row is None:
            raise CommandNotFoundError.of(command_id)
        free, columns = row[0], row[1:]
        if columns[0] is not None:
            return run_of(columns)
        if free or may_wait:
            raise RequestRepeatedError("The request was answered before.")
        raise await self._limit_reached(command_id, concurrency.limit)

    async def _limit_reached(self, command_id: UUID, limit: int) -> ConcurrencyLimitError:
        runs = [run for run in await self.active_of_command(command_id) if not run.waits]
        named = ", ".join(str(run.id) for run in runs[:MAX_NAMED])
        return ConcurrencyLimitError(
            f"The command lets {limit} of its runs go on at a time (concurrency), and has so many:"
            f" {named or 'one has just ended'}. Wait for an end, or stop one."
        )

    async def get(self, run_id: UUID) -> Run:
        """Return a run.

        Raises:
            RunNotFoundError: there is no such run.
        """
        row = await self._database.fetch_one(GET, {"id": run_id})
        if row is None:
            raise RunNotFoundError.of(run_id)
        return run_of(row)

    async def secrets(self, run_id: UUID) -> Mapping[str, str]:
        """Return the values of a run's secret parameters, for its start; after its end, none."""
        row = await self._database.fetch_one(SECRETS, {"id": run_id})
        return {} if row is None or row[0] is None else row[0]

    async def starter(self, run_id: UUID) -> Actor | None:
        """Return who started a run, as the audit tells; None: it does not."""
        row = await self._database.fetch_one(STARTER, {"id": run_id})
        if row is None:
            return None
        name, known_by, address = row
        known = next((one for one in KnownBy if one.value == known_by), KnownBy.NOBODY)
        return Actor(Principal(name=name, known_by=known), address)

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

    async def running(self, host: str) -> Sequence[Run]:
        """Return the running runs of a host, in any order."""
        return [run_of(row) for row in await self._database.fetch_all(RUNNING, {"host": host})]

    async def active_after(self, host: str, after: UUID | None, limit: int) -> Sequence[Run]:
        """Return a host's queued and running runs by their ids, so many of those behind `after`."""
        parameters = {"host": host, "after": after, "limit": limit}
        return [run_of(row) for row in await self._database.fetch_all(ACTIVE_AFTER, parameters)]

    async def count_active(self, command_id: UUID) -> int:
        """Return how many queued and running runs a command has, of whatever host or of none."""
        [(count,)] = await self._database.fetch_all(COUNT_ACTIVE, {"command_id": command_id})
        return int(count)

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

    async def changed_elsewhere(self, host: str, since: datetime) -> bool:
        """Return whether runs that are not a host's were made or have ended since a moment."""
        parameters = {"host": host, "since": since}
        [(changed,)] = await self._database.fetch_all(CHANGED_ELSEWHERE, parameters)
        return bool(changed)

    async def unconfirmed(self, host: str, older_than_seconds: float) -> Sequence[Run]:
        """Return the queued runs of a host that nobody has taken over since they were stored.

        Where the answer to `add` was lost, its run is among them: the user got an error, yet it was
        stored, perhaps much later, when a database that had been frozen went on. Its age is that of
        the request, by the clock of this host.

        With them come those of no host that are held for so long, and one of no host that waits for
        its turn or its time.
        """
        before = datetime.now(UTC) - timedelta(seconds=older_than_seconds)
        parameters = {"host": host, "before": before, "seconds": older_than_seconds}
        rows = await self._database.fetch_all(UNCONFIRMED, parameters)
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

    async def take_over_known(
        self, epochs: Mapping[UUID, int], host: str, life: str | None = None
    ) -> dict[UUID, Position]:
        """Raise the epochs of a host's runs from these by one; asked again, they stay.

        Returns where each stands; runs that have ended, are another's or in other epochs are left
        out. So are all where another process of the host than `life` has its lease.
        """
        if not epochs:
            return {}
        ids, values = [*epochs], [*epochs.values()]
        parameters = {"ids": ids, "epochs": values, "host": host, "life": life}
        rows = await self._database.fetch_all(TAKE_OVER_KNOWN, parameters)
        return dict(map(position_of, rows))

    async def finish_queued(self, run_id: UUID, end: RunEnd) -> bool:
        """End a run that is still queued; False when it is not."""
        parameters = {"id": run_id, **end_parameters(end)}
        return await self._database.fetch_one(FINISH_QUEUED, parameters) is not None

    async def delete(self, run_id: UUID, *, by: Actor) -> UUID:
        """Delete a run that has ended; its output follows (RetentionRepository.purge).

        Returns its command.

        Raises:
            RunNotFoundError: there is no such run.
            RunActiveError: it is active.
        """
        parameters = {"id": run_id, **audit_parameters(Act.RUN_DELETE, by)}
        [(command_id, found)] = await self._database.fetch_all(DELETE, parameters)
        if not found:
            raise RunNotFoundError.of(run_id)
        if command_id is None:
            raise RunActiveError("The run is active. Stop it first.")
        return UUID(str(command_id))

    async def delete_all(
        self, run_ids: Collection[UUID], groups: AbstractSet[str] | None, *, by: Actor
    ) -> dict[UUID, Found]:
        """Delete those of the runs that have ended and whose commands are of one of these groups.

        None: of every group. Returns what was found of each that there was.

        Raises:
            DatabaseRefusedError: none is deleted, mostly for what one of the rows holds.
        """
        parameters = {
            "ids": list(run_ids),
            "any_group": groups is None,
            "groups": sorted(groups or ()),
            **audit_parameters(Act.RUN_DELETE, by),
        }
        rows = await self._database.fetch_all(DELETE_ALL, parameters)
        return {row[0]: Found(*row[1:]) for row in rows}

    async def list(
        self,
        asked: RunFilter = EVERY_RUN,
        *,
        groups: AbstractSet[str] | None = None,
        limit: int,
        cursor: str | None = None,
    ) -> Page[Run]:
        """Return runs of the commands of some groups, None for every one; newest first.

        Raises:
            InvalidCursorError: the cursor is none of ours.
        """
        sql, parameters = run_listing(asked, groups, newest=self._newest)
        parameters |= {"rows": limit + 1, **SortKey.parameters(cursor)}
        rows = await self._database.fetch_all(sql, parameters)
        return Page.cut(
            [run_of(row) for row in rows], limit, lambda run: SortKey(run.created_at, run.id)
        )
