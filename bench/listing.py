"""Lists over a million runs, and how PostgreSQL answers each.

It fills an embedded server with 100,000 commands and 1,000,000 runs, calls the repositories as the
service does, and has what they sent explained: EXPLAIN (ANALYZE, BUFFERS), the whole of it, goes
to results/listing.md when all of them were there.
"""

# ruff: noqa: S608  what is put into the SQL are constants of this module

import asyncio
import shutil
import statistics
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

import psycopg2

from bench import machine
from bench.samples import Sample
from bench.session import Session, Taker, quiet_load
from server.models import RunState
from server.repositories.commands import CommandRepository
from server.repositories.database import migrate
from server.repositories.database.connections import Row
from server.repositories.database.database import Database
from server.repositories.embedded.server import EmbeddedDatabase
from server.repositories.page import SortKey
from server.repositories.runs import RunRepository
from server.resources import migrations_directory

MEASURE = "listing"
RESULT = Path(__file__).with_name("results") / "listing.md"
BOUND_MS = 10.0
TIMES = 7
PAGE = 50

PATIENCE_SECONDS = 5.0
"""How long others may keep each list waiting for a quiet machine."""

CROWDED = UUID(int=1)
"""The command that has a fifth of all runs."""

NEWEST = datetime(2026, 1, 1, tzinfo=UTC)


class Size(NamedTuple):
    """How many there are to list."""

    commands: int
    runs: int


FULL = Size(100_000, 1_000_000)


def filling(size: Size) -> str:
    """Return the statements that fill the tables."""
    return f"""
    CREATE TEMPORARY TABLE words AS SELECT ARRAY[
        'backup', 'nightly', 'database', 'deploy', 'restart', 'service', 'report', 'customer',
        'invoice', 'cleanup', 'rotate', 'logs', 'export', 'import', 'sync', 'mirror', 'build',
        'release', 'test', 'integration', 'cache', 'warm', 'index', 'search', 'mail', 'queue',
        'worker', 'metrics', 'billing', 'archive'] AS w;
    INSERT INTO commands (id, name, description, script, created_at)
    SELECT CASE WHEN n = 1 THEN '{CROWDED}' ELSE gen_random_uuid() END,
        CASE WHEN n > {size.commands} * 0.95 THEN 'legacy-' ELSE '' END
            || w[1 + n * 7 % 30] || '-' || w[1 + n / 30 % 30] || '-' || substr(md5(n::text), 1, 6),
        CASE WHEN n % 3 > 0 THEN 'Runs the ' || w[1 + n * 13 % 29] || ' of ' || w[1 + n * 17 % 23]
            || ' for the ' || w[1 + n * 19 % 27] || ' team, every day at ' || n % 24
            || ' o''clock; ask host-' || substr(md5((n * 3)::text), 1, 5) || '.example.com' END,
        'set -e' || repeat(E'\\necho a line of a script', 10),
        '{NEWEST}'::timestamptz - n * interval '1 minute'
    FROM words, generate_series(1, {size.commands}) n;
    INSERT INTO commands_info (
        commands_id, script, host, created_at, start_time, state, end_time, exitcode, output,
        output_bytes, output_lines
    )
    SELECT c.id, 'echo a line of a script', 'host-' || r.n % 3, at, at, state,
        CASE WHEN state NOT IN ('queued', 'running') THEN at + interval '1 minute' END,
        CASE state WHEN 'succeeded' THEN 0 WHEN 'failed' THEN 1 END,
        repeat(md5(r.n::text) || E'\\n', 8), 264, 8
    FROM (
        SELECT n, '{NEWEST}'::timestamptz - n * interval '7 seconds' AS at,
            CASE WHEN n <= 50 THEN 'queued' WHEN n <= 150 THEN 'running'
                WHEN n > {size.runs} - 10 THEN 'lost' WHEN n % 10 = 0 THEN 'failed'
                WHEN n % 101 = 0 THEN 'stopped' WHEN n % 1001 = 0 THEN 'timed_out'
                ELSE 'succeeded' END AS state,
            CASE WHEN n % 5 = 0 THEN 1 ELSE 1 + (n::bigint * 7919) % {size.commands} END AS command
        FROM generate_series(1, {size.runs}) n
    ) r JOIN (SELECT id, row_number() OVER (ORDER BY created_at DESC) AS n FROM commands) c
        ON c.n = r.command
    """


@dataclass(frozen=True, slots=True)
class Answer:
    """How the database answered a list: its rows, its times, its plan."""

    name: str
    rows: int
    times_ms: Sequence[float]
    plan: str


class Recorder(Database):
    """A database that keeps the last statement it was sent."""

    sent: tuple[str, Mapping[str, object] | None] = ("", None)

    async def fetch_all(
        self,
        sql: str,
        parameters: Mapping[str, object] | None = None,
        *,
        timeout_seconds: float | None = None,
    ) -> list[Row]:
        self.sent = (sql, parameters)
        return await super().fetch_all(sql, parameters, timeout_seconds=timeout_seconds)


def cases(database: Database, size: Size) -> dict[str, Callable[[], Awaitable[Any]]]:
    """Name every list the service asks for, at its start, in its middle and at its end."""
    commands, runs = CommandRepository(database), RunRepository(database)
    middle, end = _cursor(size.commands // 2 * 60), _cursor((size.commands - 20) * 60)
    deep, last = _cursor(size.runs // 2 * 7), _cursor((size.runs - 20) * 7)

    def found(query: str, cursor: str | None = None) -> Callable[[], Awaitable[Any]]:
        return lambda: commands.list(query=query, limit=PAGE, cursor=cursor)

    def listed(
        cursor: str | None = None, state: RunState | None = None, command_id: UUID | None = None
    ) -> Callable[[], Awaitable[Any]]:
        return lambda: runs.list(limit=PAGE, cursor=cursor, state=state, command_id=command_id)

    return {
        "commands: newest": found(""),
        "commands: middle": found("", middle),
        "commands: end": found("", end),
        "commands, q=backup (many): newest": found("backup"),
        "commands, q=backup (many): middle": found("backup", middle),
        "commands, q=legacy (the 5,000 oldest)": found("legacy"),
        "commands, q=legacy: end": found("legacy", end),
        "commands, q=host-eccbc (a few)": found("host-eccbc"),
        "commands, q=e (all)": found("e"),
        "commands, q=zq (none)": found("zq"),
        "commands, q=no such command (none)": found("no such command"),
        "commands, q=every day at 13 (1 in 36)": found("every day at 13"),
        "commands, q=every day at 13: middle": found("every day at 13", middle),
        "runs: newest": listed(),
        "runs: middle": listed(deep),
        "runs: end": listed(last),
        **{f"runs, {state}: newest": listed(state=state) for state in RunState},
        "runs, succeeded: middle": listed(deep, state=RunState.SUCCEEDED),
        "runs, failed: middle": listed(deep, state=RunState.FAILED),
        "runs, failed: end": listed(last, state=RunState.FAILED),
        "runs of a command with 200,000: newest": listed(None, None, CROWDED),
        "runs of a command with 200,000: middle": listed(deep, None, CROWDED),
        "runs of it, failed: middle": listed(deep, RunState.FAILED, CROWDED),
        "runs of it, lost (2)": listed(None, RunState.LOST, CROWDED),
        "runs of it, timed_out": listed(None, RunState.TIMED_OUT, CROWDED),
        "runs of an unknown command": listed(command_id=UUID(int=2)),
        "the latest run of a command": lambda: runs.latest(CROWDED),
        "a command with its last run": lambda: commands.get_with_last_run(CROWDED),
        "active runs of a host": lambda: runs.active("host-1"),
        "unconfirmed runs of a host": lambda: runs.unconfirmed("host-1", 30),
    }


def _cursor(seconds: int) -> str:
    moment = datetime.fromtimestamp(NEWEST.timestamp() - seconds, UTC)
    return SortKey(moment, UUID(int=0)).encode()


def listing(session: Session) -> Iterator[Sample]:
    """Measure every list several times; tell the slowest of them."""
    size = Size(*(session.sized(number, 1_000) for number in FULL))
    taker = Taker(MEASURE, session)
    taker.look()
    answers = asyncio.run(_answers(session, size))
    if size == FULL:
        RESULT.write_text(report(machine.describe(), answers), encoding="utf-8")
    slowest = max(answers, key=lambda answer: statistics.median(answer.times_ms))
    who = f"{size.commands:,} commands, {size.runs:,} runs"
    details = {"lists": float(len(answers)), "times": float(TIMES)}
    value = statistics.median(slowest.times_ms)
    yield taker.sample("slowest list, median", who, value, "ms", details)
    value = max(max(answer.times_ms) for answer in answers)
    yield taker.sample("slowest answer of all", who, value, "ms", details)


async def _answers(session: Session, size: Size) -> list[Answer]:
    async with _server(session.directory / "listing") as url:
        await migrate.apply(url, migrations_directory())
        await asyncio.to_thread(_fill, url, size)
        return await _measure(url, size, min(PATIENCE_SECONDS, session.patience_seconds))


async def _measure(url: str, size: Size, patience_seconds: float) -> list[Answer]:
    """Ask for every list, and have each explained."""
    database = Recorder(url, statement_timeout_seconds=60)
    await database.open()
    answers = []
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        for name, ask in cases(database, size).items():
            await asyncio.to_thread(quiet_load, patience_seconds)
            await ask()
            sql = cursor.mogrify(*database.sent).decode()
            answers.append(_explain(cursor, name, sql))
    await database.close()
    return answers


def _explain(cursor: Any, name: str, sql: str) -> Answer:
    times = []
    for _ in range(TIMES):
        cursor.execute(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {sql}")
        [[explained]] = cursor.fetchone()
        times.append(explained["Planning Time"] + explained["Execution Time"])
    rows = int(explained["Plan"]["Actual Rows"])
    cursor.execute(f"EXPLAIN (ANALYZE, BUFFERS) {sql}")
    return Answer(name, rows, times, "\n".join(line for (line,) in cursor.fetchall()))


def report(facts: Mapping[str, str], answers: Sequence[Answer]) -> str:
    """Write the answers as Markdown, the slowest on top of nothing: in the order asked."""
    lines = [
        "# Lists over 1,000,000 runs and 100,000 commands",
        "",
        " · ".join(f"{name} {value}" for name, value in facts.items()),
        "",
        f"Planning and execution in PostgreSQL, {TIMES} times each. `python -m bench listing`",
        "",
        "| list | rows | median ms | slowest ms | |",
        "| --- | ---: | ---: | ---: | --- |",
    ]
    for answer in answers:
        slowest = max(answer.times_ms)
        lines.append(
            f"| {answer.name} | {answer.rows} | {statistics.median(answer.times_ms):.2f}"
            f" | {slowest:.2f} | {'' if slowest <= BOUND_MS else 'missed'} |"
        )
    for answer in answers:
        lines += ["", f"## {answer.name}", "", "```", answer.plan, "```"]
    return "\n".join(lines) + "\n"


def _fill(url: str, size: Size) -> None:
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        connection.autocommit = True
        cursor.execute(filling(size))
        cursor.execute("VACUUM (ANALYZE) commands")
        cursor.execute("VACUUM (ANALYZE) commands_info")


@asynccontextmanager
async def _server(directory: Path) -> AsyncIterator[str]:
    """Run a server with tables of its own; remove them afterwards."""
    embedded = EmbeddedDatabase(directory)
    try:
        yield await embedded.start()
    finally:
        await embedded.stop()
        shutil.rmtree(directory, ignore_errors=True)
