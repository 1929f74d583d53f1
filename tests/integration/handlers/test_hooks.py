"""Hooks over HTTP: what other services send starts runs, if it is signed."""

import asyncio
import time
from io import BytesIO
from typing import Any

import pytest

from server.services.access import guesses
from server.services.hooks import rates
from tests.integration.handlers.harness import Api, Serve
from tests.support.hooks import as_body, github, gitlab, standard
from tests.support.postgres import execute, query
from tests.support.waiting import until_true

NOBODY = "00000000-0000-4000-8000-000000000000"
PUSH = as_body({"ref": "refs/heads/main", "commits": [{"id": "c0ffee"}], "forced": False})
SHOW = 'cat "$TAILRUN_HOOK_BODY"'
BRANCH = {"name": "BRANCH", "required": True}


async def hook(api: Api, script: str = SHOW, **fields: Any) -> dict[str, Any]:
    """Store a command with a hook; return the hook, with its secret."""
    definition = fields.pop("definition", {})
    command = await api.create(script, start=False, **definition)
    asked = {"name": "push", "scheme": "github", **fields}
    path = f"commands/{command['id']}/hooks"
    made: dict[str, Any] = await api.call("POST", path, status=201, json=asked)
    return made


async def deliver(
    api: Api, made: dict[str, Any], body: bytes, headers: dict[str, str], status: int = 201
) -> dict[str, Any]:
    """Send something to a hook."""
    path = f"hooks/{made['id']}"
    # A large one as a file: aiohttp warns of others.
    told: dict[str, Any] = await api.call(
        "POST", path, status=status, data=BytesIO(body), headers=headers
    )
    return told


async def test_a_secret_is_shown_once(api: Api, database_url: str) -> None:
    """Neither the list, nor the audit, nor a change of something else has it."""
    made = await hook(api)
    told = {name: value for name, value in made.items() if name != "secret"}
    listed = await api.call("GET", f"commands/{made['command_id']}/hooks", status=200)
    assert listed == {"items": [told]}
    assert told["deliveries"] == f"/api/v1/hooks/{made['id']}"
    changed = await api.call("PATCH", f"hooks/{made['id']}", status=200, json={"name": "other"})
    assert changed == {**told, "name": "other"}
    renewed = await api.call("PATCH", f"hooks/{made['id']}", status=200, json={"secret": None})
    assert renewed["secret"] not in {made["secret"], None}
    given = {"secret": "this is not short, but has blanks"}
    await api.problem("PATCH", f"hooks/{made['id']}", 422, "invalid-input", json=given)
    given = {"secret": "0123456789abcdef0123456789abcdef"}
    changed = await api.call("PATCH", f"hooks/{made['id']}", status=200, json=given)
    assert "secret" not in changed
    await deliver(api, made, PUSH, github(given["secret"], PUSH))
    for stale in (made["secret"], renewed["secret"]):
        await deliver(api, made, PUSH, github(stale, PUSH), status=401)
    await api.call("DELETE", f"hooks/{made['id']}", status=204)
    await deliver(api, made, PUSH, github(given["secret"], PUSH), status=401)
    entries = query(database_url, "SELECT act, details::text FROM audit ORDER BY id")
    acts = [act for act, _ in entries if act.startswith("hook.")]
    assert acts == ["hook.create", *["hook.change"] * 3, "hook.delete"]
    text = str(entries)
    assert not [secret for secret in (made["secret"], *given.values()) if secret in text]


@pytest.mark.parametrize(
    ("scheme", "signed"),
    [("github", github), ("gitlab", gitlab), ("standard", standard)],
    ids=["github", "gitlab", "standard"],
)
async def test_a_signed_delivery_starts_one_run_with_its_body(
    api: Api, scheme: str, signed: Any
) -> None:
    """Exactly as it was sent; and once, however often it is sent."""
    made = await hook(api, f'{SHOW}; echo "$TAILRUN_CAUSE" >&2', scheme=scheme)
    body = b'\xef\xbb\xbf{"odd":\t"\xe2\x82\xac\\u0000", "no": "newline"}\r\n\n'
    headers = signed(made["secret"], body)
    told = await deliver(api, made, body, headers)
    assert told["outcome"] == "started"
    run = await api.ended(told["run_id"])
    assert (run["state"], run["cause"]["kind"], run["cause"]["id"]) == (
        *("succeeded", "hook"),
        made["id"],
    )
    assert await api.output(told["run_id"]) == body + b"hook\n"
    again = await deliver(api, made, body, headers, status=200)
    assert (again["outcome"], again["run_id"]) == ("repeated", told["run_id"])
    other = await deliver(api, made, body, signed(made["secret"], body))
    assert other["run_id"] != told["run_id"]
    runs = await api.call("GET", f"commands/{made['command_id']}/runs", status=200)
    assert len(runs["items"]) == 2


async def test_deliveries_at_the_same_time_start_one_run(api: Api) -> None:
    made = await hook(api)
    headers = github(made["secret"], PUSH)

    async def once() -> str:
        path = f"/api/v1/hooks/{made['id']}"
        async with api.client.post(path, data=PUSH, headers=headers) as response:
            assert response.status in {200, 201}
            return str((await response.json())["outcome"])

    outcomes = await asyncio.gather(*(once() for _ in range(8)))
    assert sorted(outcomes) == ["repeated"] * 7 + ["started"]


async def test_what_is_sent_late_is_refused_where_the_scheme_has_a_time(api: Api) -> None:
    made = await hook(api, scheme="standard")
    for at in (time.time() - 400, time.time() + 400):
        headers = standard(made["secret"], PUSH, at=at)
        await deliver(api, made, PUSH, headers, status=401)
    await deliver(api, made, PUSH, standard(made["secret"], PUSH, at=time.time() - 200))


async def test_an_unknown_hook_is_answered_as_a_wrong_signature(
    api: Api, database_url: str
) -> None:
    """And both are on record as denied."""
    made = await hook(api)
    answers = []
    for known in (made["id"], NOBODY):
        headers = github("wrong", PUSH)
        path = f"/api/v1/hooks/{known}"
        async with api.client.post(path, data=PUSH, headers=headers) as response:
            assert response.status == 401
            told = {name: response.headers[name] for name in response.headers if name != "Date"}
            answers.append((told, await response.text()))
    assert answers[0] == answers[1]
    assert answers[0][0]["WWW-Authenticate"] == "Signature"
    assert "#hook-refused" in answers[0][1]

    async def on_record() -> bool:
        entries = query(database_url, "SELECT details->>'path' FROM audit WHERE act = 'denied'")
        return {path for (path,) in entries} == {
            f"/api/v1/hooks/{made['id']}",
            f"/api/v1/hooks/{NOBODY}",
        }

    await until_true(on_record)


async def test_who_guesses_signatures_has_to_wait_and_keeps_nobody_from_other_hooks(
    api: Api,
) -> None:
    made, other = await hook(api), await hook(api)
    for number in range(guesses.MAX_GUESSES):
        await deliver(api, made, PUSH, github(f"guess {number}", PUSH), status=401)
    wrong = github("one more", PUSH)
    path = f"hooks/{made['id']}"
    async with api.client.post(f"/api/v1/{path}", data=PUSH, headers=wrong) as response:
        assert (response.status, int(response.headers["Retry-After"]) > 0) == (429, True)
    await deliver(api, other, PUSH, github(other["secret"], PUSH))


async def test_only_the_events_that_are_named_start_a_run(api: Api) -> None:
    made = await hook(api, events=["push", "release"])
    secret = made["secret"]
    told = await deliver(api, made, PUSH, github(secret, PUSH, event="star"), status=200)
    assert told == {
        "outcome": "ignored",
        "run_id": None,
        "detail": "The event 'star' starts no run of this hook.",
    }
    await deliver(api, made, PUSH, github(secret, PUSH, event="release"))


async def test_githubs_ping_is_answered_and_starts_nothing(api: Api) -> None:
    made = await hook(api)
    told = await deliver(api, made, PUSH, github(made["secret"], PUSH, event="ping"), status=200)
    assert told["outcome"] == "ignored"


async def test_an_event_of_standard_webhooks_is_in_the_body(api: Api) -> None:
    made = await hook(api, scheme="standard", events=["build.ready"])
    for event, status in [("build.ready", 201), ("build.failed", 200)]:
        body = as_body({"type": event})
        await deliver(api, made, body, standard(made["secret"], body), status=status)
    body = b"no JSON"
    await api.problem(
        *("POST", f"hooks/{made['id']}", 422, "hook-body-refused"),
        data=body,
        headers=standard(made["secret"], body),
    )


async def test_a_new_secret_is_asked_for_and_the_one_before_is_refused(api: Api) -> None:
    made = await hook(api, scheme="standard")
    told = await api.call("POST", f"hooks/{made['id']}/secret", status=200)
    assert told == {**made, "secret": told["secret"]}
    assert told["secret"].startswith("whsec_")
    await deliver(api, made, PUSH, standard(made["secret"], PUSH), status=401)
    await deliver(api, made, PUSH, standard(told["secret"], PUSH))
    [entry] = (await api.call("GET", "audit/?act=hook.change", status=200))["items"]
    assert entry["details"] == {"fields": ["secret"], "name": "push"}
    await api.problem("POST", f"hooks/{NOBODY}/secret", 404, "hook-not-found")


async def test_a_disabled_hook_starts_nothing_and_says_so_to_who_signs_alone(api: Api) -> None:
    made = await hook(api, enabled=False)
    assert made["enabled"] is False
    headers = github(made["secret"], PUSH)
    told = await deliver(api, made, PUSH, headers, status=200)
    assert (told["outcome"], told["run_id"]) == ("disabled", None)
    await deliver(api, made, PUSH, github("another", PUSH), status=401)
    for wrong in ({"enabled": "no"}, {"enabled": None}):
        await api.problem("PATCH", f"hooks/{made['id']}", 422, "invalid-input", json=wrong)
    changed = await api.call("PATCH", f"hooks/{made['id']}", status=200, json={"enabled": True})
    assert changed["enabled"] is True
    await deliver(api, made, PUSH, headers)


async def test_a_paused_command_is_not_started(api: Api, database_url: str) -> None:
    made = await hook(api)
    pause = """{"note": "for a while", "until": null, "by": "alice", "at": null}"""
    execute(database_url, f"UPDATE commands SET paused = '{pause}'")  # noqa: S608  ours
    told = await deliver(api, made, PUSH, github(made["secret"], PUSH), status=200)
    assert (told["outcome"], told["run_id"]) == ("paused", None)
    until = pause.replace('"until": null', '"until": "2020-01-01T00:00:00+00:00"')
    execute(database_url, f"UPDATE commands SET paused = '{until}'")  # noqa: S608  ours
    await deliver(api, made, PUSH, github(made["secret"], PUSH))


async def test_pointers_to_parameters_that_the_command_does_not_have_are_refused(
    api: Api,
) -> None:
    """By name, where the hook is made or changed, and not at each delivery alone."""
    made = await hook(api, definition={"parameters": [BRANCH]}, parameters={"BRANCH": "/ref"})
    asked = {"name": "push", "scheme": "github", "parameters": {"BRUNCH": "/ref"}}
    refused = (
        ("POST", f"commands/{made['command_id']}/hooks", asked),
        ("PATCH", f"hooks/{made['id']}", {"parameters": {"BRANCH": "/ref", "BRUNCH": "/ref"}}),
    )
    for method, path, body in refused:
        told = await api.problem(method, path, 422, "invalid-input", json=body)
        said = ["The command has no such parameter; it has BRANCH."]
        assert told["errors"] == {"parameters.BRUNCH": said}
    [kept] = (await api.call("GET", refused[0][1], status=200))["items"]
    assert kept["parameters"] == {"BRANCH": "/ref"}


async def test_parts_of_the_body_are_values_of_parameters(api: Api) -> None:
    """What is null, or is not there, leaves the default."""
    definition = {
        "parameters": [
            BRANCH,
            {"name": "COMMIT"},
            {"name": "FORCED", "type": "boolean"},
            {"name": "COUNT", "type": "integer", "default": 7},
            {"name": "TAG", "default": "none"},
        ]
    }
    pointers = {
        "BRANCH": "/ref",
        "COMMIT": "/commits/0/id",
        "FORCED": "/forced",
        "COUNT": "/count",
        "TAG": "/tag",
    }
    made = await hook(
        api,
        'echo "$BRANCH $COMMIT $FORCED $COUNT $TAG"',
        definition=definition,
        parameters=pointers,
    )
    body = PUSH[:-1] + b', "tag": null}'
    told = await deliver(api, made, body, github(made["secret"], body))
    await api.ended(told["run_id"])
    assert await api.output(told["run_id"]) == b"refs/heads/main c0ffee false 7 none\n"


@pytest.mark.parametrize(
    ("document", "words"),
    [({"ref": {"name": "main"}}, "/ref"), ({}, "/ref"), ({"ref": "x" * 70_000}, "/ref")],
    ids=["object", "missing", "large"],
)
async def test_a_value_that_will_not_do_is_refused_with_its_pointer(
    api: Api, document: dict[str, Any], words: str
) -> None:
    made = await hook(api, definition={"parameters": [BRANCH]}, parameters={"BRANCH": "/ref"})
    body = as_body(document)
    told = await api.problem(
        *("POST", f"hooks/{made['id']}", 422, "invalid-input"),
        data=body,
        headers=github(made["secret"], body),
    )
    assert words in told["errors"]["parameters.BRANCH"][0]


async def test_what_is_no_json_or_too_large_is_refused_in_words(serve: Serve) -> None:
    api = await serve(max_hook_body_bytes="2000000", max_body_bytes="1000")
    made = await hook(api, script='wc -c < "$TAILRUN_HOOK_BODY"')
    path, secret = f"hooks/{made['id']}", made["secret"]
    form = {**github(secret, PUSH), "Content-Type": "application/x-www-form-urlencoded"}
    told = await api.problem("POST", path, 415, "body-not-json", data=PUSH, headers=form)
    assert "application/json" in told["detail"]
    body = b'"' + b"x" * 1_900_000 + b'"'
    run = await deliver(api, made, body, github(secret, body))
    await api.ended(run["run_id"])
    assert await api.output(run["run_id"]) == b"1900002\n"
    body = b'"' + b"x" * 2_000_000 + b'"'
    headers = github(secret, body)
    told = await api.problem(
        "POST", path, 413, "body-too-large", data=BytesIO(body), headers=headers
    )
    assert "TAILRUN_MAX_HOOK_BODY_BYTES" in told["detail"]


async def test_more_deliveries_than_a_hook_takes_have_to_wait(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rates, "MINUTE", 3600.0)
    api = await serve(max_hook_deliveries_per_minute="2")
    made, other = await hook(api), await hook(api)
    for _ in range(2):
        await deliver(api, made, PUSH, github(made["secret"], PUSH))
    path = f"/api/v1/hooks/{made['id']}"
    headers = github(made["secret"], PUSH)
    async with api.client.post(path, data=PUSH, headers=headers) as response:
        assert response.status == 429
        assert int(response.headers["Retry-After"]) > 0
        assert (await response.json())["type"].endswith("#hook-rate")
    await deliver(api, other, PUSH, github(other["secret"], PUSH))


async def test_a_start_beyond_the_commands_limit_is_refused_and_may_be_sent_again(
    api: Api,
) -> None:
    limit = {"concurrency": {"limit": 1, "beyond": "refuse"}}
    made = await hook(api, script="exec sleep 1000", definition=limit)
    first = await deliver(api, made, PUSH, github(made["secret"], PUSH))
    headers = github(made["secret"], PUSH)
    told = await deliver(api, made, PUSH, headers, status=409)
    assert first["run_id"] in told["detail"]
    await api.call("POST", f"runs/{first['run_id']}/stop", status=202, json={})
    await api.ended(first["run_id"])
    await deliver(api, made, PUSH, headers)


async def test_who_sends_is_on_record(api: Api, database_url: str) -> None:
    made = await hook(api)
    told = await deliver(api, made, PUSH, github(made["secret"], PUSH))
    sql = "SELECT principal, known_by, address, commands_info_id::text FROM audit"
    [entry] = query(database_url, f"{sql} WHERE act = 'command.start'")
    assert entry == (f"hook {made['id']}", "hook", "127.0.0.1", told["run_id"])


async def test_a_command_has_so_many_hooks(api: Api) -> None:
    made = await hook(api)
    path, asked = f"commands/{made['command_id']}/hooks", {"name": "push", "scheme": "gitlab"}
    for _ in range(19):
        await api.call("POST", path, status=201, json=asked)
    told = await api.problem("POST", path, 409, "conflict", json=asked)
    assert "20 hooks" in told["detail"]
    await api.problem("POST", f"commands/{NOBODY}/hooks", 404, "command-not-found", json=asked)
    await api.problem("PATCH", f"hooks/{NOBODY}", 404, "hook-not-found", json={})
    await api.problem("DELETE", f"hooks/{NOBODY}", 404, "hook-not-found")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("scheme", "md5"),
        ("secret", "short"),
        ("events", ["", "push"]),
        ("events", ["e"] * 51),
        ("parameters", {"BRANCH": "ref"}),
        ("parameters", {"BRANCH": "/~2"}),
        ("parameters", {"BRANCH\0": "/ref"}),
        ("unknown", 1),
    ],
    ids=["scheme", "secret", "event", "events", "pointer", "tilde", "nul", "unknown"],
)
async def test_what_a_hook_cannot_be_is_refused_by_name(
    api: Api, field: str, value: object
) -> None:
    command = await api.create("true", start=False)
    asked = {"name": "push", "scheme": "github", field: value}
    path = f"commands/{command['id']}/hooks"
    told = await api.problem("POST", path, 422, "invalid-input", json=asked)
    assert [name.partition(".")[0] for name in told["errors"]] == [field]


async def test_a_further_attempt_is_handed_the_same_body(api: Api) -> None:
    script = f'{SHOW}; [ "$TAILRUN_ATTEMPT" = 2 ]'
    made = await hook(api, script, definition={"retries": {"limit": 1, "delay_seconds": 0}})
    told = await deliver(api, made, PUSH, github(made["secret"], PUSH))
    assert (await api.ended(told["run_id"]))["state"] == "failed"
    path = f"commands/{made['command_id']}/runs"

    async def tried_again() -> bool:
        return len((await api.call("GET", path, status=200))["items"]) == 2

    await until_true(tried_again)
    again = (await api.call("GET", path, status=200))["items"][0]
    assert (again["attempt"], again["retry_of"]) == (2, told["run_id"])
    assert (await api.ended(again["id"]))["state"] == "succeeded"
    assert await api.output(again["id"]) == await api.output(told["run_id"]) == PUSH
