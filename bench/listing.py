"""Lists among a million runs, and how PostgreSQL answers each.

The repositories are called as the service calls them, and what they sent is explained: with EXPLAIN
(ANALYZE, BUFFERS). The plans go to results/listing.md when all the runs were there.
"""

import asyncio
import statistics
from collections.abc import Awaitable, Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from uuid import UUID

from bench.report import RESULTS
from bench.service import Service
from bench.session import Figure, Session
from server.models import RunFilter, RunState
from server.repositories.commands import CommandRepository
from server.repositories.database.database import Database
from server.repositories.database.types import Row
from server.repositories.page import SortKey
from server.repositories.runs import RunRepository

COMMANDS, RUNS, TIMES = 100_000, 1_000_000, 7
NEWEST = datetime(2026, 1, 1, tzinfo=UTC)
CROWDED = UUID(int=1)  # the command that has a fifth of all runs
# All, many, the oldest, one in 36, a few, nearly all, none, none.
QUERIES = ("", "backup", "legacy", "every day at 13", "host-eccbc", "e", "zq", "no such command")

Ask = Callable[[], Awaitable[object]]
Parameters = Mapping[str, object] | None
Statement = tuple[str, Parameters]


class Recorder(Database):
    """A database that keeps the last statement it was sent."""

    sent: Statement

    async def fetch_all(self, sql: str, parameters: Parameters = None, **_: object) -> list[Row]:
        self.sent = sql, parameters
        return await super().fetch_all(sql, parameters)


def listing(session: Session) -> None:
    """Have each list explained several times; tell the slowest."""
    commands, runs = (session.sized(number, 1_000) for number in (COMMANDS, RUNS))
    sizes = {"commands": commands, "runs": runs, "crowded": str(CROWDED), "newest": NEWEST}
    with session.service() as service:
        service.query(Path(__file__).with_suffix(".sql").read_text(encoding="utf-8"), sizes)
        service.query("VACUUM (ANALYZE) commands")
        service.query("VACUUM (ANALYZE) commands_info")
        session.in_turn({f"{runs:,} runs": partial(_explain, service, commands, runs)}, most=1)


def _explain(service: Service, commands: int, runs: int) -> Iterator[Figure]:
    medians, told = {}, [f"# Lists among {runs:,} runs"]
    for name, (sql, parameters) in asyncio.run(_statements(service, commands, runs)).items():
        times = []
        for _ in range(TIMES):
            explained = service.query(f"EXPLAIN (ANALYZE, BUFFERS) {sql}", parameters)
            plan = [line for (line,) in explained]
            times.append(sum(float(line.split()[2]) for line in plan[-2:]))  # planning, execution
        medians[name] = statistics.median(times)
        told += ["", f"## {name}: {medians[name]:.2f} ms", "", "```", *plan, "```"]
    if runs == RUNS:
        (RESULTS / "listing.md").write_text("\n".join(told) + "\n", encoding="utf-8")
    yield Figure("slowest list", max(medians.values()), "ms", {"lists": len(medians)})
    yield Figure("median list", statistics.median(medians.values()), "ms")


async def _statements(service: Service, commands: int, runs: int) -> dict[str, Statement]:
    """Return what each list sends to the database."""
    database, statements = Recorder(service.database_url, statement_timeout_seconds=60), {}
    await database.open()
    for name, ask in _lists(database, commands, runs).items():
        await ask()
        statements[name] = database.sent
    await database.close()
    return statements


def _lists(database: Database, commands: int, runs: int) -> dict[str, Ask]:
    """Name every list the service asks for: its first page, one in its middle, its last."""
    stored, started = CommandRepository(database), RunRepository(database)
    lists: dict[str, Ask] = {
        "the latest run of a command": partial(started.latest, CROWDED),
        "a command with its last run": partial(stored.get_with_last_run, CROWDED),
        "active runs of a host": partial(started.active, "host-1"),
        "unconfirmed runs of a host": partial(started.unconfirmed, "host-1", 30),
    }
    for page, part in {"first": 0.0, "middle": 0.5, "last": 1.0}.items():
        begins = NEWEST - timedelta(minutes=1) * int((commands - 20) * part)
        cursor = SortKey(begins, UUID(int=0)).encode() if part else None
        for query in QUERIES:
            found = partial(stored.list, limit=50, cursor=cursor, query=query)
            lists[f"commands, q={query}: {page}"] = found
        begins = NEWEST - timedelta(seconds=7) * int((runs - 20) * part)
        cursor = SortKey(begins, UUID(int=0)).encode() if part else None
        for whose, command_id in {"": None, " of a command with a fifth": CROWDED}.items():
            for state in (None, *RunState):
                states = frozenset([] if state is None else [state])
                asked = RunFilter(states=states, command_id=command_id)
                listed = partial(started.list, asked, limit=50, cursor=cursor)
                lists[f"runs{whose}, {state or 'all'}: {page}"] = listed
    return lists
