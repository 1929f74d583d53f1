"""What a run that stands aside waits for, in words."""

from datetime import UTC, datetime

from server.models import Run
from server.repositories.lines import Holder, Line

MAX_NAMED = 3
"""Runs that are named, at most."""

BEFORE = "it waits for runs of its command that were stored before it, by another server"


def at_first(run: Run) -> str:
    """Say what a run waits for that nobody has looked at yet."""
    if run.not_before is not None and run.not_before > datetime.now(UTC):
        return until(run.not_before)
    return "it waits for its turn"


def until(moment: datetime) -> str:
    """Say that a run waits for its time."""
    return f"it waits until {moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def for_worker(run: Run, lack: str | None = None) -> str:
    """Say which worker a run waits for that nobody has claimed yet, and what hinders all."""
    labels = f" that has {', '.join(run.requires)}" if run.requires else ""
    hindered = "" if lack is None else f": {lack}"
    return f"it waits for a worker of the pool {run.pool}{labels}{hindered}"


def for_others(line: Line, host: str) -> str:
    """Say what the runs of a command wait for whose time has come; `host` is the server's own.

    A run of another host is named with it: its server may be away for good. Of one that nobody has
    claimed yet that is said.
    """
    if line.has_room:
        return BEFORE
    named = [_named(holder, host) for holder in line.holders[:MAX_NAMED]]
    if len(line.holders) > MAX_NAMED:
        named.append(f"{len(line.holders) - MAX_NAMED} more")
    what = "run" if len(line.holders) == 1 else "one of the runs"
    return f"it waits for {what} {', '.join(named)} of its command (limit {line.limit})"


def _named(holder: Holder, host: str) -> str:
    if holder.host is None:
        return f"{holder.run_id} (which waits for a worker)"
    other = "" if holder.host == host else f" (of another server, host {holder.host})"
    return f"{holder.run_id}{other}"
