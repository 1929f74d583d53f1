"""The Archiver while a spool cannot be read."""

import errno
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from server.keeper.records import ExitRecord
from server.keeper.spool import Spool
from server.repositories.database.database import Database
from server.services import faults
from server.services.tasks import cancel_and_wait
from tests.integration.services.archive.harness import Site
from tests.support.waiting import until


@pytest.fixture
async def site(database: Database, tmp_path: Path) -> AsyncIterator[Site]:
    site = Site(database, tmp_path)
    yield site
    await cancel_and_wait(site.archiving)


async def test_a_run_whose_spool_cannot_be_read_now_waits_alone(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As while there is no descriptor left to read its exit record with."""
    monkeypatch.setattr(faults, "PAUSE_SECONDS", (0.01,))
    waiting, other = await site.run(), await site.run()
    read_exit, refused = Spool.read_exit, 0

    def refuse(spool: Spool, run_id: str) -> ExitRecord | None:
        nonlocal refused
        if run_id == str(waiting.id) and (refused < 3 or not other.following.done()):
            refused += 1
            raise OSError(errno.EMFILE, "Too many open files")
        return read_exit(spool, run_id)

    monkeypatch.setattr(Spool, "read_exit", refuse)
    waiting.write(b"all of it\n")
    waiting.end()
    await until(lambda: refused > 0)
    other.write(b"all of it\n")
    other.end()
    await other.assert_whole()
    await waiting.assert_whole()
    assert refused >= 3
