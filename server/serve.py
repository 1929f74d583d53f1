"""The role of a server: builds everything, in the order in which each needs the other."""

import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial

from aiohttp import web

from server.errors import StartupError
from server.handlers.application import build_app
from server.handlers.http import keys
from server.handlers.http.listening import check_address, listening
from server.handlers.http.viewers import Viewers
from server.keeper.client import KeeperClient
from server.keeper.protocol import KeeperError
from server.keeper.spool import Spool
from server.output.watch import Watch
from server.process import entry
from server.process.descriptors import raise_limit_of
from server.repositories.commands import CommandRepository
from server.repositories.database import migrate
from server.repositories.database.database import Database
from server.repositories.embedded.server import embedded_database
from server.repositories.output import OutputRepository
from server.repositories.requests import RequestRepository
from server.repositories.retention import RetentionRepository
from server.repositories.runs import RunRepository
from server.resources import VERSION, migrations_directory
from server.services.archive.archiver import Archiver
from server.services.archive.chunks import Chunks
from server.services.archive.retention import Retention
from server.services.commands import CommandService
from server.services.faults import Faults
from server.services.metrics import Metrics
from server.services.readiness import Readiness
from server.services.requests import Requests
from server.services.running.active import ActiveRuns
from server.services.running.assembly import Running
from server.services.running.launch import Launch
from server.services.running.startup import Startup
from server.services.runs import RunService
from server.services.tasks import Tasks, end
from server.services.watching import Watching
from server.settings.groups import DatabaseSettings, Settings
from server.state import state_directory

_MEMORY_REFUSAL = (
    "TAILRUN_MAX_RUN_MEMORY_BYTES cannot be held here: {}. Give the service a memory cgroup of its"
    " own that it may write (docs/operations.md tells how), or set it to 0."
)


@dataclass(frozen=True, slots=True)
class _Repositories:
    commands: CommandRepository
    runs: RunRepository
    outputs: OutputRepository


def serve(arguments: Sequence[str] | None = None) -> int:
    """Serve until told to end; return the exit code."""
    return entry.run(sys.argv[1:] if arguments is None else arguments, _serving)


@asynccontextmanager
async def _serving(
    settings: Settings, environment: Mapping[str, str]
) -> AsyncIterator[entry.Started]:
    check_address(settings.http)
    async with service(settings, environment) as (app, tasks), listening(app, settings.http) as at:
        yield entry.Started(
            f"Tailrun {VERSION} serves {at}/ (documentation: {at}/swagger/index.html,"
            f" state: {settings.state_dir})\n",
            tasks.failed,
        )


@asynccontextmanager
async def service(
    settings: Settings, environment: Mapping[str, str]
) -> AsyncIterator[tuple[web.Application, Tasks]]:
    """Run all of the service but its listening: yields the application and its side tasks.

    Raises:
        StartupError: something that the service needs cannot be had.
    """
    async with AsyncExitStack() as stack:
        state = stack.enter_context(state_directory(settings.state_dir))
        tasks, metrics = Tasks(), Metrics()
        faults = Faults(metrics)
        stack.push_async_callback(end, tasks.start(state.watch(), "state directory"))
        spool = Spool.of(settings.state_dir)
        url = settings.database.url
        if url is None:
            embedded = embedded_database(settings.state_dir / "database", tasks.start)
            url = await stack.enter_async_context(embedded)
        database = _database(url, settings.database, metrics)
        stack.push_async_callback(database.close)
        keeper = await stack.enter_async_context(_keeper(settings))
        repositories = _Repositories(
            CommandRepository(database), RunRepository(database), OutputRepository(database)
        )
        archiver = Archiver(
            repositories.outputs,
            settings.archive,
            metrics=metrics,
            faults=faults,
        )
        watch = Watch()
        stack.callback(watch.close)
        active = ActiveRuns(
            max_concurrent_runs=settings.runs.max_concurrent_runs,
            max_runs_per_command=settings.runs.max_active_runs_per_command,
        )
        running = Running(
            host=state.host,
            launch=Launch.of(settings.runs, settings.output, environment),
            spool=spool,
            keeper=keeper,
            watch=watch,
            archiver=archiver,
            runs=repositories.runs,
            outputs=repositories.outputs,
            active=active,
            tasks=tasks,
            metrics=metrics,
            faults=faults,
        )
        stack.push_async_callback(tasks.cancel)
        await Startup(
            migrate=partial(migrate.apply, url, migrations_directory()),
            own=_database(url, settings.database, metrics),
            database=database,
            recovery=running.recovery,
            tasks=tasks,
        ).run()
        await stack.enter_async_context(_archiving(archiver, tasks))
        tasks.start(running.runner.dispatch_queue(), "dispatch")
        running.housekeeping.start(tasks)
        viewers = Viewers(settings.viewers, on_dropped=metrics.viewers_dropped.inc)
        tasks.start(viewers.watch(), "viewers")
        tasks.start(metrics.watch_loop(), "event loop lag")
        _tell_gauges(metrics, active, archiver, viewers)
        requests = Requests(RequestRepository(database))
        run_service = RunService(
            running.runner,
            running.control,
            running.finisher,
            active,
            repositories.commands,
            repositories.runs,
            Chunks(repositories.outputs),
            requests,
            stop_grace_seconds=settings.runs.stop_grace_seconds,
        )
        retention = Retention(
            RetentionRepository(database),
            RequestRepository(database),
            settings.retention,
        )
        tasks.start(retention.run(), "retention")
        app = build_app(settings)
        tasks.start(app[keys.GATES].watch(), "connections")
        app[keys.RUNS] = run_service
        app[keys.WATCHING] = Watching(active, run_service)
        app[keys.COMMANDS] = CommandService(
            repositories.commands, running.runner, run_service, requests
        )
        app[keys.READINESS] = Readiness(
            database,
            keeper,
            archiver,
            faults,
            active,
            retention,
            repositories.runs,
            host=state.host,
            state_dir=settings.state_dir,
            min_free_bytes=settings.output.min_free_bytes,
        )
        app[keys.METRICS] = metrics
        app[keys.VIEWERS] = viewers
        if settings.runs.on_shutdown == "stop":
            grace_seconds = settings.runs.stop_grace_seconds
            app.on_shutdown.append(lambda _: running.control.stop_all(grace_seconds))
        app.on_shutdown.append(viewers.close)
        yield app, tasks


def _database(url: str, settings: DatabaseSettings, metrics: Metrics) -> Database:
    return Database(
        url,
        max_connections=settings.connections,
        statement_timeout_seconds=settings.timeout_seconds,
        on_unavailable=metrics.database_errors.inc,
    )


@asynccontextmanager
async def _keeper(settings: Settings) -> AsyncIterator[KeeperClient]:
    """Open the keeper; one that runs older code than is on disk renews itself, with its runs."""
    keeper = KeeperClient(settings.state_dir)
    try:
        raise_limit_of((await keeper.open()).pid)
        if keeper.outdated:
            await keeper.renew()
        problem = await keeper.memory_problem() if settings.runs.max_run_memory_bytes else None
    except KeeperError as error:
        raise StartupError(f"The keeper could not be started: {error}") from error
    try:
        if problem is not None:
            raise StartupError(_MEMORY_REFUSAL.format(problem))
        yield keeper
    finally:
        await keeper.close()


@asynccontextmanager
async def _archiving(archiver: Archiver, tasks: Tasks) -> AsyncIterator[None]:
    """Run the Archiver; at the end what has been written is archived."""
    archiving = tasks.start(archiver.run(), "archiver")
    yield
    await end(archiving)
    await archiver.flush()


def _tell_gauges(
    metrics: Metrics, active: ActiveRuns, archiver: Archiver, viewers: Viewers
) -> None:
    metrics.gauge("runs_running", "Runs that have a process.", lambda: active.running)
    metrics.gauge("runs_queued", "Runs that wait for a place.", lambda: active.queued)
    metrics.gauge("viewers", "Viewers, WebSocket and HTTP.", lambda: len(viewers))
    metrics.gauge(
        "archive_lag_bytes",
        "Output written and not yet in the database.",
        lambda: active.archive_lag_bytes,
    )
    metrics.gauge(
        "archive_lag_seconds",
        "For how long archiving has failed.",
        lambda: archiver.lag_seconds,
    )
