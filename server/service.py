"""All of the service but its listening: what users ask, around what runs commands."""

import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

from aiohttp import web

from server.access import EVERYBODY
from server.base import Base, open_base
from server.handlers.application import build_app
from server.handlers.http import keys
from server.handlers.http.identity.identity import Identity
from server.handlers.http.identity.local import Local, local_users
from server.handlers.http.identity.sockdiag import SockDiag
from server.handlers.http.listening import auth_at
from server.handlers.http.viewers import Viewers
from server.models import Run
from server.repositories.access.audit import AuditRepository
from server.repositories.command_sets import CommandSetRepository
from server.repositories.ends import EndRepository
from server.repositories.enrolments import EnrolmentRepository
from server.repositories.losses import LossRepository
from server.repositories.notifications import NotificationRepository
from server.repositories.requests import RequestRepository
from server.repositories.retention import RetentionRepository
from server.repositories.workers import WorkerRepository
from server.services.access.assembly import Access
from server.services.access.audit_log import AuditLog
from server.services.access.audit_reader import AuditReader
from server.services.archive.retention import Retention
from server.services.checking.checker import Checker
from server.services.command_sets import CommandSets
from server.services.commands import CommandService
from server.services.deletions import Deletions
from server.services.ends.ends import Ends
from server.services.events.changes import FleetPart
from server.services.fleet.enrolments import Enrolments
from server.services.fleet.losses import Losses
from server.services.fleet.workers import WorkerService
from server.services.gauges import add_gauges
from server.services.hooks.hooks import HookService
from server.services.marks import Marks
from server.services.notifications.assembly import Notifying
from server.services.readiness import Readiness
from server.services.running.live import LiveRun
from server.services.schedules.assembly import Scheduling
from server.services.search.search import Search
from server.services.tasks import Tasks
from server.services.watching import Watching
from server.settings.access import AccessSettings, Auth
from server.settings.groups import Settings
from server.state import WRITTEN_FILE


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
    async with AsyncExitStack() as stack:
        base = await open_base(stack, settings, environment)
        app = build_app(settings)
        base.ground.tasks.start(app[keys.GATES].watch(), "connections")
        kernel = stack.enter_context(SockDiag())
        local = Local(users, kernel.uid_of, over_tcp=auth == "auto")
        access = _let_in(app, base, auth, local, settings)
        viewers = _show(app, base, access, settings)
        _add_runs(app, base)
        notifying = _follow_ends(app, base, settings)
        _add_commands(app, base, settings)
        _add_starts(app, base, notifying, settings)
        await _add_health(app, base, settings)
        _end_with(app, base, viewers, settings)
        yield app, base.ground.tasks


def _let_in(
    app: web.Application, base: Base, auth: Auth, local: Local, settings: Settings
) -> Access:
    """Give the application what tells whose a request is, and what they may."""
    everybody = {EVERYBODY.name: EVERYBODY.grants} if auth == "off" else {}
    access = Access(base.stored.database, {**local.grants, **everybody})
    base.ground.tasks.start(access.tokens.note_uses(), "uses of tokens")
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
    if (provider := access.sign_in_at_provider(settings.oidc)) is not None:
        app[keys.OIDC] = provider
    return access


def _show(app: web.Application, base: Base, access: Access, settings: Settings) -> Viewers:
    """Let viewers follow runs and events, for as long as they may."""
    tasks, metrics = base.ground.tasks, base.ground.metrics
    viewers = Viewers(settings.viewers, on_dropped=metrics.viewers_dropped.inc)
    tasks.start(viewers.watch(), "viewers")
    add_gauges(metrics, base.core.active, base.core.archiver, lambda: len(viewers))
    access.on_lost(credential=viewers.end, right=viewers.look_soon)
    tasks.start(viewers.watch_rights(access.viewer_rights.may_watch), "rights of viewers")
    app[keys.VIEWERS], app[keys.METRICS] = viewers, metrics
    app[keys.WATCHING] = Watching(base.hosts, base.runs)
    app[keys.EVENTS] = base.events
    return viewers


def _add_runs(app: web.Application, base: Base) -> None:
    app[keys.RUNS] = base.runs
    app[keys.DELETIONS] = Deletions(base.stored.runs, base.audit, base.events)
    app[keys.SEARCH] = Search()
    app[keys.MARKS] = Marks(base.hosts, base.runs, base.chunks)


def _add_commands(app: web.Application, base: Base, settings: Settings) -> None:
    app[keys.COMMANDS] = CommandService(
        base.commands, base.hosts, base.starts, base.requests, base.audit, base.events
    )
    app[keys.CHECKER] = Checker(settings.runs.shell)
    meeting = base.meeting
    app[keys.WORKERS] = WorkerService(
        WorkerRepository(base.stored.database), lambda: None if meeting is None else meeting.is_met
    )
    app[keys.MEETS] = base.meeting is not None
    app[keys.ENROLMENTS] = _enrolments(base)
    app[keys.HOST_OF] = _nobody if base.roll is None else base.roll.host_of


def _enrolments(base: Base) -> Enrolments:
    """Return what lets workers in; who is removed by it is refused, and all is told, at once."""
    repository, meeting = EnrolmentRepository(base.stored.database), base.meeting
    enrolments = Enrolments(repository, None if meeting is None else meeting.terms)
    if meeting is not None:
        enrolments.on_changed.append(meeting.removed.forget)
    if base.roll is not None:
        enrolments.on_changed.append(base.roll.expire)
    enrolments.on_changed.append(partial(base.events.fleet_changed, FleetPart.WORKERS))
    return enrolments


def _nobody(_host: str) -> None:
    """Know nothing of hosts: there is one alone."""


def _follow_ends(app: web.Application, base: Base, settings: Settings) -> Notifying:
    """Have made what follows the ends of runs, and tell of every change."""
    tasks, database = base.ground.tasks, base.stored.database
    notifying = Notifying(
        database,
        base.commands,
        base.runs,
        base.audit,
        tasks,
        partial(_address, app, settings),
        host=base.ground.state.host,
    )
    app[keys.TARGETS], app[keys.NOTIFICATIONS] = notifying.targets, notifying.notifications
    on_told = notifying.notifier.wake
    ends = Ends(EndRepository(database), base.starts, base.ground.faults, on_told)

    def changed(live: LiveRun) -> None:
        base.events.run_changed(live)
        ends.run_changed(live)

    base.core.active.on_change = changed
    _give_up(app, base, settings, ends.wake)
    tasks.start(ends.run(), "ends of runs")
    tasks.start(notifying.notifier.run(), "notifications")
    base.ground.metrics.gauge(
        "notification_targets_failing",
        "Notification targets whose last message from this server failed.",
        lambda: notifying.notifier.failing,
    )
    return notifying


def _give_up(
    app: web.Application, base: Base, settings: Settings, on_ended: Callable[[], None]
) -> None:
    """Have runs given up whose hosts are away: by users, and where hosts meet by themselves."""
    repository = LossRepository(base.stored.database)
    losses = Losses(repository, base.stored.runs, base.audit, base.events, base.ground.metrics)
    losses.on_ended = on_ended
    app[keys.LOSSES] = losses
    if base.meeting is not None:
        from server.meeting import sweep  # noqa: PLC0415  a host by itself has nobody to look for

        base.meeting.hands.on_ended = on_ended
        sweep(base.meeting, settings, base.ground, repository, losses)


def _add_starts(app: web.Application, base: Base, notifying: Notifying, settings: Settings) -> None:
    """Have runs started by schedules, also of files, and by what other services sign."""
    scheduling = Scheduling(
        base.stored.database,
        base.commands,
        base.starts,
        base.core.active,
        base.audit,
        on_told=notifying.notifier.wake,
        kept_days=settings.retention.days,
        others=_runs_of_workers(base, settings),
    )
    scheduling.start(base.ground.tasks)
    app[keys.SCHEDULES] = scheduling.service
    sets = CommandSetRepository(base.stored.database)
    on_schedules = scheduling.firing.wake
    app[keys.COMMAND_SETS] = CommandSets(sets, base.audit, base.events, on_schedules=on_schedules)
    per_minute = settings.hooks.max_hook_deliveries_per_minute
    hooks = HookService(
        base.stored.hooks, base.commands, base.runs, base.audit, per_minute=per_minute
    )
    base.ground.tasks.start(hooks.purge(), "bodies of hooks")
    app[keys.HOOKS] = hooks


def _runs_of_workers(
    base: Base, settings: Settings
) -> Callable[[], Awaitable[Sequence[Run]]] | None:
    """Return what tells of runs that other hosts have, or none; None: there are no workers."""
    if base.meeting is None and not settings.runs.worker_pools:
        return None
    return partial(base.stored.claims.watched, base.ground.state.host)


async def _add_health(app: web.Application, base: Base, settings: Settings) -> None:
    """Have old runs removed, the audit written, and tell whether all parts work."""
    database = base.stored.database
    retention = Retention(
        RetentionRepository(database),
        RequestRepository(database),
        settings.retention,
        on_removed=base.events.reset,
    )
    base.ground.tasks.start(retention.run(), "retention")
    app[keys.AUDIT], app[keys.AUDIT_READER] = base.audit, AuditReader(AuditRepository(database))
    wire = None if base.meeting is None else base.meeting.wire
    app[keys.READINESS] = Readiness(
        database,
        base.core.keeper if settings.runs.local_worker else None,
        base.core.archiver,
        base.ground.faults,
        base.core.active,
        retention,
        base.stored.runs,
        base.audit,
        NotificationRepository(database),
        audit_log=await _audit_log(settings.access, base),
        nats=None if wire is None else lambda: wire.problem,
        losses=None if wire is None else LossRepository(database),
        host=base.ground.state.host,
        spools=settings.privileges.keeper_directory or settings.state_dir,
        min_free_bytes=settings.output.min_free_bytes,
    )


async def _audit_log(settings: AccessSettings, base: Base) -> AuditLog | None:
    """Have the audit written to a file as well, if one is named."""
    if settings.audit_log is None:
        return None
    written = base.ground.state.path / WRITTEN_FILE
    log = AuditLog(settings.audit_log, written, AuditRepository(base.stored.database))
    await log.begin()
    base.ground.tasks.start(log.run(), "audit log")
    return log


def _end_with(app: web.Application, base: Base, viewers: Viewers, settings: Settings) -> None:
    """Have viewers closed at the end, after the runs were stopped, if they are to be."""
    if settings.runs.on_shutdown == "stop":
        grace_seconds = settings.runs.stop_grace_seconds
        control = base.core.running.control
        app.on_shutdown.append(lambda _: control.stop_all(grace_seconds))
    # After the stops, so that viewers see the ends of these runs.
    app.on_shutdown.append(viewers.close)


def _address(app: web.Application, settings: Settings) -> str:
    """Return where people reach Tailrun: as the settings say, or where it listens."""
    at = settings.http.public_url or app[keys.LISTENING].url
    return f"{at}{settings.http.base_path}"
