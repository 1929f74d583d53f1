"""A fault in what is done for one run is that run's alone: the other does not notice."""

import os
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from server.keeper import processes
from server.keeper.client import KeeperClient
from server.keeper.failpoints import VARIABLE
from server.keeper.spool import Spool
from tests.support.client import Client
from tests.support.postgres import execute
from tests.support.service import Service
from tests.support.waiting import until, until_true

OUTPUT = b"".join(b"%d\n" % number for number in range(1, 2001))


class Pair:
    """A service with two runs, of which a step may fail for one."""

    def __init__(self, client: Client, directory: Path) -> None:
        self.client = client
        self._gate = directory / "gate"
        waiting = f"while ! [ -e {self._gate} ]; do sleep 0.05; done"
        self.script = f"seq 1000; {waiting}; seq 1001 2000; exit 7"

    def go_on(self) -> None:
        """Let the runs write their second half, and end."""
        self._gate.touch()

    async def begin(self) -> list[str]:
        return [await self.client.run(self.script) for _ in range(2)]

    async def assert_exact(self, run_id: str) -> None:
        run = await self.ended(run_id)
        assert (run["state"], run["exitcode"], run["reason"]) == ("failed", 7, None)
        assert await self.client.output(run_id) == OUTPUT

    async def ended(self, run_id: str) -> dict[str, Any]:
        """Wait until a run's end is stored; return it."""

        async def stored() -> bool:
            return (await self.client.get_run(run_id))["end_time"] is not None

        await until_true(stored)
        return await self.client.get_run(run_id)

    async def put_off(self, run_id: str, reason: str) -> None:
        """Wait until a run is put off, and the service says so."""

        async def told() -> bool:
            return reason in ((await self.client.get_run(run_id))["reason"] or "")

        await until_true(told)
        async with self.client.session.get(self.client.page_url("/readyz")) as response:
            assert run_id in (await response.json())["runs"]
            assert response.status == 200
        assert await self.client.metric("tailrun_run_faults_total") >= 1


@pytest.fixture
async def service(tmp_path: Path, database_url: str) -> AsyncIterator[Service]:
    """Make a service whose log may tell of faults; it ends well all the same."""
    service = Service(tmp_path / "state", database_url, flush_seconds="0.02")
    try:
        yield service
        assert await service.terminate() == 0
    finally:
        await service.kill()
        await service.end_keeper()


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.fixture
async def pair(service: Service, session: aiohttp.ClientSession, tmp_path: Path) -> Pair:
    return Pair(Client(session, await service.start()), tmp_path)


@pytest.mark.parametrize(
    "point",
    [
        "run.started",
        "run.shown",
        "run.followed",
        "archive.packed",
        "archive.read",
        "archive.read:2",
        "archive.append",
        "archive.append:2",
        "archive.settled",
        "archive.settled:2",
        "archive.committed",
        "archive.committed:2",
        "run.ended",
    ],
)
async def test_a_step_that_fails_once_is_taken_again(
    service: Service,
    session: aiohttp.ClientSession,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    point: str,
) -> None:
    """Whose step it was is exact in the end, as is the other; a new start finds nothing left."""
    monkeypatch.setenv(VARIABLE, f"{point}=error")
    pair = Pair(Client(session, await service.start()), tmp_path)
    run_ids = await pair.begin()
    pair.go_on()
    for run_id in run_ids:
        await pair.assert_exact(run_id)
    monkeypatch.delenv(VARIABLE)
    assert await service.terminate() == 0
    await until(lambda: "failpoint" in service.log or "Input/output error" in service.log)
    await service.start()
    for run_id in run_ids:
        await pair.assert_exact(run_id)


@pytest.mark.parametrize(
    "point",
    [
        "keeper.spool_made",
        "keeper.spawned",
        "keeper.process_recorded",
        "keeper.ended",
        "keeper.output_completed",
        "keeper.end_recorded",
    ],
)
async def test_a_step_of_the_keeper_that_fails_is_one_runs_alone(
    service: Service,
    session: aiohttp.ClientSession,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    point: str,
) -> None:
    """That one ends, and says why, or is exact as well; nothing of it goes on."""
    monkeypatch.setenv(VARIABLE, f"{point}=error")
    pair = Pair(Client(session, await service.start()), tmp_path)
    run_ids = await pair.begin()
    pair.go_on()
    runs = [await pair.ended(run_id) for run_id in run_ids]
    guilty = [run for run in runs if run["reason"] is not None]
    assert len(guilty) <= 1
    for run in runs:
        if run in guilty:
            assert run["state"] in {"failed", "lost"}
            assert OUTPUT.startswith(await pair.client.output(run["id"]))
        else:
            await pair.assert_exact(run["id"])
    given_up = {run["id"] for run in guilty}
    await until(lambda: given_up.isdisjoint(processes.owners().values()))
    monkeypatch.delenv(VARIABLE)
    assert await service.terminate() == 0
    await service.start()
    await pair.assert_exact(await pair.client.run(pair.script))


@pytest.mark.parametrize("point", ["output.opened", "output.read", "run.delete"])
async def test_a_request_that_fails_is_that_request_alone(
    service: Service,
    session: aiohttp.ClientSession,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    point: str,
) -> None:
    """It is answered 500 or broken off; asked again, it is answered."""
    monkeypatch.setenv(VARIABLE, f"{point}=error")
    pair = Pair(Client(session, await service.start()), tmp_path)
    run_ids = await pair.begin()
    pair.go_on()
    for run_id in run_ids:
        await pair.ended(run_id)
    method, path = ("DELETE", "") if point == "run.delete" else ("GET", "/output")
    url = pair.client.url(f"runs/{run_ids[0]}{path}")
    with suppress(aiohttp.ClientError):
        async with session.request(method, url) as response:
            await response.read()
            assert response.status == 500
    for run_id in run_ids:
        await pair.assert_exact(run_id)
    async with session.request(method, url) as response:
        assert response.ok


async def test_a_run_whose_start_fails_once_it_is_stored_starts_with_the_next_server(
    service: Service,
    session: aiohttp.ClientSession,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whoever asked was told 500. Within a minute it would end as one that was not confirmed."""
    monkeypatch.setenv(VARIABLE, "run.stored=error")
    pair = Pair(Client(session, await service.start()), tmp_path)
    body = {"name": "guilty", "script": pair.script}
    await pair.client.call("POST", "commands/", json=body, status=500)
    other = await pair.client.run(pair.script)
    pair.go_on()
    await pair.assert_exact(other)
    monkeypatch.delenv(VARIABLE)
    assert await service.terminate() == 0
    await service.start()
    for run in (await pair.client.call("GET", "runs/"))["items"]:
        await pair.assert_exact(run["id"])


async def test_a_sweep_that_fails_ends_nothing(
    service: Service,
    session: aiohttp.ClientSession,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(VARIABLE, "retention.sweep=error")
    pair = Pair(Client(session, await service.start()), tmp_path)
    await until(lambda: "retention failed, retrying" in service.log)
    run_ids = await pair.begin()
    pair.go_on()
    for run_id in run_ids:
        await pair.assert_exact(run_id)


async def test_a_start_whose_taking_over_fails_shows_the_runs_and_tries_again(
    pair: Pair, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_ids = await pair.begin()
    for run_id in run_ids:
        await archived_half(pair, run_id)
    await service.kill()
    monkeypatch.setenv(VARIABLE, "recovery.taken_over=error,recovery.shown=error,run.shown=error")
    await service.start()
    await until(lambda: "the runs are recovered" in service.log)
    pair.go_on()
    for run_id in run_ids:
        await pair.assert_exact(run_id)


ROW_FAULTS = {
    "a trigger that raises": (
        """CREATE FUNCTION refuse() RETURNS TRIGGER LANGUAGE plpgsql AS
        $$ BEGIN RAISE 'not this one'; END $$;
        CREATE TRIGGER refuse BEFORE UPDATE ON commands_info FOR EACH ROW
        WHEN (OLD.id = '{run}') EXECUTE FUNCTION refuse()""",
        "DROP TRIGGER refuse ON commands_info",
        "not this one",
    ),
    "a check that is violated": (
        """ALTER TABLE commands_info
        ADD CONSTRAINT small CHECK (id <> '{run}' OR output_bytes < 5000) NOT VALID""",
        "ALTER TABLE commands_info DROP CONSTRAINT small",
        "small",
    ),
    "an offset that was set back": (
        "UPDATE commands_info SET output_bytes = 0, output_lines = 0 WHERE id = '{run}'",
        "UPDATE commands_info SET output_bytes = 3893, output_lines = 1000 WHERE output_bytes = 0",
        "duplicate key",
    ),
    "a stray chunk": (
        "INSERT INTO commands_info_output VALUES ('{run}', 3893, 1, 1, 0, now(), 'x')",
        "DELETE FROM commands_info_output WHERE data = 'x'",
        "duplicate key",
    ),
}


@pytest.mark.parametrize("fault", ROW_FAULTS)
async def test_a_run_whose_row_is_refused_is_postponed_alone(
    pair: Pair, database_url: str, fault: str
) -> None:
    """It says why, and goes on when its row can be written again; the other has ended by then."""
    begin, mend, reason = ROW_FAULTS[fault]
    guilty, other = await pair.begin()
    await archived_half(pair, guilty)
    execute(database_url, begin.format(run=guilty))
    pair.go_on()
    await pair.assert_exact(other)
    await pair.put_off(guilty, reason)
    execute(database_url, mend)
    await pair.assert_exact(guilty)


async def archived_half(pair: Pair, run_id: str) -> None:
    async def archived() -> bool:
        return bool((await pair.client.get_run(run_id))["output_lines"] == 1000)

    await until_true(archived)


async def test_a_run_that_is_put_off_can_be_ended(pair: Pair, database_url: str) -> None:
    """What is archived of it stays; that it is not all is said."""
    guilty, other = await pair.begin()
    await archived_half(pair, guilty)
    begin, _, reason = ROW_FAULTS["a stray chunk"]
    execute(database_url, begin.format(run=guilty))
    pair.go_on()
    await pair.put_off(guilty, reason)
    await pair.client.stop(guilty)
    run = await pair.ended(guilty)
    assert (run["state"], run["output_bytes"]) == ("lost", 3893)
    assert "from byte 3893 on is not stored" in run["reason"]
    assert "exit 7" in run["reason"]
    assert await pair.client.output(guilty) == OUTPUT[:3893]
    await pair.assert_exact(other)
    await pair.client.call("DELETE", f"runs/{guilty}")


async def test_an_output_that_is_cut_before_it_is_archived_is_no_whole_one(
    pair: Pair, service: Service
) -> None:
    """Its run has ended, and no server is there: the record tells how much was written."""
    guilty, other = await pair.begin()
    await archived_half(pair, guilty)
    await service.kill()
    pair.go_on()
    spool = Spool.of(service.state_dir)
    await until(lambda: spool.read_exit(guilty) is not None)
    os.truncate(spool.output_path(guilty), 5)
    await service.start()
    run = await pair.ended(guilty)
    assert (run["state"], run["output_bytes"]) == ("lost", 3893)
    assert "from byte 3893 on is not stored" in run["reason"]
    assert "exit 7" in run["reason"]
    assert await pair.client.output(guilty) == OUTPUT[:3893]
    await pair.assert_exact(other)


async def test_an_output_that_was_replaced_before_the_keeper_renewed_itself_is_whole(
    pair: Pair, service: Service
) -> None:
    """Keeper and server go on in the file that they have open."""
    guilty, other = await pair.begin()
    await archived_half(pair, guilty)
    path = Spool.of(service.state_dir).output_path(guilty)
    path.with_name("sed").write_bytes(b"else\n")
    path.with_name("sed").replace(path)
    keeper = KeeperClient(service.state_dir)
    await keeper.renew()
    await keeper.close()
    pair.go_on()
    await pair.assert_exact(guilty)
    await pair.assert_exact(other)


async def test_a_run_that_was_given_up_ends_with_the_next_server(
    pair: Pair, service: Service, database_url: str
) -> None:
    """The first one is killed before it could store anything of the run."""
    guilty, other = await pair.begin()
    await archived_half(pair, guilty)
    refused, let, reason = ROW_FAULTS["a trigger that raises"]
    execute(
        database_url,
        refused.format(run=guilty),
        ROW_FAULTS["a stray chunk"][0].format(run=guilty),
    )
    pair.go_on()
    await pair.put_off(guilty, reason)
    await pair.assert_exact(other)
    await pair.client.stop(guilty)
    await service.kill()
    execute(database_url, let)
    await service.start()
    run = await pair.ended(guilty)
    assert (run["state"], run["output_bytes"]) == ("lost", 3893)
    assert "from byte 3893 on is not stored" in run["reason"]


async def test_a_run_whose_row_is_refused_does_not_keep_a_server_from_starting(
    pair: Pair, service: Service, database_url: str
) -> None:
    guilty, other = await pair.begin()
    await archived_half(pair, guilty)
    await service.kill()
    begin, mend, reason = ROW_FAULTS["a trigger that raises"]
    execute(database_url, begin.format(run=guilty))
    await service.start()
    pair.go_on()
    await pair.assert_exact(other)
    await pair.put_off(guilty, reason)
    execute(database_url, mend)
    await pair.assert_exact(guilty)


async def test_a_table_that_cannot_be_written_for_a_while_ends_nothing(
    pair: Pair, service: Service, database_url: str
) -> None:
    """As when somebody changes names or privileges."""
    run_ids = await pair.begin()
    for run_id in run_ids:
        await archived_half(pair, run_id)
    execute(database_url, "ALTER TABLE commands_info_output RENAME TO away")
    pair.go_on()
    for run_id in run_ids:
        await pair.put_off(run_id, "commands_info_output")
    execute(database_url, "ALTER TABLE away RENAME TO commands_info_output")
    for run_id in run_ids:
        await pair.assert_exact(run_id)
    assert service.running


async def test_a_run_whose_row_is_deleted_is_stopped(
    pair: Pair, service: Service, database_url: str
) -> None:
    """Nobody could see it any more. The other is exact."""
    guilty, other = await pair.begin()
    await archived_half(pair, guilty)
    execute(database_url, f"DELETE FROM commands_info WHERE id = '{guilty}'")  # noqa: S608
    pair.go_on()
    await pair.assert_exact(other)

    async def gone() -> bool:
        async with pair.client.session.get(pair.client.url(f"runs/{guilty}")) as response:
            return response.status == 404

    await until_true(gone)
    await until(lambda: "its row was deleted" in service.log)
