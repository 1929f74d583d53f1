"""Runs and the keeper in the test's own loop, where a failure can be made to happen."""

import os
import uuid
from pathlib import Path

import pytest

from server.keeper import processes
from server.keeper.process import Keeper
from server.keeper.protocol import KeeperError
from server.keeper.pump import Pump
from server.keeper.run import Status
from server.keeper.spool import Spool
from tests.integration.keeper_harness import until


def start_message(script: str) -> dict[str, object]:
    return {
        "op": "start",
        "run_id": str(uuid.uuid4()),
        "script": script,
        "shell": "/bin/sh",
        "directory": "/",
        "environment": {"PATH": os.environ["PATH"]},
    }


@pytest.mark.parametrize(
    ("returncode", "status"),
    [
        (0, Status(exitcode=0)),
        (137, Status(exitcode=137)),
        (-9, Status(signal="SIGKILL")),
        (-15, Status(signal="SIGTERM")),
    ],
)
def test_a_status_is_an_exit_code_or_a_signal(returncode: int, status: Status) -> None:
    assert Status.of(returncode) == status
    assert status.known
    assert not Status().known


@pytest.fixture
def keeper(tmp_path: Path) -> Keeper:
    return Keeper(tmp_path, 60, lambda _: None)


async def test_a_run_that_the_keeper_fails_to_keep_is_killed_and_lost(
    keeper: Keeper, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: Pump) -> None:
        raise RuntimeError

    monkeypatch.setattr(Pump, "drain", fail)
    message = start_message("sleep 1000 & exit 3")
    await keeper._answer(message)
    run_id = str(message["run_id"])
    end = await until(lambda: Spool.of(tmp_path).read_exit(run_id))
    assert (end.lost, end.error) == (True, "the keeper failed; see its log")
    await until(lambda: run_id not in processes.owners().values())


async def test_a_run_for_which_there_is_no_descriptor_was_not_started(
    keeper: Keeper, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError("too many open files")

    monkeypatch.setattr("server.keeper.process.Run", refuse)
    with pytest.raises(OSError, match="too many"):
        await keeper._answer(start_message("true"))
    assert Spool.of(tmp_path).run_ids() == []


async def test_no_run_is_started_while_the_keeper_renews_itself(keeper: Keeper) -> None:
    assert await keeper._answer({"op": "renew"}) == {}
    assert await keeper._answer({"op": "renew"}) == {}
    with pytest.raises(KeeperError, match="ask again"):
        await keeper._answer(start_message("true"))
