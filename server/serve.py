"""The role of a server: builds all around the core, in the order in which each needs the other."""

import logging
import os
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from urllib.parse import urlsplit

from aiohttp import web

from server.access import EVERYBODY
from server.core import Core, open_core
from server.handlers.application import build_app
from server.handlers.http import keys
from server.handlers.http.certificate import certificate_of
from server.handlers.http.identity.identity import Identity
from server.handlers.http.identity.local import Local, local_users
from server.handlers.http.identity.sockdiag import SockDiag
from server.handlers.http.listening import auth_at, is_local, listening
from server.handlers.http.viewers import Viewers
from server.process import entry
from server.repositories.access.audit import AuditRepository
from server.repositories.command_sets import CommandSetRepository
from server.repositories.commands import CommandRepository
from server.repositories.ends import EndRepository
from server.repositories.notifications import NotificationRepository
from server.repositories.requests import RequestRepository
from server.repositories.retention import RetentionRepository
from server.resources import VERSION
from server.services.access.assembly import Access
from server.services.access.audit import Audit
from server.services.access.audit_log import AuditLog
from server.services.access.audit_reader import AuditReader
from server.services.access.journal import Journal
from server.services.archive.chunks import Chunks
from server.services.archive.retention import Retention
from server.services.checking.checker import Checker
from server.services.command_sets import CommandSets
from server.services.commands import CommandService
from server.services.deletions import Deletions
from server.services.ends.ends import Ends
from server.services.events.events import Events
from server.services.events.labels import Labels
from server.services.gauges import add_gauges
from server.services.hooks.hooks import HookService
from server.services.hosts.hosts import Hosts
from server.services.hosts.local import LocalHost
from server.services.marks import Marks
from server.services.notifications.assembly import Notifying
from server.services.readiness import Readiness
from server.services.requests import Requests
from server.services.running.live import LiveRun
from server.services.running.users import check_users, tell_of_root
from server.services.runs import RunService
from server.services.schedules.assembly import Scheduling
from server.services.search.search import Search
from server.services.starting.starts import Starts
from server.services.starting.unconfirmed import Unconfirmed
from server.services.tasks import Tasks
from server.services.watching import Watching
from server.settings.access import AccessSettings, Auth
from server.settings.groups import HookSettings, Settings
from server.state import JOURNAL_FILE, WRITTEN_FILE, identity_in

logger = logging.getLogger(__name__)


def serve(arguments: Sequence[str] | None = None) -> int:
    """Serve until a signal ends it, or it cannot go on; return the exit code."""
    return entry.run(sys.argv[1:] if arguments is None else arguments, _serving)


@asynccontextmanager
async def _serving(
    settings: Settings, environment: Mapping[str, str]
) -> AsyncIterator[entry.Started]:
    auth_at(settings.http, settings.access)
    check_users(
        settings.privileges,
        embedded=settings.database.url is None,
        on_loopback=is_local(settings.http.host),
        upgraded=identity_in(settings.state_dir) is not None,
    )
    certificate = certificate_of(settings.access)
    async with (
        service(settings, environment) as (app, tasks),
        listening(app, settings.http, settings.state_dir, certificate) as at,
    ):
        if certificate is not None:
            tasks.start(certificate.watch(), "certificate")
        _announce(settings, app[keys.IDENTITY].auth, at)
        tell_of_root(settings.privileges)
        yield entry.Started(
            f"Tailrun {VERSION} serves {at}/ (documentation: {at}/swagger/index.html,"
            f" state: {settings.state_dir})\n",
            tasks.failed,
        )


def _announce(settings: Settings, auth: Auth, at: str) -> None:
    """Say where everybody is let in."""
    if settings.http.insecure_no_auth:
        logger.warning(
            "--insecure-no-auth (TAILRUN_INSECURE_NO_AUTH) is replaced by TAILRUN_AUTH=off, and the"
            " next version will not know it"
        )
    if auth == "off":
        logger.warning(
            "authentication is off (TAILRUN_AUTH): whoever reaches %s port %d is an admin",
            settings.http.host,
            urlsplit(at).port,
        )


@asynccontextmanager
async def service(
    settings: Settings, environment: Mapping[str, str]
) -> AsyncIterator[tuple[web.Application, Tasks]]:
    """Run all of the service but its listening: yields the application and its side tasks.

    Raises:
        StartupError: something that the service needs cannot be had.
    """
    auth = auth_at(settings.http, settings.access)
    users = local_users(os.geteuid(), settings.access.local_users)
    async with open_core(settings, environment) as core, AsyncExitStack() as stack:
        tasks, metrics = core.tasks, core.metrics
        audit = Audit(_audited(core), Journal(core.state.path / JOURNAL_FILE))
        await stack.enter_async_context(audit.running(tasks))
        commands = CommandRepository(core.database)
        viewers = Viewers(settings.viewers, on_dropped=metrics.viewers_dropped.inc)
        tasks.start(viewers.watch(), "viewers")
        add_gauges(metrics, core.active, core.archiver, lambda: len(viewers))
        requests = Requests(RequestRepository(core.database))
        hosts = _hosts(core)
        starts = _starts(core, hosts)
        events = _events(core, hosts, commands)
        chunks = Chunks(core.outputs)
        runs = RunService(
            hosts,
            starts,
            commands,
            core.runs,
            chunks,
            requests,
            audit,
            events,
            stop_grace_seconds=settings.runs.stop_grace_seconds,
        )
        core.turns.stop = runs.stop_replaced
        retention = Retention(
            RetentionRepository(core.database),
            RequestRepository(core.database),
            settings.retention,
            on_removed=events.reset,
        )
        tasks.start(retention.run(), "retention")
        app = build_app(settings)
        tasks.start(app[keys.GATES].watch(), "connections")
        kernel = stack.enter_context(SockDiag())
        access = _let_in(app, auth, Local(users, kernel.uid_of, over_tcp=auth == "auto"), core)
        access.on_lost(credential=viewers.end, right=viewers.look_soon)
        tasks.start(viewers.watch_rights(access.standing.may_watch), "rights of viewers")
        if (provider := access.sign_in_at_provider(settings.oidc)) is not None:
            app[keys.OIDC] = provider
        app[keys.RUNS], app[keys.DELETIONS] = runs, Deletions(core.runs, audit, events)
        app[keys.SEARCH] = Search()
        app[keys.WATCHING] = Watching(hosts, runs)
        app[keys.MARKS] = Marks(hosts, runs, chunks)
        notifying = Notifying(
            core.database,
            commands,
            runs,
            audit,
            tasks,
            partial(_address, app, settings),
            host=core.state.host,
        )
        app[keys.TARGETS], app[keys.NOTIFICATIONS] = notifying.targets, notifying.notifications
        _follow_ends(core, starts, events, notifying)
        app[keys.COMMANDS] = CommandService(commands, hosts, starts, requests, audit, events)
        scheduling = Scheduling(
            core.database,
            commands,
            starts,
            core.active,
            audit,
            on_told=notifying.notifier.wake,
            kept_days=settings.retention.days,
        )
        scheduling.start(tasks)
        app[keys.SCHEDULES] = scheduling.service
        app[keys.COMMAND_SETS] = CommandSets(
            CommandSetRepository(core.database),
            audit,
            events,
            on_schedules=scheduling.firing.wake,
        )
        app[keys.HOOKS] = _hooks(core, commands, runs, audit, settings.hooks)
        app[keys.EVENTS] = events
        app[keys.CHECKER] = Checker(settings.runs.shell)
        app[keys.READINESS] = Readiness(
            core.database,
            core.keeper,
            core.archiver,
            core.faults,
            core.active,
            retention,
            core.runs,
            audit,
            NotificationRepository(core.database),
            audit_log=await _audit_log(settings.access, core),
            host=core.state.host,
            spools=settings.privileges.keeper_directory or settings.state_dir,
            min_free_bytes=settings.output.min_free_bytes,
        )
        app[keys.AUDIT], app[keys.AUDIT_READER] = audit, AuditReader(_audited(core))
        app[keys.METRICS] = metrics
        app[keys.VIEWERS] = viewers
        _end_with(app, core, viewers, settings)
        yield app, tasks


def _end_with(app: web.Application, core: Core, viewers: Viewers, settings: Settings) -> None:
    """Have viewers closed at the end, after the runs were stopped, if they are to be."""
    if settings.runs.on_shutdown == "stop":
        grace_seconds = settings.runs.stop_grace_seconds
        app.on_shutdown.append(lambda _: core.running.control.stop_all(grace_seconds))
    # After the stops, so that viewers see the ends of these runs.
    app.on_shutdown.append(viewers.close)


async def _audit_log(settings: AccessSettings, core: Core) -> AuditLog | None:
    """Have the audit written to a file as well, if one is named."""
    if settings.audit_log is None:
        return None
    written = core.state.path / WRITTEN_FILE
    log = AuditLog(settings.audit_log, written, AuditRepository(core.database))
    await log.begin()
    core.tasks.start(log.run(), "audit log")
    return log


def _audited(core: Core) -> AuditRepository:
    return AuditRepository(core.database)


def _hooks(
    core: Core,
    commands: CommandRepository,
    runs: RunService,
    audit: Audit,
    settings: HookSettings,
) -> HookService:
    """Have other services start runs by what they sign."""
    per_minute = settings.max_hook_deliveries_per_minute
    hooks = HookService(core.hooks, commands, runs, audit, per_minute=per_minute)
    core.tasks.start(hooks.purge(), "bodies of hooks")
    return hooks


def _hosts(core: Core) -> Hosts:
    """Have this host asked for its runs: there is no other."""
    running = core.running
    return LocalHost(
        core.state.host,
        core.active,
        running.runner,
        running.control,
        running.finisher,
        core.runs,
    )


def _starts(core: Core, hosts: Hosts) -> Starts:
    """Have runs stored and started, and those ended whose storing was never confirmed."""
    unconfirmed = Unconfirmed(core.state.host, hosts, core.runs, core.faults)
    core.tasks.start(unconfirmed.run(), "unconfirmed runs")
    return Starts(core.state.host, hosts, core.runs, core.active.admit)


def _events(core: Core, hosts: Hosts, commands: CommandRepository) -> Events:
    """Have changes of runs and commands told to those who listen."""
    elsewhere = partial(core.runs.changed_elsewhere, core.state.host)
    events = Events(hosts, Labels(commands.labels), elsewhere)
    core.tasks.start(events.run(), "events")
    return events


def _follow_ends(core: Core, starts: Starts, events: Events, notifying: Notifying) -> None:
    """Have made what follows the ends of runs, and tell of every change."""
    on_told = notifying.notifier.wake
    ends = Ends(EndRepository(core.database), starts, core.faults, on_told)

    def changed(live: LiveRun) -> None:
        events.run_changed(live)
        ends.run_changed(live)

    core.active.on_change = changed
    core.tasks.start(ends.run(), "ends of runs")
    core.tasks.start(notifying.notifier.run(), "notifications")
    core.metrics.gauge(
        "notification_targets_failing",
        "Notification targets whose last message from this server failed.",
        lambda: notifying.notifier.failing,
    )


def _address(app: web.Application, settings: Settings) -> str:
    """Return where people reach Tailrun: as the settings say, or where it listens."""
    at = settings.http.public_url or app[keys.LISTENING].url
    return f"{at}{settings.http.base_path}"


def _let_in(app: web.Application, auth: Auth, local: Local, core: Core) -> Access:
    """Give the application what tells whose a request is, and what they may."""
    everybody = {EVERYBODY.name: EVERYBODY.grants} if auth == "off" else {}
    access = Access(core.database, {**local.grants, **everybody})
    core.tasks.start(access.tokens.note_uses(), "uses of tokens")
    app[keys.IDENTITY] = Identity(
        auth,
        app[keys.ADDRESSES],
        local,
        access.guesses,
        grants=access.grants,
        base_path=app[keys.HTTP].base_path,
        tokens=access.tokens,
        sessions=access.sessions,
        tickets=access.tickets,
    )
    app[keys.GROUPS], app[keys.GRANTS] = access.groups, access.grants
    app[keys.TOKENS], app[keys.SESSIONS] = access.tokens, access.sessions
    app[keys.TICKETS], app[keys.LINKS] = access.tickets, access.links
    return access
