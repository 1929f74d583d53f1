"""The ends of runs without a process, while the database cannot be reached."""

from collections.abc import Sequence
from uuid import UUID

import pytest

from server.errors import DatabaseUnavailableError
from server.models import Advance, RunState
from server.services.running import finisher
from tests.integration.services.running.harness import Site, store
from tests.support.outage import Outage
from tests.support.waiting import until


async def test_a_run_is_lost_when_the_database_is_there_again(
    site: Site, outage: Outage, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It goes while a keeper is asked for the run; the service goes on."""
    monkeypatch.setattr(finisher, "DATABASE_RETRY_SECONDS", 0.01)
    run = await site.queued()
    await store(site, run)
    await site.begin()
    outage.begin()
    await until(lambda: "run's end is not stored yet" in caplog.text)
    live = site.active.get(run.id)
    assert live is not None
    outage.end()
    assert (await site.ended(live)).state is RunState.LOST
    assert caplog.text.count("run's end is not stored yet") == 1


async def test_a_lost_run_whose_end_was_stored_unheard_has_ended(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The database's answer was lost on its way."""
    monkeypatch.setattr(finisher, "DATABASE_RETRY_SECONDS", 0.01)
    append = site.ledger.append

    async def unheard(advances: Sequence[Advance]) -> set[UUID]:
        monkeypatch.setattr(site.ledger, "append", append)
        await append(advances)
        raise DatabaseUnavailableError("the answer was lost")

    run = await site.queued()
    await store(site, run)
    monkeypatch.setattr(site.ledger, "append", unheard)
    await site.begin()
    live = site.active.get(run.id)
    assert live is not None
    assert (await site.ended(live)).state is RunState.LOST
