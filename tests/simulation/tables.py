"""What PostgreSQL does for workers, in memory: the statements of claims, ownership and archive.

That these come to the same as those is held by test_tables.py, which has both do what cases did.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from uuid import UUID

from server.errors import RunNotFoundError
from server.models import Advance, Chunk, Position, Run, RunEnd, RunState
from server.repositories.losses import ENDING_SECONDS
from server.wire.messages import Life

GIVEN_UP = RunEnd(RunState.LOST, datetime(2026, 1, 1, tzinfo=UTC), reason="a copy came back")


@dataclass(frozen=True, slots=True)
class Fences:
    """What the statements compare; a test takes one away, and the cases are to notice.

    `hello`: of the processes of a host one is let in. `life`: it alone is given runs. `given_up`:
    what it may not know of the one before is.
    """

    epoch: bool = True
    offset: bool = True
    life: bool = True
    hello: bool = True
    given_up: bool = True


ALL_FENCES = Fences()


@dataclass(slots=True)
class Row:
    """A run, and its archive."""

    run: Run
    chunks: list[Chunk] = field(default_factory=list)
    preview: str = ""
    given_up: bool = False

    @property
    def position(self) -> Position:
        run = self.run
        return Position(
            run.epoch, run.output_bytes, run.output_lines, run.state, given_up=self.given_up
        )


class Tables:
    """The runs, as `RunRepository`, `OutputRepository` and `ClaimRepository` change them."""

    def __init__(self, fences: Fences = ALL_FENCES) -> None:
        self.rows: dict[UUID, Row] = {}
        self.lives: dict[str, tuple[str, int]] = {}
        self._fences = fences

    def add(self, run: Run) -> None:
        self.rows[run.id] = Row(run)

    def active_of(self, host: str) -> list[Run]:
        found = [row.run for row in self.rows.values() if row.run.host == host]
        return sorted(
            (run for run in found if not run.state.final), key=lambda run: (run.created_at, run.id)
        )

    def hello(self, host: str, life: Life, silent_seconds: float) -> tuple[bool, set[UUID]]:
        """Let a process of a host in; return whether it is, and which runs are given up with it.

        The lease of the one before is over for so long; what is negative is still to come.
        """
        noted, age = self.lives.get(host, (life.id, 0))
        follows = noted in {life.id, *life.before} and age <= life.age
        is_in = (
            not self._fences.hello
            or (follows and (life.are_over or noted == life.id))
            or silent_seconds > (0.0 if follows else ENDING_SECONDS)
        )
        if not is_in:
            return False, set()
        self.lives[host] = (life.id, life.age)
        goes_on = life.are_over or noted == life.id
        given_up = {
            run.id
            for run in self.active_of(host)
            if self._fences.given_up
            and (not follows or (not goes_on and run.state is RunState.QUEUED))
        }
        for run_id in given_up:
            self.end(run_id, GIVEN_UP)
        return True, given_up

    def has_lease(self, host: str, life: str | None) -> bool:
        """Whether this process of a host is the one that was let in."""
        return not self._fences.life or self.lives.get(host, (life, 0))[0] == life

    def beat(self, host: str, life: str | None, age: int) -> bool:
        """Whether this process of a host goes on as the one that was let in."""
        if not self.has_lease(host, life) or self.lives.get(host, (life, 0))[1] > age:
            return False
        self.lives[host] = (str(life), age)
        return True

    def claim(
        self,
        host: str,
        limit: int,
        life: str | None = None,
        *,
        pools: Collection[str],
        places: int,
    ) -> list[Run]:
        if not self.has_lease(host, life):
            return []
        room = min(max(places - len(self.active_of(host)), 0), limit)
        waiting = [
            row.run
            for row in self.rows.values()
            if row.run.unclaimed and row.run.state is RunState.QUEUED and row.run.pool in pools
        ]
        claimed = sorted(waiting, key=lambda run: (run.created_at, run.id))[:room]
        for run in claimed:
            self.rows[run.id].run = replace(run, host=host, epoch=run.epoch + 1)
        return [self.rows[run.id].run for run in claimed]

    def get(self, run_id: UUID) -> Run:
        if run_id not in self.rows:
            raise RunNotFoundError.of(run_id)
        return self.rows[run_id].run

    def positions(self, run_ids: Collection[UUID], host: str) -> dict[UUID, Position]:
        found = {one: self.rows[one] for one in run_ids if one in self.rows}
        return {one: row.position for one, row in found.items() if row.run.host == host}

    def active_after(self, host: str, after: UUID | None, limit: int) -> list[Run]:
        runs = sorted(self.active_of(host), key=lambda run: run.id)
        return [run for run in runs if after is None or run.id > after][:limit]

    def times(self, run_id: UUID, from_offset: int, limit: int) -> list[tuple[int, float]]:
        chunks = [one for one in self.rows[run_id].chunks if one.byte_offset >= from_offset]
        return [(one.byte_offset, one.written_at.timestamp()) for one in chunks[:limit]]

    def take_over_known(
        self, epochs: Mapping[UUID, int], host: str, life: str | None = None
    ) -> dict[UUID, Position]:
        found: dict[UUID, Position] = {}
        if not self.has_lease(host, life):
            return found
        for run_id, epoch in epochs.items():
            row = self.rows.get(run_id)
            if row is None or row.run.host != host or row.run.state.final:
                continue
            if row.run.epoch == epoch:
                row.run = replace(row.run, epoch=epoch + 1)
            if row.run.epoch == epoch + 1:
                found[run_id] = row.position
        return found

    def append(self, advances: Sequence[Advance], hosts: Mapping[UUID, str]) -> set[UUID]:
        return {one.run_id for one in advances if self._moved(one, hosts[one.run_id])}

    def _moved(self, step: Advance, host: str) -> bool:
        row = self.rows.get(step.run_id)
        if row is None or row.run.host != host:
            return False
        if not row.given_up if step.late else row.run.state.final:
            return False
        if self._fences.epoch and row.run.epoch != step.epoch:
            return False
        if self._fences.offset and row.run.output_bytes != step.from_offset:
            return False
        run = replace(row.run, output_bytes=step.to_offset, output_lines=step.to_lines)
        if step.start_time is not None:
            run = replace(run, state=RunState.RUNNING, start_time=step.start_time)
        row.run = run if step.end is None or step.late else replace(run, **asdict(step.end))
        row.chunks.extend(step.chunks)
        row.preview += step.preview
        return True

    def end(self, run_id: UUID, end: RunEnd) -> None:
        """End a run, as who gives it up does."""
        row = self.rows[run_id]
        if not row.run.state.final:
            row.given_up = row.run.host is not None
            row.run = replace(row.run, **asdict(end))
