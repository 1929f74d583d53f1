"""Tickets: by one, a client that can send no header reads the output of one run."""

import time
from collections.abc import Callable
from dataclasses import replace
from uuid import UUID

from server.access import KnownBy, Principal, Role
from server.errors import CredentialRefusedError, ForbiddenError
from server.services.access.once import Once

TICKET_SECONDS = 30.0
TICKETS_OF_ONE = 1000
"""That wait to be used, of one principal: a wall of screens may open many at once."""


class Tickets:
    """The tickets of runs, each good once, for TICKET_SECONDS, to read."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._tickets: Once[Principal] = Once(
            seconds=TICKET_SECONDS, owners_limit=TICKETS_OF_ONE, clock=clock
        )

    def __len__(self) -> int:
        return len(self._tickets)

    def make(self, principal: Principal, run_id: UUID) -> str:
        """Return a new ticket, by which its holder reads this run as the principal might.

        Raises:
            ForbiddenError: the principal is known by a ticket himself.
            LimitReachedError: too many of his tickets wait to be used.
        """
        if principal.known_by is KnownBy.TICKET:
            raise ForbiddenError("By a ticket one reads a run, and makes no further ticket.")
        holder = replace(
            principal,
            grants=dict.fromkeys(principal.grants, Role.VIEWER),
            known_by=KnownBy.TICKET,
            run=run_id,
            ticket_of=principal.known_by,
        )
        return self._tickets.make(principal.name, holder)

    def take(self, ticket: str, run_id: UUID | None) -> Principal:
        """Return who reads a run by a ticket, which is used up, also where it is another run's.

        Raises:
            CredentialRefusedError: it is none, was used, comes too late, or is another run's.
        """
        holder = self._tickets.take(ticket)
        if run_id is None or holder.run != run_id:
            raise CredentialRefusedError
        return holder
