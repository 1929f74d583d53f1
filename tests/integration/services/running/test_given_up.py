"""A run that was given up while its host was away: it stays lost, and what it wrote is kept."""

from collections.abc import Sequence
from pathlib import Path
from uuid import UUID

import pytest

from server.errors import DatabaseUnavailableError
from server.keeper.records import ExitRecord
from server.models import Advance, Run, RunState
from server.repositories.database.database import Database
from server.repositories.losses import LossRepository
from server.services.archive.chunks import Chunks
from server.services.archive.reader import ArchivedOutput
from server.services.running.live import LiveRun
from tests.integration.services.running.harness import HOST, NOW, Site
from tests.support.access import BY
from tests.support.waiting import until
from tests.support.workers import add_worker, silence

BEGINNING = b"".join(b"%d\n" % number for number in range(1, 1001))
LOUD = """
    seq 1000; echo $$ >{pid}; while ! [ -e {gate} ]; do sleep 0.02; done; seq 1000; exec sleep 1000
"""


async def give_up(run: Run, database: Database) -> Run:
    """Have everybody else find the host away, and give the run up."""
    await add_worker(database, HOST)
    await silence(database, HOST, 3600)
    ended = await LossRepository(database).abandon(run.id, by=BY)
    assert ended is not None
    return ended


async def output(site: Site, run: Run) -> bytes:
    """Return all that is archived."""
    archived = ArchivedOutput(await site.runs.get(run.id), Chunks(site.outputs))
    data = b""
    while piece := await archived.read(len(data), 1 << 20):
        data += piece
    return data


async def gone(site: Site, live: LiveRun) -> None:
    """Wait until nothing is left of a run here."""
    await until(lambda: site.active.get(live.run.id) is None)
    await until(lambda: not site.spool.directory(str(live.run.id)).exists())


def is_unchanged(found: Run, given_up: Run) -> bool:
    """Whether a run is as it was given up, but for its output."""
    return (found.state, found.reason, found.end_time, found.exitcode, found.start_time) == (
        *(given_up.state, given_up.reason, given_up.end_time, None, given_up.start_time),
    )


async def test_it_is_stopped_once_its_host_is_back_and_all_that_it_wrote_is_kept(
    site: Site, database: Database, tmp_path: Path
) -> None:
    await site.begin()
    gate, pid = tmp_path / "gate", tmp_path / "pid"
    live = await site.start(LOUD.format(gate=gate, pid=pid))
    await until(lambda: live.run.output_bytes == len(BEGINNING))
    given_up = await give_up(live.run, database)
    gate.touch()  # its next flush finds that it was given up
    await until(lambda: live.lost is not None)
    assert live.view.run.state is RunState.LOST
    assert live.view.run.reason == given_up.reason
    await gone(site, live)
    assert not Path(f"/proc/{pid.read_text().strip()}").exists()
    found = await site.runs.get(live.run.id)
    assert is_unchanged(found, given_up)
    assert await output(site, found) == BEGINNING * 2
    assert (found.output_bytes, found.output_lines) == (2 * len(BEGINNING), 2000)


async def left(site: Site, data: bytes) -> Run:
    """Store a run, and leave the spool of one that has ended by itself, having written this."""
    run = await site.queued()
    site.spool.create(str(run.id), b"true")
    site.spool.output_path(str(run.id)).write_bytes(data)
    record = ExitRecord(exitcode=0, ended_at=NOW.timestamp(), output_bytes=len(data))
    site.spool.write_exit(str(run.id), record)
    return run


async def test_what_a_process_wrote_that_has_ended_meanwhile_is_added_at_the_hosts_next_start(
    site: Site, database: Database
) -> None:
    """The spool is all that there is of it, and is removed once that is stored."""
    run = await left(site, BEGINNING)
    given_up = await give_up(run, database)
    await site.begin()
    live = site.active.get(run.id)
    assert live is not None
    assert live.view.run.state is RunState.LOST
    await gone(site, live)
    found = await site.runs.get(run.id)
    assert is_unchanged(found, given_up)
    assert found.epoch == given_up.epoch
    assert await output(site, found) == BEGINNING


async def test_what_was_stored_before_is_not_stored_again(
    site: Site, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the answer to that was lost, and the host asks once more."""
    run = await left(site, BEGINNING)
    given_up = await give_up(run, database)
    append, lost = site.ledger.append, 0

    async def append_and_lose_the_answer(advances: Sequence[Advance]) -> set[UUID]:
        nonlocal lost
        moved = await append(advances)
        if lost < 2 and any(advance.late for advance in advances):
            lost += 1
            raise DatabaseUnavailableError("the answer was lost")
        return moved

    monkeypatch.setattr(site.ledger, "append", append_and_lose_the_answer)
    await site.begin()
    live = site.active.get(run.id)
    assert live is not None
    await gone(site, live)
    assert lost == 2
    assert is_unchanged(await site.runs.get(run.id), given_up)
    assert await output(site, run) == BEGINNING


async def test_a_spool_of_another_hosts_run_is_kept_for_it(site: Site, database: Database) -> None:
    run = await left(site, BEGINNING)
    await give_up(run, database)
    sql = "UPDATE commands_info SET host = 'another' WHERE id = %(id)s RETURNING id"
    await database.fetch_all(sql, {"id": run.id})
    await site.begin()
    assert site.active.get(run.id) is None
    assert site.spool.output_path(str(run.id)).read_bytes() == BEGINNING


async def test_a_run_that_waits_here_is_not_started_any_more(
    site: Site, database: Database, tmp_path: Path
) -> None:
    """A host that was frozen has it in its queue still, and looks at its rows before it goes on."""
    site.active.may_start = lambda: False
    await site.begin()
    command = await site.command(f"echo >{tmp_path / 'started'}")
    view = await site.starts.start(command, by=BY)
    live = site.active.get(view.run.id)
    assert live is not None
    assert site.active.is_queued(live)
    await give_up(live.run, database)
    await site.housekeeping.check_rows_now()
    assert site.active.get(live.run.id) is None
    site.active.may_start = lambda: True
    site.active.notify()
    other = await site.start("true")
    assert (await site.ended(other)).state is RunState.SUCCEEDED
    assert not (tmp_path / "started").exists()
