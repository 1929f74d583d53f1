"""Which stored schedule or hook a wanted one is, and what becomes of the others."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest

from server.command_parts import (
    Fate,
    HookStep,
    ScheduleStep,
    StoredHook,
    StoredSchedule,
    hook_said,
    hook_steps,
    schedule_said,
    schedule_steps,
)
from server.models import Hook, HookScheme, NewHook
from server.schedules import Missed, Schedule, ScheduleFields

NOW = datetime(2026, 1, 2, tzinfo=UTC)
NIGHT, NOON = "0 3 * * *", "0 12 * * *"


def schedule(cron: str = NIGHT, **said: Any) -> StoredSchedule:
    secrets = frozenset(said.pop("secrets", ()))
    said = {"time_zone": "UTC", **said}
    made = Schedule(
        id=uuid4(), command_id=UUID(int=1), cron=cron, created_at=NOW, updated_at=NOW, **said
    )
    return StoredSchedule(made, secrets)


def hook(name: str = "push", scheme: str = "github", **said: Any) -> StoredHook:
    usual: dict[str, Any] = {"events": (), "parameters": {}, "enabled": True}
    made = Hook(
        id=uuid4(),
        command_id=UUID(int=1),
        name=name,
        scheme=HookScheme(scheme),
        created_at=NOW,
        created_by="x",
        **usual | said,
    )
    return StoredHook(made, "1")


def wanted_hook(name: str = "push", scheme: str = "github", **said: Any) -> NewHook:
    return NewHook(name=name, scheme=HookScheme(scheme), **said)


def told(
    steps: tuple[ScheduleStep, ...] | tuple[HookStep, ...],
) -> list[tuple[Fate, UUID | None, set[str]]]:
    return [(one.fate, None if one.stored is None else one.id, {*one.fields}) for one in steps]


NONE = set[str]()


def test_nothing_becomes_of_what_nothing_is_said_of() -> None:
    assert schedule_steps(None, [schedule()]) == ()
    assert hook_steps(None, [hook()]) == ()


def test_what_is_no_more_said_is_deleted_and_what_is_said_stays_in_whatever_order() -> None:
    a, b, c = schedule(), schedule(NOON), schedule(NIGHT, time_zone="Europe/Berlin")
    wanted = [ScheduleFields(cron=NIGHT, time_zone="Europe/Berlin"), ScheduleFields(cron=NIGHT)]
    assert told(schedule_steps(wanted, [a, b, c])) == [
        (Fate.UNCHANGED, c.schedule.id, NONE),
        (Fate.UNCHANGED, a.schedule.id, NONE),
        (Fate.DELETED, b.schedule.id, NONE),
    ]
    assert told(schedule_steps([], [a])) == [(Fate.DELETED, a.schedule.id, NONE)]


def test_a_schedule_of_the_same_line_and_zone_is_changed_and_keeps_its_secrets() -> None:
    other = schedule(NIGHT, parameters={"A": 1})
    same = schedule(NIGHT, parameters={"A": 2}, secrets=["TOKEN", "GONE"])
    wanted = [
        ScheduleFields(cron=NIGHT, parameters={"A": True}, missed=Missed.ONCE),
        ScheduleFields(cron=NIGHT, parameters={"A": 2}, enabled=False),
        ScheduleFields(cron=NOON),
    ]
    steps = schedule_steps(wanted, [same, other], frozenset({"TOKEN"}))
    assert told(steps) == [
        (Fate.CHANGED, same.schedule.id, {"parameters", "missed"}),
        (Fate.CHANGED, other.schedule.id, {"parameters", "enabled"}),
        (Fate.CREATED, None, NONE),
    ]
    assert [one.kept for one in steps] == [{"TOKEN"}, set(), set()]
    assert [one.is_timed_anew for one in steps] == [False, True, True]


def test_true_and_one_are_two_values() -> None:
    stored = schedule(parameters={"A": 1})
    [step] = schedule_steps([ScheduleFields(cron=NIGHT, parameters={"A": True})], [stored])
    assert step.fields == {"parameters"}


def test_the_only_one_that_is_left_is_changed_and_of_several_none_is() -> None:
    """Another time of the only schedule is a change, so that its history stays."""
    a, b = schedule(), schedule(NOON)
    assert told(schedule_steps([ScheduleFields(cron="0 4 * * *")], [a])) == [
        (Fate.CHANGED, a.schedule.id, {"cron"})
    ]
    assert told(schedule_steps([ScheduleFields(cron="0 4 * * *")], [a, b])) == [
        (Fate.CREATED, None, NONE),
        (Fate.DELETED, a.schedule.id, NONE),
        (Fate.DELETED, b.schedule.id, NONE),
    ]


def test_a_hook_is_known_by_name_and_scheme_and_renamed_where_it_is_the_only_one() -> None:
    push, tag, lab = hook(), hook("tag"), hook(scheme="gitlab")
    wanted = [wanted_hook(scheme="gitlab", enabled=False), wanted_hook(events=("push",))]
    assert told(hook_steps(wanted, [push, tag, lab])) == [
        (Fate.CHANGED, lab.hook.id, {"enabled"}),
        (Fate.CHANGED, push.hook.id, {"events"}),
        (Fate.DELETED, tag.hook.id, NONE),
    ]
    assert told(hook_steps([wanted_hook("other")], [push, lab])) == [
        (Fate.CHANGED, push.hook.id, {"name"}),
        (Fate.DELETED, lab.hook.id, NONE),
    ]
    assert told(hook_steps([wanted_hook(scheme="standard")], [push])) == [
        (Fate.CREATED, None, NONE),
        (Fate.DELETED, push.hook.id, NONE),
    ]


def test_what_is_said_is_what_is_not_as_usual() -> None:
    assert schedule_said(ScheduleFields(cron=NIGHT)) == {"cron": NIGHT}
    said = ScheduleFields(
        cron=NIGHT, time_zone="Asia/Tokyo", parameters={"A": "b"}, missed=Missed.ONCE, enabled=False
    )
    assert schedule_said(said) == {
        "cron": NIGHT,
        "time_zone": "Asia/Tokyo",
        "parameters": {"A": "b"},
        "enabled": False,
        "missed": "once",
    }
    assert hook_said(wanted_hook(secret="s" * 16)) == {"name": "push", "scheme": "github"}
    full = hook_said(wanted_hook(events=("push",), parameters={"A": "/a"}, enabled=False))
    assert full == {
        "name": "push",
        "scheme": "github",
        "events": ["push"],
        "parameters": {"A": "/a"},
        "enabled": False,
    }


@pytest.mark.parametrize(
    ("enabled", "secrets", "lacking"),
    [(True, [], {"TOKEN"}), (True, ["TOKEN"], set()), (False, [], set())],
)
def test_an_enabled_schedule_lacks_the_required_secrets_that_it_does_not_have(
    *, enabled: bool, secrets: list[str], lacking: set[str]
) -> None:
    stored = schedule(enabled=not enabled, secrets=secrets)
    secret = frozenset({"TOKEN"})
    [step] = schedule_steps([ScheduleFields(cron=NIGHT, enabled=enabled)], [stored], secret)
    assert step.lacking(secret) == lacking
    [gone] = schedule_steps([], [stored], secret)
    assert gone.lacking(secret) == set()
