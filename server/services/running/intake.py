"""The Intake: which runs a host has taken in, so that none is started a second time."""

import time
from collections.abc import Callable
from uuid import UUID

REMEMBERED_SECONDS = 900.0
"""For so long it is known that a run is gone: longer than the answer to any question is waited for
that was asked while it went on."""


class Intake:
    """Remembers the runs that are gone.

    An answer of the database, or of somebody who asked it, may be older than what has become of a
    run since: it says `queued` of one that has ended here, and whose spool is removed. So an id
    comes in once.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._gone: dict[UUID, float] = {}

    def __contains__(self, run_id: UUID) -> bool:
        return run_id in self._gone

    def note_gone(self, run_id: UUID) -> None:
        """Remember that a run was here, and is not any more."""
        now = self._clock()
        self._gone.pop(run_id, None)
        self._gone[run_id] = now
        while now - self._gone[oldest := next(iter(self._gone))] > REMEMBERED_SECONDS:
            del self._gone[oldest]
