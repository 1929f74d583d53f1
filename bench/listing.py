"""Lists over a million runs: `python -m bench.listing` shows how PostgreSQL answers each.

It fills an embedded server with 100,000 commands and 1,000,000 runs, calls the repositories as the
service does, and has what they sent explained: EXPLAIN (ANALYZE, BUFFERS), the whole of it, goes
to results/listing.md. With `--url` the tables of that server are used, and filled when empty.
"""

# ruff: noqa: S608  what is put into the SQL are constants of this module

import argparse
import asyncio
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg2

from bench import machine
from server.models import RunState
from server.repositories import migrate
from server.repositories.commands import CommandRepository
from server.repositories.database import Database, Row
from server.repositories.embedded import EmbeddedDatabase
from server.repositories.page import SortKey
from server.repositories.runs import RunRepository
from server.resources import migrations_directory

RESULT = Path(__file__).with_name("results") / "listing.md"
BOUND_MS = 10.0
TIMES = 7
PAGE = 50

QUIET = 0.3
"""Of the processors, how much others may use while a list is measured."""

PATIENCE_SECONDS = 15.0

COMMANDS, RUNS = 100_000, 1_000_000
CROWDED = UUID(int=1)
"""The command that has a fifth of all runs."""

NEWEST = datetime(2026, 1, 1, tzinfo=UTC)

FILL = f"""
    CREATE TEMPORARY TABLE words AS SELECT ARRAY[
        'backup', 'nightly', 'database', 'deploy', 'restart', 'service', 'report', 'customer',
        'invoice', 'cleanup', 'rotate', 'logs', 'export', 'import', 'sync', 'mirror', 'build',
        'release', 'test', 'integration', 'cache', 'warm', 'index', 'search', 'mail', 'queue',
        'worker', 'metrics', 'billing', 'archive'] AS w;
    INSERT INTO commands (id, name, description, script, created_at)
    SELECT CASE WHEN n = 1 THEN '{CROWDED}' ELSE gen_random_uuid() END,
        CASE WHEN n > {COMMANDS} - 5000 THEN 'legacy-' ELSE '' END
            || w[1 + n * 7 % 30] || '-' || w[1 + n / 30 % 30] || '-' || substr(md5(n::text), 1, 6),
        CASE WHEN n % 3 > 0 THEN 'Runs the ' || w[1 + n * 13 % 29] || ' of ' || w[1 + n * 17 % 23]
            || ' for the ' || w[1 + n * 19 % 27] || ' team, every day at ' || n % 24
            || ' o''clock; ask host-' || substr(md5((n * 3)::text), 1, 5) || '.example.com' END,
        'set -e' || repeat(E'\\necho a line of a script', 10),
        '{NEWEST}'::timestamptz - n * interval '1 minute'
    FROM words, generate_series(1, {COMMANDS}) n;
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
                WHEN n > {RUNS} - 10 THEN 'lost' WHEN n % 10 = 0 THEN 'failed'
                WHEN n % 101 = 0 THEN 'stopped' WHEN n % 1001 = 0 THEN 'timed_out'
                ELSE 'succeeded' END AS state,
            CASE WHEN n % 5 = 0 THEN 1 ELSE 1 + (n::bigint * 7919) % {COMMANDS} END AS command
        FROM generate_series(1, {RUNS}) n
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


def cases(database: Database) -> dict[str, Callable[[], Awaitable[Any]]]:
    """Name every list the service asks for, at its start, in its middle and at its end."""
    commands, runs = CommandRepository(database), RunRepository(database)
    middle, end = _cursor(COMMANDS // 2 * 60), _cursor((COMMANDS - 20) * 60)
    deep, last = _cursor(RUNS // 2 * 7), _cursor((RUNS - 20) * 7)

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


async def measure(url: str) -> list[Answer]:
    """Ask for every list, and have each explained."""
    database = Recorder(url, statement_timeout_seconds=60)
    await database.open()
    answers = []
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        for name, ask in cases(database).items():
            await asyncio.to_thread(until_quiet)
            await ask()
            sql = cursor.mogrify(*database.sent).decode()
            answers.append(_explain(cursor, name, sql))
            print(f"  {name}: {max(answers[-1].times_ms):.1f} ms", flush=True)
    await database.close()
    return answers


def until_quiet() -> None:
    """Wait for others to leave the machine alone, for a while."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while machine.load().busy > QUIET and time.monotonic() < deadline:
        pass


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
        f"Planning and execution in PostgreSQL, {TIMES} times each. `python -m bench.listing`",
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


def fill(url: str) -> None:
    """Fill the tables if they are empty."""
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        connection.autocommit = True
        cursor.execute("SELECT count(*) FROM commands")
        if cursor.fetchone() == (0,):
            print("filling the tables: this takes some minutes", flush=True)
            cursor.execute(FILL)
            cursor.execute("VACUUM (ANALYZE) commands")
            cursor.execute("VACUUM (ANALYZE) commands_info")


@asynccontextmanager
async def server(url: str | None) -> AsyncIterator[str]:
    """Start a server of our own, unless another is named."""
    if url is not None:
        yield url
        return
    with tempfile.TemporaryDirectory(prefix="tailrun-listing-") as directory:
        embedded = EmbeddedDatabase(Path(directory) / "database")
        try:
            yield await embedded.start()
        finally:
            await embedded.stop()


async def main() -> None:
    """Fill, measure, write."""
    parser = argparse.ArgumentParser(prog="python -m bench.listing", description=__doc__)
    parser.add_argument("--url", help="a PostgreSQL to use")
    async with server(parser.parse_args().url) as url:
        await migrate.apply(url, migrations_directory())
        await asyncio.to_thread(fill, url)
        answers = await measure(url)
    RESULT.write_text(report(machine.describe(), answers), encoding="utf-8")
    print(f"written to {RESULT}")


if __name__ == "__main__":
    asyncio.run(main())
