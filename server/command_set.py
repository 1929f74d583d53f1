"""A set of commands as files have them, and what it takes to make the stored ones so. Pure."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from types import MappingProxyType
from typing import NamedTuple, TypeVar
from uuid import UUID, uuid4

from server.access import DEFAULT_GROUP
from server.command_parts import (
    NO_PARTS,
    Fate,
    HookStep,
    Parts,
    ScheduleStep,
    hook_steps,
    parts_said,
    said_of,
    schedule_steps,
)
from server.definition import NO_OPTIONS, Options
from server.models import Command, NewHook
from server.schedules import ScheduleFields

PartStep = TypeVar("PartStep", ScheduleStep, HookStep)


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedCommand:
    """A command as it is to be, whole.

    If `group`, `schedules` or `hooks` is None, or `keep_run_as`, those stay as they are.
    """

    key: str
    name: str
    description: str | None
    script: str
    group: str | None = None
    run_as: str | None = None
    keep_run_as: bool = True
    options: Options = NO_OPTIONS
    schedules: tuple[ScheduleFields, ...] | None = None
    hooks: tuple[NewHook, ...] | None = None


class FieldChange(NamedTuple):
    """A field that gets another value; None: it says nothing."""

    field: str
    before: object
    after: object


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What becomes of the command of a key: as it is stored, None if it is new, and as it is to be.

    A deleted one has no `wanted`, and no changes. `schedules` and `hooks` are empty unless some of
    them change.
    """

    key: str
    fate: Fate
    stored: Command | None
    wanted: WantedCommand | None
    changes: tuple[FieldChange, ...] = ()
    schedules: tuple[ScheduleStep, ...] = ()
    hooks: tuple[HookStep, ...] = ()
    new_id: UUID = field(default_factory=uuid4, compare=False)

    @property
    def command_id(self) -> UUID:
        """The command's id, that of a new one too."""
        return self.id or self.new_id

    @property
    def id(self) -> UUID | None:
        """The command's id, None of one that is new."""
        return None if self.stored is None else self.stored.id

    @property
    def group(self) -> str:
        """The group that it is in afterwards."""
        wanted = None if self.wanted is None else self.wanted.group
        stored = DEFAULT_GROUP if self.stored is None else self.stored.group
        return wanted or stored

    @property
    def run_as(self) -> str | None:
        """Whom its runs are started as afterwards."""
        if self.wanted is None or self.wanted.keep_run_as:
            return None if self.stored is None else self.stored.run_as
        return self.wanted.run_as

    @property
    def fields(self) -> frozenset[str]:
        """The names of what changes."""
        return frozenset(change.field for change in self.changes)

    @property
    def own_fields(self) -> frozenset[str]:
        """The names of what changes of the command itself."""
        return self.fields - {*PARTS}


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What becomes of each command of a set, and of those that are pruned, in this order."""

    steps: tuple[Step, ...]

    @property
    def changing(self) -> tuple[Step, ...]:
        """The steps that change something."""
        return tuple(step for step in self.steps if step.fate is not Fate.UNCHANGED)

    @property
    def token(self) -> str:
        """What stands for exactly these steps, from exactly what is stored."""
        told = [
            [step.key, step.fate, str(step.id), step.stored and step.stored.updated_at.isoformat()]
            + [[*change] for change in step.changes]
            for step in self.steps
        ]
        return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


def groups_of(wanted: Sequence[WantedCommand], stored: Mapping[str, Command]) -> frozenset[str]:
    """Return the groups that the commands of a set are in afterwards."""
    return frozenset(_step(one, stored.get(one.key)).group for one in wanted)


def plan_of(
    wanted: Sequence[WantedCommand],
    stored: Mapping[str, Command],
    pruned: Sequence[Command] = (),
    parts: Mapping[UUID, Parts] = MappingProxyType({}),
) -> Plan:
    """Return what it takes: `stored` are the commands by their keys, `pruned` those to delete.

    `parts` are the schedules and hooks of the stored ones of which some are wanted, by their ids.
    """
    steps = [_with_parts(_step(one, stored.get(one.key)), parts) for one in wanted]
    gone = [
        Step(key=one.key or "", fate=Fate.DELETED, stored=one, wanted=None)
        for one in sorted(pruned, key=lambda one: one.key or "")
    ]
    return Plan(steps=(*steps, *gone))


def _step(wanted: WantedCommand, stored: Command | None) -> Step:
    step = Step(key=wanted.key, fate=Fate.CREATED, stored=stored, wanted=wanted)
    before = {} if stored is None else _said(stored, stored.group, stored.run_as)
    after = _said(wanted, step.group, step.run_as)
    names = [*after, *(name for name in before if name not in after)]
    changes = tuple(
        FieldChange(name, before.get(name), after.get(name))
        for name in names
        if before.get(name) != after.get(name)
    )
    fate = Fate.CREATED
    if stored is not None:
        fate = Fate.CHANGED if changes else Fate.UNCHANGED
    return Step(key=wanted.key, fate=fate, stored=stored, wanted=wanted, changes=changes)


def _with_parts(step: Step, parts: Mapping[UUID, Parts]) -> Step:
    """Return a step with what becomes of the command's schedules and hooks, where they are said."""
    wanted = step.wanted
    assert wanted is not None  # nothing is said of what is deleted
    stored = NO_PARTS if step.id is None else parts.get(step.id, NO_PARTS)
    secrets = wanted.options.secrets
    schedules = _changing(schedule_steps(wanted.schedules, stored.schedules, secrets))
    hooks = _changing(hook_steps(wanted.hooks, stored.hooks))
    before, after = parts_said(stored), said_of(wanted.schedules or (), wanted.hooks or ())
    changed = {"schedules": bool(schedules), "hooks": bool(hooks)}
    changes = tuple(
        FieldChange(name, before.get(name), after.get(name)) for name in PARTS if changed[name]
    )
    fate = Fate.CHANGED if changes and step.fate is Fate.UNCHANGED else step.fate
    changes = (*step.changes, *changes)
    return replace(step, fate=fate, changes=changes, schedules=schedules, hooks=hooks)


def _changing(steps: tuple[PartStep, ...]) -> tuple[PartStep, ...]:
    """Return the steps, none unless one changes something."""
    return steps if any(step.fate is not Fate.UNCHANGED for step in steps) else ()


def _said(command: Command | WantedCommand, group: str, run_as: str | None) -> dict[str, object]:
    """Return what a command says, as JSON has it, without what it says nothing of."""
    said = {
        "name": command.name,
        "description": command.description,
        "group": group,
        "run_as": run_as,
        "script": command.script,
    }
    plain: dict[str, object] = json.loads(json.dumps(command.options.as_json()))
    return {name: value for name, value in said.items() if value is not None} | plain


def exported(command: Command, parts: Parts = NO_PARTS) -> dict[str, object]:
    """Return a command as a file has it: what it says, and nothing else."""
    said = _said(command, command.group, command.run_as)
    last = {"script": said.pop("script")}  # the longest: what is said beside it is seen at once
    group = {} if command.group == DEFAULT_GROUP else {"group": said["group"]}
    del said["group"]
    options = {name: said.pop(name) for name in _OPTION_NAMES if name in said}
    return {"key": command.key, **said, **group, **options, **parts_said(parts), **last}


_OPTION_NAMES: tuple[str, ...] = tuple(one.name for one in fields(Options))


def beside_runs(changed: frozenset[str]) -> bool:
    """Return whether a change leaves what a command's runs execute as it is.

    Then it takes no admin, where the runs are another user's.
    """
    return changed <= _BESIDE_RUNS


PARTS = ("schedules", "hooks")
"""The fields that are no command's own, but of what starts it."""

_BESIDE_RUNS = frozenset({"name", "description", "concurrency", "retries", "notify", *PARTS})
