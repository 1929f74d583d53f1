"""A server's database: opened, and the runs recovered that it has of this host."""

import logging
import os
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from typing import Any

from server.core import Core, Ground
from server.errors import DatabaseUnavailableError
from server.repositories.claims import ClaimRepository
from server.repositories.database import migrate
from server.repositories.database.database import Database
from server.repositories.embedded.server import embedded_database
from server.repositories.hooks import HookRepository
from server.repositories.output import OutputRepository
from server.repositories.runs import RunRepository
from server.repositories.workers import WorkerRepository
from server.resources import VERSION, migrations_directory
from server.services.ledger.ledger import Ledger
from server.services.ledger.sql import SqlLedger
from server.services.metrics import Metrics
from server.services.running.startup import Startup, refusal
from server.settings.groups import DatabaseSettings, RunSettings, Settings

BY_ITSELF = (
    "TAILRUN_NATS_URL was set before, and is not: this server is by itself from now on, and other"
    " servers show of its runs what is archived"
)

logger = logging.getLogger(__name__)

LetIn = Callable[[Database], Awaitable[object]]
"""Has other hosts know that this one is there, over a connection of its own."""


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


async def recover(
    settings: Settings, ground: Ground, stored: Stored, core: Core, let_in: LetIn | None
) -> None:
    """Migrate the database, go on with the runs of this host, and open it to everybody.

    `let_in` has other hosts know that this one is there; None: there are none.

    Raises:
        StartupError: the runs cannot be recovered.
    """
    host = ground.state.host
    own = _database(stored.url, settings.database, ground.metrics)
    await Startup(
        migrate=_migrating(stored),
        own=own,
        ledger=SqlLedger.of(host, own),
        elsewhere=partial(RunRepository(own).active_elsewhere, host),
        present=_present(settings, host, own, let_in),
        database=stored.database,
        recovery=core.running.recovery if settings.runs.local_worker else None,
        tasks=ground.tasks,
    ).run()


async def wait_for_lease(settings: Settings, ground: Ground, stored: Stored, let_in: LetIn) -> None:
    """Wait until this process has its host's lease, which another one may have, as of a copy.

    Raises:
        StartupError: the database cannot be asked.
    """
    own = _database(stored.url, settings.database, ground.metrics)
    try:
        await _migrating(stored)()
        await own.open()
        await let_in(own)
    except (DatabaseUnavailableError, OSError) as error:
        raise refusal(error) from error
    finally:
        await own.close()


def _migrating(stored: Stored) -> Callable[[], Awaitable[object]]:
    return partial(migrate.apply, stored.url, migrations_directory())


def _present(
    settings: Settings, host: str, own: Database, let_in: LetIn | None
) -> Callable[[], Awaitable[object]] | None:
    """Return what has other hosts know that this one is there, or is by itself from now on.

    None: it has no runs.
    """
    if not settings.runs.local_worker:
        return None
    if let_in is None:
        return partial(_say_good_bye, WorkerRepository(own), host)
    return partial(let_in, own)


async def _say_good_bye(workers: WorkerRepository, host: str) -> None:
    """Have nobody wait for beats of this host: else its runs would be given up, which go on."""
    if await workers.good_bye(host):
        logger.warning(BY_ITSELF)


def facts_of(settings: RunSettings) -> dict[str, Any]:
    """Return what the host inside a server says of itself, where hosts meet."""
    return {
        "name": os.uname().nodename,
        "version": VERSION,
        "pools": settings.worker_pools,
        "labels": settings.worker_labels,
        "places": settings.max_concurrent_runs,
    }


def _database(url: str, settings: DatabaseSettings, metrics: Metrics) -> Database:
    return Database(
        url,
        max_connections=settings.connections,
        statement_timeout_seconds=settings.timeout_seconds,
        on_unavailable=metrics.database_errors.inc,
    )
