"""The parts of this package, built in the order in which they need each other."""

from collections.abc import Callable, Mapping
from importlib import import_module
from uuid import UUID

from server.access import Role
from server.repositories.access.grants import GrantRepository
from server.repositories.access.groups import GroupRepository
from server.repositories.access.principals import PrincipalRepository
from server.repositories.access.sessions import SessionRepository
from server.repositories.access.tokens import TokenRepository
from server.repositories.database.database import Database
from server.services.access.grants import Grants
from server.services.access.groups import Groups
from server.services.access.guesses import Guesses
from server.services.access.links import Links
from server.services.access.oidc.attempts import Attempts
from server.services.access.oidc.sign_in import OidcSignIn
from server.services.access.sessions import Sessions
from server.services.access.tickets import Tickets
from server.services.access.tokens import Tokens
from server.services.access.viewer_rights import ViewerRights
from server.settings.access import OidcSettings


class Access:
    """All that tells who asks, and what they may.

    `given` are the roles by group of the principals that the settings name.
    """

    def __init__(self, database: Database, given: Mapping[str, Mapping[str, Role]]) -> None:
        self._database = database
        self.grants = Grants(GrantRepository(database), given)
        self.groups = Groups(GroupRepository(database))
        self.tokens = Tokens(TokenRepository(database), self.grants)
        self.sessions = Sessions(SessionRepository(database), self.grants)
        self.tickets, self.links, self.guesses = Tickets(), Links(), Guesses()
        self.viewer_rights = ViewerRights(self.tokens, self.sessions, self.grants, self.groups)

    def on_lost(self, credential: Callable[[UUID], None], right: Callable[[], None]) -> None:
        """Have it told when a credential has ended, and when somebody may have lost a right."""
        self.tokens.on_revoked(credential)
        self.sessions.on_ended(credential)
        self.grants.on_changed(right)
        self.groups.on_left(right)

    def sign_in_at_provider(self, settings: OidcSettings) -> OidcSignIn | None:
        """Build what signs people in at a provider, if one is set; only then import its client."""
        if settings.issuer is None:
            return None
        module = import_module("server.services.access.oidc.provider")
        principals = PrincipalRepository(self._database)
        return OidcSignIn(settings, module.Provider(settings), Attempts(), principals, self.grants)
