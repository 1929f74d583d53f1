"""Sets of commands over HTTP: a schema for editors, bounds, rights, others' changes meanwhile."""

import asyncio
from collections import Counter
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import pytest

from server.handlers import command_sets as handlers
from server.repositories.command_sets import CommandSetRepository
from server.services import command_sets
from tests.integration.handlers.harness import Api, Claimed, Serve
from tests.support.hooks import github
from tests.support.postgres import query

ONE = {"key": "one", "script": "true"}


async def put(api: Api, *commands: object, status: int = 200, **more: object) -> dict[str, Any]:
    body = {"commands": [*commands], **more}
    told: dict[str, Any] = await api.call("PUT", "commands/", json=body, status=status)
    return told


async def test_editors_find_the_schema_of_files(api: Api) -> None:
    async with api.client.get("/swagger/command.schema.json") as response:
        schema = await response.json()
    command = schema["$defs"]["FileCommand"]
    assert command["required"] == ["key"]
    assert {"key", "script", "script_file", "parameters"} <= command["properties"].keys()
    assert command["additionalProperties"] is False


async def test_of_sets_that_come_at_once_each_is_whole_and_each_act_is_done_once(api: Api) -> None:
    commands = [{"key": f"k{number}", "script": "true"} for number in range(50)]
    told = await asyncio.gather(*(put(api, *commands) for _ in range(5)))
    outcomes = [Counter(item["outcome"] for item in one["items"]) for one in told]
    assert sorted(outcomes, key=str) == [{"created": 50}, *[{"unchanged": 50}] * 4]
    entries = await api.call("GET", "audit/?act=command.create&limit=500", status=200)
    assert len(entries["items"]) == 50


async def test_a_set_of_commands_that_do_not_stay_as_they_are_is_given_up(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    await put(api, ONE)
    monkeypatch.setattr(command_sets, "TRIES", 0)
    body = {"commands": [{**ONE, "script": "false"}]}
    await api.problem("PUT", "commands/", 409, "plan-changed", json=body)


async def test_what_is_stored_of_a_set_is_bounded(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    await put(api, {**ONE, "script": "true #" + "x" * 1000})
    monkeypatch.setattr(command_sets, "MAX_STORED_BYTES", 1000)
    body = {"commands": [ONE]}
    await api.problem("PUT", "commands/", 422, "command-set-too-large", json=body)


@pytest.mark.parametrize(
    ("body", "errors"),
    [
        ({}, {"commands": ["Missing data for required field."]}),
        ({"commands": ONE}, {"commands": ["Not a valid list."]}),
        ({"commands": ["one"]}, {"commands.0": ["Invalid input type."]}),
        ({"commands": [{}]}, None),
        (
            {"commands": [ONE, {**ONE, "parameters": [{"name": "day"}]}]},
            {"commands.1.parameters.0.name": None},
        ),
        ({"commands": [ONE, ONE]}, {"commands.1.key": ["It is that of commands.0, too."]}),
        ({"commands": [{**ONE, "key": None}]}, {"commands.0.key": ["Field may not be null."]}),
        (
            {"commands": [{**ONE, "run_as": "nobody"}]},
            {"commands.0.run_as": ["It is to be one of TAILRUN_RUN_AS_USERS."]},
        ),
        ({"commands": [{**ONE, "timeout_seconds": 100}]}, {"commands.0.timeout_seconds": None}),
        ({"commands": [{**ONE, "id": "x"}]}, {"commands.0.id": ["Unknown field."]}),
        ({"commands": [], "colour": 1}, {"colour": ["Unknown field."]}),
        ({"commands": [[]] * 50_001}, {"body": None}),
    ],
)
async def test_what_is_wrong_is_named_by_its_place(
    serve: Serve, body: object, errors: Mapping[str, list[str] | None] | None
) -> None:
    api = await serve(run_timeout_seconds=10)
    problem = await api.problem("PUT", "commands/", 422, "invalid-input", json=body)
    if errors is None:
        errors = dict.fromkeys(["commands.0.key", "commands.0.script"])
    assert {*problem["errors"]} == {*errors}
    for name, texts in errors.items():
        assert texts is None or problem["errors"][name] == texts
    assert (await api.call("GET", "commands/", status=200))["items"] == []


async def test_patterns_of_a_set_have_a_bound_together(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handlers, "PATTERNS_SIZE", 3_000)
    large = {"script": "true", "parameters": [{"name": "A", "pattern": r"\pL+"}]}
    few, many = ([{"key": str(n), **large} for n in range(count)] for count in (2, 5))
    problem = await api.problem("PUT", "commands/", 422, "invalid-input", json={"commands": many})
    assert problem["errors"] == {"commands.2.parameters": [handlers.TOO_LARGE]}
    await api.call("PUT", "commands/", status=200, json={"commands": few})


async def test_of_many_wrong_commands_the_first_are_named(api: Api) -> None:
    body = {"commands": [{"key": "A"}] * 500}
    problem = await api.problem("PUT", "commands/", 422, "invalid-input", json=body)
    assert [*problem["errors"]][:2] == ["commands.0.key", "commands.0.script"]
    assert len(problem["errors"]) == 10


async def test_commands_are_exported_page_by_page_whole(api: Api) -> None:
    long = "true #" + "x" * 10_000
    commands = [{"key": f"k{number}", "name": "n", "script": long} for number in range(5)]
    await put(api, *commands)
    page = await api.call("GET", "commands/export?limit=2", status=200)
    found = page["items"]
    while page["next"]:
        assert len(page["items"]) == 2
        path = f"commands/export?limit=2&cursor={page['next']}"
        page = await api.call("GET", path, status=200)
        found += page["items"]
    assert found == commands
    await api.problem("GET", "commands/export?cursor=A", 422, "invalid-cursor")


async def test_a_page_of_large_commands_is_bounded_in_bytes(api: Api) -> None:
    large = "true #" + "x" * 900_000
    for number in range(8):
        await put(api, {"key": f"k{number}", "script": large})
    page = await api.call("GET", "commands/export", status=200)
    assert [one["key"] for one in page["items"]] == ["k0", "k1", "k2", "k3", "k4"]
    assert page["next"] == "k4"
    rest = await api.call("GET", "commands/export?cursor=k4", status=200)
    assert ([one["key"] for one in rest["items"]], rest["next"]) == (["k5", "k6", "k7"], None)


async def test_what_runs_of_another_user_execute_takes_an_admin(serve: Serve) -> None:
    api = await serve(Claimed(), run_as_users="nobody", auth="required")
    command = {**ONE, "group": "web", "run_as": "nobody"}

    async def by(claim: str, fields: Mapping[str, object], status: int) -> None:
        body = {"commands": [{**command, **fields}]}
        await api.call("PUT", "commands/", json=body, status=status, headers={"As": claim})

    await by("editor@web", {}, 403)
    await by("admin@web", {}, 200)
    await by("editor@web", {}, 200)
    await by("editor@web", {"name": "another", "retries": {"limit": 1}}, 200)
    await by("editor@web", {"script": "false"}, 403)
    await by("editor@web", {"environment": {"A": "b"}}, 403)
    await by("editor@web", {"run_as": None}, 403)
    await by("admin@web,editor@mail", {"group": "mail"}, 403)
    await by("admin@web,admin@mail", {"group": "mail"}, 200)
    await by("admin@mail", {"run_as": None, "group": "mail"}, 200)
    await by("editor@mail", {"run_as": None, "group": "mail", "script": "false"}, 200)


async def test_commands_of_a_set_name_targets_that_there_are(api: Api) -> None:
    body = {"commands": [ONE, {**ONE, "key": "two", "notify": [{"target": "x", "on": ["failed"]}]}]}
    told = await api.problem("PUT", "commands/", 422, "invalid-input", json=body)
    assert told["errors"] == {"commands.1.notify": ["There is no notification target 'x'."]}
    assert (await api.call("GET", "commands/", status=200))["items"] == []


NIGHT = {"cron": "0 3 * * *", "time_zone": "Europe/Berlin"}
PUSH = {"name": "push", "scheme": "github", "events": ["push"]}


async def parts_of(api: Api, key: str = "one") -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return a command's schedules and hooks, oldest first."""
    [command] = (await api.call("GET", f"commands/?key={key}", status=200))["items"]
    path = f"commands/{command['id']}"
    schedules = (await api.call("GET", f"{path}/schedules", status=200))["items"]
    hooks = (await api.call("GET", f"{path}/hooks", status=200))["items"]
    return schedules[::-1], hooks


async def test_schedules_and_hooks_are_made_with_their_command_and_then_stay(api: Api) -> None:
    """A hook's secret is answered once, and each act is on record."""
    command = {
        **ONE,
        "parameters": [{"name": "BRANCH", "type": "string"}],
        "schedules": [{**NIGHT, "parameters": {"BRANCH": "main"}}, {"cron": "0 4 * * *"}],
        "hooks": [{**PUSH, "parameters": {"BRANCH": "/ref"}}, {"name": "b", "scheme": "standard"}],
    }
    dry = await put(api, command, dry_run=True)
    assert (dry["secrets"], dry["items"][0]["changes"][-1]["before"]) == ([], None)
    told = await put(api, command, plan=dry["plan"])
    schedules, hooks = await parts_of(api)
    assert [one["cron"] for one in schedules] == ["0 3 * * *", "0 4 * * *"]
    assert [len(one["next_times"]) for one in schedules] == [5, 5]
    assert [(one["id"], one["name"]) for one in told["secrets"]] == [
        (one["id"], one["name"]) for one in hooks
    ]
    first, second = told["secrets"]
    assert (first["key"], first["deliveries"]) == ("one", f"/api/v1/hooks/{first['id']}")
    assert (len(first["secret"]), second["secret"][:6]) == (43, "whsec_")
    headers = github(first["secret"], b"{}")
    await api.call("POST", f"hooks/{first['id']}", status=201, data=b"{}", headers=headers)
    again = await put(api, command)
    assert (again["items"][0]["outcome"], again["secrets"]) == ("unchanged", [])
    assert await parts_of(api) == (schedules, hooks)
    page = await api.call("GET", "commands/export", status=200)
    assert page["items"] == [{**command, "name": "one"}]
    entries = (await api.call("GET", "audit/", status=200))["items"]
    acts = Counter(one["act"] for one in entries)
    assert acts == {
        "command.create": 1,
        "schedule.create": 2,
        "hook.create": 2,
        "command.start": 1,
    }
    [made] = [one for one in entries if one["details"].get("name") == "push"]
    assert made["details"] == {"scheme": "github", "name": "push"}
    assert first["secret"] not in str(entries)


async def test_what_a_list_names_is_changed_and_what_it_does_not_name_is_deleted(api: Api) -> None:
    """Without a list they stay; and the command itself is not changed by them."""
    await put(api, {**ONE, "schedules": [NIGHT, {"cron": "0 4 * * *"}], "hooks": [PUSH]})
    (night, four), [push] = await parts_of(api)
    assert (await put(api, ONE))["items"][0]["outcome"] == "unchanged"
    changed = {
        **ONE,
        "schedules": [{**NIGHT, "missed": "once"}],
        "hooks": [{**PUSH, "enabled": False}],
    }
    before = await api.call("GET", "commands/?key=one", status=200)
    told = await put(api, changed)
    assert told["items"][0]["outcome"] == "changed"
    assert [one["field"] for one in told["items"][0]["changes"]] == ["schedules", "hooks"]
    assert told["items"][0]["changes"][0] == {
        "field": "schedules",
        "before": [NIGHT, {"cron": "0 4 * * *"}],
        "after": [{**NIGHT, "missed": "once"}],
    }
    assert await api.call("GET", "commands/?key=one", status=200) == before
    [schedule], [hook] = await parts_of(api)
    assert schedule == {**night, "missed": "once", "updated_at": schedule["updated_at"]}
    assert schedule["updated_at"] > night["updated_at"]
    assert hook == {**push, "enabled": False}
    entries = (await api.call("GET", "audit/?limit=3", status=200))["items"]
    assert {one["act"]: one["details"] for one in entries} == {
        "hook.change": {"fields": ["enabled"], "name": "push"},
        "schedule.change": {"fields": ["missed"], "schedule": night["id"]},
        "schedule.delete": {"schedule": four["id"]},
    }
    await put(api, {**ONE, "schedules": [], "hooks": []})
    assert await parts_of(api) == ([], [])


async def test_due_times_are_those_of_what_a_schedule_says_by_now(api: Api) -> None:
    await put(api, {**ONE, "schedules": [NIGHT]})
    [before], _ = await parts_of(api)
    await put(api, {**ONE, "schedules": [{**NIGHT, "enabled": False}]})
    [off], _ = await parts_of(api)
    assert (off["id"], off["next_times"]) == (before["id"], [])
    await put(api, {**ONE, "schedules": [{**NIGHT, "cron": "0 5 * * *"}]})
    [moved], _ = await parts_of(api)
    assert moved["id"] == before["id"]
    assert {one[10:16] for one in moved["next_times"]} == {"T05:00"}


async def test_a_schedule_keeps_secret_values_which_no_file_has(
    api: Api, database_url: str
) -> None:
    definition = {"parameters": [{"name": "TOKEN", "type": "secret", "required": True}]}
    command = {**ONE, **definition}
    lacking = {"commands": [ONE, {**command, "key": "two", "schedules": [NIGHT]}]}
    for dry_run in (True, False):
        body = {**lacking, "dry_run": dry_run}
        told = await api.problem("PUT", "commands/", 422, "invalid-input", json=body)
        [(name, [text])] = told["errors"].items()
        assert name == "commands.1.schedules.0.parameters.TOKEN"
        assert "Apply the schedule with `enabled: false`" in text
    given = {**NIGHT, "parameters": {"TOKEN": "abc"}}
    body = {"commands": [{**command, "schedules": [given]}]}
    told = await api.problem("PUT", "commands/", 422, "invalid-input", json=body)
    assert [*told["errors"]] == ["commands.0.schedules.0.parameters.TOKEN"]
    await put(api, {**command, "schedules": [{**NIGHT, "enabled": False}]})
    [schedule], _ = await parts_of(api)
    secret = {"parameters": {"TOKEN": "abc"}}
    await api.call("PATCH", f"schedules/{schedule['id']}", status=200, json=secret)
    await put(api, {**command, "schedules": [NIGHT]})
    [schedule], _ = await parts_of(api)
    assert (schedule["enabled"], schedule["parameters"]) == (True, {})
    assert query(database_url, "SELECT secrets FROM schedules") == [({"TOKEN": "abc"},)]
    page = await api.call("GET", "commands/export", status=200)
    assert page["items"][0]["schedules"] == [NIGHT]
    changed = {**NIGHT, "jitter_seconds": 5}
    await put(api, {**ONE, "schedules": [changed]})
    assert query(database_url, "SELECT secrets FROM schedules") == [(None,)]


WRONG: list[tuple[Mapping[str, object], str, str]] = [
    ({"schedules": None}, "schedules", "Give a list: [] for none."),
    ({"schedules": [{}]}, "schedules.0.cron", "Missing data"),
    ({"schedules": [NIGHT, {"cron": "61 * * * *"}]}, "schedules.1.cron", "The minute '61'"),
    ({"schedules": [{**NIGHT, "time_zone": "Mars"}]}, "schedules.0.time_zone", "no time zone"),
    ({"schedules": [{**NIGHT, "id": "x"}]}, "schedules.0.id", "Unknown field."),
    ({"schedules": [{**NIGHT, "paused": True}]}, "schedules.0.paused", "Unknown field."),
    ({"schedules": [NIGHT] * 51}, "schedules", "Longer than maximum length 50"),
    (
        {"schedules": [{**NIGHT, "parameters": {"NO": 1}}]},
        "schedules.0.parameters.NO",
        "The command has no such parameter; it has DAY.",
    ),
    (
        {"schedules": [{**NIGHT, "parameters": {"DAY": "sun"}}]},
        "schedules.0.parameters.DAY",
        "mon",
    ),
    ({"hooks": [PUSH, {"name": "a"}]}, "hooks.1.scheme", "Missing data"),
    ({"hooks": [{**PUSH, "secret": "x" * 20}]}, "hooks.0.secret", "A secret stands in no file"),
    ({"hooks": [{**PUSH, "parameters": {"DAY": "ref"}}]}, "hooks.0.parameters.DAY", "pointer"),
    ({"hooks": [{**PUSH, "parameters": {"NO": "/a"}}]}, "hooks.0.parameters.NO", "it has DAY"),
    ({"hooks": [PUSH] * 21}, "hooks", "Longer than maximum length 20"),
]
"""What a command says that is wrong, where that is, and a part of what is told of it."""


async def test_what_is_wrong_with_schedules_and_hooks_is_named_by_its_place(
    api: Api, subtests: pytest.Subtests
) -> None:
    parameters = [{"name": "DAY", "type": "choice", "choices": ["mon"]}]
    for fields, place, text in WRONG:
        with subtests.test(place):
            asked = {**ONE, "parameters": parameters, **fields}
            body = {"commands": [{**ONE, "key": "two"}, asked]}
            problem = await api.problem("PUT", "commands/", 422, "invalid-input", json=body)
            assert [*problem["errors"]] == [f"commands.1.{place}"]
            assert text in " ".join(problem["errors"][f"commands.1.{place}"])
    assert (await api.call("GET", "commands/", status=200))["items"] == []


async def test_nothing_is_done_to_schedules_and_hooks_that_others_change_meanwhile(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However they do: the plan is made anew, and given up where it is another one by then."""
    await put(api, {**ONE, "schedules": [NIGHT], "hooks": [PUSH]})
    [schedule], [hook] = await parts_of(api)
    command = (await api.call("GET", "commands/?key=one", status=200))["items"][0]["id"]
    wanted = {**ONE, "script": "false", "schedules": [{"cron": "0 9 * * *"}], "hooks": []}
    others = [
        ("PATCH", f"schedules/{schedule['id']}", {"jitter_seconds": 7}, 200),
        ("POST", f"commands/{command}/schedules", {"cron": "0 1 * * *"}, 201),
        ("PATCH", f"hooks/{hook['id']}", {"events": []}, 200),
        ("POST", f"commands/{command}/hooks", {"name": "x", "scheme": "gitlab"}, 201),
        ("DELETE", f"hooks/{hook['id']}", None, 204),
    ]
    apply = CommandSetRepository.apply
    for method, path, body, status in others:
        plan = (await put(api, wanted, dry_run=True))["plan"]

        async def meanwhile(self: CommandSetRepository, *given: Any) -> Any:
            monkeypatch.setattr(CommandSetRepository, "apply", apply)
            await api.call(method, path, json=body, status=status)  # noqa: B023  of this round
            applied = await apply(self, *given)
            assert not applied.done
            return applied

        monkeypatch.setattr(CommandSetRepository, "apply", meanwhile)
        asked = {"commands": [wanted], "plan": plan}
        await api.problem("PUT", "commands/", 409, "plan-changed", json=asked)
    schedules, hooks = await parts_of(api)
    assert [one["cron"] for one in schedules] == ["0 3 * * *", "0 1 * * *"]
    assert [one["name"] for one in hooks] == ["x"]
    await put(api, wanted)
    [schedule], hooks = await parts_of(api)
    assert (schedule["cron"], hooks) == ("0 9 * * *", [])


async def test_schedules_and_hooks_take_the_rights_of_their_own_routes(serve: Serve) -> None:
    """An editor's, also where runs are another user's; an operator may not."""
    api = await serve(Claimed(), run_as_users="nobody", auth="required")
    command = {**ONE, "group": "web", "run_as": "nobody"}

    async def by(claim: str, fields: Mapping[str, object], status: int) -> None:
        body = {"commands": [{**command, **fields}]}
        await api.call("PUT", "commands/", json=body, status=status, headers={"As": claim})

    await by("admin@web", {}, 200)
    await by("operator@web", {"schedules": [NIGHT]}, 403)
    await by("operator@web", {"hooks": [PUSH]}, 403)
    await by("editor@web", {"schedules": [NIGHT], "hooks": [PUSH]}, 200)
    await by("editor@web", {"schedules": [], "hooks": [], "script": "false"}, 403)


async def test_due_times_come_each_once_while_their_schedule_is_applied_again_and_again(
    api: Api,
) -> None:
    """What says nothing of its times leaves them as they are, whoever decides one meanwhile."""
    every_second = {"cron": "* * * * * *", "overlap": "allow"}
    await put(api, {**ONE, "schedules": [every_second]})
    [schedule], _ = await parts_of(api)
    path = f"schedules/{schedule['id']}/fires"
    fires: list[dict[str, Any]] = []
    number = 0
    while len(fires) < 4:
        missed = "once" if (number := number + 1) % 2 else "skip"
        told = await put(api, {**ONE, "schedules": [{**every_second, "missed": missed}]})
        assert told["items"][0]["outcome"] == "changed"
        fires = (await api.call("GET", path, status=200))["items"]
    assert {one["outcome"] for one in fires} == {"started"}
    due = [datetime.fromisoformat(one["due_at"]) for one in reversed(fires)]
    assert due == [due[0] + timedelta(seconds=second) for second in range(len(due))]
    await put(api, {**ONE, "schedules": []})
