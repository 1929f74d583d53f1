"""What principals may: what the settings give, the table of grants, and the last sign-in."""

import time
from collections.abc import Callable, Mapping
from uuid import UUID

from server.access import EVERY_GROUP, Actor, Grant, Role, merged
from server.errors import DatabaseUnavailableError
from server.repositories.access.grants import GrantRepository
from server.repositories.page import Page
from server.services.access.remembered import Held, Remembered

EVERYTHING: Mapping[str, Role] = {EVERY_GROUP: Role.ADMIN}


class Grants:
    """The grants of principals, by their names.

    `settled` are those that the settings give: the server's own uid is an admin of every group, and
    no table can take that away. So nobody can lock everybody out by deleting a grant. They hold
    while the database is away, too.
    """

    def __init__(
        self,
        repository: GrantRepository,
        settled: Mapping[str, Mapping[str, Role]],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._repository = repository
        self._settled = settled
        self._said = Remembered(self._ask, clock=clock)
        self._changed: list[Callable[[], None]] = []

    def on_changed(self, callback: Callable[[], None]) -> None:
        """Have a callback called when somebody's grants change through this server."""
        self._changed.append(callback)

    async def of(self, principal: str) -> Mapping[str, Role]:
        """Return a principal's roles by group.

        Raises:
            DatabaseUnavailableError: the database is away, and nothing is known of late.
        """
        return (await self.held(principal)).value

    async def held(self, principal: str) -> Held[Mapping[str, Role]]:
        """Return a principal's roles by group, and whether the database is away.

        Raises:
            DatabaseUnavailableError: the database is away, and nothing is known of late.
        """
        settled = self._settled.get(principal, {})
        if settled == EVERYTHING:  # nothing adds to it: not even a question is asked
            return Held(settled, stale=False)
        try:
            held = await self._said.get(principal)
        except DatabaseUnavailableError:
            if not settled:
                raise
            return Held(settled, stale=False)
        # In an outage what the settings give is not given by the database's word.
        return Held(settled, stale=False) if settled and held.stale else held

    def forget(self, principal: str) -> None:
        """Have a principal's grants asked for anew: they have just changed."""
        self._said.forget(principal)
        for callback in self._changed:
            callback()

    async def list(self, *, principal: str | None, limit: int, cursor: str | None) -> Page[Grant]:
        """Return the grants of the table, of one principal or of all, newest first.

        Raises:
            InvalidCursorError: the cursor is none of ours.
        """
        return await self._repository.list(principal=principal, limit=limit, cursor=cursor)

    async def create(self, *, principal: str, role: Role, group: str, by: Actor) -> Grant:
        """Give a principal a role in a group, or in EVERY_GROUP.

        Raises:
            ConflictError: the principal has one in this group.
        """
        grant = await self._repository.add(principal, role, group, by=by)
        self.forget(principal)
        return grant

    async def delete(self, grant_id: UUID, *, by: Actor) -> None:
        """Take a grant back.

        Raises:
            GrantNotFoundError: there is no such grant.
        """
        grant = await self._repository.delete(grant_id, by=by)
        self.forget(grant.principal)

    async def _ask(self, principal: str) -> Mapping[str, Role]:
        rows = await self._repository.of(principal)
        return merged(self._settled.get(principal, {}), *({group: role} for group, role in rows))
