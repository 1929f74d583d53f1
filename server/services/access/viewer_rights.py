"""Whether those who watch may go on: what let them in may have ended, or been taken away."""

from dataclasses import replace

from server.access import EVERY_GROUP, KnownBy, Principal, Right, Watched, Whole
from server.errors import CredentialRefusedError, RunNotFoundError
from server.services.access.grants import Grants
from server.services.access.groups import Groups
from server.services.access.remembered import Held
from server.services.access.sessions import Sessions
from server.services.access.tokens import Tokens


class ViewerRights:
    """Looks again at what let somebody in."""

    def __init__(self, tokens: Tokens, sessions: Sessions, grants: Grants, groups: Groups) -> None:
        self._tokens = tokens
        self._sessions = sessions
        self._grants = grants
        self._groups = groups

    async def may_watch(self, principal: Principal, watched: Watched) -> Held[bool]:
        """Return whether a principal who was let in may see what is watched, by now.

        Events are what they are by all that somebody may: whoever may more, or less, is to begin
        anew.

        For the server's own user, and where there is no authentication, nothing is asked.

        Raises:
            DatabaseUnavailableError: the database is away, and not enough is known of late.
        """
        try:
            now = await self._look_again(principal)
        except CredentialRefusedError:
            return Held(value=False, stale=False)
        if watched is Whole.EVENTS:
            return Held(value=now.grants == principal.grants, stale=now.stale)
        if watched is Whole.AUDIT:
            # While the database is away nobody has the right anew, and nobody loses it either.
            then = replace(now, stale=False)
            return Held(value=then.may(Right.GOVERN, EVERY_GROUP), stale=now.stale)
        if now.may(Right.SEE, EVERY_GROUP):
            return Held(value=True, stale=now.stale)
        try:
            group = await self._groups.group_of_run(watched)
        except RunNotFoundError:  # it was deleted, which ends the stream by itself
            return Held(value=True, stale=now.stale)
        return Held(value=now.may(Right.SEE, group), stale=now.stale)

    async def _look_again(self, principal: Principal) -> Principal:
        """Return the principal as the credential and the grants are now.

        Raises:
            CredentialRefusedError: the credential has ended.
        """
        known_by, credential = principal.ticket_of or principal.known_by, principal.credential
        if known_by is KnownBy.TOKEN and credential is not None:
            return await self._tokens.look_again(credential)
        if known_by is KnownBy.SESSION and credential is not None:
            return await self._sessions.look_again(credential)
        if known_by is KnownBy.LOCAL:
            grants = await self._grants.held(principal.name)
            return replace(principal, grants=grants.value, stale=grants.stale)
        return principal
