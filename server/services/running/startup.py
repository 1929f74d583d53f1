"""The start: the runs are recovered, if need be without the database."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress

from server.errors import DatabaseUnavailableError, StartupError
from server.repositories.database.database import Database
from server.services.ledger.ledger import Ledger
from server.services.running.recovery import Recovery
from server.services.tasks import Tasks, retry

DATABASE_RETRY_SECONDS = 1.0

LEFT_RUNS = (
    "runs that this server has had itself: %d; they stay as they are, and what goes on of them is"
    " seen by nobody, until it is started with TAILRUN_LOCAL_WORKER=1 again"
)
FOREIGN_RUNS = "they stay as they are until somebody stops them (docs/operations.md)"

logger = logging.getLogger(__name__)


class Startup:
    """Migrates the database, recovers the runs, and only then opens the database to all else.

    `own` is the connection that the recovery has to itself, so that nobody stores a run of this
    host meanwhile, and `ledger` is the host's over it; `database` is everybody's. `elsewhere`
    counts the active runs of other hosts, over `own` as well, and `present` has these know whether
    this one is to be waited for. `recovery` is None where the server
    runs nothing itself: then what it has run before is told.
    """

    def __init__(
        self,
        *,
        migrate: Callable[[], Awaitable[object]],
        own: Database,
        ledger: Ledger,
        elsewhere: Callable[[], Awaitable[int]],
        present: Callable[[], Awaitable[object]] | None,
        database: Database,
        recovery: Recovery | None,
        tasks: Tasks,
    ) -> None:
        self._migrate = migrate
        self._own = own
        self._ledger = ledger
        self._elsewhere = elsewhere
        self._present = present
        self._database = database
        self._recovery = recovery
        self._tasks = tasks

    async def run(self) -> None:
        """Recover the runs; without the database, show those whose spools are here.

        Raises:
            StartupError: the runs cannot be recovered, and there is no spool to show.
        """
        try:
            await self._recover()
        except (DatabaseUnavailableError, OSError) as error:
            if self._recovery is None or not self._recovery.show():
                raise refusal(error) from error
            logger.warning("started without the database, for the runs that go on: %s", error)
            self._tasks.start(self._recover_later(), "return of the database")

    async def _recover(self) -> None:
        await self._migrate()
        try:
            await self._own.open()
            # Before the recovery, which is not done twice: nothing may fail after it.
            others = await self._elsewhere()
            if self._present is not None:
                await self._present()
            await self._go_on()
        finally:
            await self._own.close()  # it does not count as one of the service's connections
        if others:
            logger.warning("runs of another host identity: %d; %s", others, FOREIGN_RUNS)
        with suppress(DatabaseUnavailableError):  # it is open all the same, and connects later
            await self._database.open()

    async def _go_on(self) -> None:
        if self._recovery is not None:
            await self._recovery.recover(self._ledger)
        elif left := await self._ledger.active():
            logger.warning(LEFT_RUNS, len(left))

    async def _recover_later(self) -> None:
        def pause_after(error: Exception) -> float:
            if not isinstance(error, DatabaseUnavailableError | OSError):
                raise error
            return DATABASE_RETRY_SECONDS  # it was logged when the first try failed

        await asyncio.sleep(DATABASE_RETRY_SECONDS)
        await retry(self._recover, pause_after)
        logger.info("database available again: the runs are recovered")


def refusal(error: DatabaseUnavailableError | OSError) -> StartupError:
    """Say what keeps the service from its start, and how to mend it."""
    if isinstance(error, OSError):
        return StartupError(f"The runs cannot be recovered: {error}.")
    problem = str(error)
    problem += "" if problem.endswith((".", "?")) else "."
    return StartupError(f"{problem} Start it, or correct TAILRUN_DATABASE_URL.")
