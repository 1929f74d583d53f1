"""The oracle of many hosts: what scripts noted of themselves, and what was broken when. Pure.

Scripts note moments of CLOCK_BOOTTIME, which all hosts of a torture share; others are Unix seconds.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import combinations, product
from pathlib import PurePath
from typing import Any

from tests.torture.oracle import Interval

BY_SERVER = "(on_unreachable: "
BY_KEEPER = "ended by its keeper: the lease of its host was over"
"""In the reason of a run that was ended by its policy, as its host was away."""

WAIT, LOSE, RETRY = "wait", "lose", "retry"

LOST_AFTER_SECONDS = 60
SETTLING_SECONDS = 15.0
"""Whatever was broken, a host is heard again so soon after it was mended."""

SLEEP_SECONDS = 5.0
"""A script that notes nothing for so long sleeps: it does so five times a second."""

WAKING_SECONDS = 1.0
"""For so long, at most, runs go on that woke with their host, and may have been begun elsewhere."""

ENDED_SECONDS = 10.0
"""A host that is back, and well, has ended so soon what was given up meanwhile."""

TOLD_SECONDS = 3.0
"""So long after the end of its lease, at most, a host is told as unreachable."""

ON_THE_WAY_SECONDS = 2.0
"""A beat that was sent before may be on its way so long, or wait where something broke then."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """What the script of one run noted: when it was started, and when it lived.

    `spans`: it lived from one moment to another; between two of them it slept with its host.
    `lines`: so many, at least, it had written; not every script notes them.
    """

    run_id: str
    host: str
    starts: Sequence[float]
    spans: Sequence[tuple[float, float]]
    ended: bool
    lines: int = 0

    @property
    def lived_until(self) -> float:
        """The last moment of which it is known that it lived."""
        return self.spans[-1][1]


def read_attempt(run_id: str, notes: str) -> Attempt | None:
    """Return what a script's notes say (`hosts.load.NOTES`); None: nothing.

    A last line that is not whole is left out.
    """
    lines = [line.split() for line in notes.split("\n")[:-1]]
    if not lines:
        return None
    return Attempt(
        run_id=run_id,
        host=host_of(lines[0][2]),
        starts=[float(at) for word, _, _, at in lines if word == "start"],
        spans=spans_of([float(line[3]) for line in lines]),
        ended=any(line[0] == "end" for line in lines),
        lines=sum(line[0] == "line" for line in lines),
    )


def spans_of(moments: Collection[float]) -> Sequence[tuple[float, float]]:
    """Return the stretches of time without a gap between these moments."""
    spans: list[tuple[float, float]] = []
    for moment in sorted(moments):
        if spans and moment - spans[-1][1] < SLEEP_SECONDS:
            spans[-1] = spans[-1][0], moment
        else:
            spans.append((moment, moment))
    return spans


def host_of(script: str) -> str:
    """Return the name of the state directory that a script was started from."""
    parts = PurePath(script).parts
    return parts[parts.index("work") - 1] if "work" in parts else script


def repeated(attempts: Collection[Attempt], *, retries: bool) -> Iterator[str]:
    """Tell of a command's scripts that were started more often than they may be."""
    for one in attempts:
        if len(one.starts) > 1:
            yield f"run {one.run_id} was started {len(one.starts)} times, on {one.host}"
    if len(attempts) > 1 and not retries:
        yield f"it was started as {', '.join(f'{one.run_id} on {one.host}' for one in attempts)}"


@dataclass(frozen=True, slots=True)
class Together:
    """For how many seconds two attempts ran at once, and did so as one woke with its host."""

    running: float
    waking: float


def together(attempts: Sequence[Attempt]) -> Together:
    """Return for how long any two attempts of a command ran at once."""
    running = waking = 0.0
    for one, other in combinations(attempts, 2):
        for (number, span), (of_other, another) in product(
            enumerate(one.spans), enumerate(other.spans)
        ):
            seconds = max(0.0, min(span[1], another[1]) - max(span[0], another[0]))
            if number or of_other:
                waking += seconds
            else:
                running += seconds
    return Together(running, waking)


def calm_seconds(troubles: Collection[Interval], start: float, end: float) -> float:
    """Return the longest time within these moments in which nothing was broken."""
    longest, well_since = 0.0, start
    for one in sorted(troubles, key=lambda interval: interval.start):
        longest = max(longest, min(one.start, end) - well_since)
        well_since = max(well_since, one.end)
    return max(longest, end - well_since)


def was_given_up(run: dict[str, Any]) -> bool:
    """Whether a run was ended as its host was away: by a server, or by its own keeper."""
    return any(why in (run["reason"] or "") for why in (BY_SERVER, BY_KEEPER))


def given_up_wrongly(
    run: dict[str, Any],
    on_unreachable: str,
    troubles: Collection[Interval],
    lease_seconds: float,
) -> Iterator[str]:
    """Tell of a run that was given up, as its host was away, and must not have been.

    `troubles` is when something was broken that kept its host from the servers.
    """
    ended_at = datetime.fromisoformat(run["end_time"]).timestamp()
    if BY_KEEPER in run["reason"]:
        if on_unreachable != RETRY:
            yield "its keeper ended it, and nobody was to begin it again"
        if calm_seconds(troubles, ended_at - lease_seconds, ended_at) >= lease_seconds:
            yield "its keeper ended it, and its host was well for a whole lease"
        return
    if on_unreachable == WAIT:
        yield "it is given up, and was to wait"
    if (run["state"], run["exitcode"], run["signal"]) != ("lost", None, None):
        yield "it is given up, and is not lost"
    calm = calm_seconds(troubles, ended_at - LOST_AFTER_SECONDS + SETTLING_SECONDS, ended_at)
    if calm > SETTLING_SECONDS:
        yield f"it is given up, and its host was well for {calm:.1f} s before"


FINAL = ("state", "reason", "exitcode", "signal", "end_time")
"""What of a run that was given up does not change any more, whatever its host tells."""


@dataclass(frozen=True, slots=True)
class Kept:
    """What is there, once all is well, of a run that was given up.

    `given_up` and `run` are what was told of it then, and now; `shown` bytes viewers had seen.
    `given_up_at`, `lived_until`: the moments by the servers, and of its script's last note.
    """

    given_up: dict[str, Any]
    run: dict[str, Any]
    output: bytes
    shown: int
    lines: int
    given_up_at: float
    lived_until: float

    @property
    def output_lines(self) -> int:
        """How many lines of it are there."""
        return self.output.count(b"\n")


def kept_wrongly(
    whole: bytes, kept: Kept, unheld: Collection[Interval], troubles: Collection[Interval]
) -> Iterator[str]:
    """Tell what must not be so of a run that was given up, long after.

    `whole` is what its script would write till its end; `unheld`, when nobody took what it wrote;
    `troubles`, when something was broken that kept its host from the servers.
    """
    was, now = ({name: one[name] for name in FINAL} for one in (kept.given_up, kept.run))
    if was != now:
        yield f"it was given up as {was}, and is {now}"
    if not whole.startswith(kept.output):
        yield "it was given up, and bytes of it are wrong"
    if len(kept.output) < kept.shown:
        yield f"{kept.shown} bytes were shown, {len(kept.output)} are kept"
    if kept.output_lines < kept.lines and not unheld:
        yield f"it noted that it wrote {kept.lines} lines, {kept.output_lines} are kept"
    calm = calm_seconds(troubles, kept.given_up_at, kept.lived_until)
    if calm > ENDED_SECONDS:
        yield f"it went on for {calm:.1f} s after it was given up, while its host was well"


def back_at(moment: float, troubles: Collection[Interval]) -> float:
    """Return when the host was well again that was away at a moment; else the moment."""
    return max((one.end for one in troubles if one.overlaps(moment, moment)), default=moment)


def must_be_told_at(away_since: float, broken: Collection[Interval], lease_seconds: float) -> float:
    """Return when a host that is away is told as unreachable, at the latest.

    `broken` are the times when servers, NATS or the database were: what was on its way to them
    is done once they are back, and extends the lease then.
    """
    since = away_since
    for one in sorted(broken, key=lambda interval: interval.start):
        if one.overlaps(since - ON_THE_WAY_SECONDS, since + ON_THE_WAY_SECONDS):
            since = max(since, one.end)
    return since + lease_seconds + TOLD_SECONDS
