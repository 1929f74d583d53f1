"""The Archiver: a cursor on every live run's log that moves output into the database."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from uuid import UUID

from server.errors import DatabaseRefusedError, DatabaseUnavailableError
from server.keeper.failpoints import failpoint
from server.keeper.files import PASSING_ERRORS
from server.models import Advance, Position
from server.output.log import RunLog
from server.repositories.database.halving import in_parts
from server.repositories.output import OutputRepository
from server.services.archive.followed import EndOf, Followed, FollowedRun
from server.services.archive.packing import CHUNK_BYTES, Packing
from server.services.archive.processor import seconds_waited
from server.services.faults import Faults
from server.services.metrics import Metrics
from server.settings.groups import ArchiveSettings

BATCH_BYTES = 4 * CHUNK_BYTES
"""Output in one statement, at most; what is beyond waits in the spool for the next. Sending the
statement holds the event loop: 8 MiB that do not compress, for up to 29 ms; 4 MiB, for up to 6."""

RESTS = 3.0
MAX_REST_SECONDS = 0.5
"""After a large batch the archive rests for so long as the event loop had to wait for a processor
meanwhile, times RESTS: its threads and the database are what it waited for, mostly, whatever their
priority (sched(7), autogroups). On a machine that is not short of processors that is nothing, nor
where nobody watches a quiet run: the viewers of loud ones got no more for it, and the archive a
third less."""

RETRY_SECONDS = (0.2, 0.5, 1.0, 2.0, 5.0)
"""Pauses while the database is away; the last one repeats."""

UNREADABLE_ATTEMPTS = 3
"""After so many, the output of a run that has ended is given up, if it cannot be read; but not
for a shortage, which passes by itself, however long it takes (PASSING_ERRORS)."""

CLOSE_SECONDS = 2.0
"""How long the end of the service may wait for the last flush."""

logger = logging.getLogger(__name__)


class _Cursor:
    """How far one run is archived: `offset` bytes, `lines` newlines, and what is still to tell.

    `waits` while the run is put off; `result` is set with `done`.
    """

    def __init__(self, live: FollowedRun, log: RunLog, end_of: EndOf) -> None:
        self.live = live
        self.log = log
        self.end_of = end_of
        self.offset = live.run.output_bytes
        self.lines = live.run.output_lines
        self.start_told = False
        self.waits = False
        self.result = Followed.TAKEN
        self.done = asyncio.Event()
        self.flushed = asyncio.Event()


_Batch = dict[_Cursor, Advance]


class Archiver:
    """Archives what is new of every run that grew, in one statement after the other.

    A statement is due when a run has `flush_bytes` of new output or ended, or `flush_seconds`
    after the first byte; it takes all runs that grew. Nothing waits in memory: while the
    database is away the cursors stand still and the spools grow. A run whose step fails, be it
    that its spool cannot be read or that the database refuses its row, is put off by itself.
    """

    def __init__(
        self,
        outputs: OutputRepository,
        settings: ArchiveSettings,
        *,
        metrics: Metrics,
        faults: Faults,
        waited: Callable[[], float] = seconds_waited,
    ) -> None:
        self._waited = waited
        self._outputs = outputs
        self._flush_bytes = settings.flush_bytes
        self._flush_seconds = settings.flush_seconds
        self._packing = Packing(settings.preview_bytes)
        self._metrics = metrics
        self._faults = faults
        self._behind_since: float | None = None
        self._cursors = dict[UUID, _Cursor]()
        self._grown = dict[UUID, _Cursor]()
        self._due = asyncio.Event()
        self._first_grown = asyncio.Event()

    async def follow(self, live: FollowedRun, log: RunLog, end_of: EndOf) -> Followed:
        """Archive a run to its end, or until it is ours no more.

        `end_of` tells how the run ended; it is asked once the log has ended.
        """
        cursor = self._cursors[live.run.id] = _Cursor(live, log, end_of)
        try:
            while not cursor.done.is_set():
                await self._await_growth(cursor)
                await self._await_step(cursor)
        finally:
            del self._cursors[live.run.id]
            self._grown.pop(live.run.id, None)
        return cursor.result

    def look_at(self, run_id: UUID) -> None:
        """Take a step for a run although it did not grow: its row may not be there any more."""
        if run_id in self._cursors:
            self._take_up(self._cursors[run_id])

    async def _await_step(self, cursor: _Cursor) -> None:
        cursor.flushed.clear()
        self._take_up(cursor)
        log = cursor.log
        if log.ended or log.size - cursor.offset >= self._flush_bytes:
            self._due.set()
            await cursor.flushed.wait()
        else:
            await self._await_flush(cursor)

    async def _await_growth(self, cursor: _Cursor) -> None:
        if cursor.start_told:
            await cursor.log.grown(cursor.offset)

    async def _await_flush(self, cursor: _Cursor) -> None:
        """Wait for the flush of what grew; make it due early when much more comes."""
        flushed = asyncio.ensure_future(cursor.flushed.wait())
        much = asyncio.ensure_future(cursor.log.grown(cursor.offset + self._flush_bytes - 1))
        try:
            await asyncio.wait({flushed, much}, return_when=asyncio.FIRST_COMPLETED)
            if not flushed.done():
                self._due.set()
            await flushed
        finally:
            flushed.cancel()
            much.cancel()

    async def run(self) -> None:
        """Flush for ever; the service's owner cancels it."""
        while True:
            await self._first_grown.wait()
            with suppress(TimeoutError):
                async with asyncio.timeout(self._flush_seconds):
                    await self._due.wait()
            await self._flush_persistently()

    async def flush(self) -> None:
        """Archive what has been written up to now, as far as it can be done at once.

        For the end of the service; what is left stays in the spool for the next one.
        """
        with suppress(DatabaseUnavailableError, OSError, TimeoutError):
            async with asyncio.timeout(CLOSE_SECONDS):
                while self._grown:
                    await self._flush_once()

    @property
    def lag_seconds(self) -> float:
        """For how long flushing has failed; 0 when it does not."""
        now = asyncio.get_running_loop().time()
        return 0.0 if self._behind_since is None else now - self._behind_since

    async def _flush_persistently(self) -> None:
        attempt = 0
        started_at = asyncio.get_running_loop().time()
        while True:
            try:
                await self._flush_once()
            except (DatabaseUnavailableError, OSError) as error:
                self._behind_since = started_at
                if attempt == 0:
                    logger.warning("archiving waits: %s", error)
                await asyncio.sleep(RETRY_SECONDS[min(attempt, len(RETRY_SECONDS) - 1)])
                attempt += 1
            else:
                self._behind_since = None
                if attempt:
                    logger.info("archiving goes on after %d attempts", attempt)
                return

    async def _flush_once(self) -> None:
        """Archive what grew; while the database takes a full batch, the next one is read."""
        self._due.clear()
        batch = await self._read({})
        while batch:
            waited = self._waited()
            moved, following = await asyncio.gather(self._append(batch), self._read_on(batch))
            await self._settle_batch(batch, moved)
            if _size(batch) >= CHUNK_BYTES and self._quiet_run_is_watched(batch):
                await asyncio.sleep(rest_seconds(self._waited() - waited))
            batch = {cursor: step for cursor, step in following.items() if not cursor.waits}
        if self._grown:
            self._due.set()
        else:
            self._first_grown.clear()

    async def _read(self, before: _Batch) -> _Batch:
        """Make the batch that follows `before`, which may not be in the database yet.

        Runs that had no part in that one come first.
        """
        batch: _Batch = {}
        room = BATCH_BYTES
        for cursor in sorted(self._grown.values(), key=before.__contains__):
            if room <= 0:
                break
            try:
                advance = await self._advance(cursor, before.get(cursor), room)
            except Exception as error:
                self._give_up_or_wait(cursor, error)
                continue
            if advance is not None:
                room -= advance.to_offset - advance.from_offset
                batch[cursor] = advance
        return batch

    async def _read_on(self, batch: _Batch) -> _Batch:
        """Read the next batch where this one was full; else, more is worth a pause."""
        if _size(batch) < BATCH_BYTES:
            return {}
        return await self._read(batch)

    def _quiet_run_is_watched(self, batch: _Batch) -> bool:
        """Whether somebody watches a run of which little is to be archived: a line may be due."""
        return any(
            cursor.log.users > 1
            and cursor.log.size - cursor.offset < self._flush_bytes
            and not (cursor in batch and _size({cursor: batch[cursor]}) >= CHUNK_BYTES)
            for cursor in self._cursors.values()
        )

    async def _append(self, batch: _Batch) -> set[UUID]:
        """Write a batch; a run whose row is refused is put off, and taken out of the batch."""

        async def append(steps: Sequence[tuple[_Cursor, Advance]]) -> set[UUID]:
            failpoint("archive.append")
            return await self._outputs.append([advance for _, advance in steps])

        def refused(step: tuple[_Cursor, Advance], error: DatabaseRefusedError) -> None:
            del batch[step[0]]
            self._put_off(step[0], "its row cannot be written now", error)

        moved = await in_parts(list(batch.items()), append, refused)
        failpoint("archive.committed")
        return set().union(*moved)

    async def _settle_batch(self, batch: _Batch, moved: set[UUID]) -> None:
        refused = [advance.run_id for advance in batch.values() if advance.run_id not in moved]
        positions = await self._outputs.positions(refused)
        # No cursor has changed up to here, so that after a lost call all is simply done again.
        for cursor, advance in batch.items():
            try:
                failpoint("archive.settled")
                if advance.run_id in moved:
                    self._settle(cursor, advance)
                else:
                    self._resync(cursor, advance, positions.get(advance.run_id))
            except Exception as error:
                self._put_off(cursor, "what was archived cannot be told", error)
                continue
            self._grown.pop(advance.run_id, None)
            cursor.flushed.set()

    def _give_up_or_wait(self, cursor: _Cursor, error: Exception) -> None:
        """Put off a run whose output cannot be read; for good where it will not get better."""
        live = cursor.live
        self._put_off(cursor, "its output cannot be read now", error)
        passes = isinstance(error, OSError) and error.errno in PASSING_ERRORS
        if cursor.log.ended and live.attempts >= UNREADABLE_ATTEMPTS and not passes:
            live.given_up = True

    def _put_off(self, cursor: _Cursor, what: str, error: Exception) -> None:
        """Leave out for a while a run for which a step failed; the others go on."""
        pause = self._faults.postpone(cursor.live, what, error)
        cursor.waits = True
        self._grown.pop(cursor.live.run.id, None)
        asyncio.get_running_loop().call_later(pause, self._take_up, cursor)

    def _take_up(self, cursor: _Cursor) -> None:
        cursor.waits = False
        if self._cursors.get(cursor.live.run.id) is cursor:
            self._grown[cursor.live.run.id] = cursor
            self._first_grown.set()

    async def _advance(self, cursor: _Cursor, before: Advance | None, room: int) -> Advance | None:
        """Read what is new of one run, up to `room` bytes, and make its step of the batch.

        `before` is its step of the batch before; None when there is nothing to add to that.
        Whether the log has ended is looked at before it is read: an end is told only with the
        last byte.
        """
        log, live = cursor.log, cursor.live
        if live.given_up and live.fault is not None and log.ended:
            return None if before is not None else _without_output(cursor)
        ended, size = log.ended, log.size
        start = cursor.offset if before is None else before.to_offset
        lines = cursor.lines if before is None else before.to_lines
        if before is not None and (before.end is not None or size <= start):
            return None
        # A spool that lost its last bytes with the power is shorter than what is archived.
        to_offset = max(start, min(size, start + room))
        chunks = await self._packing.chunks(log, start, to_offset, lines)
        ended = ended and to_offset >= size
        failpoint("archive.read")
        return Advance(
            run_id=live.run.id,
            epoch=live.run.epoch,
            from_offset=start,
            to_offset=to_offset,
            to_lines=lines + sum(chunk.line_count for chunk in chunks),
            chunks=chunks,
            preview=await self._packing.preview(log, start, to_offset, ended=ended),
            start_time=None if cursor.start_told or before is not None else live.run.start_time,
            end=cursor.end_of(to_offset, None) if ended else None,
        )

    def _settle(self, cursor: _Cursor, advance: Advance) -> None:
        cursor.start_told = True
        self._metrics.archived_bytes.inc(advance.to_offset - advance.from_offset)
        cursor.offset, cursor.lines = advance.to_offset, advance.to_lines
        cursor.live.mark_archived(advance.to_offset, advance.to_lines)
        self._faults.resolve(cursor.live)
        if advance.end is not None:
            cursor.live.mark_ended(advance.end)
            _done(cursor, Followed.ENDED)

    def _resync(self, cursor: _Cursor, advance: Advance, position: Position | None) -> None:
        """Learn why a row did not move: the write had come through, or the run is ours no more."""
        if position is None:
            _done(cursor, Followed.DELETED)
            return
        if position.epoch != advance.epoch or (position.state.final and not cursor.log.ended):
            ended = position.state.final
            _done(cursor, Followed.ENDED_ELSEWHERE if ended else Followed.TAKEN)
            return
        cursor.start_told = True
        cursor.offset, cursor.lines = position.output_bytes, position.output_lines
        cursor.live.mark_archived(position.output_bytes, position.output_lines)
        if position.state.final:
            cursor.live.mark_ended(advance.end or cursor.end_of(cursor.offset, None))
            _done(cursor, Followed.ENDED)


def rest_seconds(waited_seconds: float) -> float:
    """Return how long to rest when the loop has waited so long for a processor."""
    return min(RESTS * waited_seconds, MAX_REST_SECONDS)


def _size(batch: _Batch) -> int:
    """Return how much output is in a batch."""
    return sum(advance.to_offset - advance.from_offset for advance in batch.values())


def _done(cursor: _Cursor, result: Followed) -> None:
    cursor.result = result
    cursor.done.set()


def _without_output(cursor: _Cursor) -> Advance:
    """Make the step that ends a run without what is still to be archived of its output."""
    live = cursor.live
    return Advance(
        run_id=live.run.id,
        epoch=live.run.epoch,
        from_offset=cursor.offset,
        to_offset=cursor.offset,
        to_lines=cursor.lines,
        end=cursor.end_of(cursor.offset, live.fault),
    )
