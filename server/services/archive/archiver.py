"""The Archiver: moves the output of all live runs into the database, from their cursors on."""

import asyncio
import logging
import math
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from uuid import UUID

from server.errors import DatabaseRefusedError, DatabaseUnavailableError
from server.keeper.failpoints import failpoint
from server.keeper.files import TRANSIENT_ERRORS
from server.models import Advance
from server.output.log import RunLog
from server.repositories.database.halving import in_parts
from server.services.archive.cursor import ArchiveCursor
from server.services.archive.followed import EndOf, Followed, FollowedRun
from server.services.archive.packing import CHUNK_BYTES, Packing
from server.services.archive.processor import seconds_waited
from server.services.faults import Faults
from server.services.ledger.ledger import Ledger
from server.services.metrics import Metrics
from server.settings.groups import ArchiveSettings

BATCH_BYTES = 4 * CHUNK_BYTES
"""Output in one statement, at most; what is beyond waits in the spool for the next. Sending the
statement blocks the event loop: 8 MiB that do not compress, for up to 29 ms; 4 MiB, for up to 6."""

REST_FACTOR = 3.0
MAX_REST_SECONDS = 0.5
"""After a large batch, while somebody watches a quiet run, the archive rests for REST_FACTOR times
as long as the event loop had to wait for a processor meanwhile. What it waited for are the
archive's threads and the database, mostly, whatever their priority (sched(7), autogroups). Where
nobody watches a quiet run there is no rest: loud runs' viewers gained nothing by it, and the
archive lost a third."""

RETRY_SECONDS = (0.2, 0.5, 1.0, 2.0, 5.0)
"""Pauses while the database is away; the last one repeats."""

UNREADABLE_ATTEMPTS = 3
"""After so many, the output of a run that has ended is given up, if it cannot be read; but not
for a shortage, which passes by itself, however long it takes (TRANSIENT_ERRORS)."""

logger = logging.getLogger(__name__)


_Batch = dict[ArchiveCursor, Advance]


class Archiver:
    """Archives what is new of every run that grew, in one statement after the other.

    A statement is due when a run has `flush_bytes` of new output or ended, or `flush_seconds`
    after the first byte; it takes all runs that grew. Nothing waits in memory: while the
    database is away the cursors stand still and the spools grow. A run whose step fails, be it
    that its spool cannot be read or that the database refuses its row, is postponed by itself.
    Statements begin at least `apart_seconds` after one another: where each is a message, too, and
    runs end one after the other, what ends meanwhile is in the next.
    """

    def __init__(
        self,
        ledger: Ledger,
        settings: ArchiveSettings,
        *,
        metrics: Metrics,
        faults: Faults,
        waited: Callable[[], float] = seconds_waited,
        chunk_bytes: int = CHUNK_BYTES,
        apart_seconds: float = 0.0,
    ) -> None:
        self._apart_seconds = apart_seconds
        self._waited = waited
        self._ledger = ledger
        self._flush_bytes = settings.flush_bytes
        self._flush_seconds = settings.flush_seconds
        self._packing = Packing(settings.preview_bytes, chunk_bytes)
        self._metrics = metrics
        self._faults = faults
        self._behind_since: float | None = None
        self._cursors: dict[UUID, ArchiveCursor] = {}
        self._grown: dict[UUID, ArchiveCursor] = {}
        self._bell = asyncio.Event()
        self._wakes_at = math.inf

    async def follow(
        self, live: FollowedRun, log: RunLog, end_of: EndOf, *, late: bool = False
    ) -> Followed:
        """Archive a run to its end, or until it is ours no more; `late`: it was given up."""
        cursor = self._cursors[live.run.id] = ArchiveCursor(live, log, end_of, late=late)
        schedule = partial(self._schedule, cursor)
        log.listeners.add(schedule)
        try:
            schedule()  # that it runs is stored even if it never writes
            return await cursor.followed
        finally:
            log.listeners.discard(schedule)
            del self._cursors[live.run.id]
            self._grown.pop(live.run.id, None)

    def recheck(self, run_id: UUID) -> None:
        """Take a step for a run although it did not grow: its row may be gone."""
        if run_id in self._cursors:
            self._resume(self._cursors[run_id])

    def _schedule(self, cursor: ArchiveCursor) -> None:
        """Schedule a run's next step: at once when it has much, or all; else after a while."""
        run_id = cursor.live.run.id
        if cursor.postponed or cursor.followed.done():
            return
        # A run that is there already keeps its place, and its time: others came after it.
        if run_id not in self._grown:
            self._grown[run_id] = cursor
            cursor.due_at = asyncio.get_running_loop().time() + self._flush_seconds
        if cursor.log.ended or cursor.new_bytes >= self._flush_bytes:
            cursor.due_at = -math.inf
        if cursor.due_at < self._wakes_at:
            self._bell.set()

    async def run(self) -> None:
        """Archive forever; the service's owner cancels it."""
        loop = asyncio.get_running_loop()
        attempt, started_at = 0, -math.inf
        while True:
            if attempt == 0:  # else it is due still
                await self._wait_until_due()
                if (pause := started_at + self._apart_seconds - loop.time()) > 0:
                    await asyncio.sleep(pause)
            started_at = loop.time()
            try:
                await self._flush()
            except (DatabaseUnavailableError, OSError) as error:
                if self._behind_since is None:
                    self._behind_since = started_at
                    logger.warning("archive paused: %s", error)
                await asyncio.sleep(RETRY_SECONDS[min(attempt, len(RETRY_SECONDS) - 1)])
                attempt += 1
            else:
                if attempt:
                    logger.info("archive resumed after %d attempts", attempt)
                self._behind_since, attempt = None, 0

    async def _wait_until_due(self) -> None:
        """Sleep until the first step is due; the bell rings when one is due earlier."""
        loop = asyncio.get_running_loop()
        while True:
            self._bell.clear()
            due = [cursor.due_at for cursor in self._grown.values()]
            self._wakes_at = min(due, default=math.inf)
            if self._wakes_at <= loop.time():
                return
            with suppress(TimeoutError):
                async with asyncio.timeout_at(self._wakes_at if due else None):
                    await self._bell.wait()

    async def flush(self) -> None:
        """Archive what has been written up to now, as far as it can be done at once.

        For the end of the service; what is left stays in the spool for the next one.
        """
        with suppress(DatabaseUnavailableError, OSError):
            while self._grown:
                await self._flush()

    @property
    def lag_seconds(self) -> float:
        """For how long archiving has failed; 0 when it does not."""
        now = asyncio.get_running_loop().time()
        return 0.0 if self._behind_since is None else now - self._behind_since

    async def _flush(self) -> None:
        """Archive what grew; while the database takes a full batch, the next one is read."""
        batch = await self._read()
        while batch:
            waited = self._waited()
            moved, following = await asyncio.gather(self._append(batch), self._read(batch))
            await self._settle(batch, moved)
            if _size(batch) >= CHUNK_BYTES and self._quiet_run_is_watched(batch):
                await asyncio.sleep(rest_seconds(self._waited() - waited))
            # A run whose row was refused meanwhile does not go on from where it never came to.
            batch = {cursor: step for cursor, step in following.items() if not cursor.postponed}

    async def _read(self, before: _Batch | None = None) -> _Batch:
        """Make a batch of what grew; the one that follows `before` only where that is full.

        The batch before may not be in the database yet. Runs that have no part in it come first.
        """
        if before is None:
            before = {}
        elif _size(before) < BATCH_BYTES:
            return {}  # the rest is little, and better gathered until it is due
        batch: _Batch = {}
        room = BATCH_BYTES
        for cursor in sorted(self._grown.values(), key=before.__contains__):
            if room <= 0:
                break
            try:
                step = await cursor.next_step(self._packing, before.get(cursor), room)
            except Exception as error:
                self._give_up_or_wait(cursor, error)
                continue
            if step is not None:
                room -= step.to_offset - step.from_offset
                batch[cursor] = step
        return batch

    def _quiet_run_is_watched(self, batch: _Batch) -> bool:
        """Whether somebody watches a run that writes little: the next line must not be delayed."""
        return any(
            cursor.log.users > 1
            and cursor.new_bytes < self._flush_bytes
            and not (cursor in batch and _size({cursor: batch[cursor]}) >= CHUNK_BYTES)
            for cursor in self._cursors.values()
        )

    async def _append(self, batch: _Batch) -> set[UUID]:
        """Write a batch; a run whose row is refused is postponed, and taken out of the batch."""

        async def append(steps: Sequence[tuple[ArchiveCursor, Advance]]) -> set[UUID]:
            failpoint("archive.append")
            return await self._ledger.append([advance for _, advance in steps])

        def refused(step: tuple[ArchiveCursor, Advance], error: DatabaseRefusedError) -> None:
            del batch[step[0]]
            self._postpone(step[0], "its row cannot be written now", error)

        moved = await in_parts(list(batch.items()), append, refused)
        failpoint("archive.committed")
        return set().union(*moved)

    async def _settle(self, batch: _Batch, moved: set[UUID]) -> None:
        """Take each cursor to where its row stands now."""
        unmoved = [step.run_id for step in batch.values() if step.run_id not in moved]
        positions = await self._ledger.positions(unmoved)
        # No cursor has moved up to here: if one of the calls failed, all is simply done again.
        for cursor, step in batch.items():
            try:
                failpoint("archive.settled")
                if step.run_id in moved:
                    self._metrics.archived_bytes.inc(step.to_offset - step.from_offset)
                    self._faults.resolve(cursor.live)
                    cursor.move(step)
                else:
                    cursor.resync(step, positions.get(step.run_id))
            except Exception as error:
                self._postpone(cursor, "its progress cannot be recorded", error)
                continue
            self._grown.pop(step.run_id, None)
            if cursor.new_bytes > 0 or cursor.log.ended:
                self._schedule(cursor)  # it has grown, or ended, meanwhile

    def _give_up_or_wait(self, cursor: ArchiveCursor, error: Exception) -> None:
        """Postpone a run whose output cannot be read; give it up where that will not pass."""
        live = cursor.live
        self._postpone(cursor, "its output cannot be read now", error)
        passes = isinstance(error, OSError) and error.errno in TRANSIENT_ERRORS
        if cursor.log.ended and live.attempts >= UNREADABLE_ATTEMPTS and not passes:
            live.given_up = True

    def _postpone(self, cursor: ArchiveCursor, what: str, error: Exception) -> None:
        """Leave out for a while a run for which a step failed; the others go on."""
        pause = self._faults.postpone(cursor.live, what, error)
        cursor.postponed = True
        self._grown.pop(cursor.live.run.id, None)
        asyncio.get_running_loop().call_later(pause, self._resume, cursor)

    def _resume(self, cursor: ArchiveCursor) -> None:
        cursor.postponed = False
        self._schedule(cursor)


def rest_seconds(waited_seconds: float) -> float:
    """Return how long to rest when the loop has waited so long for a processor."""
    return min(REST_FACTOR * waited_seconds, MAX_REST_SECONDS)


def _size(batch: _Batch) -> int:
    """Return how much output is in a batch."""
    return sum(step.to_offset - step.from_offset for step in batch.values())
