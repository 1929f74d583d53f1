"""The parts that bring runs to their ends, with what a test needs of the rest."""

from pathlib import Path
from typing import Any, cast

from server.keeper.records import Limits
from server.keeper.spool import Spool
from server.services.faults import Faults
from server.services.metrics import Metrics
from server.services.running.active import ActiveRuns
from server.services.running.assembly import Means, Running
from server.services.running.launch import Launch
from server.services.tasks import Tasks


def running_parts(
    directory: Path,
    active: ActiveRuns,
    tasks: Tasks | None = None,
    *,
    spool: Spool | None = None,
    keeper: object = None,
    ledger: object = None,
    metrics: Metrics | None = None,
    has_lease: bool = False,
) -> Running:
    """Build them on a state directory; what is not given must not be used."""
    unused = cast("Any", None)
    means = Means(
        host="host",
        launch=Launch(  # noqa: S604
            shell="/bin/sh",
            directory=directory,
            environment={},
            limits=Limits(),
        ),
        spool=spool or Spool.of(directory),
        keeper=cast("Any", keeper),
        watch=unused,
        archiver=unused,
        ledger=cast("Any", ledger),
        active=active,
        tasks=tasks or Tasks(),
        metrics=metrics or Metrics(),
        faults=Faults(Metrics()),
        has_lease=has_lease,
    )
    return Running(means)
