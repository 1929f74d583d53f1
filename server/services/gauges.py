"""What the service is doing at the moment, as metrics."""

from collections.abc import Callable

from server.services.archive.archiver import Archiver
from server.services.metrics import Metrics
from server.services.running.active import ActiveRuns


def add_gauges(
    metrics: Metrics, active: ActiveRuns, archiver: Archiver, viewers: Callable[[], int]
) -> None:
    """Have the figures looked up whenever the metrics are asked for; `viewers` counts viewers."""
    metrics.gauge("runs_running", "Runs that have a process.", lambda: active.running)
    metrics.gauge("runs_queued", "Runs that wait for a place.", lambda: active.queued)
    metrics.gauge(
        "runs_waiting", "Runs that wait for their turn or their time.", lambda: len(active.aside)
    )
    metrics.gauge("viewers", "Viewers, WebSocket and HTTP.", viewers)
    metrics.gauge(
        "archive_lag_bytes",
        "Output written and not yet in the database.",
        lambda: active.archive_lag_bytes,
    )
    metrics.gauge(
        "archive_lag_seconds",
        "For how long archiving has failed.",
        lambda: archiver.lag_seconds,
    )
