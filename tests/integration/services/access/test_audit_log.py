"""The audit as a file, on a real database and a real disk."""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from server.access import Act, Outcome
from server.errors import StartupError
from server.repositories.access.audit import AuditRepository
from server.repositories.database.database import Database
from server.services.access import audit_log
from server.services.access.audit_log import AuditLog
from server.services.access.entries import entry_of
from server.services.tasks import Tasks
from tests.support.access import BY
from tests.support.waiting import until

HELD_BACK = "INSERT INTO audit (at, principal, known_by, address, act, outcome) VALUES (now()"


class Site:
    """A log that follows the table, as a server does; it can be ended and begun anew."""

    def __init__(self, database: Database, directory: Path) -> None:
        self.path = directory / "audit.log"
        self.state = directory / "audit-log.json"
        self.repository = AuditRepository(database)

    @asynccontextmanager
    async def following(self) -> AsyncIterator[AuditLog]:
        tasks = Tasks()
        log = AuditLog(self.path, self.state, self.repository)
        tasks.start(log.run(), "audit log")
        try:
            yield log
        finally:
            await tasks.cancel()
        assert not tasks.failed.is_set()

    async def add(self, *names: str) -> None:
        for name in names:
            entry = entry_of(Act.RUN_STOP, BY, Outcome.DONE, details={"name": name})
            await self.repository.add([entry])

    def lines(self, path: Path | None = None) -> list[dict[str, Any]]:
        path = path or self.path
        return [json.loads(line) for line in path.read_text("ascii").splitlines()]

    async def until_written(self, *names: str) -> None:
        """Wait until the file has these entries, in this order, and that is noted."""
        await until(lambda: len(self.names) >= len(names))
        assert self.names == [*names]
        last = self.lines()[-1]["id"]
        await until(
            lambda: self.state.exists() and json.loads(self.state.read_text())["last"] >= last
        )

    @property
    def names(self) -> list[object]:
        return [line["details"].get("name") for line in self.lines()]


@pytest.fixture
def site(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    monkeypatch.setattr(audit_log, "LOOK_SECONDS", 0.01)
    return Site(database, tmp_path)


@pytest.fixture
def other(database_url: str) -> Iterator[Any]:
    """Open a transaction of somebody who takes his time."""
    with closing(psycopg2.connect(database_url)) as connection, connection.cursor() as cursor:
        yield cursor


async def test_each_entry_is_a_line_once_it_is_there(site: Site) -> None:
    await site.add("before it was followed")
    async with site.following() as log:
        await until(site.state.exists)
        await site.add("one", "two")
        await site.until_written("one", "two")
        assert log.problem() == "ok"
    assert site.path.stat().st_mode & 0o777 == 0o600
    [first, _] = site.lines()
    assert (first["act"], first["outcome"], first["principal"]) == ("run.stop", "done", "everybody")


async def test_what_is_entered_once_it_has_begun_is_written(site: Site) -> None:
    await site.add("before it was followed")
    log = AuditLog(site.path, site.state, site.repository)
    await log.begin()
    await site.add("the first")
    tasks = Tasks()
    tasks.start(log.run(), "audit log")
    await site.until_written("the first")
    await tasks.cancel()


async def test_what_is_entered_meanwhile_is_written_by_the_next_server(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit_log, "BATCH_ENTRIES", 2)
    async with site.following():
        await until(site.state.exists)
        await site.add("one")
        await site.until_written("one")
    await site.add(*"abcde")
    async with site.following():
        await site.until_written("one", *"abcde")


async def test_a_row_that_is_committed_late_is_written_late(site: Site, other: Any) -> None:
    async with site.following():
        await until(site.state.exists)
        other.execute(f"{HELD_BACK}, 'somebody', 'token', '', 'denied', 'refused') RETURNING id")
        [number] = other.fetchone()
        await site.add("one")
        await site.until_written("one")
        assert json.loads(site.state.read_text())["missing"] == [number]
    other.connection.commit()
    async with site.following():
        await until(lambda: len(site.lines()) == 2)
    assert site.lines()[1]["principal"] == "somebody"


async def test_a_file_that_was_rotated_is_begun_anew(site: Site, tmp_path: Path) -> None:
    rotated = tmp_path / "audit.log.1"
    async with site.following():
        await until(site.state.exists)
        await site.add("one")
        await site.until_written("one")
        site.path.rename(rotated)
        await site.add("two")
        await until(site.path.exists)
        await site.until_written("two")
    assert [line["details"]["name"] for line in site.lines(rotated)] == ["one"]


async def test_what_cannot_be_written_is_told_and_written_later(site: Site) -> None:
    async with site.following() as log:
        await until(site.state.exists)
        site.path.unlink()
        site.path.symlink_to("/dev/null")
        await site.add("one")
        await until(lambda: log.problem() != "ok")
        assert "symbolic links" in log.problem()
        site.path.unlink()
        await until(site.path.exists)
        await site.until_written("one")
        await until(lambda: log.problem() == "ok")


async def test_half_a_batch_is_taken_back(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a disk that gets full."""
    write, failures = os.write, 2

    def short(descriptor: int, data: bytes) -> int:
        nonlocal failures
        if not failures or not site.path.samefile(f"/proc/self/fd/{descriptor}"):
            return write(descriptor, data)
        failures -= 1
        if failures:
            return write(descriptor, data[:10])
        raise OSError(28, "No space left on device")

    async with site.following() as log:
        await until(site.state.exists)
        monkeypatch.setattr(os, "write", short)
        await site.add("one")
        await site.until_written("one")
        await until(lambda: log.problem() == "ok")


async def test_the_file_goes_on_after_an_older_database_was_restored(site: Site) -> None:
    site.state.write_text('{"last": 1000000, "missing": []}')
    await site.add("one")
    async with site.following():
        await asyncio.sleep(0)
        await until(lambda: json.loads(site.state.read_text())["last"] < 1000000)
        await site.add("two")
        await site.until_written("two")


@pytest.mark.parametrize("kind", ["a link", "a device", "no directory"])
async def test_a_file_that_cannot_be_one_is_refused(site: Site, tmp_path: Path, kind: str) -> None:
    if kind == "a link":
        site.path.symlink_to(tmp_path / "elsewhere")
    paths = {"a link": site.path, "a device": Path("/dev/null"), "no directory": tmp_path / "x/y"}
    with pytest.raises(StartupError, match=f"TAILRUN_AUDIT_LOG: {paths[kind]} cannot be written"):
        AuditLog(paths[kind], site.state, site.repository)
