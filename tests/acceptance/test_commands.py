"""Commands over HTTP, as a client uses them."""

from typing import Any
from urllib.parse import quote

import pytest

from server.handlers.routes import ROUTES
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


async def test_a_replaced_command_keeps_a_description_that_is_not_named(client: Client) -> None:
    created = await client.create("true", description="kept", start=False)
    path, body = f"commands/{created['id']}", {"name": "new", "script": "false"}
    assert (await client.call("PUT", path, json=body))["description"] == "kept"
    assert (await client.call("PUT", path, json=body | {"description": None}))[
        "description"
    ] is None


async def test_what_is_answered_can_be_sent_back(client: Client) -> None:
    created = await client.create("true", name="first", description="text")
    await client.finished(created["run"]["id"])
    path = f"commands/{created['id']}"
    for told in [created, await client.call("GET", path)]:
        current = await client.call("GET", path)
        body = told | {"name": "second", "updated_at": current["updated_at"]}
        changed = await client.call("PUT", path, json=body)
        assert changed["name"] == "second"
        assert changed["created_at"] == created["created_at"]
    as_others_write_it = changed["created_at"].replace("+00:00", "Z")
    await client.call("PATCH", path, json={"name": "third", "created_at": as_others_write_it})


async def test_what_is_only_read_is_not_changed(client: Client, subtests: pytest.Subtests) -> None:
    created = await client.create("true", start=False)
    path = f"commands/{created['id']}"
    for name, value in [
        ("id", "00000000-0000-4000-8000-000000000000"),
        ("created_at", "2020-01-01T00:00:00Z"),
        ("updated_at", 5),
        ("script_truncated", True),
        ("script_truncated", 0),
    ]:
        for method in ["PUT", "PATCH"]:
            with subtests.test(method, name=name, value=value):
                body = {"name": "new", "script": "false", name: value}
                refused = await client.call(method, path, json=body, status=422)
                assert set(refused["errors"]) == {name}
    assert (await client.call("GET", path))["name"] == created["name"]


async def test_a_patch_changes_what_it_names(client: Client) -> None:
    created = await client.create("echo one", description="text", start=False)
    path = f"commands/{created['id']}"
    for change in [{"name": "new"}, {"description": None}, {"script": "echo two"}]:
        before = await client.call("GET", path)
        changed = await client.call("PATCH", path, json=change)
        assert changed == before | change | {"updated_at": changed["updated_at"]}
        assert changed["updated_at"] > before["updated_at"]


async def tagged(client: Client, method: str, path: str, **arguments: Any) -> str:
    """Call the API and return the ETag of what it answers."""
    async with client.session.request(method, client.url(path), **arguments) as response:
        assert response.ok, await response.text()
        return response.headers["ETag"]


async def test_of_two_editors_the_second_is_told(client: Client) -> None:
    body = {"name": "old", "script": "echo old"}
    async with client.session.post(client.url("commands/"), json=body) as response:
        created, first = await response.json(), response.headers["ETag"]
    await client.finished(created["run"]["id"])  # the run does not change any more
    path = f"commands/{created['id']}"
    assert await tagged(client, "GET", path) == first
    second = await tagged(client, "PUT", path, json=body, headers={"If-Match": first})
    assert second != first
    mine = {"name": "mine", "script": "echo mine"}
    for method in ["PUT", "PATCH"]:
        url, headers = client.url(path), {"If-Match": first}
        async with client.session.request(method, url, json=mine, headers=headers) as response:
            refused = await response.json()
            assert response.status == 412
            assert response.headers["ETag"] == second
        assert refused["type"] == "/docs/api.md#command-changed"
        assert refused["command"] == await client.call("GET", path)
    third = await tagged(client, "PATCH", path, json=mine, headers={"If-Match": f'"x", {second}'})
    await client.call("PUT", path, json=body, headers={"If-Match": f"W/{third}"}, status=412)
    await client.call("PUT", path, json=body, headers={"If-Match": "nonsense"}, status=412)
    assert (await client.call("GET", path))["name"] == "mine"
    await client.call("PUT", path, json=body, headers={"If-Match": "*"})


async def test_a_run_does_not_change_its_commands_version(client: Client) -> None:
    created = await client.create("true")
    path = f"commands/{created['id']}"
    before = await tagged(client, "GET", path)
    await client.finished(created["run"]["id"])
    assert await tagged(client, "GET", path) == before


async def test_windows_line_ends_are_told(client: Client) -> None:
    script = "#!/bin/bash\r\necho hello\r\n"
    created = await client.create(script)
    run = await client.finished(created["run"]["id"])
    assert (run["state"], "Windows line ends" in run["reason"]) == ("failed", True)
    path = f"commands/{created['id']}"
    body = {"name": "test", "script": script}
    for told in [
        created,
        await client.call("GET", path),
        await client.call("PUT", path, json=body),
        await client.call("PATCH", path, json=body),
    ]:
        [warning] = told["warnings"]
        assert "Windows line ends (CRLF)" in warning
    body["script"] = "\ufeff#!/bin/sh\n"
    [warning] = (await client.call("PUT", path, json=body))["warnings"]
    assert "byte order mark" in warning
    body["script"] = "#!/bin/sh\n"
    assert (await client.call("PUT", path, json=body))["warnings"] == []


async def test_lists_hold_the_start_of_long_scripts_and_say_so(client: Client) -> None:
    script = "#" + "x" * 100_000
    created = await client.create(script, name="a long script", start=False)
    [listed] = (await client.call("GET", "commands/?q=a+long+script"))["items"]
    assert (listed["script"], listed["script_truncated"]) == (script[:4096], True)
    path = f"commands/{created['id']}"
    whole = await client.call("GET", path)
    assert (whole["script"], whole["script_truncated"]) == (script, False)
    refused = await client.call("PUT", path, json=listed, status=422)
    assert "cut" in str(refused["errors"]["script_truncated"])
    assert (await client.call("GET", path))["script"] == script


async def test_blanks_in_a_search_do_not_matter(client: Client) -> None:
    await client.create("true", name="новый резерв", start=False)
    for words in ["%20{1}%20", "{0}%20%20%09{1}", "{0}+{1}"]:
        query = words.format(*(quote(word) for word in ["новый", "резерв"]))
        found = await client.call("GET", f"commands/?q={query}")
        assert [item["name"] for item in found["items"]] == ["новый резерв"]
    everything = await client.call("GET", "commands/?limit=500")
    assert await client.call("GET", "commands/?limit=500&q=%20%20") == everything


async def test_every_route_takes_both_slash_forms(
    client: Client, subtests: pytest.Subtests
) -> None:
    created = await client.create("sleep 1000")
    made = await client.call(
        "POST", f"commands/{created['id']}/schedules", json={"cron": "0 0 1 1 *"}
    )
    ids = {"commands": created["id"], "runs": created["run"]["id"], "schedules": made["id"]}
    for method, path, _, _ in ROUTES:
        if method == "GET" and not path.endswith(("ws", "events")):  # which no GET reads
            plain = path.replace("{id}", ids[path.partition("/")[0]]) if "{id}" in path else path
            other = plain.removesuffix("/") if plain.endswith("/") else f"{plain}/"
            needed = {"search": {"q": "text"}, "preview": {"cron": "0 0 1 1 *"}}.get(
                path.rpartition("/")[2], {}
            )
            for one, verb in [(plain, "GET"), (other, "GET"), (other, "HEAD")]:
                with subtests.test(f"{verb} {one}"):
                    url = client.url(one)
                    async with client.session.request(verb, url, params=needed) as response:
                        assert response.status == 200
    await client.call("POST", f"commands/{ids['commands']}/runs/", status=201)
    await client.call("POST", f"runs/{ids['runs']}/signal/", json={"signal": "SIGCONT"})
    async with client.session.ws_connect(client.url(f"runs/{ids['runs']}/ws/")) as stream:
        await stream.close()
    await client.call("POST", f"commands/{ids['commands']}/stop/", status=202)
    for path in ["/swagger/doc.json", "/swagger/swagger.json"]:
        async with client.session.get(client.page_url(path)) as response:
            assert (await response.json())["info"]["title"] == "Tailrun"


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
