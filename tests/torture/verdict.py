"""The verdict on a victim: whether what became of a run may be so after its fault. Pure.

It ends, and what it tells is true: bytes that are missing or wrong, or an end that is not its own,
have a reason; and it is called succeeded or failed only with all of its output.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from server.services.running.outcome import OUTPUT_CHANGED
from tests.torture.plans import Plan

ACTIVE = {"queued", "running"}


@dataclass(frozen=True, slots=True)
class Victim:
    """What became of a victim; `complete` is whether its output was read to the end."""

    run: dict[str, Any]
    output: bytes
    complete: bool
    starts: int


def final(run: dict[str, Any] | None) -> bool:
    """Whether a run has ended, or is not known."""
    return run is None or run["state"] not in ACTIVE


def outcome(plan: Plan, victim: Victim) -> str:
    """Say in a word how a victim fared."""
    return "exact" if _exact(plan, victim) else str(victim.run["state"])


def violations(plan: Plan, victim: Victim, *, whole: bool) -> Iterator[str]:
    """Tell what must not be so; `whole`: nobody has touched the output."""
    run = victim.run
    reason = run["reason"] or ""
    if not final(run):
        yield "it is still active"
        return
    if victim.starts > 1:
        yield f"it was started {victim.starts} times"
    if not victim.complete:
        yield "its output cannot be read"
    if _exact(plan, victim):
        return
    if not reason:
        yield "it is not exact, and has no reason"
    if whole and not plan.output.startswith(victim.output):
        yield "bytes of it are wrong"
    if run["state"] in {"succeeded", "failed"} and victim.starts:
        if _end(run) != plan.end:
            yield f"it ended as {plan.end}"
        if victim.output != plan.output and OUTPUT_CHANGED not in reason:
            yield f"{len(victim.output)} of {len(plan.output)} bytes are there, and it is not lost"


def _exact(plan: Plan, victim: Victim) -> bool:
    return _end(victim.run) == plan.end and victim.output == plan.output


def _end(run: dict[str, Any]) -> tuple[str, int | None, str | None]:
    return run["state"], run["exitcode"], run["signal"]
