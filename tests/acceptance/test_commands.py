"""Commands over HTTP, as a client uses them."""

import asyncio

import pytest

from tests.support.service import Client

NOBODY = "00000000-0000-4000-8000-000000000000"


async def test_ping_answers(client: Client) -> None:
    assert await client.call("GET", "ping") == {"status": "ok"}


async def test_storing_a_command_starts_it(client: Client) -> None:
    created = await client.create("echo hello", name="greet", description="says hello")
    assert created["name"] == "greet"
    assert created["run"]["state"] in {"queued", "running"}
    run = await client.finished(created["run"]["id"])
    assert run["state"] == "succeeded"
    assert run["exitcode"] == 0
    assert await client.output(run["id"]) == b"hello\n"


async def test_a_command_may_be_stored_without_being_started(client: Client) -> None:
    created = await client.create("echo hello", start=False)
    assert created["run"] is None
    stored = await client.call("GET", f"commands/{created['id']}")
    assert stored["last_run"] is None
    info = await client.call("GET", f"commands/{created['id']}/info", status=404)
    assert "no run" in info["detail"].lower()


async def test_location_leads_to_the_command(client: Client) -> None:
    body = {"name": "test", "script": "true"}
    async with client.session.post(client.url("commands/"), json=body) as response:
        assert response.status == 201
        location = response.headers["Location"]
    async with client.session.get(client.service.address + location) as response:
        assert (await response.json())["script"] == "true"


async def test_replacing_a_command_leaves_its_runs_their_script(client: Client) -> None:
    created = await client.create("echo one")
    await client.finished(created["run"]["id"])
    path = f"commands/{created['id']}"
    body = {"name": "second", "description": None, "script": "echo two"}
    replaced = await client.call("PUT", path, json=body)
    assert (replaced["name"], replaced["script"]) == ("second", "echo two")
    again = await client.call("POST", f"{path}/runs", status=201)
    await client.finished(again["id"])
    assert await client.output(created["run"]["id"]) == b"one\n"
    assert await client.output(again["id"]) == b"two\n"
    history = await client.call("GET", f"{path}/runs")
    assert [run["id"] for run in history["items"]] == [again["id"], created["run"]["id"]]


async def test_a_command_with_an_active_run_is_not_deleted(client: Client) -> None:
    created = await client.create("sleep 100")
    path = f"commands/{created['id']}"
    refused = await client.call("DELETE", path, status=409)
    assert "active" in refused["detail"]
    await client.call("POST", f"{path}/stop", status=202)
    await client.finished(created["run"]["id"])
    await client.call("DELETE", path, status=204)
    await client.call("GET", path, status=404)
    await client.call("GET", f"runs/{created['run']['id']}", status=404)


async def test_commands_are_paged_and_searched(client: Client) -> None:
    for number in range(5):
        await client.create("true", name=f"number {number}", start=False)
    await client.create("true", name="other", description="50% off_", start=False)
    first = await client.call("GET", "commands/?limit=4")
    assert [item["name"] for item in first["items"]] == [
        "other",
        *(f"number {n}" for n in (4, 3, 2)),
    ]
    second = await client.call("GET", f"commands?limit=4&cursor={first['next']}")
    assert [item["name"] for item in second["items"]] == ["number 1", "number 0"]
    assert second["next"] is None
    assert [i["name"] for i in (await client.call("GET", "commands/?q=0%25"))["items"]] == ["other"]
    assert [i["name"] for i in (await client.call("GET", "commands/?q=NUMBER 3"))["items"]] == [
        "number 3"
    ]


async def test_info_tells_what_has_been_written(client: Client) -> None:
    created = await client.create("echo hello; sleep 100")
    async with asyncio.timeout(20):
        async with client.connect(created["run"]["id"]) as stream:
            assert (await stream.receive()).data == "hello"
    info = await client.call("GET", f"commands/{created['id']}/info")
    assert (info["output"], info["output_truncated"]) == ("hello\n", False)
    assert (info["state"], info["exitcode"]) == ("running", None)
    await client.call("POST", f"commands/{created['id']}/stop")
    await client.finished(created["run"]["id"])
    info = await client.call("GET", f"commands/{created['id']}/info")
    assert (info["output"], info["state"], info["signal"]) == ("hello\n", "stopped", "SIGTERM")


@pytest.mark.parametrize(
    ("body", "field", "text"),
    [
        ({"name": "test"}, "script", "required"),
        ({"script": "true"}, "name", "required"),
        ({"name": "test", "script": "  "}, "script", "empty"),
        ({"name": "x" * 65, "script": "true"}, "name", "64"),
        ({"name": "test", "script": "true", "colour": 1}, "colour", "Unknown"),
        ({"name": "test", "script": "a\0b"}, "script", "NUL"),
        ({"name": "test", "script": "\ud800"}, "script", "surrogate"),
        ({"name": 5, "script": "true"}, "name", "string"),
        ({"name": "test", "script": "true", "start": "yes"}, "start", "boolean"),
        ([], "body", "Invalid"),
        ("text", "body", "Invalid"),
    ],
)
async def test_wrong_fields_are_named(client: Client, body: object, field: str, text: str) -> None:
    refused = await client.call("POST", "commands/", json=body, status=422)
    assert text.lower() in " ".join(refused["errors"][field]).lower()
    assert (await client.call("GET", "commands/"))["items"] == []


@pytest.mark.parametrize("text", ["{", "", "nonsense", "[" * 100_000, '{"name": NaN}', "\udcff"])
async def test_a_body_that_is_no_json_is_refused(client: Client, text: str) -> None:
    refused = await client.call(
        "POST",
        "commands/",
        data=text.encode(errors="surrogateescape"),
        headers={"Content-Type": "application/json"},
        status=400 if text else 422,
    )
    assert refused["detail"]


async def test_a_body_above_the_bound_is_refused(client: Client) -> None:
    body = {"name": "test", "script": "x" * 2 * 1024 * 1024}
    refused = await client.call("POST", "commands/", json=body, status=413)
    assert "MAX_BODY_BYTES" in refused["detail"]


@pytest.mark.parametrize("wrong", [NOBODY, "x", "..%2f..%2fetc", "%2e%2e", "%00"])
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "commands/{}"),
        ("DELETE", "commands/{}"),
        ("GET", "commands/{}/info"),
        ("POST", "commands/{}/stop"),
        ("POST", "commands/{}/runs"),
        ("GET", "commands/{}/runs"),
        ("GET", "commands/{}/ws"),
        ("GET", "runs/{}"),
        ("POST", "runs/{}/stop"),
        ("GET", "runs/{}/output"),
        ("GET", "runs/{}/ws"),
    ],
)
async def test_a_wrong_id_is_not_found(client: Client, method: str, path: str, wrong: str) -> None:
    refused = await client.call(method, path.format(wrong), status=404)
    assert refused["status"] == 404


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=501", "limit=x", "cursor=nonsense", "cursor=%00", "colour=red"]
)
async def test_a_wrong_query_is_refused(client: Client, query: str) -> None:
    await client.call("GET", f"commands/?{query}", status=422)
    await client.call("GET", f"runs/?{query}", status=422)


async def test_a_method_that_a_route_does_not_take_is_refused(client: Client) -> None:
    refused = await client.call("PATCH", "commands/", status=405)
    assert "PATCH" in refused["detail"]
    assert "POST" in refused["detail"]


async def test_a_path_that_is_none_is_not_found(client: Client) -> None:
    refused = await client.call("GET", "nothing", status=404)
    assert refused["title"] == "Not Found"
