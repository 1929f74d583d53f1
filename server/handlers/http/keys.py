"""What the handlers find in the application, and of a request."""

from typing import Protocol

from aiohttp import web

from server.access import Actor, Principal
from server.handlers.http.gate import Gates
from server.handlers.http.viewers import Viewers
from server.services.access.groups import Groups
from server.services.commands import CommandService
from server.services.metrics import Metrics
from server.services.readiness import Readiness
from server.services.runs import RunService
from server.services.watching import Watching
from server.settings.groups import AccessSettings, HttpSettings


class Identity(Protocol):
    """Tells who asks."""

    async def of(self, request: web.Request) -> Principal:
        """Return who asks; nobody known, where no credential is given.

        Raises:
            CredentialRefusedError: a credential is given, and it is none of ours.
        """

    def address(self, request: web.Request) -> str:
        """Return the address of the client."""


ACCESS = web.AppKey("access", AccessSettings)
IDENTITY: web.AppKey[Identity] = web.AppKey("identity")
GROUPS = web.AppKey("groups", Groups)
HTTP = web.AppKey("http", HttpSettings)
COMMANDS = web.AppKey("commands", CommandService)
RUNS = web.AppKey("runs", RunService)
WATCHING = web.AppKey("watching", Watching)
VIEWERS = web.AppKey("viewers", Viewers)
METRICS = web.AppKey("metrics", Metrics)
GATES = web.AppKey("gates", Gates)
READINESS = web.AppKey("readiness", Readiness)

PRINCIPAL = web.RequestKey("principal", Principal)
ACTOR = web.RequestKey("actor", Actor)
