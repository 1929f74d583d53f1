"""What must hold of due times: told from what scripts noted, and from a clock. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

GRACE = timedelta(minutes=1)
"""After so long without a server that could act a due time is missed, as docs/api.md has it."""

LIMIT_REACHED = "TAILRUN_MAX_ACTIVE_RUNS_PER_COMMAND"
"""Why a due time may be refused: as many of the command's runs are active as may be."""


@dataclass(frozen=True, slots=True)
class Policy:
    """How a schedule is set up: due every `step` seconds."""

    overlap: str
    missed: str
    step: int

    @property
    def cron(self) -> str:
        """The line."""
        return f"*/{self.step} * * * * *"

    @property
    def body(self) -> dict[str, str]:
        """What the schedule is created with."""
        return {"cron": self.cron, "overlap": self.overlap, "missed": self.missed}


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What became of a schedule: its fires and runs, the first first, and what its scripts noted.

    `since` is when it was created; up to `until` every due time must be decided. `begun` and
    `ended` are when runs did so, by run, as often as they did.
    """

    schedule_id: str
    since: datetime
    until: datetime
    fires: Sequence[Mapping[str, Any]]
    runs: Sequence[Mapping[str, Any]]
    begun: Mapping[str, Sequence[datetime]]
    ended: Mapping[str, Sequence[datetime]]


def violations(policy: Policy, found: Found) -> Iterator[str]:
    """Tell what must not be so of a schedule."""
    yield from _wrong_times(policy, found)
    yield from _wrong_outcomes(policy, found)
    yield from _wrong_runs(found)
    if policy.overlap != "allow":
        yield from _overlaps(found)


def _wrong_times(policy: Policy, found: Found) -> Iterator[str]:
    """Tell of due times that were decided twice, or not at all."""
    step = timedelta(seconds=policy.step)
    due = _next(found.since, step)
    for fire in found.fires:
        first, last = moment(fire["due_at"]), moment(fire["last_due_at"])
        if first != due:
            yield f"after {due - step} the due time {first} was decided"
        if last != first + (fire["count"] - 1) * step:
            yield f"from {first} to {last} there are not {fire['count']} due times"
        due = last + step
    if due <= found.until:
        yield f"{due} was not decided by {found.until}"


def _wrong_outcomes(policy: Policy, found: Found) -> Iterator[str]:
    """Tell of due times of which came what the schedule does not say."""
    runs = {run["id"]: run for run in found.runs}
    for fire in found.fires:
        if moment(fire["due_at"]) <= found.until and not _may_be(policy, fire, runs):
            yield f"{fire['outcome']} of a schedule that has it otherwise: {fire}"


def _may_be(policy: Policy, fire: Mapping[str, Any], runs: Mapping[str, Mapping[str, Any]]) -> bool:
    reason = fire["reason"] or ""
    missed = moment(fire["decided_at"]) - moment(fire["last_due_at"]) >= GRACE
    match fire["outcome"]:
        case "started":
            once = fire["count"] == 1 or (missed and policy.missed == "once")
            return once and (policy.missed == "once" or not missed or policy.overlap == "queue")
        case "missed":
            return missed and policy.missed == "skip"
        case "skipped_overlap":
            before = runs.get(reason.removeprefix("run ").partition(" ")[0])
            return policy.overlap == "skip" and before is not None and _is_before(before, fire)
        case "refused":
            return LIMIT_REACHED in reason
    return False


def _is_before(run: Mapping[str, Any], fire: Mapping[str, Any]) -> bool:
    return moment(run["cause"]["due_at"]) < moment(fire["due_at"])


def _wrong_runs(found: Found) -> Iterator[str]:
    """Tell of runs that are not those of the due times, or were not started once."""
    told: dict[object, Mapping[str, Any]] = {
        fire["run_id"]: fire for fire in found.fires if fire["outcome"] == "started"
    }
    for fire in found.fires:
        if (fire["run_id"] is None) != (fire["outcome"] != "started"):
            yield f"{fire['outcome']} with the run {fire['run_id']}"
    for run in found.runs:
        due_at = told.pop(run["id"], {}).get("due_at")
        cause = {"kind": "schedule", "id": found.schedule_id, "due_at": due_at}
        if run["cause"] != cause:
            yield f"run {run['id']} has the cause {run['cause']}, and the fires say {due_at}"
        else:
            yield from _wrong_start(run, found.begun.get(run["id"], ()))
    for run_id, fire in told.items():
        yield f"{fire['due_at']} started run {run_id}, which is not there"


def _wrong_start(run: Mapping[str, Any], begun: Sequence[datetime]) -> Iterator[str]:
    if len(begun) > 1 or (run["state"] == "succeeded" and not begun):
        yield f"run {run['id']} was started {len(begun)} times"
    if run["state"] not in {"succeeded", "lost"}:
        yield f"run {run['id']} ended as {run['state']}: {run['reason']}"
    if begun and begun[0] < moment(run["cause"]["due_at"]):
        yield f"run {run['id']} was started at {begun[0]}, before it was due"


def _overlaps(found: Found) -> Iterator[str]:
    """Tell of runs that began before the one before had ended, of those that noted both."""
    spans = sorted(
        (found.begun[run["id"]][0], found.ended[run["id"]][0], run["id"])
        for run in found.runs
        if found.begun.get(run["id"]) and found.ended.get(run["id"])
    )
    for before, after in pairwise(spans):
        if after[0] < before[1]:
            yield f"run {after[2]} was started while run {before[2]} went on"


def _next(before: datetime, step: timedelta) -> datetime:
    """Return the first due time after a moment: `step` divides an hour."""
    hour = before.replace(minute=0, second=0, microsecond=0)
    return hour + ((before - hour) // step + 1) * step


def moment(text: str) -> datetime:
    """Return the moment that a text of the API is."""
    return datetime.fromisoformat(text)
