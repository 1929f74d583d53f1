"""How far one run is archived, and what its next step is."""

import asyncio
import math

from server.keeper.failpoints import failpoint
from server.models import Advance, Position
from server.output.log import RunLog
from server.services.archive.followed import EndOf, Followed, FollowedRun
from server.services.archive.packing import Packing


class ArchiveCursor:
    """The place in one run's output up to which it is archived: a byte offset, and the newlines.

    `due_at` is when its next step is to be taken, by the event loop's clock; while it is
    `postponed` it takes none; `followed` has a result once nothing is to be archived any more.
    A `late` one adds what a run wrote that was given up.
    """

    def __init__(
        self, live: FollowedRun, log: RunLog, end_of: EndOf, *, late: bool = False
    ) -> None:
        self._late = late
        self.live = live
        self.log = log
        self.offset = live.run.output_bytes
        self.lines = live.run.output_lines
        self.due_at = math.inf
        self.postponed = False
        self.followed: asyncio.Future[Followed] = asyncio.get_running_loop().create_future()
        self._end_of = end_of
        self._start_stored = late

    @property
    def new_bytes(self) -> int:
        """How much output is not archived yet; below 0 where the spool has lost its end."""
        return self.log.size - self.offset

    async def next_step(
        self, packing: Packing, before: Advance | None, room: int
    ) -> Advance | None:
        """Read what is new, up to `room` bytes, and return the step that stores it.

        `before` is the step of the batch before, which may not be stored yet; None is returned when
        there is nothing to add to that.

        Raises:
            OSError: the output, or the record of its end, cannot be read now.
        """
        log, live = self.log, self.live
        if live.given_up and live.fault is not None and log.ended:
            return None if before is not None else self._last_step_without_output(live.fault)
        # In this order: an end is stored only with the last byte.
        ended, size = log.ended, log.size
        start = self.offset if before is None else before.to_offset
        lines = self.lines if before is None else before.to_lines
        if before is not None and (before.end is not None or size <= start):
            return None
        # A spool that lost its last bytes with the power is shorter than what is archived.
        to_offset = max(start, min(size, start + room))
        chunks = await packing.chunks(log, start, to_offset, lines)
        ended = ended and to_offset >= size
        failpoint("archive.read")
        return Advance(
            run_id=live.run.id,
            epoch=live.run.epoch,
            from_offset=start,
            to_offset=to_offset,
            to_lines=lines + sum(chunk.line_count for chunk in chunks),
            chunks=chunks,
            preview=await packing.preview(log, start, to_offset, ended=ended),
            start_time=None if self._start_stored or before is not None else live.run.start_time,
            end=self._end_of(to_offset, None) if ended and not self._late else None,
            late=self._late,
        )

    def _last_step_without_output(self, fault: str) -> Advance:
        """Return the step that ends a run without what is not archived yet of its output."""
        return Advance(
            run_id=self.live.run.id,
            epoch=self.live.run.epoch,
            from_offset=self.offset,
            to_offset=self.offset,
            to_lines=self.lines,
            end=None if self._late else self._end_of(self.offset, fault),
            late=self._late,
        )

    def move(self, step: Advance) -> None:
        """Go on to where a step has led that is stored."""
        assert step.from_offset == self.offset, "what is stored adjoins what was stored before"
        self._go_to(step.to_offset, step.to_lines)
        if step.end is not None:
            self.live.mark_ended(step.end)
            self.finish(Followed.ENDED)
        elif step.late and self._has_all(step):
            self.finish(Followed.ENDED_ELSEWHERE)

    def resync(self, step: Advance, position: Position | None) -> None:
        """Go to where the run's row stands, which a step did not move.

        Either the step is stored all the same, as the answer to an earlier attempt was lost, or
        the run is not ours any more.
        """
        if position is None:
            self.finish(Followed.DELETED)
            return
        if position.given_up and position.epoch == step.epoch:
            self._resync_late(step, position)
            return
        if position.epoch != step.epoch or (position.state.final and not self.log.ended):
            ended = position.state.final
            self.finish(Followed.ENDED_ELSEWHERE if ended else Followed.TAKEN)
            return
        self._go_to(position.output_bytes, position.output_lines)
        if position.state.final:
            self.live.mark_ended(step.end or self._end_of(self.offset, None))
            self.finish(Followed.ENDED)

    def _resync_late(self, step: Advance, position: Position) -> None:
        """Go on with a run that was given up: what it wrote is added when it is late."""
        if not step.late:
            self.finish(Followed.GIVEN_UP)
        elif position.output_bytes == step.from_offset < step.to_offset:
            self.finish(Followed.ENDED_ELSEWHERE)  # a server of before does not know of it
        else:
            self._go_to(position.output_bytes, position.output_lines)

    def _has_all(self, step: Advance) -> bool:
        """Whether nothing is left to be stored after a step of a run that was given up."""
        given_up = self.live.given_up and self.live.fault is not None
        return self.log.ended and (step.to_offset >= self.log.size or given_up)

    def _go_to(self, offset: int, lines: int) -> None:
        self._start_stored = True
        self.offset, self.lines = offset, lines
        self.live.mark_archived(offset, lines)
        self.log.forget_marks(offset)

    def finish(self, result: Followed) -> None:
        """Archive no more of the run; `followed` gets the reason."""
        if not self.followed.done():
            self.followed.set_result(result)
