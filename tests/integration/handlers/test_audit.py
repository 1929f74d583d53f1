"""Who did what: each act has its row, or is not done; and how the rows are read."""

import hashlib
import json
import os
import pwd
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import pytest

from server.handlers.routes import ROUTES
from tests.integration.handlers.harness import Api, Claimed, Serve
from tests.support.postgres import execute
from tests.support.waiting import until_true

SLEEP = "sleep 1000"
OURS = f"local:{pwd.getpwuid(os.geteuid()).pw_name}"
DONE, REFUSED, FAILED = "done", "refused", "failed"
NO_ROWS = """
    CREATE FUNCTION no_rows() RETURNS TRIGGER LANGUAGE plpgsql AS
        $$BEGIN RAISE EXCEPTION 'no rows'; END$$;
    CREATE TRIGGER no_rows BEFORE INSERT ON audit EXECUTE FUNCTION no_rows()
"""


async def entries(api: Api, query: str = "") -> list[dict[str, Any]]:
    """Return the newest entries, the oldest of them first."""
    page = await api.call("GET", f"audit/?limit=500&{query}", status=200)
    items: list[dict[str, Any]] = page["items"]
    return items[::-1]


async def until_entered(api: Api, number: int, query: str = "") -> list[dict[str, Any]]:
    """Return so many entries: those of stops, of refusals and failures come a moment later."""
    found: list[dict[str, Any]] = []

    async def enough() -> bool:
        nonlocal found
        found = await entries(api, query)
        return len(found) >= number

    await until_true(enough)
    assert len(found) == number
    return found


async def stored(api: Api) -> dict[str, Any]:
    return await api.create("true", start=False)


async def active(api: Api) -> str:
    return await api.run(SLEEP)


async def over(api: Api) -> str:
    run_id = await api.run("true")
    await api.ended(run_id)
    return run_id


async def target(api: Api) -> str:
    named = TARGET | {"name": f"chat {uuid4()}"[:64]}
    made = await api.call("POST", "notification-targets/", json=named, status=201)
    return str(made["id"])


Case = tuple[str, str, object, int]
"""A request: its method, path and body, and the status that it has where it succeeds."""

BODY = {"name": "new", "script": "false"}
TOKEN = {"name": "ci", "role": "viewer", "group": "*"}
TARGET = {"name": "chat", "url": "http://127.0.0.1:1/"}
SCHEDULE = {"cron": "0 0 1 1 *"}
HOOK = {"name": "push", "scheme": "gitlab"}
GRANT = {"principal": "oidc:alice", "role": "viewer"}
CASES: dict[str, tuple[str, Callable[[Api], Awaitable[Case]]]] = {}
"""By the name of the operation: the act, and what prepares the request."""


def case(name: str, act: str) -> Callable[[Callable[[Api], Awaitable[Case]]], None]:
    return lambda prepare: CASES.update({name: (act, prepare)})


@case("create_command", "command.create")
async def _create(_: Api) -> Case:
    return "POST", "commands/", BODY, 201


@case("replace_command", "command.change")
async def _replace(api: Api) -> Case:
    return "PUT", f"commands/{(await stored(api))['id']}", BODY, 200


@case("change_command", "command.change")
async def _change(api: Api) -> Case:
    return "PATCH", f"commands/{(await stored(api))['id']}", {"script": "false"}, 200


@case("delete_command", "command.delete")
async def _delete(api: Api) -> Case:
    return "DELETE", f"commands/{(await stored(api))['id']}", None, 204


@case("start_run", "command.start")
async def _start(api: Api) -> Case:
    return "POST", f"commands/{(await stored(api))['id']}/runs", None, 201


@case("stop_command", "run.stop")
async def _stop_command(api: Api) -> Case:
    created = await api.create(SLEEP)
    return "POST", f"commands/{created['id']}/stop", {}, 202


@case("stop_run", "run.stop")
async def _stop_run(api: Api) -> Case:
    return "POST", f"runs/{await active(api)}/stop", {"signal": "SIGINT"}, 202


@case("abandon_run", "run.abandon")
async def _abandon_run(api: Api) -> Case:
    return "POST", f"runs/{await api.away()}/abandon", None, 200


@case("signal_run", "run.signal")
async def _signal_run(api: Api) -> Case:
    return "POST", f"runs/{await active(api)}/signal", {"signal": "SIGCONT"}, 202


@case("delete_run", "run.delete")
async def _delete_run(api: Api) -> Case:
    return "DELETE", f"runs/{await over(api)}", None, 204


@case("delete_runs", "run.delete")
async def _delete_runs(api: Api) -> Case:
    return "POST", "runs/delete", {"ids": [await over(api)]}, 200


@case("create_target", "target.create")
async def _create_target(_: Api) -> Case:
    return "POST", "notification-targets/", TARGET, 201


@case("change_target", "target.change")
async def _change_target(api: Api) -> Case:
    return "PATCH", f"notification-targets/{await target(api)}", {"url": "http://127.0.0.1:2/"}, 200


@case("delete_target", "target.delete")
async def _delete_target(api: Api) -> Case:
    return "DELETE", f"notification-targets/{await target(api)}", None, 204


@case("test_target", "target.test")
async def _test_target(api: Api) -> Case:
    return "POST", f"notification-targets/{await target(api)}/test", None, 200


@case("create_token", "token.create")
async def _create_token(_: Api) -> Case:
    return "POST", "tokens/", TOKEN, 201


@case("revoke_token", "token.revoke")
async def _revoke_token(api: Api) -> Case:
    made = await api.call("POST", "tokens/", json=TOKEN, status=201)
    return "DELETE", f"tokens/{made['id']}", None, 204


@case("create_grant", "grant.create")
async def _create_grant(_: Api) -> Case:
    return "POST", "grants/", {**GRANT, "group": "web"}, 201


@case("delete_grant", "grant.delete")
async def _delete_grant(api: Api) -> Case:
    grant = {**GRANT, "group": f"group-{uuid4().hex[:8]}"}
    made = await api.call("POST", "grants/", json=grant, status=201)
    return "DELETE", f"grants/{made['id']}", None, 204


async def sign_in(api: Api) -> str:
    """Return the ticket of a link; what the browser sends from now on is its page's."""
    api.client.session.cookie_jar.clear()
    api.client.session.headers["Sec-Fetch-Site"] = "same-origin"
    ticket: str = (await api.call("POST", "session/link", status=200))["ticket"]
    return ticket


@case("sign_in", "session.create")
async def _sign_in(api: Api) -> Case:
    return "POST", "session", {"ticket": await sign_in(api)}, 204


@case("sign_out", "session.end")
async def _sign_out(api: Api) -> Case:
    await api.call("POST", "session", json={"ticket": await sign_in(api)}, status=204)
    return "DELETE", "session", None, 204


async def schedule(api: Api) -> str:
    path = f"commands/{(await stored(api))['id']}/schedules"
    made = await api.call("POST", path, json=SCHEDULE, status=201)
    return f"schedules/{made['id']}"


async def hook(api: Api) -> str:
    path = f"commands/{(await stored(api))['id']}/hooks"
    made = await api.call("POST", path, json=HOOK, status=201)
    return f"hooks/{made['id']}"


@case("apply_commands", "command.create")
async def _apply(_: Api) -> Case:
    return "PUT", "commands/", {"commands": [{"key": f"k{uuid4()}", "script": "true"}]}, 200


@case("pause_command", "command.pause")
async def _pause(api: Api) -> Case:
    return "POST", f"commands/{(await stored(api))['id']}/pause", {"note": "later"}, 200


@case("resume_command", "command.resume")
async def _resume(api: Api) -> Case:
    path = f"commands/{(await stored(api))['id']}"
    await api.call("POST", f"{path}/pause", json={"note": "later"}, status=200)
    return "POST", f"{path}/resume", None, 200


@case("create_schedule", "schedule.create")
async def _create_schedule(api: Api) -> Case:
    return "POST", f"commands/{(await stored(api))['id']}/schedules", SCHEDULE, 201


@case("replace_schedule", "schedule.change")
async def _replace_schedule(api: Api) -> Case:
    return "PUT", await schedule(api), SCHEDULE, 200


@case("change_schedule", "schedule.change")
async def _change_schedule(api: Api) -> Case:
    return "PATCH", await schedule(api), {"enabled": False}, 200


@case("delete_schedule", "schedule.delete")
async def _delete_schedule(api: Api) -> Case:
    return "DELETE", await schedule(api), None, 204


@case("create_hook", "hook.create")
async def _create_hook(api: Api) -> Case:
    return "POST", f"commands/{(await stored(api))['id']}/hooks", HOOK, 201


@case("change_hook", "hook.change")
async def _change_hook(api: Api) -> Case:
    return "PATCH", await hook(api), {"name": "other"}, 200


@case("renew_secret", "hook.change")
async def _renew_secret(api: Api) -> Case:
    return "POST", f"{await hook(api)}/secret", None, 200


@case("delete_hook", "hook.delete")
async def _delete_hook(api: Api) -> Case:
    return "DELETE", await hook(api), None, 204


NO_ACTS = {
    *("make_ticket", "make_link", "check_script", "receive_delivery"),
    *("make_worker_token", "enrol_worker", "change_worker", "remove_worker"),
}
"""What they make is good for a moment, and its use is on record where it is an act.

A delivery is an act of its hook, not of whoever brings it (test_hooks.py); there are workers where
hosts meet (test_enrolments.py)."""

ACTS = [
    operation
    for method, *_, operation in ROUTES
    if method != "GET" and operation.name not in NO_ACTS
]
IN_ONE_STATEMENT = [
    name for name, (act, _) in CASES.items() if act not in {"run.stop", "run.signal", "target.test"}
]


@pytest.mark.parametrize("name", [operation.name for operation in ACTS])
async def test_each_act_has_one_row(api: Api, name: str) -> None:
    act, prepare = CASES[name]
    method, path, body, status = await prepare(api)
    before = len(await entries(api))
    await api.call(method, path, json=body, status=status)
    row = (await until_entered(api, before + 1))[-1]
    assert (row["act"], row["outcome"]) == (act, DONE)
    known_by = "session" if act.startswith("session.") else "local"
    assert (row["principal"], row["known_by"], row["address"]) == (OURS, known_by, "127.0.0.1")
    thing = act.partition(".")[0]
    assert row[f"{thing}_id"] if thing in {"command", "run"} else row["details"]


@pytest.mark.parametrize("name", IN_ONE_STATEMENT)
async def test_an_act_that_cannot_be_put_on_record_is_not_done(
    api: Api, database_url: str, name: str
) -> None:
    _, prepare = CASES[name]
    method, path, body, _ = await prepare(api)
    lists = "commands/", "runs/", "tokens/", "grants/"
    before = [await api.call("GET", one, status=200) for one in lists]
    execute(database_url, NO_ROWS)
    await api.problem(method, path, 503, "database-refused", json=body)
    assert [await api.call("GET", one, status=200) for one in lists] == before
    execute(database_url, "DROP TRIGGER no_rows ON audit")
    method, path, body, status = await prepare(api)
    await api.call(method, path, json=body, status=status)


async def test_a_start_has_the_run_and_the_hash_of_its_script(api: Api) -> None:
    script = "echo ä\n"
    created = await api.create(script)
    run = await api.call("POST", f"commands/{created['id']}/runs", status=201)
    first, second = await entries(api)
    assert (first["act"], first["run_id"]) == ("command.create", created["run"]["id"])
    assert (second["act"], second["run_id"]) == ("command.start", run["id"])
    assert first["details"] == {"name": "test"}
    for row in first, second:
        assert row["command_id"] == created["id"]
        assert row["script_sha256"] == hashlib.sha256(script.encode()).hexdigest()


async def test_a_change_says_which_fields_it_named(api: Api) -> None:
    path = f"commands/{(await stored(api))['id']}"
    await api.call("PATCH", path, json={"description": None}, status=200)
    await api.call("PUT", path, json=BODY, status=200)
    changes = await entries(api, "act=command.change")
    assert [row["details"] for row in changes] == [
        {"fields": ["description"], "name": "test"},
        {"fields": ["name", "script"], "name": "new"},
    ]
    assert changes[0]["script_sha256"] == hashlib.sha256(b"true").hexdigest()


async def test_a_request_that_comes_again_is_one_act(api: Api) -> None:
    key = {"Idempotency-Key": "one"}
    body = {"name": "n", "script": "true"}
    for _ in range(2):
        created = await api.call("POST", "commands/", json=body, headers=key, status=201)
    for _ in range(2):
        path = f"commands/{created['id']}/runs"
        await api.call("POST", path, headers={"Idempotency-Key": "two"}, status=201)
    for _ in range(2):
        only = {"name": "n", "script": "true", "start": False}
        key = {"Idempotency-Key": "three"}
        await api.call("POST", "commands/", json=only, headers=key, status=201)
    assert [row["act"] for row in await entries(api)] == [
        *("command.create", "command.start", "command.create"),
    ]


async def test_what_is_refused_is_on_record(api: Api) -> None:
    created = await api.create(SLEEP)
    command, run_id = created["id"], created["run"]["id"]
    await api.problem("DELETE", f"commands/{command}", 409, "command-active")
    await api.problem("DELETE", f"runs/{run_id}", 409, "run-active")
    old = {"If-Match": '"2020-01-01T00:00:00+00:00"'}
    path = f"commands/{command}"
    await api.problem("PUT", path, 412, "command-changed", json=BODY, headers=old)
    await api.call("POST", f"runs/{run_id}/stop", json={"grace_seconds": 0}, status=202)
    await api.ended(run_id)
    await api.problem("POST", f"runs/{run_id}/stop", 409, "no-active-run")
    await api.problem(
        "POST", f"runs/{run_id}/signal", 409, "no-active-run", json={"signal": "SIGINT"}
    )
    await api.problem("POST", f"commands/{command}/stop", 409, "no-active-run")
    rows = await until_entered(api, 8)
    told = [(row["act"], row["outcome"], bool(row["run_id"])) for row in rows]
    assert sorted(told) == [
        ("command.change", REFUSED, False),
        ("command.create", DONE, True),
        ("command.delete", REFUSED, False),
        ("run.delete", REFUSED, True),
        ("run.signal", REFUSED, True),
        ("run.stop", DONE, True),
        ("run.stop", REFUSED, False),
        ("run.stop", REFUSED, True),
    ]
    assert all(row["details"]["why"] for row in rows if row["outcome"] == REFUSED)


async def test_a_grant_that_is_there_is_refused_on_record(api: Api) -> None:
    grant = {**GRANT, "group": "web"}
    await api.call("POST", "grants/", json=grant, status=201)
    await api.problem("POST", "grants/", 409, "conflict", json=grant)
    rows = await until_entered(api, 2)
    assert [(row["act"], row["outcome"]) for row in rows] == [
        ("grant.create", DONE),
        ("grant.create", REFUSED),
    ]


async def test_a_sign_in_that_is_refused_is_on_record(api: Api) -> None:
    wrong = {"ticket": "nothing"}
    await api.problem("POST", "session", 401, "credential-refused", json=wrong)
    [row] = await until_entered(api, 1)
    assert (row["act"], row["outcome"], row["principal"]) == (
        *("session.create", REFUSED, "anonymous"),
    )


async def test_what_does_not_exist_is_no_act(api: Api) -> None:
    nobody = "00000000-0000-4000-8000-000000000000"
    await api.problem("DELETE", f"commands/{nobody}", 404, "command-not-found")
    await api.problem("POST", f"commands/{nobody}/runs", 404, "command-not-found")
    await api.problem("POST", f"runs/{nobody}/stop", 404, "run-not-found")
    await stored(api)
    assert [row["act"] for row in await entries(api)] == ["command.create"]


async def test_a_limit_and_a_lack_are_on_record(serve: Serve, database_url: str) -> None:
    api = await serve(max_active_runs_per_command=1)
    created = await api.create(SLEEP)
    await api.problem("POST", f"commands/{created['id']}/runs", 503, "limit-reached")
    execute(database_url, "ALTER TABLE commands ADD CONSTRAINT never CHECK (name <> 'never')")
    body = {"name": "never", "script": "true"}
    await api.problem("POST", "commands/", 503, "database-refused", json=body)
    rows = await until_entered(api, 3)
    assert [(row["act"], row["outcome"]) for row in rows] == [
        ("command.create", DONE),
        ("command.start", REFUSED),
        ("command.create", FAILED),
    ]


async def test_entries_are_filtered_and_paged(api: Api, subtests: pytest.Subtests) -> None:
    created = [await api.create("true", start=False) for _ in range(3)]
    run = await api.call("POST", f"commands/{created[0]['id']}/runs", status=201)
    rows = await entries(api)
    middle = quote(rows[2]["at"])
    for query, expected in [
        ("act=command.start", rows[3:]),
        (f"command_id={created[0]['id']}", [rows[0], rows[3]]),
        (f"run_id={run['id']}", rows[3:]),
        (f"principal={OURS}", rows),
        ("principal=local:nobody", []),
        (f"since={middle}", rows[2:]),
        (f"until={middle}", rows[:2]),
        (f"since={middle}&act=command.create", rows[2:3]),
    ]:
        with subtests.test(query):
            assert await entries(api, query) == expected
    first = await api.call("GET", "audit/?limit=3", status=200)
    second = await api.call("GET", f"audit?limit=3&cursor={first['next']}", status=200)
    assert first["items"] + second["items"] == rows[::-1]
    assert second["next"] is None
    for query, slug, field in [
        ("act=nothing", "invalid-input", "act"),
        ("since=yesterday", "invalid-input", "since"),
        ("command_id=x", "invalid-input", "command_id"),
        ("principal=%00", "invalid-input", "principal"),
        ("cursor=x", "invalid-cursor", None),
        (f"cursor={'_' * 32}", "invalid-cursor", None),
    ]:
        with subtests.test(query):
            told = await api.problem("GET", f"audit/?{query}", 422, slug)
            assert field is None or [*told["errors"]] == [field]
            lines = {"Accept": "application/x-ndjson"}
            await api.problem("GET", f"audit/?{query}", 422, slug, headers=lines)


async def test_all_entries_are_had_as_lines(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("server.services.access.audit_reader.LINES_A_PAGE", 2)
    name = "ä 🎈"
    await api.create("true", name=name, start=False)
    for _ in range(4):
        await stored(api)
    headers = {"Accept": "application/x-ndjson"}
    async with api.client.get("/api/v1/audit/", headers=headers) as response:
        assert response.content_type == "application/x-ndjson"
        text = await response.read()
    told = [json.loads(line) for line in text.splitlines()]
    page = await api.call("GET", "audit/", status=200)
    assert told == page["items"]
    assert told[-1]["details"]["name"] == name
    assert text.isascii()
    async with api.client.head("/api/v1/audit/", headers=headers) as response:
        assert (response.status, await response.read()) == (200, b"")
    async with api.client.get("/api/v1/audit/?act=run.stop", headers=headers) as response:
        assert (response.status, await response.read()) == (200, b"")


async def test_who_is_denied_is_on_record(serve: Serve) -> None:
    api = await serve(Claimed())
    admin = {"As": "admin@*"}
    await api.problem("GET", "runs/", 401, "not-signed-in")
    await api.problem("GET", "audit/", 403, "not-permitted", headers={"As": "admin@default"})

    async def rows() -> list[dict[str, Any]]:
        page = await api.call("GET", "audit/?act=denied", headers=admin, status=200)
        found: list[dict[str, Any]] = page["items"][::-1]
        return found

    async def both() -> bool:
        return len(await rows()) == 2

    await until_true(both)
    first, second = await rows()
    assert (first["principal"], first["known_by"]) == ("anonymous", "nobody")
    assert (second["principal"], second["known_by"]) == ("test:admin@default", "token")
    for row, path in [(first, "/api/v1/runs/"), (second, "/api/v1/audit/")]:
        assert (row["outcome"], row["address"]) == (REFUSED, "192.0.2.1")
        assert (row["details"]["method"], row["details"]["path"]) == ("GET", path)
