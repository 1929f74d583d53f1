"""What a command says of its runs beyond its script, over HTTP, as its runs then have it."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.integration.handlers.harness import Api, Claimed, Serve

SHOW = """
printf "%s|" "$DAY" "$N" "${DRY-unset}" "$GREETING" "$PWD" "$TAILRUN_CAUSE" "$TAILRUN_ATTEMPT"
"""
DAY = {"name": "DAY", "type": "choice", "choices": ["mon", "tue"], "required": True}
N = {"name": "N", "type": "integer", "min": 1, "max": 9, "default": 3}
DRY = {"name": "DRY", "type": "boolean"}


def answered(parameter: dict[str, Any]) -> dict[str, Any]:
    """Return a parameter as it is answered: with all of its fields."""
    absent: dict[str, Any] = dict.fromkeys(
        ["label", "description", "default", "pattern", "min", "max", "max_length", "placeholder"]
    )
    return {**absent, "required": False, "choices": [], **parameter}


async def test_a_script_gets_values_environment_and_directory(api: Api, tmp_path: Path) -> None:
    command = await api.create(
        SHOW,
        start=False,
        key="show",
        parameters=[DAY, N, DRY],
        environment={"GREETING": "hi $(id)", "N": "overridden"},
        working_directory=str(tmp_path),
    )
    assert command["parameters"] == [answered(one) for one in (DAY, N, DRY)]
    assert (command["key"], command["environment"]["GREETING"]) == ("show", "hi $(id)")
    path = f"commands/{command['id']}/runs"
    given = {"parameters": {"DAY": "mon", "DRY": False}}
    run = await api.call("POST", path, json=given, status=201)
    assert run["parameters"] == {"DAY": "mon", "N": 3, "DRY": False}
    assert (run["cause"], run["attempt"], run["retry_of"], run["not_before"]) == (
        *(None, 1, None, None),
    )
    assert (await api.ended(run["id"]))["parameters"] == run["parameters"]
    shown = f"mon|3|false|hi $(id)|{tmp_path}|hand|1|"
    assert (await api.output(run["id"])).decode() == shown


async def test_a_first_run_gets_the_values_that_come_with_its_command(api: Api) -> None:
    created = await api.create(
        'printf %s "$DAY"', parameters=[DAY], values={"DAY": "tue"}, name="first"
    )
    assert created["run"]["parameters"] == {"DAY": "tue"}
    await api.ended(created["run"]["id"])
    assert await api.output(created["run"]["id"]) == b"tue"
    missing = await api.problem(
        "POST",
        "commands/",
        422,
        "invalid-input",
        json={"name": "n", "script": "true", "parameters": [DAY]},
    )
    assert missing["errors"] == {"parameters.DAY": ["It is required: give one of 'mon', 'tue'."]}
    assert len((await api.call("GET", "commands/", status=200))["items"]) == 1


async def test_values_that_do_not_fit_are_refused_by_name(api: Api) -> None:
    command = await api.create("true", start=False, parameters=[DAY, N])
    path = f"commands/{command['id']}/runs"
    told = await api.problem(
        "POST",
        path,
        422,
        "invalid-input",
        json={"parameters": {"DAY": "sun", "N": 10, "FURTHER": 1}},
    )
    assert told["errors"] == {
        "parameters.DAY": ["It is none of the choices: give one of 'mon', 'tue'."],
        "parameters.N": ["It must be at least 1 and at most 9."],
        "parameters.FURTHER": ["The command has no such parameter; it has DAY, N."],
    }
    plain = await api.create("true", start=False)
    told = await api.problem(
        "POST",
        f"commands/{plain['id']}/runs",
        422,
        "invalid-input",
        json={"parameters": {"DAY": "mon"}},
    )
    assert told["errors"] == {"parameters.DAY": ["The command takes no parameters."]}
    assert (await api.call("GET", "runs/", status=200))["items"] == []


async def test_a_definition_is_changed_field_by_field_and_taken_away_by_null(api: Api) -> None:
    command = await api.create(
        "true", start=False, key="k", parameters=[DAY], environment={"A": "b"}, timeout_seconds=5
    )
    path = f"commands/{command['id']}"
    change = {"environment": None, "grace_seconds": 2, "output_policy": "head_and_tail"}
    changed = await api.call("PATCH", path, json=change, status=200)
    assert changed["environment"] == {}
    assert (changed["timeout_seconds"], changed["grace_seconds"]) == (5, 2)
    assert changed["parameters"] == command["parameters"]
    replaced = await api.call("PUT", path, json={"name": "n", "script": "false"}, status=200)
    for name in ("key", "parameters", "timeout_seconds", "grace_seconds", "output_policy"):
        assert replaced[name] == changed[name], name
    again = await api.call("PUT", path, json=replaced, status=200)
    assert {**again, "updated_at": ""} == {**replaced, "updated_at": ""}
    nothing = dict.fromkeys(
        ["key", "parameters", "timeout_seconds", "grace_seconds", "output_policy"]
    )
    emptied = await api.call("PATCH", path, json=nothing, status=200)
    assert {name: emptied[name] for name in nothing} == {**nothing, "parameters": []}


async def test_a_command_says_what_becomes_of_runs_whose_host_is_away(api: Api) -> None:
    said = {"on_unreachable": "retry", "lost_after_seconds": 60.0}
    command = await api.create("true", start=False, **said)
    assert {name: command[name] for name in said} == said
    path = f"commands/{command['id']}"
    changed = await api.call("PATCH", path, json={"on_unreachable": None}, status=200)
    assert (changed["on_unreachable"], changed["lost_after_seconds"]) == (None, 60)


async def test_a_key_is_one_commands_alone(api: Api) -> None:
    first = await api.create("true", start=False, key="backup", name="first")
    taken = {"name": "n", "script": "true", "key": "backup"}
    for start in (True, False):
        told = await api.problem(
            "POST", "commands/", 409, "key-taken", json={**taken, "start": start}
        )
        assert (told["command_id"], "'first'" in told["detail"]) == (first["id"], True)
    other = await api.create("true", start=False)
    told = await api.problem(
        "PATCH", f"commands/{other['id']}", 409, "key-taken", json={"key": "backup"}
    )
    assert told["command_id"] == first["id"]
    found = await api.call("GET", "commands/?key=backup", status=200)
    assert [one["id"] for one in found["items"]] == [first["id"]]
    assert (await api.call("GET", "commands/?key=back", status=200))["items"] == []


async def test_commands_are_found_by_their_whole_name(api: Api) -> None:
    names = ["Night run", "night run", "Night run 2", "a%b_c"]
    ids = {name: (await api.create("true", start=False, name=name))["id"] for name in names}
    for name, command in ids.items():
        found = await api.call("GET", "commands/", params={"name": name}, status=200)
        assert [one["id"] for one in found["items"]] == [command]
    assert (await api.call("GET", "commands/?name=Night", status=200))["items"] == []


async def test_a_definition_that_is_long_is_left_out_of_lists(api: Api) -> None:
    long = {**N, "description": "d" * 1900}
    parameters = [{**long, "name": f"N{number}"} for number in range(3)]
    command = await api.create("true", start=False, parameters=parameters)
    assert (len(command["parameters"]), command["options_truncated"]) == (3, False)
    [listed] = (await api.call("GET", "commands/", status=200))["items"]
    assert (listed["parameters"], listed["options_truncated"]) == ([], True)
    # What was cut must not be sent back as if it were all.
    told = await api.problem("PUT", f"commands/{command['id']}", 422, "invalid-input", json=listed)
    assert [*told["errors"]] == ["options_truncated"]


async def test_values_that_are_long_are_left_out_of_lists(api: Api) -> None:
    command = await api.create("true", start=False, parameters=[{"name": "T", "type": "text"}])
    given = {"parameters": {"T": "x\n" * 4096}}
    run = await api.call("POST", f"commands/{command['id']}/runs", json=given, status=201)
    assert run["parameters"] == given["parameters"]
    [listed] = (await api.call("GET", "runs/", status=200))["items"]
    # One that is active is shown as it is in memory.
    await api.ended(run["id"])
    [listed] = (await api.call("GET", "runs/", status=200))["items"]
    assert (listed["parameters"], listed["parameters_truncated"]) == ({}, True)


WRONG: dict[str, tuple[dict[str, Any], list[str]]] = {
    "no object": ({"parameters": ["DAY"]}, ["parameters.0"]),
    "no name": ({"parameters": [{"type": "text"}]}, ["parameters.0.name"]),
    "lower case": ({"parameters": [{"name": "day"}]}, ["parameters.0.name"]),
    "ours": ({"parameters": [{"name": "TAILRUN_X"}]}, ["parameters.0.name"]),
    "loads code": ({"parameters": [{"name": "LD_PRELOAD"}]}, ["parameters.0.name"]),
    "executes code": ({"parameters": [{"name": "TAR_OPTIONS"}]}, ["parameters.0.name"]),
    "set by the shell": ({"parameters": [{"name": "RANDOM"}]}, ["parameters.0.name"]),
    "the path": ({"parameters": [{"name": "PATH"}]}, ["parameters.0.name"]),
    "two of a name": ({"parameters": [{"name": "A"}, {"name": "A"}]}, ["parameters"]),
    "unknown field": ({"parameters": [{"name": "A", "colour": 1}]}, ["parameters.0.colour"]),
    "unknown type": ({"parameters": [{"name": "A", "type": "file"}]}, ["parameters.0.type"]),
    "no choices": ({"parameters": [{"name": "A", "type": "choice"}]}, ["parameters.0.choices"]),
    "same choices": (
        {"parameters": [{"name": "A", "type": "choice", "choices": ["a", "a"]}]},
        ["parameters.0.choices"],
    ),
    "misplaced": (
        {"parameters": [{"name": "A", "min": 1, "choices": ["a"]}]},
        ["parameters.0.choices", "parameters.0.min"],
    ),
    "min over max": (
        {"parameters": [{"name": "A", "type": "number", "min": 2, "max": 1}]},
        ["parameters.0.max"],
    ),
    "bad pattern": ({"parameters": [{"name": "A", "pattern": "("}]}, ["parameters.0.pattern"]),
    "backreference": (
        {"parameters": [{"name": "A", "pattern": r"(a)\1"}]},
        ["parameters.0.pattern"],
    ),
    "default of a secret": (
        {"parameters": [{"name": "A", "type": "secret", "default": "x"}]},
        ["parameters.0.default"],
    ),
    "default that does not fit": (
        {"parameters": [{"name": "A", "pattern": "a+", "default": "b"}]},
        ["parameters.0.default"],
    ),
    "variable": ({"environment": {"a-b": "c"}}, ["environment"]),
    "our variable": ({"environment": {"TAILRUN_RUN_ID": "c"}}, ["environment"]),
    "NUL": ({"environment": {"A": "\0"}}, ["environment"]),
    "no text": ({"environment": {"A": 5}}, ["environment.A"]),
    "relative": ({"working_directory": "here"}, ["working_directory"]),
    "no time": ({"timeout_seconds": 0}, ["timeout_seconds"]),
    "more time": ({"timeout_seconds": 61}, ["timeout_seconds"]),
    "more output": ({"max_output_bytes": 2_000_000}, ["max_output_bytes"]),
    "policy": ({"output_policy": "burn"}, ["output_policy"]),
    "key": ({"key": "Backup"}, ["key"]),
    "concurrency": ({"concurrency": {"limit": 0}}, ["concurrency.limit"]),
    "retries": ({"retries": {"limit": 1, "on": ["succeeded"]}}, ["retries.on"]),
    "notify": ({"notify": [{"target": "t", "on": ["never"]}]}, ["notify.0.on"]),
    "pool": ({"pool": "Build"}, ["pool"]),
    "label": ({"requires": ["arch"]}, ["requires"]),
    "label twice": ({"requires": ["a=b", "a=b"]}, ["requires"]),
    "host away": ({"on_unreachable": "rerun"}, ["on_unreachable"]),
    "lost at once": ({"lost_after_seconds": 59}, ["lost_after_seconds"]),
    "lost never": ({"lost_after_seconds": 604801}, ["lost_after_seconds"]),
}


async def test_a_definition_that_is_wrong_is_refused_by_name(
    serve: Serve, subtests: pytest.Subtests
) -> None:
    api = await serve(run_timeout_seconds=60, max_output_bytes=1_000_000)
    command = await api.create("true", start=False)
    for name, (fields, wrong) in WRONG.items():
        with subtests.test(name):
            body = {"name": "n", "script": "true", **fields}
            told = await api.problem("POST", "commands/", 422, "invalid-input", json=body)
            assert sorted(told["errors"]) == wrong, told
            told = await api.problem(
                "PATCH", f"commands/{command['id']}", 422, "invalid-input", json=fields
            )
            assert sorted(told["errors"]) == wrong, told


async def test_bounds_of_a_command_hold_within_the_servers(serve: Serve) -> None:
    api = await serve(run_timeout_seconds=60, max_output_bytes=1_000_000)
    slow = await api.create("sleep 1000", timeout_seconds=0.2)
    ended = await api.ended(slow["run"]["id"])
    assert (ended["state"], ended["reason"]) == (
        *("timed_out", "it ran longer than its command's limit timeout_seconds"),
    )
    loud = await api.create("yes", max_output_bytes=5000)
    ended = await api.ended(loud["run"]["id"])
    assert (ended["state"], ended["output_bytes"]) == ("stopped", 5000)
    assert ended["reason"] == "its output reached its command's limit max_output_bytes"
    rolling = await api.create("seq 100000", max_output_bytes=50_000, output_policy="head_and_tail")
    assert (await api.ended(rolling["run"]["id"]))["state"] == "succeeded"
    assert (await api.output(rolling["run"]["id"])).endswith(b"\n100000\n")


async def test_the_grace_period_of_a_command_is_its_own(serve: Serve) -> None:
    api = await serve(stop_grace_seconds=1000)
    created = await api.create('trap "" TERM; echo up; while :; do sleep 1; done', grace_seconds=0)
    run = created["run"]["id"]
    async with api.stream(run, "?format=raw") as stream:
        await stream.receive_bytes()
    await api.call("POST", f"runs/{run}/stop", json={}, status=202)
    ended = await api.ended(run)
    assert (ended["state"], ended["signal"]) == ("stopped", "SIGKILL")


async def test_a_directory_that_cannot_be_entered_is_the_reason_of_the_end(
    api: Api, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    for path, why in {
        tmp_path / "nowhere": "No such file or directory",
        tmp_path / "file": "Not a directory",
    }.items():
        created = await api.create("true", working_directory=str(path))
        ended = await api.ended(created["run"]["id"])
        assert ended["state"] == "failed"
        assert ended["reason"] == (
            f"could not be started: the directory {str(path)!r} cannot be entered: {why}"
        )


async def test_a_repeated_start_is_the_same_with_the_same_values_alone(api: Api) -> None:
    command = await api.create("true", start=False, parameters=[N, {"name": "T"}])
    path = f"commands/{command['id']}/runs"
    headers = {"Idempotency-Key": "k"}

    async def start(status: int, **values: Any) -> Any:
        return await api.call(
            "POST", path, json={"parameters": values}, headers=headers, status=status
        )

    run = await start(201, N=1, T="a")
    assert (await start(201, T="a", N=1))["id"] == run["id"]
    assert (await start(422, N=2, T="a"))["type"].endswith("#idempotency-key-reused")
    headers = {"Idempotency-Key": "another"}
    for odd in ({"N": 10**30}, {"T": "\ud800"}):
        assert (await start(422, **odd))["type"].endswith("#invalid-input")


async def test_viewers_see_parameters_and_neither_environment_nor_values(serve: Serve) -> None:
    api = await serve(identity=Claimed())
    admin, viewer = {"As": "admin@*"}, {"As": "viewer@*"}
    body = {
        "name": "n",
        "script": "true",
        "parameters": [DAY],
        "environment": {"A": "b"},
        "values": {"DAY": "mon"},
        "key": "k",
    }
    created = await api.call("POST", "commands/", json=body, headers=admin, status=201)
    seen = await api.call("GET", f"commands/{created['id']}", headers=viewer, status=200)
    assert (seen["environment"], seen["parameters"]) == ({}, [answered(DAY)])
    assert seen["last_run"]["parameters"] is None
    run = await api.call("GET", f"runs/{created['run']['id']}", headers=viewer, status=200)
    assert run["parameters"] is None
    # Of a group that he does not see, nobody learns whose a key is.
    taken = {**body, "group": "web"}
    told = await api.problem(
        "POST", "commands/", 409, "key-taken", json=taken, headers={"As": "editor@web"}
    )
    assert "command_id" not in told
    assert "'n'" not in json.dumps(told)


async def test_everybody_gets_the_schema_of_files_and_once(serve: Serve) -> None:
    api = await serve(identity=Claimed())
    path = "/swagger/command.schema.json"
    async with api.client.get(path) as response:
        assert (response.status, response.content_type) == (200, "application/json")
        told, tag = await response.json(), response.headers["ETag"]
    assert told["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    async with api.client.get(path, headers={"If-None-Match": tag}) as response:
        assert (response.status, await response.read()) == (304, b"")


async def test_the_largest_numbers_are_answered_as_they_were_given(api: Api) -> None:
    """PostgreSQL writes all of their digits, which are no number of an answer's JSON."""
    number = {"name": "N", "type": "number", "min": -1e300, "max": 1e308, "default": 1e300}
    whole = {"name": "I", "type": "integer", "default": -(2**63)}
    created = await api.create(
        'printf %s "$N $I"', parameters=[number, whole], values={"N": 1e22, "I": 2**63 - 1}
    )
    shown = created["parameters"][0]
    assert (shown["min"], shown["max"], shown["default"]) == (-1e300, 1e308, 1e300)
    started = await api.call("POST", f"commands/{created['id']}/runs", json={}, status=201)
    for run_id, value, integer, text in [
        (created["run"]["id"], 1e22, 2**63 - 1, b"1e+22 9223372036854775807"),
        (started["id"], 1e300, -(2**63), b"1e+300 -9223372036854775808"),
    ]:
        assert (await api.ended(run_id))["parameters"] == {"N": value, "I": integer}
        assert await api.output(run_id) == text
    listed = await api.call("GET", "runs/", status=200)
    assert sorted(one["parameters"]["N"] for one in listed["items"]) == [1e22, 1e300]
    [command] = (await api.call("GET", "commands/", status=200))["items"]
    assert command["parameters"][0]["max"] == 1e308
    path = f"commands/{command['id']}"
    kept = await api.call("PATCH", path, json={"parameters": [number]}, status=200)
    assert kept["parameters"] == [shown]


async def test_what_is_kept_of_a_request_tells_nothing_of_its_secrets(api: Api) -> None:
    """It is kept for a day, and a short secret would be guessed by its hash."""
    key = {"Idempotency-Key": "k1"}
    secret = {"name": "KEY", "type": "secret"}
    body = {"name": "n", "script": "true", "parameters": [secret, DAY]}

    async def started(path: str, status: int, values: object, **body: object) -> str | None:
        body |= {"values" if body else "parameters": values}
        async with api.client.post(f"/api/v1/{path}", json=body, headers=key) as response:
            assert response.status == status
            return response.headers.get("Idempotent-Replayed")

    assert await started("commands/", 201, {"KEY": "one", "DAY": "mon"}, **body) is None
    assert await started("commands/", 201, {"KEY": "two", "DAY": "mon"}, **body) == "true"
    await started("commands/", 422, {"KEY": "one", "DAY": "tue"}, **body)
    [command] = (await api.call("GET", "commands/", status=200))["items"]
    path, key["Idempotency-Key"] = f"commands/{command['id']}/runs", "k2"
    assert await started(path, 201, {"KEY": "one", "DAY": "mon"}) is None
    assert await started(path, 201, {"KEY": "two", "DAY": "mon"}) == "true"
    await started(path, 422, {"KEY": "one", "DAY": "tue"})
