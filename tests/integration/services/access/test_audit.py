"""What waits for the audit's table, on a real database and a real disk."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

import pytest

from server.access import ANONYMOUS, Act, Actor, AuditAsked, AuditEntry, Outcome
from server.errors import (
    CommandNotFoundError,
    DatabaseUnavailableError,
    ForbiddenError,
    LimitReachedError,
    NoActiveRunError,
)
from server.repositories.access.audit import AuditRepository
from server.repositories.database.database import Database
from server.services.access import audit as module
from server.services.access.audit import Audit
from server.services.access.entries import entry_of
from server.services.access.journal import Journal
from server.services.tasks import Tasks
from tests.support.access import BY
from tests.support.outage import Outage
from tests.support.postgres import execute
from tests.support.waiting import until, until_true

BOTH = {"command_id": uuid4(), "run_id": uuid4()}


class Site:
    """An audit on a database and a state directory, and what the database has of it."""

    def __init__(self, database: Database, directory: Path) -> None:
        self.path = directory / "audit"
        self.repository = AuditRepository(database)
        self.journal = Journal(self.path)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Audit]:
        tasks = Tasks()
        audit = Audit(self.repository, self.journal)
        async with audit.running(tasks):
            yield audit
        assert not tasks.failed.is_set()

    async def entries(self) -> list[AuditEntry]:
        """Return what the table has, the oldest first."""
        page = await self.repository.list(AuditAsked(), limit=500)
        return [*page.items][::-1]

    async def entered(self, number: int) -> list[AuditEntry]:
        async def enough() -> bool:
            return len(await self.entries()) >= number

        await until_true(enough)
        found = await self.entries()
        assert len(found) == number
        return found

    def held(self) -> list[AuditEntry]:
        """Return what a next server would find in the journal."""
        return Journal(self.path).open()


@pytest.fixture
def site(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    monkeypatch.setattr(module, "RETRY_SECONDS", 0.05)
    monkeypatch.setattr(module, "REFUSED_RETRY_SECONDS", 0.05)
    return Site(database, tmp_path)


async def stop(audit: Audit, error: Exception | None = None) -> None:
    """Do an act that ends with this error."""
    async with audit.act(Act.RUN_STOP, BY, **BOTH, details={"signal": "SIGTERM"}):
        if error is not None:
            raise error


async def test_an_act_is_on_disk_before_it_is_done_and_in_the_table_after(site: Site) -> None:
    async with site.running() as audit:
        async with audit.act(Act.RUN_STOP, BY, **BOTH, details={}):
            [begun] = site.held()
            assert begun.details["why"] == module.UNKNOWN
            assert await site.entries() == []
        [entry] = await site.entered(1)
        await until(lambda: site.held() == [])
    assert (entry.outcome, entry.details, entry.run_id) == ("done", {}, BOTH["run_id"])


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (NoActiveRunError("It has ended."), Outcome.REFUSED),
        (LimitReachedError("There are too many."), Outcome.REFUSED),
        (DatabaseUnavailableError("It is away."), Outcome.FAILED),
        (ValueError("a defect"), Outcome.FAILED),
    ],
)
async def test_an_acts_error_is_its_outcome(site: Site, error: Exception, outcome: Outcome) -> None:
    async with site.running() as audit:
        with pytest.raises(type(error)):
            await stop(audit, error)
        [entry] = await site.entered(1)
    assert entry.outcome == outcome
    assert entry.details["why"]


async def test_a_failure_behind_a_row_that_is_there_gets_a_row_of_its_own(site: Site) -> None:
    """As where the journal cannot be written: no row is ever changed."""
    async with site.running() as audit:
        site.path.unlink()
        site.path.mkdir()
        with pytest.raises(NoActiveRunError):
            await stop(audit, NoActiveRunError("It has ended."))
        first, second = await site.entered(2)
        assert (first.outcome, second.outcome) == ("done", "refused")
        await stop(audit)
        assert len(await site.entries()) == 3
        site.path.rmdir()


async def test_what_a_cancelled_act_has_done_is_taken_for_done(site: Site) -> None:
    begun = asyncio.Event()
    async with site.running() as audit:

        async def act() -> None:
            async with audit.act(Act.RUN_STOP, BY, **BOTH, details={}):
                begun.set()
                await asyncio.Event().wait()

        task = asyncio.create_task(act())
        await begun.wait()
        task.cancel()
        [entry] = await site.entered(1)
    assert entry.outcome == "done"


async def test_refusals_and_failures_are_noted_and_others_are_not(site: Site) -> None:
    async with site.running() as audit:
        for error, noted in [
            (NoActiveRunError("It has ended."), True),
            (CommandNotFoundError("There is none."), False),
            (ForbiddenError("It is not permitted."), False),
            (ValueError("a defect"), False),
        ]:
            before = len(await site.entries())
            with pytest.raises(type(error)), audit.trying(Act.RUN_DELETE, BY):
                raise error
            if noted:
                await site.entered(before + 1)
    assert [entry.outcome for entry in await site.entries()] == ["refused"]


async def test_beyond_an_allowance_acts_are_counted(site: Site) -> None:
    async with site.running() as audit:
        for _ in range(15):
            audit.denied(BY, method="GET", path="/", why="")
    entries = await site.entries()
    assert [entry.principal for entry in entries] == [*["everybody"] * 10, "several"]
    assert entries[-1].details == {"further": 5}


async def test_whoever_floods_hides_nothing_of_what_others_were_denied(site: Site) -> None:
    """A stranger needs no credential to be denied something."""
    stranger = Actor(ANONYMOUS, "192.0.2.9")
    async with site.running() as audit:
        for _ in range(15):
            audit.denied(stranger, method="GET", path="/", why="")
        audit.denied(BY, method="GET", path="/api/v1/audit/", why="")
    principals = [entry.principal for entry in await site.entries()]
    assert principals == [*["anonymous"] * 10, "everybody", "several"]


async def test_a_minute_after_they_were_counted_they_are_told(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in "server.services.access.allowance", "server.services.access.audit":
        monkeypatch.setattr(f"{name}.MINUTE", 0.05)
    monkeypatch.setattr("server.services.access.allowance.PER_SECOND", 1)
    async with site.running() as audit:
        for _ in range(4):
            audit.denied(BY, method="GET", path="/", why="")

        async def told() -> bool:
            return "several" in {entry.principal for entry in await site.entries()}

        await until_true(told)


async def test_what_waits_is_in_the_journal_and_entered_by_the_next_server(
    site: Site, outage: Outage
) -> None:
    async with site.running() as audit:
        await stop(audit)
        await site.entered(1)
        outage.begin()
        await stop(audit)
        audit.denied(BY, method="GET", path="/", why="")
        await until(lambda: len(site.held()) >= 3)
        await until(lambda: audit.problem().startswith("2 to be entered: "))
    outage.end()
    async with site.running() as audit:
        entries = await site.entered(3)
        await until(lambda: site.held() == [])
        await until(lambda: audit.problem() == "ok")
    assert sorted((entry.act, entry.outcome) for entry in entries) == [
        ("denied", "refused"),
        ("run.stop", "done"),
        ("run.stop", "done"),
    ]
    assert all("why" not in entry.details for entry in entries if entry.act == "run.stop")


async def test_an_entry_that_the_table_refuses_does_not_keep_the_others(
    site: Site, database_url: str
) -> None:
    execute(database_url, "ALTER TABLE audit ADD CONSTRAINT never CHECK (act <> 'run.signal')")
    async with site.running() as audit:
        async with audit.act(Act.RUN_SIGNAL, BY, **BOTH, details={}):
            pass
        await until(lambda: audit.problem() != "ok")
        for _ in range(3):
            await stop(audit)
        await site.entered(3)
        await until(lambda: audit.problem().startswith("1 to be entered: "))
        execute(database_url, "ALTER TABLE audit DROP CONSTRAINT never")
        entries = await site.entered(4)
    assert entries[0].act == "run.signal"  # by its time


async def test_an_act_under_way_stays_in_a_journal_that_is_written_anew(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "COMPACT_BYTES", 0)
    async with site.running() as audit:
        async with audit.act(Act.RUN_SIGNAL, BY, **BOTH, details={}):
            for _ in range(3):
                await stop(audit)
            await site.entered(3)
            await until(lambda: [entry.act for entry in site.held()] == ["run.signal"])
        await site.entered(4)
        await until(lambda: site.held() == [])


async def test_what_is_too_much_is_lost_and_told(
    site: Site, outage: Outage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_WAITING", 2)
    outage.begin()
    async with site.running() as audit:
        for _ in range(5):
            audit.note(Act.DENIED, entry_of(Act.DENIED, BY, Outcome.REFUSED))
        await stop(audit)  # a stop never is
        assert "too many waited: 3 refused or failed" in audit.problem()
    outage.end()
    async with site.running():
        entries = await site.entered(3)
    assert sorted(entry.act for entry in entries) == ["denied", "denied", "run.stop"]


async def test_half_of_the_journal_is_for_stops(
    site: Site, outage: Outage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_BYTES", 100)
    outage.begin()
    async with site.running() as audit:
        await stop(audit)
        audit.denied(BY, method="GET", path="/", why="")
        await until(lambda: audit.problem() != "ok")
    assert {entry.act for entry in site.held()} == {"run.stop"}
    outage.end()
