"""What starts a command by itself, as files have it: its schedules and its hooks. Pure.

Neither has a key. A wanted one is the stored one that says the same; else the first that is alike
(a schedule of the same line and time zone, a hook of the same name and scheme); else, where one of
each is left, that one, which is changed. So what is merely changed keeps its history and secrets.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, fields
from enum import StrEnum
from typing import Any, NamedTuple
from uuid import UUID, uuid4

from server.models import Hook, NewHook
from server.schedules import Schedule, ScheduleFields

Said = dict[str, Any]
"""What is said of a thing, as JSON has it, without what is as usual."""


class Fate(StrEnum):
    """What becomes of a thing."""

    CREATED = "created"
    CHANGED = "changed"
    UNCHANGED = "unchanged"
    DELETED = "deleted"


@dataclass(frozen=True, slots=True)
class StoredSchedule:
    """A schedule as it is stored, with the names of the secret values that it has."""

    schedule: Schedule
    secrets: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class StoredHook:
    """A hook as it is stored; its version is another one after each change."""

    hook: Hook
    version: str


@dataclass(frozen=True, slots=True)
class Parts:
    """The schedules and hooks that a command has, oldest first."""

    schedules: tuple[StoredSchedule, ...] = ()
    hooks: tuple[StoredHook, ...] = ()


NO_PARTS = Parts()


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleStep:
    """What becomes of a schedule: as it is stored, and as it is to be; `fields` are what changes.

    `kept` are the secret values that it keeps.
    """

    fate: Fate
    stored: StoredSchedule | None
    wanted: ScheduleFields | None
    fields: frozenset[str] = frozenset()
    kept: frozenset[str] = frozenset()
    new_id: UUID = field(default_factory=uuid4, compare=False)

    @property
    def id(self) -> UUID:
        """The schedule's id."""
        return self.new_id if self.stored is None else self.stored.schedule.id

    @property
    def is_timed_anew(self) -> bool:
        """Whether its due times are others afterwards."""
        is_other = bool(self.fields & {"cron", "time_zone", "enabled", "jitter_seconds"})
        return self.fate is Fate.CREATED or is_other

    def lacking(self, required: AbstractSet[str]) -> frozenset[str]:
        """Return which of the secret values that are required it would be started without."""
        if self.wanted is None or not self.wanted.enabled or self.fate is Fate.UNCHANGED:
            return frozenset()
        return frozenset(required - self.kept)


@dataclass(frozen=True, slots=True, kw_only=True)
class HookStep:
    """What becomes of a hook: as it is stored, and as it is to be; `fields` are what changes."""

    fate: Fate
    stored: StoredHook | None
    wanted: NewHook | None
    fields: frozenset[str] = frozenset()
    new_id: UUID = field(default_factory=uuid4, compare=False)

    @property
    def id(self) -> UUID:
        """The hook's id."""
        return self.new_id if self.stored is None else self.stored.hook.id


def schedule_steps(
    wanted: Sequence[ScheduleFields] | None,
    stored: Sequence[StoredSchedule],
    secrets: frozenset[str] = frozenset(),
) -> tuple[ScheduleStep, ...]:
    """Return what becomes of a command's schedules: of those wanted, in order, then of the others.

    None wanted: nothing. `secrets` are the names of the command's secret parameters.
    """
    if wanted is None:
        return ()
    said, before = [*map(schedule_said, wanted)], [schedule_said(one.schedule) for one in stored]
    pairs = _paired(said, before, [_key("cron", "time_zone"), _key()])
    steps = []
    for index, one in enumerate(wanted):
        found = None if (at := pairs[index]) is None else stored[at]
        changed = frozenset[str]() if at is None else _differing(said[index], before[at])
        kept = frozenset() if found is None else found.secrets & secrets
        step = ScheduleStep(
            fate=_fate(found, changed), stored=found, wanted=one, fields=changed, kept=kept
        )
        steps.append(step)
    gone = [one for at, one in enumerate(stored) if at not in pairs]
    steps += [ScheduleStep(fate=Fate.DELETED, stored=one, wanted=None) for one in gone]
    return tuple(steps)


def hook_steps(
    wanted: Sequence[NewHook] | None, stored: Sequence[StoredHook]
) -> tuple[HookStep, ...]:
    """Return what becomes of a command's hooks: of those wanted, in order, then of the others.

    None wanted: nothing. A hook stays of its scheme: the secret of another one is of another form.
    """
    if wanted is None:
        return ()
    said, before = [*map(hook_said, wanted)], [hook_said(one.hook) for one in stored]
    pairs = _paired(said, before, [_key("name", "scheme"), _key("scheme")])
    steps = []
    for index, one in enumerate(wanted):
        found = None if (at := pairs[index]) is None else stored[at]
        changed = frozenset[str]() if at is None else _differing(said[index], before[at])
        step = HookStep(fate=_fate(found, changed), stored=found, wanted=one, fields=changed)
        steps.append(step)
    gone = [one for at, one in enumerate(stored) if at not in pairs]
    steps += [HookStep(fate=Fate.DELETED, stored=one, wanted=None) for one in gone]
    return tuple(steps)


def schedule_said(schedule: Schedule | ScheduleFields) -> Said:
    """Return what a schedule says."""
    said = {one.name: getattr(schedule, one.name) for one in fields(ScheduleFields)}
    said["parameters"] = dict(schedule.parameters)
    usual = ScheduleFields(cron="")
    return {
        name: str(value) if isinstance(value, StrEnum) else value
        for name, value in said.items()
        if value != getattr(usual, name)
    }


def hook_said(hook: Hook | NewHook) -> Said:
    """Return what a hook says, without its secret."""
    said: Said = {"name": hook.name, "scheme": hook.scheme.value}
    if hook.events:
        said["events"] = [*hook.events]
    if hook.parameters:
        said["parameters"] = dict(hook.parameters)
    return said if hook.enabled else {**said, "enabled": False}


def parts_said(parts: Parts) -> Mapping[str, list[Said]]:
    """Return what a command's schedules and hooks say, by their fields."""
    return said_of([one.schedule for one in parts.schedules], [one.hook for one in parts.hooks])


def said_of(
    schedules: Sequence[Schedule | ScheduleFields], hooks: Sequence[Hook | NewHook]
) -> Mapping[str, list[Said]]:
    """Return what schedules and hooks say, by their fields; of those that are none, nothing."""
    said = {"schedules": [*map(schedule_said, schedules)], "hooks": [*map(hook_said, hooks)]}
    return {name: listed for name, listed in said.items() if listed}


class _Key(NamedTuple):
    """What two are compared by that may be the same: the values of some fields, all if None."""

    names: tuple[str, ...] | None

    def of(self, said: Said) -> str:
        named = said if self.names is None else [said.get(name) for name in self.names]
        return json.dumps(named, sort_keys=True)


def _key(*names: str) -> _Key:
    return _Key(names)


def _paired(
    wanted: Sequence[Said], stored: Sequence[Said], keys: Sequence[_Key]
) -> list[int | None]:
    """Return for each that is wanted the number of the stored one that it is.

    By the last of the keys they are the same only where one of each is left.
    """
    found: list[int | None] = [None] * len(wanted)
    for key, is_last in ((_Key(None), False), *((key, key is keys[-1]) for key in keys)):
        left = _by_key(stored, key, lambda at: at not in found)
        asked = _by_key(wanted, key, lambda index: found[index] is None)
        for same, indices in asked.items():
            others = left.get(same, [])
            if not is_last or len(indices) == len(others) == 1:
                for index, at in zip(indices, others, strict=False):
                    found[index] = at
    return found


def _by_key(
    said: Sequence[Said], key: _Key, is_left: Callable[[int], bool]
) -> dict[str, list[int]]:
    numbers: dict[str, list[int]] = {}
    for number, one in enumerate(said):
        if is_left(number):
            numbers.setdefault(key.of(one), []).append(number)
    return numbers


def _differing(said: Said, before: Said) -> frozenset[str]:
    """Return the fields of which other things are said; `true` and 1 are two things."""
    return frozenset(
        name
        for name in {*said, *before}
        if json.dumps(said.get(name), sort_keys=True)
        != json.dumps(before.get(name), sort_keys=True)
    )


def _fate(stored: object, changed: frozenset[str]) -> Fate:
    if stored is None:
        return Fate.CREATED
    return Fate.CHANGED if changed else Fate.UNCHANGED
