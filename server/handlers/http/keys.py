"""What the handlers find in the application, and of a request."""

from dataclasses import dataclass

from aiohttp import web

from server.access import Actor, Principal
from server.definition import Bounds
from server.handlers.http.gate import Gates
from server.handlers.http.identity.addresses import Addresses
from server.handlers.http.identity.identity import Identity
from server.handlers.http.viewers import Viewers
from server.services.access.audit import Audit
from server.services.access.audit_reader import AuditReader
from server.services.access.grants import Grants
from server.services.access.groups import Groups
from server.services.access.links import Links
from server.services.access.oidc.sign_in import OidcSignIn
from server.services.access.sessions import Sessions
from server.services.access.tickets import Tickets
from server.services.access.tokens import Tokens
from server.services.checking.checker import Checker
from server.services.command_sets import CommandSets
from server.services.commands import CommandService
from server.services.deletions import Deletions
from server.services.events.events import Events
from server.services.fleet.enrolments import Enrolments
from server.services.fleet.losses import Losses
from server.services.fleet.workers import WorkerService
from server.services.hooks.hooks import HookService
from server.services.hosts.roll import HostOf
from server.services.marks import Marks
from server.services.metrics import Metrics
from server.services.notifications.sent import Notifications
from server.services.notifications.targets import Targets
from server.services.readiness import Readiness
from server.services.runs import RunService
from server.services.schedules.schedules import ScheduleService
from server.services.search.search import Search
from server.services.watching import Watching
from server.settings.access import AccessSettings
from server.settings.groups import HookSettings, HttpSettings, PrivilegeSettings


@dataclass(slots=True)
class Listening:
    """Where the server listens, once it does; the path of a proxy comes after it."""

    url: str = ""


ACCESS = web.AppKey("access", AccessSettings)
GROUPS = web.AppKey("groups", Groups)
GRANTS = web.AppKey("grants", Grants)
TOKENS = web.AppKey("tokens", Tokens)
SESSIONS = web.AppKey("sessions", Sessions)
LINKS = web.AppKey("links", Links)
TICKETS = web.AppKey("tickets", Tickets)
OIDC = web.AppKey("oidc", OidcSignIn)
"""Where a provider is set."""
AUDIT = web.AppKey("audit", Audit)
AUDIT_READER = web.AppKey("audit_reader", AuditReader)
HTTP = web.AppKey("http", HttpSettings)
LISTENING = web.AppKey("listening", Listening)
BOUNDS = web.AppKey("bounds", Bounds)
PRIVILEGES = web.AppKey("privileges", PrivilegeSettings)
ADDRESSES = web.AppKey("addresses", Addresses)
IDENTITY = web.AppKey("identity", Identity)
CHECKER = web.AppKey("checker", Checker)
COMMAND_SETS = web.AppKey("command_sets", CommandSets)
COMMANDS = web.AppKey("commands", CommandService)
DELETIONS = web.AppKey("deletions", Deletions)
HOOKS = web.AppKey("hooks", HookService)
HOOK_SETTINGS = web.AppKey("hook_settings", HookSettings)
EVENTS = web.AppKey("events", Events)
MARKS = web.AppKey("marks", Marks)
RUNS = web.AppKey("runs", RunService)
SCHEDULES = web.AppKey("schedules", ScheduleService)
WATCHING = web.AppKey("watching", Watching)
SEARCH = web.AppKey("search", Search)
VIEWERS = web.AppKey("viewers", Viewers)
NOTIFICATIONS = web.AppKey("notifications", Notifications)
TARGETS = web.AppKey("targets", Targets)
METRICS = web.AppKey("metrics", Metrics)
GATES = web.AppKey("gates", Gates)
WORKERS = web.AppKey("workers", WorkerService)
MEETS = web.AppKey("meets", bool)
"""Whether there may be other hosts."""
HOST_OF = web.AppKey[HostOf]("host_of")
LOSSES = web.AppKey("losses", Losses)
ENROLMENTS = web.AppKey("enrolments", Enrolments)
READINESS = web.AppKey("readiness", Readiness)

PRINCIPAL = web.RequestKey("principal", Principal)
ACTOR = web.RequestKey("actor", Actor)
GROUP = web.RequestKey("group", str)
"""The group of what the path names, where it had to be asked for."""
