"""What it takes to make stored commands what files say."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from server.command_parts import Fate
from server.command_set import WantedCommand, beside_runs, exported, groups_of, plan_of
from server.definition import Concurrency, Options
from server.models import Command

NOW = datetime(2026, 1, 2, tzinfo=UTC)


def stored(key: str = "a", **fields: Any) -> Command:
    said = {"name": key, "description": None, "script": "true", "group": "default"} | fields
    return Command(id=uuid4(), key=key, created_at=NOW, updated_at=NOW, **said)


def wanted(key: str = "a", **fields: Any) -> WantedCommand:
    said = {"name": key, "description": None, "script": "true"} | fields
    return WantedCommand(key=key, **said)


ONE = Options(concurrency=Concurrency(limit=1))


def test_a_command_is_created_changed_left_or_deleted() -> None:
    commands = {one.key or "": one for one in (stored("same"), stored("other", options=ONE))}
    asked = [wanted("same"), wanted("other", script="false"), wanted("new", options=ONE)]
    plan = plan_of(asked, commands, [stored("z"), stored("b")])
    assert [(step.key, step.fate) for step in plan.steps] == [
        ("same", Fate.UNCHANGED),
        ("other", Fate.CHANGED),
        ("new", Fate.CREATED),
        ("b", Fate.DELETED),
        ("z", Fate.DELETED),
    ]
    assert [*plan.steps[1].changes] == [
        ("script", "true", "false"),
        ("concurrency", {"limit": 1, "beyond": "queue"}, None),
    ]
    assert plan.steps[2].fields == {"name", "group", "script", "concurrency"}
    assert [step.key for step in plan.changing] == ["other", "new", "b", "z"]


def test_a_group_and_a_user_that_are_not_named_stay() -> None:
    command = stored(group="web", run_as="deploy")
    [step] = plan_of([wanted()], {"a": command}).steps
    assert (step.fate, step.group, step.run_as) == (Fate.UNCHANGED, "web", "deploy")
    named = wanted(group="mail", keep_run_as=False)
    [step] = plan_of([named], {"a": command}).steps
    assert step.fields == {"group", "run_as"}
    assert (step.group, step.run_as) == ("mail", None)
    assert groups_of([wanted(), wanted("b"), wanted("c", group="mail")], {"a": command}) == {
        "web",
        "default",
        "mail",
    }


def test_a_plan_stands_for_its_steps_from_what_is_stored() -> None:
    command = stored()
    plan = plan_of([wanted(script="false")], {"a": command})
    assert plan.token == plan_of([wanted(script="false")], {"a": command}).token
    later = replace(command, updated_at=NOW.replace(day=3))
    others = [
        plan_of([wanted(script="false")], {"a": later}),
        plan_of([wanted(script="exit 2")], {"a": command}),
        plan_of([wanted(script="false")], {}),
        plan_of([wanted(script="false")], {"a": command}, [stored("b")]),
    ]
    assert len({plan.token, *(other.token for other in others)}) == 5


def test_a_command_is_exported_with_what_it_says_alone() -> None:
    assert exported(stored(name="A", description="d", options=ONE)) == {
        "key": "a",
        "name": "A",
        "description": "d",
        "concurrency": {"limit": 1, "beyond": "queue"},
        "script": "true",
    }
    assert exported(stored(group="web", run_as="deploy"))["group"] == "web"


def test_what_is_executed_takes_an_admin_where_runs_are_another_users() -> None:
    assert beside_runs(frozenset({"name", "retries"}))
    assert not beside_runs(frozenset({"name", "environment"}))
