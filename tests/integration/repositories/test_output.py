"""The archive on a real PostgreSQL: compare and append, and reading back."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, closing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import psycopg2
import pytest

from server.errors import DatabaseUnavailableError
from server.models import Advance, Chunk, Position, Run, RunEnd, RunState
from server.repositories.commands import CommandRepository
from server.repositories.database.database import Database
from server.repositories.losses import LossRepository
from server.repositories.output import MAX_PREVIEW_CHARACTERS, OutputRepository
from server.repositories.runs import RunRepository
from tests.support.access import BY
from tests.support.postgres import execute, frozen, hurried, until_a_statement_waits
from tests.support.workers import add_worker, silence

NOW = datetime(2026, 1, 2, 3, 4, 5, 678901, UTC)
FAILED = RunEnd(RunState.FAILED, NOW, exitcode=7, reason="it's %s\\ ä")
KILLED = RunEnd(RunState.STOPPED, NOW, signal="SIGKILL")
PREVIEW = "SELECT output FROM commands_info WHERE id = %(id)s"


@pytest.fixture
def outputs(database: Database) -> OutputRepository:
    return OutputRepository(database)


@pytest.fixture
def runs(database: Database) -> RunRepository:
    return RunRepository(database)


@pytest.fixture
async def run(database: Database) -> Run:
    return (await add_runs(database, 1))[0]


async def add_runs(database: Database, count: int) -> list[Run]:
    command = await CommandRepository(database).add("name", None, "true", by=BY)
    return [
        await RunRepository(database).add(command.id, "true", "here", by=BY) for _ in range(count)
    ]


def step(run_id: UUID, epoch: int, start: int, lines: int, *pieces: bytes) -> Advance:
    """Return the advance that appends pieces, a chunk each (not compressed: any bytes will do)."""
    chunks: list[Chunk] = []
    offset = start
    for data in pieces:
        newlines = data.count(b"\n")
        chunks.append(Chunk(offset, len(data), lines + 1, newlines, NOW, data))
        offset += len(data)
        lines += newlines
    preview = b"".join(pieces).decode("latin-1")
    return Advance(run_id, epoch, start, offset, lines, tuple(chunks), preview)


def moved(step: Advance, by: int) -> Advance:
    """Return the same advance from another offset on."""
    chunks = [replace(chunk, byte_offset=chunk.byte_offset + by) for chunk in step.chunks]
    start, end = step.from_offset + by, step.to_offset + by
    return replace(step, from_offset=start, to_offset=end, chunks=tuple(chunks))


async def content(outputs: OutputRepository, run_id: UUID) -> bytes:
    chunks = await outputs.chunks(run_id, 0, 10_000)
    ends = [0, *(chunk.byte_offset + chunk.byte_count for chunk in chunks)]
    assert ends[:-1] == [chunk.byte_offset for chunk in chunks]
    return b"".join(chunk.data for chunk in chunks)


async def test_an_advance_moves_its_run(
    outputs: OutputRepository, runs: RunRepository, run: Run, database: Database
) -> None:
    first = replace(step(run.id, 1, 0, 0, b"one\n", b"two\nth"), start_time=NOW)
    assert await outputs.append([first]) == {run.id}
    stored = await runs.get(run.id)
    assert (stored.state, stored.start_time) == (RunState.RUNNING, NOW)
    assert (stored.output_bytes, stored.output_lines, stored.end_time) == (10, 2, None)
    last = replace(step(run.id, 1, 10, 2, b"ree\n"), end=FAILED)
    assert await outputs.append([last]) == {run.id}
    stored = await runs.get(run.id)
    assert stored == replace(
        run,
        state=RunState.FAILED,
        start_time=NOW,
        end_time=NOW,
        exitcode=7,
        reason=FAILED.reason,
        output_bytes=14,
        output_lines=3,
    )
    assert await outputs.chunks(run.id, 0, 9) == [*first.chunks, *last.chunks]
    assert await database.fetch_one(PREVIEW, {"id": run.id}) == ("one\ntwo\nthree\n",)


async def test_a_run_can_start_and_end_in_one_advance(
    outputs: OutputRepository, runs: RunRepository, run: Run
) -> None:
    advance = replace(step(run.id, 1, 0, 0), start_time=NOW, end=KILLED)
    assert await outputs.append([advance]) == {run.id}
    stored = await runs.get(run.id)
    assert (stored.state, stored.signal, stored.exitcode) == (RunState.STOPPED, "SIGKILL", None)


async def test_a_run_that_only_has_output_keeps_its_state_and_start(
    outputs: OutputRepository, runs: RunRepository, run: Run
) -> None:
    await outputs.append([step(run.id, 1, 0, 0, b"x")])
    stored = await runs.get(run.id)
    assert (stored.state, stored.start_time) == (RunState.QUEUED, run.start_time)


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param(lambda step: replace(step, epoch=1), id="an epoch that is over"),
        pytest.param(lambda step: replace(step, epoch=3), id="an epoch to come"),
        pytest.param(lambda step: moved(step, -1), id="an offset behind"),
        pytest.param(lambda step: moved(step, 1), id="an offset ahead"),
        pytest.param(lambda step: replace(step, run_id=UUID(int=1)), id="an unknown run"),
    ],
)
async def test_an_advance_from_elsewhere_changes_nothing(
    outputs: OutputRepository, runs: RunRepository, run: Run, wrong: Callable[[Advance], Advance]
) -> None:
    await runs.take_over([run.id], "here")
    await outputs.append([step(run.id, 2, 0, 0, b"abc")])
    before = await runs.get(run.id)
    advance = replace(step(run.id, 2, 3, 0, b"def"), start_time=NOW, end=KILLED)
    assert await outputs.append([wrong(advance)]) == set()
    assert await runs.get(run.id) == before
    assert await content(outputs, run.id) == b"abc"
    assert await outputs.append([advance]) == {run.id}


async def test_a_finished_run_moves_no_more(outputs: OutputRepository, run: Run) -> None:
    ending = replace(step(run.id, 1, 0, 0, b"abc"), end=KILLED)
    assert await outputs.append([ending]) == {run.id}
    assert await outputs.append([step(run.id, 1, 3, 0, b"def")]) == set()
    # Even an end without a byte, whose offset still fits.
    empty = replace(step(run.id, 1, 3, 0), end=FAILED)
    assert await outputs.append([empty]) == set()
    assert await content(outputs, run.id) == b"abc"


async def test_a_run_that_was_given_up_gets_its_late_output_and_stays_as_it_ended(
    outputs: OutputRepository, runs: RunRepository, run: Run, database: Database
) -> None:
    """Of its own host, in its own epoch, from where it stands; and no other run does."""
    assert await outputs.append([step(run.id, 1, 0, 0, b"one\n")]) == {run.id}
    late = replace(step(run.id, 1, 4, 1, b"two\n"), late=True)
    assert await outputs.append([late]) == set()  # it has not ended yet
    await add_worker(database, "here")
    await silence(database, "here", 3600)
    given_up = await LossRepository(database).abandon(run.id, by=BY)
    assert given_up is not None
    assert (await outputs.positions([run.id]))[run.id].given_up
    for wrong in (
        replace(late, late=False),
        replace(late, late=False, end=FAILED),
        replace(late, epoch=2),
        moved(late, -1),
    ):
        assert await outputs.append([wrong]) == set()
    assert await outputs.append([late], hosts={run.id: "another"}) == set()
    assert await outputs.append([late], hosts={run.id: "here"}) == {run.id}
    assert await outputs.append([late]) == set()
    assert await content(outputs, run.id) == b"one\ntwo\n"
    assert await runs.get(run.id) == replace(given_up, output_bytes=8, output_lines=2)
    assert await database.fetch_one(PREVIEW, {"id": run.id}) == ("one\ntwo\n",)


async def test_a_run_that_its_own_host_has_lost_gets_nothing_more(
    outputs: OutputRepository, run: Run
) -> None:
    lost = RunEnd(RunState.LOST, NOW, reason="its output is not stored")
    assert await outputs.append([replace(step(run.id, 1, 0, 0, b"x"), end=lost)]) == {run.id}
    late = replace(step(run.id, 1, 1, 0, b"y"), late=True)
    assert await outputs.append([late]) == set()
    assert not (await outputs.positions([run.id]))[run.id].given_up


async def test_an_empty_batch_asks_nothing_of_the_database() -> None:
    outputs = OutputRepository(Database("postgresql://nowhere.invalid/none"))
    assert await outputs.append([]) == set()
    assert await outputs.positions([]) == {}


async def test_what_text_cannot_hold_does_not_stop_the_archive(
    outputs: OutputRepository, run: Run, database: Database
) -> None:
    end = replace(FAILED, reason="no such file: \udcff\0")
    advance = replace(step(run.id, 1, 0, 0, b"x"), preview="a\0b\ud800", end=end)
    assert await outputs.append([advance]) == {run.id}
    assert await database.fetch_one(PREVIEW, {"id": run.id}) == ("a\N{REPLACEMENT CHARACTER}b?",)


async def test_a_batch_of_eight_mebibytes_is_stored(
    outputs: OutputRepository, database: Database
) -> None:
    stored = await add_runs(database, 8)
    pieces = [random.Random(n).randbytes(1 << 20) for n in range(len(stored))]
    batch = [
        replace(step(run.id, 1, 0, 0, data), preview="")
        for run, data in zip(stored, pieces, strict=True)
    ]
    assert await outputs.append(batch) == {run.id for run in stored}
    for run, data in zip(stored, pieces, strict=True):
        assert await content(outputs, run.id) == data


@dataclass
class Shadow:
    """What the database must hold of one run: the oracle."""

    run: Run
    epoch: int = 1
    data: bytes = b""
    preview: str = ""
    end: RunEnd | None = None
    started: bool = False

    def apply(self, advance: Advance) -> bool:
        """Do what the database is to do; tell whether the run moves."""
        here = (self.epoch, len(self.data)) == (advance.epoch, advance.from_offset)
        if not here or self.end is not None:
            return False
        self.data += b"".join(chunk.data for chunk in advance.chunks)
        self.preview += advance.preview
        self.started = self.started or advance.start_time is not None
        self.end = advance.end
        return True

    @property
    def state(self) -> RunState:
        if self.end is not None:
            return self.end.state
        return RunState.RUNNING if self.started else RunState.QUEUED


@dataclass
class Archive:
    """Random servers on random runs: what is sent, sent again, late, ahead, and by whom."""

    chance: random.Random
    shadows: list[Shadow]
    sent: list[Advance] = field(default_factory=list)

    def batch(self) -> list[Advance]:
        chosen = self.chance.sample(self.shadows, self.chance.randint(1, len(self.shadows)))
        return [self.advance(shadow) for shadow in chosen]

    def advance(self, shadow: Shadow) -> Advance:
        earlier = [advance for advance in self.sent if advance.run_id == shadow.run.id]
        if earlier and self.chance.random() < 0.25:
            return self.chance.choice(earlier)
        epoch, offset = shadow.epoch, len(shadow.data)
        if self.chance.random() < 0.2:
            epoch += self.chance.choice([-1, 1])
        if self.chance.random() < 0.2:
            offset = max(0, offset + self.chance.randint(-3, 3))
        pieces = [
            bytes(self.chance.choices(b"ab\n\0\xff'\\%", k=self.chance.randint(1, 9)))
            for _ in range(self.chance.randint(0, 3))
        ]
        made = step(shadow.run.id, epoch, offset, shadow.data.count(b"\n"), *pieces)
        if self.chance.random() < 0.3:
            made = replace(made, start_time=NOW)
        if self.chance.random() < 0.05:
            made = replace(made, end=self.chance.choice([FAILED, KILLED]))
        self.sent.append(made)
        return made


@pytest.mark.parametrize("seed", range(12))
async def test_the_archive_holds_what_an_oracle_holds(
    outputs: OutputRepository, runs: RunRepository, database: Database, seed: int
) -> None:
    shadows = [Shadow(run) for run in await add_runs(database, 4)]
    archive = Archive(random.Random(seed), shadows)
    by_id = {shadow.run.id: shadow for shadow in shadows}
    for _ in range(40):
        batch = archive.batch()
        expected = {step.run_id for step in batch if by_id[step.run_id].apply(step)}
        assert await outputs.append(batch) == expected
        if archive.chance.random() < 0.1:
            taken = await runs.take_over(by_id, "there")
            for run_id in taken:
                by_id[run_id].epoch += 1
    positions = await outputs.positions(by_id)
    for run_id, shadow in by_id.items():
        lines = shadow.data.count(b"\n")
        assert positions[run_id] == Position(shadow.epoch, len(shadow.data), lines, shadow.state)
        assert await content(outputs, run_id) == shadow.data
        text = shadow.preview.replace("\0", "\N{REPLACEMENT CHARACTER}")
        assert await database.fetch_one(PREVIEW, {"id": run_id}) == (text,)


@pytest.fixture
async def servers(database_url: str) -> AsyncIterator[tuple[OutputRepository, OutputRepository]]:
    """Return two servers' archives whose statements take rows in the order they are given."""
    name = urlsplit(database_url).path[1:]
    plans = ("enable_hashjoin", "enable_mergejoin", "enable_seqscan", "enable_bitmapscan")
    execute(database_url, *(f"ALTER DATABASE {name} SET {plan} = off" for plan in plans))
    async with AsyncExitStack() as stack:
        databases = [Database(database_url) for _ in range(2)]
        for database in databases:
            await database.open()
            stack.push_async_callback(database.close)
        yield OutputRepository(databases[0]), OutputRepository(databases[1])


async def test_of_two_servers_one_moves_a_run_and_neither_deadlocks(
    servers: tuple[OutputRepository, OutputRepository], database: Database
) -> None:
    one, other = servers
    ids = [run.id for run in await add_runs(database, 50)]
    for offset in range(20):
        ours = [step(run_id, 1, offset, 0, b"a") for run_id in ids]
        theirs = [step(run_id, 1, offset, 0, b"b") for run_id in reversed(ids)]
        moved, moved_by_other = await asyncio.gather(one.append(ours), other.append(theirs))
        assert moved | moved_by_other == set(ids)
        assert not moved & moved_by_other
    for run_id in ids:
        assert len(await content(one, run_id)) == 20


@pytest.mark.parametrize(
    ("change", "moves"),
    [
        ("output_bytes = 3", False),
        ("epoch = epoch + 1", False),
        ("state = 'lost', end_time = now()", False),
        ("output_lines = 5", True),
    ],
)
async def test_an_append_that_waited_compares_with_what_it_finds(
    database: Database,
    database_url: str,
    run: Run,
    change: str,
    moves: bool,  # noqa: FBT001
) -> None:
    outputs = OutputRepository(database)
    with closing(psycopg2.connect(database_url)) as rival, rival.cursor() as cursor:
        cursor.execute(f"UPDATE commands_info SET {change} WHERE id = %s", [str(run.id)])  # noqa: S608
        appending = asyncio.create_task(outputs.append([step(run.id, 1, 0, 0, b"abc")]))
        await until_a_statement_waits(database)
        rival.commit()
    assert await appending == ({run.id} if moves else set())
    assert await content(outputs, run.id) == (b"abc" if moves else b"")


async def test_chunks_begin_with_the_one_that_contains_the_offset(
    outputs: OutputRepository, run: Run
) -> None:
    advance = step(run.id, 1, 0, 0, b"ab", b"cde", b"f")
    await outputs.append([advance])
    chunks = list(advance.chunks)
    assert await outputs.chunks(run.id, 0, 2) == chunks[:2]
    assert await outputs.chunks(run.id, 1, 1) == chunks[:1]
    assert await outputs.chunks(run.id, 2, 9) == chunks[1:]
    assert await outputs.chunks(run.id, 4, 9) == chunks[1:]
    assert await outputs.chunks(run.id, 5, 9) == chunks[2:]
    assert await outputs.chunks(run.id, 6, 9) == []
    assert await outputs.chunks(uuid4(), 0, 9) == []


async def test_a_newline_is_found_in_its_chunk(outputs: OutputRepository, run: Run) -> None:
    pieces = [b"1\n2\n", b"3", b"3", b"\n", b"\n5\n", b"6"]
    advance = step(run.id, 1, 0, 0, *pieces)
    await outputs.append([advance])
    holding = {1: 0, 2: 0, 3: 3, 4: 4, 5: 4}
    for newline, index in holding.items():
        assert await outputs.chunk_of_newline(run.id, newline) == advance.chunks[index]
    assert await outputs.chunk_of_newline(run.id, 6) is None


async def test_chunks_keep_when_they_were_written(outputs: OutputRepository, run: Run) -> None:
    advance = step(run.id, 1, 0, 0, b"a", b"b")
    later = NOW + timedelta(microseconds=1)
    chunks = (advance.chunks[0], replace(advance.chunks[1], written_at=later))
    await outputs.append([replace(advance, chunks=chunks)])
    assert [chunk.written_at for chunk in await outputs.chunks(run.id, 0, 9)] == [NOW, later]


async def test_positions_leave_out_unknown_runs(outputs: OutputRepository, run: Run) -> None:
    expected = {run.id: Position(1, 0, 0, RunState.QUEUED)}
    assert await outputs.positions([run.id, uuid4()]) == expected


async def test_a_flush_touches_no_index(
    outputs: OutputRepository, run: Run, database: Database
) -> None:
    """Each flush updates its run's row; were a changed column indexed, every index would grow."""
    await outputs.append([replace(step(run.id, 1, 0, 0), start_time=NOW)])
    for offset in range(20):
        await outputs.append([step(run.id, 1, offset, 0, b"x")])
    await database.fetch_binary("SELECT pg_stat_force_next_flush()", {})
    [(updates, hot)] = await database.fetch_all(
        "SELECT pg_stat_get_tuples_updated(id), pg_stat_get_tuples_hot_updated(id)"
        " FROM (SELECT 'commands_info'::regclass AS id) t"
    )
    assert updates == 21
    assert hot == 20


async def test_an_append_that_was_given_up_is_not_done_later(
    database_url: str, outputs: OutputRepository, run: Run, database: Database
) -> None:
    """A server that was frozen reads what it was sent meanwhile, although nobody waits for it."""
    impatient = Database(database_url)
    await impatient.open()
    appending = OutputRepository(impatient)
    assert await appending.append([step(run.id, 1, 0, 0, b"first\n")]) == {run.id}
    [(pid,)] = await impatient.fetch_binary("SELECT pg_backend_pid()", {})
    async with frozen(pid, database):
        with (
            hurried(impatient),
            pytest.raises(DatabaseUnavailableError, match="did not answer in time"),
        ):
            await appending.append([step(run.id, 1, 6, 1, b"late\n")])
    assert await content(outputs, run.id) == b"first\n"
    assert await appending.append([step(run.id, 1, 6, 1, b"in time\n")]) == {run.id}
    await impatient.close()


async def test_of_the_start_of_an_output_there_is_no_more_text_than_settings_let_be_kept(
    outputs: OutputRepository, database: Database, run: Run
) -> None:
    """A worker may say as much as it likes of its own runs."""
    for offset in range(2):
        advance = replace(step(run.id, 1, offset, 0, b"x"), preview="y" * 9 * 2**20)
        assert await outputs.append([advance]) == {run.id}
    sql = "SELECT length(output) FROM commands_info WHERE id = %(id)s"
    assert await database.fetch_all(sql, {"id": run.id}) == [(MAX_PREVIEW_CHARACTERS,)]
