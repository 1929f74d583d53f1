"""What a client of the original sends, and what it has in its tables, works here (docs/api.md)."""

from typing import Any

import pytest

from server.settings.groups import Settings
from tests.support.client import Client, Start
from tests.support.postgres import execute
from tests.support.waiting import until_true

COLUMNS = "commands_id, start_time, end_time, exitcode, output"


@pytest.mark.parametrize("slash", ["", "/"])
async def test_the_seven_requests_of_the_original_do_what_they_did(
    client: Client, slash: str
) -> None:
    """In the order of its README: each with the fields that it had."""

    async def call(method: str, path: str, status: int, **body: object) -> Any:
        sent = {"json": body} if body else {}
        return await client.call(method, path.rstrip("/") + slash, status=status, **sent)

    assert await call("GET", "ping", 200)
    script = "for i in {1..3}; do echo $i; done; sleep 1000"
    fields = {"name": "count", "description": "to three", "script": script}
    command_id = (await call("POST", "commands/", 201, **fields))["id"]
    [listed, *_] = (await call("GET", "commands/", 200))["items"]
    assert (listed["id"], listed["name"]) == (command_id, "count")
    command = await call("GET", f"commands/{command_id}", 200)
    assert {name: command[name] for name in fields} == fields

    async def said() -> bool:
        info = await call("GET", f"commands/{command_id}/info", 200)
        return bool(info["output"] == "1\n2\n3\n")

    await until_true(said)
    info = await call("GET", f"commands/{command_id}/info", 200)
    assert info["start_time"] is not None
    assert (info["end_time"], info["exitcode"]) == (None, None)
    await call("POST", f"commands/{command_id}/stop", 202)
    await client.finished(info["id"])
    await call("POST", f"commands/{command_id}/stop", 409)
    info = await call("GET", f"commands/{command_id}/info", 200)
    assert (info["state"], info["output"]) == ("stopped", "1\n2\n3\n")
    assert info["end_time"] is not None
    changed = {"name": "greet", "description": "says hello", "script": "echo hello"}
    await call("PUT", f"commands/{command_id}", 200, **changed)
    command = await call("GET", f"commands/{command_id}", 200)
    assert {name: command[name] for name in changed} == changed


async def test_its_documentation_is_where_it_was(client: Client) -> None:
    async with client.session.get(client.page_url("/swagger/index.html")) as response:
        assert response.status == 200
    async with client.session.get(client.page_url("/swagger/doc.json")) as response:
        told = await response.json()
        paths, body = told["paths"], told["definitions"]["CommandBody"]
    assert body["properties"]["script"]["description"].startswith("a bash script")
    for path in ("ping", "commands/", "commands/{id}", "commands/{id}/info", "commands/{id}/stop"):
        assert f"/api/v1/{path}" in paths
    assert Settings().http.port == 8000


async def test_rows_with_the_columns_of_the_original_are_runs_that_have_ended(
    start: Start, database_url: str
) -> None:
    """Whatever of them is given, in both tables; the lists and `info` go on working."""
    client = await start()
    command_id = "11111111-1111-4111-8111-111111111111"
    inserted = f"'{command_id}', now(), now()"
    execute(
        database_url,
        f"INSERT INTO commands VALUES ('{command_id}', 'old', 'of the original', 'echo old')",  # noqa: S608
        f"INSERT INTO commands_info (commands_id) VALUES ('{command_id}')",  # noqa: S608
        f"INSERT INTO commands_info ({COLUMNS}) VALUES ({inserted}, 0, 'old')",  # noqa: S608
        f"INSERT INTO commands_info ({COLUMNS}) VALUES ({inserted}, 3, 'old')",  # noqa: S608
    )
    runs = (await client.call("GET", f"commands/{command_id}/runs"))["items"]
    assert [(run["state"], run["exitcode"]) for run in runs] == [
        ("failed", 3),
        ("succeeded", 0),
        ("lost", None),
    ]
    assert all(run["end_time"] for run in runs)
    info = await client.call("GET", f"commands/{command_id}/info")
    assert (info["state"], info["output"]) == ("failed", "")
    await client.call("POST", f"commands/{command_id}/stop", status=409)
    run = await client.call("POST", f"commands/{command_id}/runs", status=201)
    await client.finished(run["id"])
    assert await client.output(run["id"]) == b"old\n"


async def test_what_the_original_took_and_this_does_not_is_refused_by_name(client: Client) -> None:
    refused = await client.call(
        "POST", "commands/", json={"name": "x", "script": "", "y": 1}, status=422
    )
    assert set(refused["errors"]) == {"script", "y"}
    headers = {"Content-Type": "text/plain"}
    url = client.url("commands/")
    async with client.session.post(url, data=b'{"name": "x"}', headers=headers) as response:
        assert response.status == 415
