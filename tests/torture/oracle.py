"""The oracle: whether what became of a run may be so. Pure.

Every byte once, in order, exact; the true exit code or signal, or `lost` where the keeper was
killed meanwhile; started exactly once.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from tests.torture.plans import Plan

SLACK_SECONDS = 2.0
"""How long the keeper may take to see that a run has ended, or a server that a keeper has."""

CLOCK_SECONDS = 0.05
"""Times of files are as coarse as the kernel's tick."""

STARTING = "while it was starting"
IN_QUEUE = "stopped while queued"


@dataclass(frozen=True, slots=True)
class Interval:
    """A stretch of time, in Unix seconds."""

    start: float
    end: float

    def overlaps(self, start: float, end: float) -> bool:
        """Whether any of it lies in [start, end]."""
        return self.start <= end and start <= self.end


@dataclass(slots=True)
class History:
    """What was done to the keeper and when; `unheld`: when nobody held the runs' pipes."""

    keeper_deaths: list[float] = field(default_factory=list)
    unheld: list[Interval] = field(default_factory=list)

    def keeper_died(self, start: float, end: float) -> bool:
        """Whether a keeper died in [start, end]."""
        return any(start <= death <= end for death in self.keeper_deaths)


@dataclass(frozen=True, slots=True)
class Observed:
    """What became of a run: as the service tells it, and as its script noted it.

    `started_at` and `wrote_all_at` are the script's own notes, None when it made none.
    """

    run: dict[str, Any]
    output: bytes
    starts: int
    created_at: float
    started_at: float | None
    wrote_all_at: float | None
    seen_at: float
    stop_asked: bool


def violations(plan: Plan, observed: Observed, history: History) -> Iterator[str]:
    """Tell what must not be so."""
    run, output = observed.run, observed.output
    if not plan.output.startswith(output):
        yield _difference(plan.output, output)
    elif output != plan.output and not _may_be_cut(observed, history):
        yield f"only {len(output)} of {len(plan.output)} bytes are there"
    counted = (len(output), output.count(b"\n"))
    if (run["output_bytes"], run["output_lines"]) != counted:
        yield f"{counted} bytes and lines are there"
    yield from _wrong_starts(observed)
    yield from _wrong_end(plan, observed, history)


def _difference(expected: bytes, output: bytes) -> str:
    common = next(
        (at for at, pair in enumerate(zip(expected, output, strict=False)) if pair[0] != pair[1]),
        min(len(expected), len(output)),
    )
    return (
        f"byte {common} of {len(output)} is wrong: {output[max(0, common - 40) : common + 40]!r}"
        f" instead of {expected[max(0, common - 40) : common + 40]!r}"
    )


def _may_be_cut(observed: Observed, history: History) -> bool:
    """Whether a prefix of the output is all that can be asked for."""
    state, reason = observed.run["state"], observed.run["reason"] or ""
    if state == "stopped" or (state == "lost" and (observed.stop_asked or STARTING in reason)):
        return True
    end = observed.wrote_all_at
    return (
        state == "lost"
        and end is not None
        and any(one.overlaps(end - CLOCK_SECONDS, end + SLACK_SECONDS) for one in history.unheld)
    )


def _wrong_starts(observed: Observed) -> Iterator[str]:
    reason = observed.run["reason"] or ""
    may_be_none = STARTING in reason or IN_QUEUE in reason or observed.stop_asked
    if observed.starts != 1 and not (observed.starts == 0 and may_be_none):
        yield f"it was started {observed.starts} times"


def _wrong_end(plan: Plan, observed: Observed, history: History) -> Iterator[str]:
    run = observed.run
    end = (run["state"], run["exitcode"], run["signal"])
    started_at = observed.started_at or observed.created_at
    ended_at = observed.wrote_all_at or observed.seen_at
    if run["state"] == "lost":
        if end != ("lost", None, None):
            yield f"it is lost, yet it tells {end}"
        if not history.keeper_died(started_at - SLACK_SECONDS, ended_at + SLACK_SECONDS):
            yield "it is lost, and no keeper was killed meanwhile"
    elif run["state"] == "stopped":
        if not observed.stop_asked:
            yield "it is stopped, and nobody asked for it"
    elif end != plan.end:
        yield f"it ended as {plan.end}"
    elif observed.wrote_all_at is None:
        yield "its script did not come to its end"
    elif history.keeper_died(started_at + CLOCK_SECONDS, ended_at - CLOCK_SECONDS):
        yield f"its keeper was killed meanwhile, and nobody can know {end}"
