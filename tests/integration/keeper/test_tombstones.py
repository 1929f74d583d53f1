"""A run that has ended is not started again by whoever asks for it late."""

import asyncio
import json
import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from server.keeper.failpoints import VARIABLE
from server.keeper.protocol import (
    MAX_MESSAGE_BYTES,
    KeeperEndedError,
    KeeperRefusedError,
    StartRequest,
    encode,
    socket_address,
)
from tests.integration.keeper.harness import GO_ON, Host, a_host, go, gone
from tests.support.waiting import patience, until


@pytest.fixture
async def host(tmp_path: Path) -> AsyncIterator[Host]:
    async with a_host(tmp_path / "state") as host:
        yield host


class Noting:
    """A run that notes each of its starts."""

    def __init__(self, host: Host, directory: Path, rest: str = "") -> None:
        self.host = host
        self.notes = directory / "notes"
        self.rest = rest
        self.run_id = ""

    @property
    def starts(self) -> int:
        return self.notes.read_text().count("\n")

    @property
    def request(self) -> StartRequest:
        return self.host.request(self.run_id, f"echo $$ >>{self.notes}; {self.rest}")

    async def start(self) -> None:
        self.run_id = await self.host.start(self.request.script)
        await until(self.notes.exists)

    async def end_and_remove(self) -> None:
        """Let it end; then the server has stored its end, and its spool goes."""
        await self.host.ended(self.run_id)
        self.host.spool.remove(self.run_id)

    async def is_not_started_again(self) -> None:
        with pytest.raises(KeeperEndedError, match="has run and ended here"):
            await self.host.client.start(self.request)
        assert not self.host.spool.directory(self.run_id).exists()
        assert self.starts == 1


async def test_an_ended_run_is_not_started_by_an_answer_that_comes_late(
    host: Host, tmp_path: Path
) -> None:
    run = Noting(host, tmp_path)
    await run.start()
    await run.end_and_remove()
    await run.is_not_started_again()
    assert (await host.finish("exit 5"))[0].exitcode == 5


async def test_while_it_has_a_spool_it_was_started_before(host: Host, tmp_path: Path) -> None:
    run = Noting(host, tmp_path)
    await run.start()
    await host.ended(run.run_id)
    assert not await host.client.start(run.request)
    assert run.starts == 1


async def test_a_renewed_keeper_knows_it(host: Host, tmp_path: Path) -> None:
    run = Noting(host, tmp_path)
    await run.start()
    await run.end_and_remove()
    await host.client.renew()
    await run.is_not_started_again()


async def test_a_run_that_ends_while_its_keeper_renews_itself_is_known(
    host: Host, tmp_path: Path
) -> None:
    run = Noting(host, tmp_path, GO_ON)
    await run.start()
    await host.client.renew()
    go(host, run.run_id)
    await run.end_and_remove()
    await host.client.renew()
    await run.is_not_started_again()


@pytest.mark.parametrize("killed_first", [True, False])
async def test_the_keeper_after_one_that_was_killed_knows_it(
    host: Host, tmp_path: Path, *, killed_first: bool
) -> None:
    run = Noting(host, tmp_path, GO_ON)
    await run.start()
    if killed_first:
        await host.kill_keeper()
        go(host, run.run_id)
        await host.hello()
        await run.end_and_remove()
    else:
        go(host, run.run_id)
        await run.end_and_remove()
        await host.kill_keeper()
    await run.is_not_started_again()


@pytest.mark.parametrize(
    "point", ["keeper.ended", "keeper.end_noted", "keeper.output_completed", "keeper.end_recorded"]
)
async def test_it_is_known_wherever_its_keeper_is_killed(
    host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, point: str
) -> None:
    monkeypatch.setenv(VARIABLE, point)
    run = Noting(host, tmp_path, GO_ON)
    pid = (await host.hello()).pid
    await run.start()
    monkeypatch.delenv(VARIABLE)
    go(host, run.run_id)
    await until(lambda: gone(pid))
    await host.hello()
    await run.end_and_remove()
    await host.kill_keeper()
    await run.is_not_started_again()


async def test_a_run_whose_end_was_noted_goes_on_if_it_was_not_recorded(
    host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is asked for it comes to the same as before: it was started."""
    monkeypatch.setenv(VARIABLE, "keeper.end_noted")
    run = Noting(host, tmp_path)
    pid = (await host.hello()).pid
    await run.start()
    await until(lambda: gone(pid))
    monkeypatch.delenv(VARIABLE)
    assert not await host.client.start(run.request)
    assert (await host.ended(run.run_id)).lost
    assert run.starts == 1


async def test_a_run_that_ended_under_an_older_version_is_known(host: Host, tmp_path: Path) -> None:
    """Such a keeper notes nothing, and leaves the spool."""
    run = Noting(host, tmp_path)
    await run.start()
    await host.ended(run.run_id)
    await host.kill_keeper()
    shutil.rmtree(host.state_dir / "keeper" / "ended")
    await host.hello()
    host.spool.remove(run.run_id)
    await run.is_not_started_again()


async def test_a_run_whose_spool_somebody_has_removed_is_known(host: Host, tmp_path: Path) -> None:
    run = Noting(host, tmp_path, "exec sleep 1000")
    await run.start()
    shutil.rmtree(host.spool.root)
    async with patience():
        while await host.client.runs():  # noqa: ASYNC110  no event announces it: its spool is gone
            await asyncio.sleep(0.02)
    await run.is_not_started_again()


async def test_an_older_server_hears_that_it_is_refused(host: Host, tmp_path: Path) -> None:
    """So it ends the run, if that is not stored as ended already; it does not ask for ever."""
    run = Noting(host, tmp_path)
    await run.start()
    await run.end_and_remove()
    directory = os.open(host.state_dir / "keeper", os.O_PATH)
    try:
        reader, writer = await asyncio.open_unix_connection(
            socket_address(directory), limit=MAX_MESSAGE_BYTES
        )
    finally:
        os.close(directory)
    fields = {name: getattr(run.request, name) for name in ("run_id", "script", "shell")}
    writer.write(encode({"id": 1, "op": "start", "directory": "/", "environment": {}, **fields}))
    answer = json.loads(await reader.readline())
    writer.close()
    await writer.wait_closed()
    assert (answer["ok"], answer["refused"], answer["ended"]) == (False, True, True)
    assert issubclass(KeeperEndedError, KeeperRefusedError)
