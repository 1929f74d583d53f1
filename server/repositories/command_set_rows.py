"""The rows of a set of commands, of their schedules and hooks, as its statement takes them."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from server.access import DEFAULT_GROUP, Act, Actor
from server.command_parts import Fate, HookStep, ScheduleStep, hook_said
from server.command_set import Step
from server.repositories.access.audit import all_details
from server.schedules import Schedule

Row = dict[str, object]

COMMAND_ACTS = {
    Fate.CREATED: Act.COMMAND_CREATE,
    Fate.CHANGED: Act.COMMAND_CHANGE,
    Fate.DELETED: Act.COMMAND_DELETE,
}
SCHEDULE_ACTS = {
    Fate.CREATED: Act.SCHEDULE_CREATE,
    Fate.CHANGED: Act.SCHEDULE_CHANGE,
    Fate.DELETED: Act.SCHEDULE_DELETE,
}
HOOK_ACTS = {
    Fate.CREATED: Act.HOOK_CREATE,
    Fate.CHANGED: Act.HOOK_CHANGE,
    Fate.DELETED: Act.HOOK_DELETE,
}


@dataclass(frozen=True, slots=True)
class Extras:
    """What steps take that no file says, by the ids of schedules and hooks.

    `timed` are schedules with their due times, where these change; `secrets` those of new hooks.
    """

    timed: Mapping[UUID, Schedule] = field(default_factory=dict)
    secrets: Mapping[UUID, str] = field(default_factory=dict, repr=False)


def command_row(step: Step, by: Actor) -> Row:
    """Return the row of a command; one of which parts alone change is held, and left as it is."""
    said = step.wanted or step.stored
    assert said is not None, "a step is of what is stored, or is to be"
    is_left = step.fate is Fate.CHANGED and not step.own_fields
    fate = Fate.UNCHANGED if is_left else step.fate
    return {
        "id": str(step.command_id),
        "fate": fate.value,
        "version": None if step.stored is None else step.stored.updated_at.isoformat(),
        "key": step.key,
        "name": said.name,
        "description": said.description,
        "script": said.script,
        "group_name": step.group,
        "run_as": step.run_as,
        "options": said.options.as_json() or None,
        **_audited(COMMAND_ACTS.get(fate), by, _details(step)),
    }


def schedule_rows(step: Step, extras: Extras, by: Actor, now: datetime) -> Iterator[Row]:
    """Iterate over the rows of a command's schedules; new ones are stored in their order."""
    for number, one in enumerate(step.schedules):
        stored = None if one.stored is None else one.stored.schedule
        timed = extras.timed.get(one.id)
        yield {
            "id": str(one.id),
            "commands_id": str(step.command_id),
            "fate": one.fate.value,
            "version": None if stored is None else stored.updated_at.isoformat(),
            "decided_until": None if stored is None else _moment(stored.decided_until),
            **_schedule_said(one),
            "next_times": None if timed is None else [*map(_moment, timed.next_times)],
            "fire_at": None if timed is None else _moment(timed.fire_at),
            "kept": sorted(one.kept),
            "created_at": _in_order(now, number),
            **_audited(SCHEDULE_ACTS.get(one.fate), by, _schedule_details(one)),
        }


def hook_rows(step: Step, extras: Extras, by: Actor, now: datetime) -> Iterator[Row]:
    """Iterate over the rows of a command's hooks; new ones are stored in their order."""
    for number, one in enumerate(step.hooks):
        said = one.wanted if one.stored is None else one.wanted or one.stored.hook
        assert said is not None, "a step is of what is stored, or is to be"
        yield {
            "id": str(one.id),
            "commands_id": str(step.command_id),
            "fate": one.fate.value,
            "version": None if one.stored is None else one.stored.version,
            **({"events": [], "parameters": {}, "enabled": True} | hook_said(said)),
            "secret": extras.secrets.get(one.id),
            "created_at": _in_order(now, number),
            **_audited(HOOK_ACTS.get(one.fate), by, _hook_details(one)),
        }


def _audited(act: Act | None, by: Actor, details: Mapping[str, object]) -> Row:
    told = json.dumps(all_details(by.principal, details))
    return {"act": None if act is None else act.value, "details": told}


def _details(step: Step) -> Mapping[str, object]:
    """Return what the audit tells of a step, as it does of a change by itself."""
    named = {"group", "run_as"} & step.own_fields
    if step.fate is Fate.CREATED:
        named -= {"group"} if step.group == DEFAULT_GROUP else set()
        return {name: getattr(step, name) for name in sorted(named)}
    if step.fate is Fate.DELETED:
        return {}
    told = {name: getattr(step, name) for name in sorted(named)}
    return {"fields": sorted(step.own_fields)} | told


def _schedule_said(step: ScheduleStep) -> Row:
    said = step.wanted
    if said is None:
        return {}
    return {
        "cron": said.cron,
        "time_zone": said.time_zone,
        "parameters": dict(said.parameters),
        "enabled": said.enabled,
        "overlap": said.overlap.value,
        "missed": said.missed.value,
        "jitter_seconds": said.jitter_seconds,
    }


def _schedule_details(step: ScheduleStep) -> Mapping[str, object]:
    told = {"schedule": str(step.id)}
    if step.fate is Fate.CREATED and step.wanted is not None:
        return {**told, "cron": step.wanted.cron, "time_zone": step.wanted.time_zone}
    return {**told, "fields": sorted(step.fields)} if step.fate is Fate.CHANGED else told


def _hook_details(step: HookStep) -> Mapping[str, object]:
    if step.fate is Fate.CREATED and step.wanted is not None:
        return {"scheme": step.wanted.scheme.value}
    return {"fields": sorted(step.fields)} if step.fate is Fate.CHANGED else {}


def _in_order(now: datetime, number: int) -> str:
    return (now + timedelta(microseconds=number)).isoformat()


def _moment(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()
