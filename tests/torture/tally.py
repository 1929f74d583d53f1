"""What a torture counts and finds."""

import time
from collections import Counter

ORDER = (
    "kills of the server",
    "kills of the server: at a failpoint",
    "kills of the server: while it starts",
    "kills of the server: with its keeper",
    "kills of the keeper",
    "deploys",
    "renewals of the keeper",
    "freezes of the server",
    "take-overs",
    "pairs of servers",
    "stops of the database",
    "freezes of the database",
    "runs",
    "runs lost",
    "runs stopped",
    "runs cut short with their keeper",
    "runs that ended without a server",
    "victims",
    "chains",
    "attempts",
    "notifications heard",
    "due times",
    "due times: started",
    "due times: skipped_overlap",
    "due times: missed",
    "lines",
    "lines told to viewers",
    "viewers",
    "viewers resumed",
)

SHOWN = 1000
"""Characters of a violation that are shown."""


class Tally:
    """Counts, and the violations of what was promised; each is shown at once."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.violations: list[str] = []
        self._remarks: list[str] = []
        self._started_at = time.monotonic()

    def count(self, name: str, number: int = 1) -> None:
        """Count something."""
        self.counts[name] += number

    def at_most(self, name: str, number: int) -> None:
        """Keep the largest of these numbers."""
        self.counts[name] = max(self.counts[name], number)

    def remark(self, *texts: str) -> None:
        """Have lines told with what was counted."""
        self._remarks += texts

    def violation(self, text: str) -> None:
        """Note that a promise was broken."""
        self.violations.append(text)
        self.say(f"VIOLATION {text[:SHOWN]}")

    def say(self, text: str) -> None:
        """Show a line, with the seconds since the start."""
        print(f"{time.monotonic() - self._started_at:6.1f} {text}", flush=True)

    def report(self) -> str:
        """Return all that was counted, in a fixed order, and what was remarked."""
        counted = {name for name, number in self.counts.items() if number}
        names = [*(name for name in ORDER if name in counted), *sorted(counted - set(ORDER))]
        counts = [f"{self.counts[name]:>12,}  {name}" for name in names]
        return "\n".join([*counts, *self._remarks])
