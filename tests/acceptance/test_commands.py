"""Commands over HTTP, as a client uses them."""

from tests.support.client import Client
from tests.support.waiting import patience


async def test_ping_answers(client: Client) -> None:
    assert await client.call("GET", "ping") == {"status": "ok"}


async def test_storing_a_command_starts_it(client: Client) -> None:
    created = await client.create("echo hello", name="greet", description="says hello")
    assert (created["name"], created["description"]) == ("greet", "says hello")
    assert created["run"]["state"] in {"queued", "running"}
    run = await client.finished(created["run"]["id"])
    assert (run["state"], run["exitcode"]) == ("succeeded", 0)
    assert await client.output(run["id"]) == b"hello\n"


async def test_a_command_may_be_stored_without_being_started(client: Client) -> None:
    created = await client.create("echo hello", start=False)
    assert created["run"] is None
    stored = await client.call("GET", f"commands/{created['id']}")
    assert stored["last_run"] is None
    info = await client.call("GET", f"commands/{created['id']}/info", status=404)
    assert "no run" in info["detail"].lower()


async def test_location_leads_to_what_was_made(client: Client) -> None:
    body = {"name": "test", "script": "true"}
    async with client.session.post(client.url("commands/"), json=body) as response:
        assert response.status == 201
        location = response.headers["Location"]
    async with client.session.get(client.page_url(location)) as response:
        command = await response.json()
        assert command["script"] == "true"
    async with client.session.post(client.url(f"commands/{command['id']}/runs")) as response:
        assert response.status == 201
        location, run = response.headers["Location"], await response.json()
    async with client.session.get(client.page_url(location)) as response:
        assert (await response.json())["id"] == run["id"]


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
    created = await client.create("sleep 1000")
    path = f"commands/{created['id']}"
    refused = await client.call("DELETE", path, status=409)
    assert "active" in refused["detail"]
    await client.call("POST", f"{path}/stop", status=202)
    await client.finished(created["run"]["id"])
    await client.call("DELETE", path, status=204)
    await client.call("GET", path, status=404)
    await client.call("GET", f"runs/{created['run']['id']}", status=404)


async def test_stopping_a_command_stops_all_its_active_runs(client: Client) -> None:
    created = await client.create("sleep 1000")
    path = f"commands/{created['id']}"
    second = await client.call("POST", f"{path}/runs", status=201)
    stopping = await client.call("POST", f"{path}/stop", status=202)
    ids = {created["run"]["id"], second["id"]}
    assert {run["id"] for run in stopping["items"]} == ids
    for run_id in ids:
        assert (await client.finished(run_id))["state"] == "stopped"
    refused = await client.call("POST", f"{path}/stop", status=409)
    assert "no active run" in refused["detail"]


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
    assert [item["name"] for item in second["items"]][:2] == ["number 1", "number 0"]
    for query, names in [("0%25", ["other"]), ("NUMBER%203", ["number 3"]), ("nothing", [])]:
        found = await client.call("GET", f"commands/?q={query}")
        assert ([item["name"] for item in found["items"]], found["next"]) == (names, None)


async def test_a_command_is_listed_with_its_newest_run(client: Client) -> None:
    created = await client.create("exit 4", name="with a run")
    await client.finished(created["run"]["id"])
    [listed] = (await client.call("GET", "commands/?q=with+a+run"))["items"]
    assert listed["last_run"] == await client.get_run(created["run"]["id"])


async def test_info_tells_what_has_been_written(client: Client) -> None:
    created = await client.create("echo hello; sleep 1000")
    async with patience(), client.connect(created["run"]["id"]) as stream:
        assert (await stream.receive()).data == "hello"
    path = f"commands/{created['id']}"
    info = await client.call("GET", f"{path}/info")
    assert (info["output"], info["output_truncated"]) == ("hello\n", False)
    assert (info["state"], info["exitcode"]) == ("running", None)
    await client.call("POST", f"{path}/stop")
    await client.finished(created["run"]["id"])
    info = await client.call("GET", f"{path}/info")
    assert (info["output"], info["state"], info["signal"]) == ("hello\n", "stopped", "SIGTERM")


async def test_info_is_cut_between_characters(client: Client) -> None:
    """The bound is 1 MiB; the character across it is left out."""
    created = await client.create("printf x; yes ü | tr -d '\\n' | head -c 1200000")
    await client.finished(created["run"]["id"])
    info = await client.call("GET", f"commands/{created['id']}/info")
    assert info["output"] == "x" + "ü" * (2**19 - 1)
    assert info["output_truncated"]
    assert info["output_bytes"] == 1200001
