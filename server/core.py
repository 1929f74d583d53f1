"""The parts that run commands: builds them in the order in which each needs the other."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial

from server.keeper.client import KeeperClient
from server.keeper.spool import Spool
from server.output.watch import Watch
from server.process.descriptors import raise_limit_of
from server.repositories.database import migrate
from server.repositories.database.database import Database
from server.repositories.embedded.server import embedded_database
from server.repositories.hooks import HookRepository
from server.repositories.output import OutputRepository
from server.repositories.runs import RunRepository
from server.repositories.turns import TurnRepository
from server.resources import migrations_directory
from server.services.archive.archiver import Archiver
from server.services.faults import Faults
from server.services.ledger.sql import SqlLedger
from server.services.metrics import Metrics
from server.services.running.active import ActiveRuns
from server.services.running.assembly import Means, Running, turns
from server.services.running.launch import Launch
from server.services.running.startup import Startup, open_keeper
from server.services.running.turns import Turns
from server.services.running.users import runs_as_others
from server.services.tasks import Tasks, cancel_and_wait
from server.settings.groups import DatabaseSettings, Settings
from server.state import StateDirectory, state_directory


@dataclass(frozen=True, slots=True, kw_only=True)
class Core:
    """What runs commands, with or without anybody who asks over HTTP."""

    state: StateDirectory
    tasks: Tasks
    metrics: Metrics
    faults: Faults
    database: Database
    keeper: KeeperClient
    archiver: Archiver
    active: ActiveRuns
    running: Running
    turns: Turns
    runs: RunRepository
    outputs: OutputRepository
    hooks: HookRepository


@asynccontextmanager
async def open_core(settings: Settings, environment: Mapping[str, str]) -> AsyncIterator[Core]:
    """Build and start what runs commands; when it is left, end it in the reverse order."""
    async with AsyncExitStack() as stack:
        # The lock comes first: all below belongs to the one server that holds it.
        passable = runs_as_others(settings.privileges)
        state = stack.enter_context(state_directory(settings.state_dir, passable=passable))
        tasks, metrics = Tasks(), Metrics()
        faults = Faults(metrics)
        stack.push_async_callback(cancel_and_wait, tasks.start(state.watch(), "state directory"))
        url = settings.database.url
        if url is None:
            embedded = embedded_database(settings.state_dir / "database", tasks.start)
            url = await stack.enter_async_context(embedded)
        database = _database(url, settings.database, metrics)
        stack.push_async_callback(database.close)
        keepers = settings.privileges.keeper_directory
        spools = keepers or settings.state_dir
        keeper = await stack.enter_async_context(
            open_keeper(
                KeeperClient(spools, launches=keepers is None),
                raise_limit_of if keepers is None else None,
                bounds_memory=settings.runs.max_run_memory_bytes is not None,
            )
        )
        runs, outputs = RunRepository(database), OutputRepository(database)
        hooks = HookRepository(database)
        ledger = SqlLedger(state.host, runs, outputs, hooks)
        archiver = Archiver(ledger, settings.archive, metrics=metrics, faults=faults)
        watch = Watch()
        stack.callback(watch.close)
        active = ActiveRuns(
            max_concurrent_runs=settings.runs.max_concurrent_runs,
            max_runs_per_command=settings.runs.max_active_runs_per_command,
        )
        means = Means(
            host=state.host,
            launch=Launch.of(settings.runs, settings.output, settings.privileges, environment),
            spool=Spool.of(spools),
            keeper=keeper,
            watch=watch,
            archiver=archiver,
            ledger=ledger,
            active=active,
            tasks=tasks,
            metrics=metrics,
            faults=faults,
            spools_are_read_only=keepers is not None,
        )
        running = Running(means)
        turns_given = turns(means, running, TurnRepository(database))
        # The tasks of the runs end before what they use, which is all above.
        stack.push_async_callback(tasks.cancel)
        own = _database(url, settings.database, metrics)
        await Startup(
            migrate=partial(migrate.apply, url, migrations_directory()),
            own=own,
            ledger=SqlLedger.of(state.host, own),
            elsewhere=partial(RunRepository(own).active_elsewhere, state.host),
            database=database,
            recovery=running.recovery,
            tasks=tasks,
        ).run()
        # At the end, in reverse: the archiver is cancelled, and what is left is archived.
        stack.push_async_callback(archiver.flush)
        stack.push_async_callback(cancel_and_wait, tasks.start(archiver.run(), "archiver"))
        running.start(tasks)
        tasks.start(turns_given.run(), "turns")
        tasks.start(metrics.watch_loop(), "event loop lag")
        yield Core(
            state=state,
            tasks=tasks,
            metrics=metrics,
            faults=faults,
            database=database,
            keeper=keeper,
            archiver=archiver,
            active=active,
            running=running,
            turns=turns_given,
            runs=runs,
            outputs=outputs,
            hooks=hooks,
        )


def _database(url: str, settings: DatabaseSettings, metrics: Metrics) -> Database:
    return Database(
        url,
        max_connections=settings.connections,
        statement_timeout_seconds=settings.timeout_seconds,
        on_unavailable=metrics.database_errors.inc,
    )
