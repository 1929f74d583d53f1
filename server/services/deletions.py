"""Runs that are deleted many at a time."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from server.access import LEAST, Act, Actor, Principal, Right
from server.errors import DatabaseRefusedError, RunActiveError, RunNotFoundError, TailrunError
from server.repositories.database.halving import in_parts
from server.repositories.runs import Found, RunRepository
from server.services.access.audit import Audit
from server.services.events.events import Events

ACTIVE = "The run is active. Stop it first."


class DeletionOutcome(StrEnum):
    """What became of a run that was to be deleted."""

    DELETED = "deleted"
    ACTIVE = "active"
    FORBIDDEN = "forbidden"
    NOT_FOUND = "not_found"  # or it may not be seen
    FAILED = "failed"  # the database refuses it


@dataclass(frozen=True, slots=True)
class Deletion:
    """A run that was to be deleted, and why it was not, if so."""

    id: UUID
    outcome: DeletionOutcome
    detail: str | None = None


class Deletions:
    """Deletes runs that have ended, each where whoever asks may delete it."""

    def __init__(self, runs: RunRepository, audit: Audit, events: Events) -> None:
        self._runs = runs
        self._audit = audit
        self._events = events

    async def delete(self, run_ids: Sequence[UUID], *, by: Actor) -> Sequence[Deletion]:
        """Delete runs with their output, and tell of each what became of it, in their order.

        Each has its row of the audit: that it was deleted, or was not as it is active, or as the
        database refused it.

        Raises:
            DatabaseUnavailableError: some may be deleted; asking again is harmless.
            DatabaseRefusedError: none is deleted.
        """
        ids = list(dict.fromkeys(run_ids))
        groups = by.principal.groups(Right.ADMINISTER)
        refused: dict[UUID, DatabaseRefusedError] = {}

        async def delete(part: Sequence[UUID]) -> dict[UUID, Found]:
            return await self._runs.delete_all(part, groups, by=by)

        with self._audit.trying(Act.RUN_DELETE, by):
            done = await in_parts(ids, delete, refused.__setitem__)
            if not done:
                raise next(iter(refused.values()))
        found = {run_id: one for part in done for run_id, one in part.items()}
        return [
            self._told(run_id, found.get(run_id), by)
            if run_id not in refused
            else self._kept(DeletionOutcome.FAILED, run_id, refused[run_id], by)
            for run_id in ids
        ]

    def _told(self, run_id: UUID, found: Found | None, by: Actor) -> Deletion:
        if found is None or not by.principal.may(Right.SEE, found.group):
            missing = str(RunNotFoundError.of(run_id))
            return Deletion(run_id, DeletionOutcome.NOT_FOUND, missing)
        if found.deleted:
            self._events.run_deleted(run_id, found.command_id)
            return Deletion(run_id, DeletionOutcome.DELETED)
        if not by.principal.may(Right.ADMINISTER, found.group):
            why = _forbidden(by.principal, found.group)
            return Deletion(run_id, DeletionOutcome.FORBIDDEN, why)
        return self._kept(DeletionOutcome.ACTIVE, run_id, RunActiveError(ACTIVE), by)

    def _kept(
        self, outcome: DeletionOutcome, run_id: UUID, error: TailrunError, by: Actor
    ) -> Deletion:
        """Tell why a run was not deleted, and have that on record."""
        with suppress(TailrunError), self._audit.trying(Act.RUN_DELETE, by, run_id=run_id):
            raise error
        return Deletion(run_id, outcome, str(error))


def _forbidden(principal: Principal, group: str) -> str:
    role = LEAST[Right.ADMINISTER]
    return f"This takes the role {role} in the group {group}; {principal.name} does not have it."
