"""Schedules: when a command's runs are started by themselves, and what came of it. Pure."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID


class Overlap(StrEnum):
    """What becomes of a due time while a run of the schedule is still going on."""

    SKIP = "skip"
    QUEUE = "queue"  # its run is started when the one before has ended
    ALLOW = "allow"


class Missed(StrEnum):
    """What becomes of due times that passed while no server could act."""

    SKIP = "skip"
    ONCE = "once"  # one run for all of them


class FireOutcome(StrEnum):
    """What became of a due time."""

    STARTED = "started"
    QUEUED = "queued"  # it waits for the run before
    SKIPPED_OVERLAP = "skipped_overlap"
    MISSED = "missed"
    PAUSED = "paused"
    REFUSED = "refused"  # a run could not be started: its reason says why

    @classmethod
    def of(cls, text: str) -> "FireOutcome":
        """Return the outcome of this name; one that this version does not know: refused."""
        return next((outcome for outcome in cls if outcome == text), cls.REFUSED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """When runs of a command are started: at the times of a cron line in a time zone.

    `next_times` are the due times to come, five at most, in UTC; a schedule that is not enabled has
    none. `decided_until` is the last due time of which it was decided what comes of it.
    `jitter_seconds` is by how much a run may be started later than it is due.
    """

    id: UUID
    command_id: UUID
    cron: str
    time_zone: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    enabled: bool = True
    overlap: Overlap = Overlap.SKIP
    missed: Missed = Missed.SKIP
    jitter_seconds: int = 0
    next_times: tuple[datetime, ...] = ()
    decided_until: datetime | None = None
    created_at: datetime
    updated_at: datetime

    @property
    def fire_at(self) -> datetime | None:
        """When its next due time is decided, which is its jitter later; None: it has none."""
        return self.fire_at_of(self.next_times[0]) if self.next_times else None

    def fire_at_of(self, due_at: datetime) -> datetime:
        """Return when a due time is decided: the same whoever asks, and how often."""
        digest = hashlib.sha256(f"{self.id} {due_at.timestamp():.0f}".encode()).digest()
        share = int.from_bytes(digest[:8], "big") / 2**64
        return due_at + timedelta(seconds=share * self.jitter_seconds)


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleFields:
    """What a user writes of a schedule."""

    cron: str
    time_zone: str = "UTC"
    parameters: Mapping[str, Any] = field(default_factory=dict)
    enabled: bool = True
    overlap: Overlap = Overlap.SKIP
    missed: Missed = Missed.SKIP
    jitter_seconds: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Fire:
    """What came of a due time, or of `count` of them in a row, from `due_at` to `last_due_at`.

    `run_id` is the run that was started for it; it may be deleted by now. `host` is that of the
    server that decided. `late_at` and `long_at` are when it was found to be late, or its run to
    take long.
    """

    schedule_id: UUID
    due_at: datetime
    last_due_at: datetime
    count: int
    decided_at: datetime
    outcome: FireOutcome
    reason: str | None
    run_id: UUID | None
    host: str
    late_at: datetime | None = None
    long_at: datetime | None = None
