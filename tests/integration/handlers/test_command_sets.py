"""Sets of commands over HTTP: a schema for editors, bounds, rights, others' changes meanwhile."""

import asyncio
from collections import Counter
from collections.abc import Mapping
from typing import Any

import pytest

from server.services import command_sets
from tests.integration.handlers.harness import Api, Claimed, Serve

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
