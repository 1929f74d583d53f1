"""The audit of what people do.

An act that changes rows has its row of the audit added by its own statement (repositories). All
else comes here: stops and signals, which are on record before they are done; what was refused or
failed; who was denied. These entries wait for the database, those of stops and signals on disk.
"""

import asyncio
import logging
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import replace
from typing import TypeVar
from uuid import UUID, uuid4

from server.access import Act, Actor, AuditEntry, Outcome
from server.errors import (
    AuditUnavailableError,
    DatabaseRefusedError,
    DatabaseUnavailableError,
    ForbiddenError,
    NotFoundError,
    RequestChangedError,
    StartupError,
    TailrunError,
)
from server.keeper.failpoints import failpoint
from server.repositories.access.audit import AuditRepository
from server.repositories.database.halving import in_parts
from server.services.access.allowance import MINUTE, Allowance
from server.services.access.entries import ended, entry_of, further, outcome_of
from server.services.access.journal import MAX_BYTES, Journal
from server.services.faults import cause
from server.services.tasks import Tasks, cancel_and_wait, retry, wait_for

BATCH_ENTRIES = 64


RETRY_SECONDS = 1.0
REFUSED_RETRY_SECONDS = 30.0
MAX_WAITING = 10_000
"""Of refusals and failures that wait for the database; further ones are lost."""

COMPACT_BYTES = 1024 * 1024
"""A journal of more is written anew, without what was entered."""

UNKNOWN = "the server ended before this was known to be done"

Result = TypeVar("Result")
logger = logging.getLogger(__name__)


class Audit:
    """What is on record, and what is still to be entered."""

    def __init__(self, repository: AuditRepository, journal: Journal) -> None:
        self._repository = repository
        self._journal = journal
        # One thread: the journal's steps are taken one after the other, whoever is cancelled.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="audit")
        self._under_way: dict[UUID, AuditEntry] = {}
        self._waiting: dict[UUID, AuditEntry] = {}
        self._journalled: dict[UUID, AuditEntry] = {}
        # By principal, too: a stranger who floods must not hide what somebody else was denied.
        self._allowances: defaultdict[tuple[Act, str], Allowance] = defaultdict(Allowance)
        self._wake = asyncio.Event()
        self._problem: str | None = None
        self._lost = 0

    @asynccontextmanager
    async def running(self, tasks: Tasks) -> AsyncIterator[None]:
        """Read the journal, and enter what waits until this is left.

        Raises:
            StartupError: the journal cannot be read.
        """
        try:
            found = await self._in_thread(self._journal.open)
        except OSError as error:
            raise StartupError(
                f"The journal of the audit cannot be used: {error}. It holds acts that are not in"
                " the database yet; make it a file that this server can read and write."
            ) from error
        for entry in found:
            self._waiting[_key(entry)] = self._journalled[_key(entry)] = entry
        task = tasks.start(self._enter_all(), "audit")
        try:
            yield
        finally:
            await cancel_and_wait(task)
            await self._close(tasks.closing())

    def problem(self) -> str:
        """Say what keeps entries waiting; `ok`: nothing does."""
        found = []
        if self._problem is not None:
            found.append(f"{len(self._waiting)} to be entered: {self._problem}")
        if self._lost:
            found.append(f"not on record, as too many waited: {self._lost} refused or failed")
        return "; ".join(found) or "ok"

    @asynccontextmanager
    async def act(
        self,
        act: Act,
        by: Actor,
        *,
        command_id: UUID | None = None,
        run_id: UUID | None = None,
        details: Mapping[str, object],
    ) -> AsyncIterator[None]:
        """Have an act on record before it is done here; what it raises is its outcome.

        It does not wait for the database, which may be away.

        Raises:
            AuditUnavailableError: it can be put on record nowhere; it is not to be done.
        """
        entry = entry_of(
            act, by, Outcome.DONE, command_id=command_id, run_id=run_id, details=details
        )
        begun = await self._begin(entry)
        try:
            failpoint("audit.begun")
            yield
            failpoint("audit.done")
        except Exception as error:
            entry = ended(entry, outcome_of(error), cause(error))
            if not begun:  # it is in the table, where no row is changed: another tells its end
                entry, begun = replace(entry, key=uuid4()), True
            raise
        finally:
            self._under_way.pop(_key(entry), None)
            if begun:
                self._wait_for_database(entry)

    @contextmanager
    def trying(
        self, act: Act, by: Actor, *, command_id: UUID | None = None, run_id: UUID | None = None
    ) -> Iterator[None]:
        """Have it on record when what is done here is refused or fails.

        What does not exist, or is no valid request, is not; what is not permitted, as `denied`.
        """
        try:
            yield
        except (NotFoundError, RequestChangedError, ForbiddenError):
            raise
        except TailrunError as error:
            entry = entry_of(act, by, outcome_of(error), command_id=command_id, run_id=run_id)
            self.note(act, ended(entry, outcome_of(error), cause(error)))
            error.on_record = True
            raise

    def denied(self, by: Actor, *, method: str, path: str, why: str) -> None:
        """Have it on record that a request was not permitted."""
        details = {"method": method, "path": path, "why": why}
        self.note(Act.DENIED, entry_of(Act.DENIED, by, Outcome.REFUSED, details=details))

    def note(self, act: Act, entry: AuditEntry) -> None:
        """Enter what was refused or failed, soon; beyond an allowance such acts are counted."""
        if self._allowances[act, entry.principal].take(asyncio.get_running_loop().time()):
            self._wait_for_database(entry)

    async def _begin(self, entry: AuditEntry) -> bool:
        """Put an act on record; return whether that is in the journal, and its end still open."""
        key, journalled = _key(entry), ended(entry, Outcome.DONE, UNKNOWN)
        # Before it is written: a journal that is written anew meanwhile has it, too.
        self._under_way[key] = self._journalled[key] = journalled
        try:
            await self._in_thread(lambda: self._journal.append([journalled]))
        except BaseException as error:
            del self._under_way[key], self._journalled[key]
            if not isinstance(error, OSError):
                raise
            logger.warning(
                "the journal of the audit cannot be written, so the database is asked: %s", error
            )
            await self._enter_now(entry, error)
            return False
        return True

    async def _enter_now(self, entry: AuditEntry, error: OSError) -> None:
        """Enter an act that the journal does not take."""
        try:
            await self._repository.add([entry])
        except DatabaseUnavailableError as unavailable:
            raise AuditUnavailableError(
                f"It can be put on record nowhere: the journal: {error}; the database:"
                f" {unavailable}"
            ) from unavailable

    def _wait_for_database(self, entry: AuditEntry) -> None:
        if len(self._waiting) >= MAX_WAITING and _key(entry) not in self._journalled:
            self._lost += 1
            return
        self._waiting[_key(entry)] = entry
        self._wake.set()

    async def _enter_all(self) -> None:
        """Enter what waits, forever; the service's owner cancels it."""
        while True:
            if not self._waiting:
                self._wake.clear()
                await wait_for(self._wake, MINUTE)  # what was only counted is due then
            self._count_further()
            await retry(self._enter, self._pause_after)
            self._problem = None

    def _count_further(self) -> None:
        now = asyncio.get_running_loop().time()
        counted: Counter[Act] = Counter()
        for (act, principal), allowance in [*self._allowances.items()]:
            counted[act] += allowance.further(now)
            if allowance.is_over(now):
                del self._allowances[act, principal]
        self._note_further(counted)

    def _note_further(self, counted: Counter[Act]) -> None:
        for act, number in counted.items():
            if number:
                self._wait_for_database(further(act, number))

    def _pause_after(self, error: Exception) -> float:
        if not isinstance(error, DatabaseUnavailableError):
            raise error
        if self._problem is None:
            logger.warning(
                "acts wait to be entered in the audit, and this is tried again: %s", error
            )
        self._problem = cause(error)
        refused = isinstance(error, DatabaseRefusedError)
        return REFUSED_RETRY_SECONDS if refused else RETRY_SECONDS

    async def _enter(self) -> None:
        """Enter the next that wait.

        Raises:
            DatabaseUnavailableError: some are not entered; the journal has them.
        """
        batch = [*self._waiting.values()][:BATCH_ENTRIES]
        refused: list[tuple[AuditEntry, DatabaseRefusedError]] = []
        try:
            await in_parts(batch, self._repository.add, lambda *one: refused.append(one))
        except DatabaseUnavailableError:
            await self._save()
            raise
        failpoint("audit.entered")
        still = {_key(entry) for entry, _ in refused}
        for entry in batch:
            del self._waiting[_key(entry)]
            if _key(entry) in still:
                self._waiting[_key(entry)] = entry  # behind the others
            else:
                self._journalled.pop(_key(entry), None)
        await self._tidy()
        if refused:
            await self._save()
            raise refused[0][1]

    async def _save(self) -> None:
        """Write into the journal what waits and is not in it as it is; half of it is for stops."""
        unsaved = [
            entry for key, entry in self._waiting.items() if self._journalled.get(key) is not entry
        ]
        if not unsaved or self._journal.size > MAX_BYTES / 2:
            return
        with suppress(OSError):  # the next stop says so
            await self._in_thread(lambda: self._journal.append(unsaved))
            self._journalled |= {_key(entry): entry for entry in unsaved}

    async def _tidy(self) -> None:
        """Forget in the journal what is entered."""
        kept = [entry for key, entry in self._waiting.items() if key in self._journalled]
        if self._journal.size <= (COMPACT_BYTES if kept or self._under_way else 0):
            return
        self._journalled = {_key(entry): entry for entry in kept} | self._under_way
        entries = [*self._journalled.values()]
        try:
            await self._in_thread(lambda: self._journal.replace(entries))
        except OSError as error:
            logger.warning("the journal of the audit cannot be written anew: %s", error)

    async def _close(self, closing: asyncio.Timeout) -> None:
        counted: Counter[Act] = Counter()
        for (act, _), allowance in self._allowances.items():
            counted[act] += allowance.rest()
        self._note_further(counted)
        with suppress(DatabaseUnavailableError, TimeoutError):
            async with closing:
                while self._waiting:
                    await self._enter()
        await self._save()
        self._thread.shutdown(wait=False)

    async def _in_thread(self, step: Callable[[], Result]) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._thread, step)


def _key(entry: AuditEntry) -> UUID:
    assert entry.key is not None  # all that are made here have one
    return entry.key
