"""Dispatching runs to the keeper."""

import pytest

from server.errors import LimitReachedError
from server.keeper.client import KeeperClient
from server.keeper.protocol import KeeperRefusedError, StartRequest
from server.models import RunState
from tests.integration.services.running.harness import Site
from tests.support.access import BY


async def test_a_command_has_so_many_active_runs(site: Site) -> None:
    await site.begin()
    command = await site.command("sleep 1000")
    for _ in range(10):
        await site.runner.start(command, by=BY)
    with pytest.raises(LimitReachedError, match="TAILRUN_MAX_ACTIVE_RUNS_PER_COMMAND"):
        await site.runner.start(command, by=BY)


async def test_a_run_that_the_keeper_refuses_ends_and_holds_up_nobody(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As one whose script is larger than a message to it may be."""
    start = KeeperClient.start

    async def refuse(keeper: KeeperClient, request: StartRequest) -> bool:
        if "guilty" in request.script:
            raise KeeperRefusedError("its script is too large")
        return await start(keeper, request)

    monkeypatch.setattr(KeeperClient, "start", refuse)
    await site.begin()
    guilty, other = await site.start("true guilty"), await site.start("exit 5")
    stored = await site.ended(guilty)
    assert stored.state is RunState.FAILED
    assert stored.reason == "could not be started: its script is too large"
    assert (await site.ended(other)).exitcode == 5


async def test_a_run_is_taken_up_once(site: Site) -> None:
    """The answer to its storing was lost, and it was asked for again."""
    run = await site.queued("exit 5")
    await site.keeper.open()
    site.tasks.start(site.archiver.run(), "archiver")
    first, second = await site.runner.dispatch(run), await site.runner.dispatch(run)
    assert first is second
    assert (await site.ended(first)).exitcode == 5
