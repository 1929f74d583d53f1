"""A server's database: opened, and the runs recovered that it has of this host."""

from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial

from server.core import Core, Ground
from server.repositories.claims import ClaimRepository
from server.repositories.database import migrate
from server.repositories.database.database import Database
from server.repositories.embedded.server import embedded_database
from server.repositories.hooks import HookRepository
from server.repositories.output import OutputRepository
from server.repositories.runs import RunRepository
from server.resources import migrations_directory
from server.services.ledger.ledger import Ledger
from server.services.ledger.sql import SqlLedger
from server.services.metrics import Metrics
from server.services.running.startup import Startup
from server.settings.groups import DatabaseSettings, Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """The database, and what all services ask of it."""

    url: str
    database: Database
    runs: RunRepository
    outputs: OutputRepository
    hooks: HookRepository
    claims: ClaimRepository
    ledger: Ledger


async def open_database(stack: AsyncExitStack, settings: Settings, ground: Ground) -> Stored:
    """Name the database of the settings, or start the embedded one; `recover` connects to it."""
    url = settings.database.url
    if url is None:
        directory = settings.state_dir / "database"
        url = await stack.enter_async_context(embedded_database(directory, ground.tasks.start))
    database = _database(url, settings.database, ground.metrics)
    stack.push_async_callback(database.close)
    runs, outputs = RunRepository(database), OutputRepository(database)
    hooks = HookRepository(database)
    return Stored(
        url=url,
        database=database,
        runs=runs,
        outputs=outputs,
        hooks=hooks,
        claims=ClaimRepository(database),
        ledger=SqlLedger(ground.state.host, runs, outputs, hooks),
    )


async def recover(settings: Settings, ground: Ground, stored: Stored, core: Core) -> None:
    """Migrate the database, go on with the runs of this host, and open it to everybody.

    Raises:
        StartupError: the runs cannot be recovered.
    """
    host = ground.state.host
    own = _database(stored.url, settings.database, ground.metrics)
    await Startup(
        migrate=partial(migrate.apply, stored.url, migrations_directory()),
        own=own,
        ledger=SqlLedger.of(host, own),
        elsewhere=partial(RunRepository(own).active_elsewhere, host),
        database=stored.database,
        recovery=core.running.recovery if settings.runs.local_worker else None,
        tasks=ground.tasks,
    ).run()


def _database(url: str, settings: DatabaseSettings, metrics: Metrics) -> Database:
    return Database(
        url,
        max_connections=settings.connections,
        statement_timeout_seconds=settings.timeout_seconds,
        on_unavailable=metrics.database_errors.inc,
    )
