"""Sign-in links: whoever is known by the uid gets a ticket, which a browser exchanges."""

import time
from collections.abc import Callable

from server.access import KnownBy, Principal
from server.errors import ForbiddenError
from server.services.access.once import Once

LINK_SECONDS = 60.0
LINKS_OF_ONE = 20
"""That wait to be used, of one principal."""


class Links:
    """The tickets of sign-in links, each good once, for LINK_SECONDS."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._tickets: Once[str] = Once(
            seconds=LINK_SECONDS, owners_limit=LINKS_OF_ONE, clock=clock
        )

    def make(self, principal: Principal) -> str:
        """Return the ticket of a new link, by which its holder signs in as this principal.

        Raises:
            ForbiddenError: the principal is not known by the uid. A token, whose role may be less
                than its owner's, must not become a session, and a session must not outlive itself.
            LimitReachedError: too many of his links wait to be used.
        """
        if principal.known_by is KnownBy.EVERYBODY:
            raise ForbiddenError("Nobody signs in here: TAILRUN_AUTH is off, everybody is let in.")
        if principal.known_by is not KnownBy.LOCAL:
            raise ForbiddenError(
                "A sign-in link is made for a user of this host, who is known by the uid: have one"
                " say `tailrun sign-in` here."
            )
        return self._tickets.make(principal.name, principal.name)

    def exchange(self, ticket: str) -> Principal:
        """Return who signs in by a link's ticket.

        Raises:
            CredentialRefusedError: it is none, was used, or comes too late.
        """
        return Principal(name=self._tickets.take(ticket), known_by=KnownBy.SESSION)
