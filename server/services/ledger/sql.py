"""The ledger of a host that has a database of its own to ask."""

from collections.abc import Iterable, Mapping, Sequence
from uuid import UUID

from server.definition import Cause, CauseKind
from server.models import Position, Run
from server.repositories.database.database import Database
from server.repositories.hooks import HookRepository
from server.repositories.output import OutputRepository
from server.repositories.runs import RunRepository
from server.services.ledger.ledger import StartData


class SqlLedger:
    """The `Ledger` of a host, by the repositories."""

    def __init__(
        self, host: str, runs: RunRepository, outputs: OutputRepository, hooks: HookRepository
    ) -> None:
        self._host = host
        self._runs = runs
        self._hooks = hooks
        self.append, self.positions, self.times = outputs.append, outputs.positions, outputs.times
        self.finish_queued, self.get = runs.finish_queued, runs.get

    @classmethod
    def of(cls, host: str, database: Database) -> "SqlLedger":
        """Return the ledger of a host in a database."""
        outputs = OutputRepository(database)
        return cls(host, RunRepository(database), outputs, HookRepository(database))

    async def active(self) -> Sequence[Run]:
        """Return the queued and running runs of the host, oldest first."""
        return await self._runs.active(self._host)

    async def running(self) -> Sequence[Run]:
        """Return the running runs of the host, in any order."""
        return await self._runs.running(self._host)

    async def take_over(self, runs: Iterable[Run]) -> Mapping[UUID, Position]:
        """Become the owner of runs; return where each stands that is active still."""
        return await self._runs.take_over([run.id for run in runs], self._host)

    async def start_of(self, run: Run) -> StartData:
        """Return what a run is started with; most need nothing, and nothing is asked for them."""
        secrets = await self._runs.secrets(run.id) if run.options.secrets else {}
        return StartData(secrets, await self._body(run))

    async def _body(self, run: Run) -> bytes | None:
        """Return what a hook was sent for a run, or for the first attempt of it."""
        match run.cause:
            case Cause(kind=CauseKind.HOOK):
                return await self._hooks.body(run.id)
            case Cause(kind=CauseKind.RETRY, id=UUID() as first):
                return await self._hooks.body(first)
        return None
