"""The routes of commands: what is read of a request, what is answered, and each error."""

import io
import json
from typing import Any

import pytest

from tests.integration.handlers.harness import Api, Serve
from tests.support.outage import Outage

NOBODY = "00000000-0000-4000-8000-000000000000"
BODY = {"name": "name", "description": "what it does", "script": "true"}
JSON = {"Content-Type": "application/json"}


async def test_a_command_is_created_with_a_run(api: Api) -> None:
    async with api.client.post("/api/v1/commands/", json=BODY) as response:
        created = await response.json()
        assert response.status == 201
        assert response.headers["Location"] == f"/api/v1/commands/{created['id']}"
        assert response.content_type == "application/json"
    assert {name: created[name] for name in BODY} == BODY
    run = created["run"]
    assert run["command_id"] == created["id"]
    assert run["state"] in {"queued", "running"}
    assert run["created_at"] == created["created_at"] == created["updated_at"]
    assert run["links"] == {
        "self": f"/api/v1/runs/{run['id']}",
        "command": f"/api/v1/commands/{created['id']}",
        "output": f"/api/v1/runs/{run['id']}/output",
        "ws": f"/api/v1/runs/{run['id']}/ws",
    }
    assert (await api.ended(run["id"]))["state"] == "succeeded"


async def test_a_command_is_only_stored_when_it_is_not_to_start(api: Api) -> None:
    created = await api.create("true", start=False)
    assert created["run"] is None
    told = await api.call("GET", f"commands/{created['id']}", status=200)
    assert told["last_run"] is None
    assert (await api.call("GET", "runs/", status=200))["items"] == []


async def test_commands_are_listed_page_by_page(api: Api) -> None:
    ids = [(await api.create("true", name=f"n{n}", start=False))["id"] for n in range(3)][::-1]
    first = await api.call("GET", "commands/?limit=2", status=200)
    assert [one["id"] for one in first["items"]] == ids[:2]
    second = await api.call("GET", f"commands?limit=2&cursor={first['next']}", status=200)
    assert ([one["id"] for one in second["items"]], second["next"]) == (ids[2:], None)
    found = await api.call("GET", "commands/?q=N1", status=200)
    assert [one["name"] for one in found["items"]] == ["n1"]


async def test_some_commands_are_listed_by_their_ids(api: Api) -> None:
    ids = [(await api.create("true", name=f"n{n}", start=False))["id"] for n in range(3)]
    some = ",".join([ids[0], NOBODY, ids[2]])
    found = await api.call("GET", f"commands/?ids={some}", status=200)
    assert [one["name"] for one in found["items"]] == ["n2", "n0"]
    found = await api.call("GET", f"commands/?ids={some}&q=N0", status=200)
    assert [one["name"] for one in found["items"]] == ["n0"]
    await api.call("GET", f"commands/?ids={','.join([NOBODY] * 50)}", status=200)
    for wrong, why in [("x", "Not valid ids"), (",".join([NOBODY] * 51), "Give 50 ids at most")]:
        told = await api.call("GET", f"commands/?ids={wrong}", status=422)
        assert why in json.dumps(told)


async def test_a_command_is_replaced(api: Api) -> None:
    created = await api.create("true", start=False)
    replaced = await api.call("PUT", f"commands/{created['id']}", json=BODY, status=200)
    assert {name: replaced[name] for name in BODY} == BODY
    assert replaced["created_at"] == created["created_at"] <= replaced["updated_at"]
    told = await api.call("GET", f"commands/{created['id']}", status=200)
    assert told == replaced


async def test_a_command_is_changed_where_it_is_still_the_one_that_was_read(api: Api) -> None:
    created = await api.create("true", name="first", start=False)
    path = f"/api/v1/commands/{created['id']}"
    async with api.client.get(path) as response:
        read = response.headers["ETag"]
    async with api.client.patch(path, json={"name": "second"}, headers={"If-Match": read}) as one:
        changed, now = await one.json(), one.headers["ETag"]
    assert (changed["name"], changed["script"]) == ("second", "true")
    assert now != read
    for method, body in [("PATCH", {"name": "third"}), ("PUT", BODY)]:
        async with api.client.request(method, path, json=body, headers={"If-Match": read}) as late:
            told = await late.json()
            assert (late.status, late.headers["ETag"]) == (412, now)
        assert told["type"].endswith("#command-changed")
        assert told["command"]["name"] == "second"
    body = {"name": "third", "id": NOBODY}
    told = await api.problem("PATCH", path[8:], 422, "invalid-input", json=body)
    assert [*told["errors"]] == ["id"]


async def test_a_command_is_stopped_and_then_deleted(api: Api) -> None:
    created = await api.create("sleep 1000")
    path, run_id = f"commands/{created['id']}", created["run"]["id"]
    await api.problem("DELETE", path, 409, "command-active")
    stopping = await api.call("POST", f"{path}/stop", json={"signal": "SIGKILL"}, status=202)
    assert [(run["id"], run["stopping"]) for run in stopping["items"]] == [(run_id, True)]
    assert (await api.ended(run_id))["signal"] == "SIGKILL"
    await api.problem("POST", f"{path}/stop", 409, "no-active-run")
    assert await api.call("DELETE", path, status=204) is None
    await api.problem("GET", path, 404, "command-not-found")


async def test_what_is_not_there_is_named(api: Api, subtests: pytest.Subtests) -> None:
    for method, path, body in [
        ("GET", "", None),
        ("PUT", "", BODY),
        ("PATCH", "", {"name": "name"}),
        ("DELETE", "", None),
        ("POST", "/stop", None),
        ("POST", "/runs", None),
        ("GET", "/runs", None),
        ("GET", "/info", None),
    ]:
        for wrong in [NOBODY, "x"]:
            with subtests.test(f"{method} {path}", id=wrong):
                path_of = f"commands/{wrong}{path}"
                told = await api.problem(method, path_of, 404, "command-not-found", json=body)
                assert wrong in told["detail"]


async def test_a_wrong_body_is_refused(api: Api, subtests: pytest.Subtests) -> None:
    created = await api.create("true", start=False)
    one = f"commands/{created['id']}"
    for method, path in [("POST", "commands/"), ("PUT", one), ("PATCH", one)]:
        cases: list[tuple[int, str, dict[str, Any]]] = [
            (400, "bad-request", {"data": b"{", "headers": JSON}),
            (415, "body-not-json", {"data": b"a=b", "headers": {"Content-Type": "text/plain"}}),
            (413, "body-too-large", {"data": io.BytesIO(b" " * 2**21), "headers": JSON}),
        ]
        for status, slug, arguments in cases:
            with subtests.test(f"{method} {path}", slug=slug):
                await api.problem(method, path, status, slug, **arguments)
        with subtests.test(f"{method} {path}", slug="invalid-input"):
            wrong = {"name": " ", "script": "\0", "colour": "red"}
            told = await api.problem(method, path, 422, "invalid-input", json=wrong)
            assert set(told["errors"]) == set(wrong)
            assert all(name in told["detail"] for name in wrong)
    assert len((await api.call("GET", "commands/", status=200))["items"]) == 1


async def test_a_wrong_query_is_refused(api: Api, subtests: pytest.Subtests) -> None:
    for query, field in [("limit=0", "limit"), ("limit=x", "limit"), ("colour=1", "colour")]:
        with subtests.test(query):
            told = await api.problem("GET", f"commands/?{query}", 422, "invalid-input")
            assert [*told["errors"]] == [field]
    await api.problem("GET", "commands/?cursor=none", 422, "invalid-cursor")


async def test_a_method_that_is_not_taken_is_named(api: Api) -> None:
    told = await api.problem("DELETE", "commands/", 405, "method-not-allowed")
    assert "DELETE" in told["detail"]
    async with api.client.delete("/api/v1/commands/") as response:
        assert {"GET", "POST"} <= set(response.headers["Allow"].split(","))


async def test_without_the_database_nothing_is_stored(
    serve: Serve, outage: Outage, subtests: pytest.Subtests
) -> None:
    api = await serve()
    created = await api.create("true", start=False)
    path = f"commands/{created['id']}"
    outage.begin()
    for method, one, body in [
        ("GET", "commands/", None),
        ("POST", "commands/", BODY),
        ("GET", path, None),
        ("PUT", path, BODY),
        ("DELETE", path, None),
        ("POST", f"{path}/runs", None),
        ("GET", f"{path}/runs", None),
    ]:
        with subtests.test(f"{method} {one}"):
            told = await api.problem(method, one, 503, "database-unavailable", json=body)
            assert json.dumps(told).find("postgres") == -1
    outage.end()


async def test_a_stranger_is_refused(api: Api) -> None:
    await api.problem("GET", "commands/", 403, "host-refused", headers={"Host": "evil.example"})
    origin = {"Origin": "http://evil.example"}
    await api.problem("POST", "commands/", 403, "origin-refused", json=BODY, headers=origin)
    assert (await api.call("GET", "commands/", status=200))["items"] == []


async def test_a_script_is_checked_and_neither_stored_nor_executed(api: Api) -> None:
    checked = await api.call(
        "POST", "scripts/check", json={"script": "#!/bin/bash\nif true\nfi\n"}, status=200
    )
    assert checked == {
        "interpreter": "/bin/bash",
        "unchecked": None,
        "problems": [{"line": 3, "message": "syntax error near unexpected token `fi'"}],
    }
    assert (await api.call("GET", "commands/", status=200))["items"] == []
    told = await api.problem("POST", "scripts/check", 422, "invalid-input", json={"script": " "})
    assert told["errors"] == {"script": ["It must not be empty."]}


async def test_the_key_of_a_request_is_not_the_commands(api: Api) -> None:
    for start in (True, False):
        headers = {"Idempotency-Key": f"request-{start}"}
        body = {**BODY, "start": start}
        made = await api.call("POST", "commands/", json=body, headers=headers, status=201)
        assert made["key"] is None
        named = {**body, "key": f"own-{start}".lower()}
        headers = {"Idempotency-Key": f"another-{start}"}
        made = await api.call("POST", "commands/", json=named, headers=headers, status=201)
        assert made["key"] == named["key"]
