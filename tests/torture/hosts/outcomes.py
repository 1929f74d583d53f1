"""What became of runs by the policy that their commands have for when a host is away."""

from collections import Counter
from collections.abc import Iterator
from enum import Enum

from tests.torture.hosts.oracle import LOSE, LOST_AFTER_SECONDS, RETRY, WAIT

POLICIES = (WAIT, LOSE, RETRY)


class Outcome(Enum):
    """What may become of a run; of one several are counted."""

    RAN = "runs"
    AWAY = "their host was away for longer than a lease"
    GIVEN_UP = f"given up, after {LOST_AFTER_SECONDS} s or more"
    BY_KEEPER = "told by their host that its keeper had ended them"
    BEGUN_AGAIN = "begun again"
    CAME_BACK = "given up, and their host came back"
    LIVED_ON = "given up, and alive on their host as that came back"
    ADDED = "given up, and output was added as their host came back"


EXPECTED = {
    WAIT: (Outcome.AWAY,),
    LOSE: (Outcome.GIVEN_UP, Outcome.CAME_BACK, Outcome.LIVED_ON, Outcome.ADDED),
    RETRY: (Outcome.GIVEN_UP, Outcome.BEGUN_AGAIN, Outcome.CAME_BACK, Outcome.ADDED),
}
"""What a torture is to bring about for each policy."""

NEVER = "NEVER CAME TO PASS: "


class Outcomes:
    """Counts what became of runs, by policy."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[str, Outcome]] = Counter()

    def count(self, policy: str, outcome: Outcome, number: int = 1) -> None:
        """Count what became of a run."""
        self._counts[policy, outcome] += number

    def report(self) -> Iterator[str]:
        """Tell of each policy how often each came to pass, and what never did."""
        yield "".join(f"{policy:>12}" for policy in POLICIES) + "  on_unreachable"
        for outcome in Outcome:
            counts = (self._counts[policy, outcome] for policy in POLICIES)
            yield "".join(f"{count:>12,}" for count in counts) + f"  {outcome.value}"
        for policy, outcomes in EXPECTED.items():
            for outcome in outcomes:
                if not self._counts[policy, outcome]:
                    yield f"{NEVER}{policy}: {outcome.value}"
