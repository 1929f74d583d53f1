"""What the service counts, for Prometheus (the names follow its naming practices)."""

import asyncio
from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import generate_latest

LAG_SAMPLE_SECONDS = 0.25  # often enough for a block of the loop to be seen, and cheap

# In seconds: from a start on an idle machine to one that somebody notices.
SPAWN_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0)
LAG_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0)


class Metrics:
    """The service's figures; each instance has a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.runs_ended = Counter(
            "tailrun_runs_ended", "Runs that ended, by state.", ["state"], registry=self.registry
        )
        self.spawn_seconds = Histogram(
            "tailrun_spawn_seconds",
            "From asking the keeper to start a run to its answer.",
            registry=self.registry,
            buckets=SPAWN_BUCKETS,
        )
        self.archived_bytes = Counter(
            "tailrun_archived_output_bytes",
            "Output moved into the database.",
            registry=self.registry,
        )
        self.database_errors = Counter(
            "tailrun_database_errors",
            "Statements that failed because the database could not be reached in time.",
            registry=self.registry,
        )
        self.run_faults = Counter(
            "tailrun_run_faults",
            "Steps that failed for one run, which was postponed or given up.",
            registry=self.registry,
        )
        self.viewers_dropped = Counter(
            "tailrun_viewers_dropped",
            "Viewers cut off because they took nothing any more.",
            registry=self.registry,
        )
        self.event_loop_lag_seconds = Histogram(
            "tailrun_event_loop_lag_seconds",
            "How late the event loop wakes a sleeper.",
            registry=self.registry,
            buckets=LAG_BUCKETS,
        )

    def gauge(self, name: str, description: str, value: Callable[[], float]) -> None:
        """Add a figure that is read when it is asked for."""
        Gauge(f"tailrun_{name}", description, registry=self.registry).set_function(value)

    def exposition(self) -> bytes:
        """Write all figures in Prometheus' text format."""
        return generate_latest(self.registry)

    async def watch_loop(self) -> None:
        """Measure the event loop's lag, forever; the service's owner cancels it."""
        loop = asyncio.get_running_loop()
        while True:
            asleep_at = loop.time()
            await asyncio.sleep(LAG_SAMPLE_SECONDS)
            self.event_loop_lag_seconds.observe(loop.time() - asleep_at - LAG_SAMPLE_SECONDS)
