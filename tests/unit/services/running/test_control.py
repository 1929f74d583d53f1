"""Stops, while the database is away."""

from pathlib import Path

import pytest

from server.errors import DatabaseUnavailableError
from server.services.running.active import ActiveRuns
from tests.support.runs import a_run
from tests.unit.services.running.parts import running_parts


class Away:
    """The ledger of a database that cannot be reached."""

    async def finish_queued(self, *_: object) -> bool:
        raise DatabaseUnavailableError("It is away.")


@pytest.mark.parametrize("stopped", [0, 1, 2])
async def test_a_stop_that_cannot_be_stored_costs_a_queued_run_nothing(
    tmp_path: Path, stopped: int
) -> None:
    """At the head, in the midst and at the end of the queue: each keeps its place."""
    active = ActiveRuns(max_concurrent_runs=1, max_runs_per_command=3)
    control = running_parts(tmp_path, active, ledger=Away()).control
    queued = [active.enqueue(a_run()) for _ in range(3)]
    with pytest.raises(DatabaseUnavailableError):
        await control.stop(queued[stopped].run.id, signal="SIGTERM", grace_seconds=1.0)
    assert (active.queued, active.running) == (3, 0)
    order = []
    while (first := active.next) is not None:
        order.append(first)
        active.dequeue(first)
        active.remove(first)
    assert order == queued
