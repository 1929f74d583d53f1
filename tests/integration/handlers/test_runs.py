"""The routes of runs: what is read of a request, what is answered, and each error."""

import os
from typing import Any

import pytest

from tests.integration.handlers.harness import Api, Serve
from tests.support.postgres import execute
from tests.support.waiting import patience, until_true

NOBODY = "00000000-0000-4000-8000-000000000000"


async def test_a_run_is_given_up_while_its_host_is_away_and_stays_so(api: Api) -> None:
    run_id = await api.away()
    shown = await api.call("GET", f"runs/{run_id}", status=200)
    assert (shown["state"], shown["host"]) == ("queued", "away")
    ended = await api.call("POST", f"runs/{run_id}/abandon", status=200)
    assert ended["state"] == "lost"
    assert ended["reason"].startswith("abandoned by local:")
    assert "its host build-1 was away since 20" in ended["reason"]
    assert await api.call("GET", f"runs/{run_id}", status=200) == ended
    await api.problem("POST", f"runs/{run_id}/abandon", 409, "no-active-run")


async def test_what_may_not_be_given_up_is_told_with_what_to_do_instead(api: Api) -> None:
    there, ending = await api.away(), await api.away(on_unreachable="retry")
    own, waits = await api.run("sleep 1000"), (await api.create("true", pool="nobody"))["run"]["id"]
    unknown = await api.away(host="unknown")
    told: dict[str, str] = {}
    for run_id in (own, waits, unknown):
        found = await api.problem("POST", f"runs/{run_id}/abandon", 409, "host-not-away")
        told[run_id] = found["detail"]
    assert "Stop it instead" in told[waits]
    assert "none that others know of" in told[own]  # there are no others here
    assert "it ends at once" in told[unknown]
    execute(api.database_url, "UPDATE workers SET lease_until = now() - interval '29 s'")
    found = await api.problem("POST", f"runs/{ending}/abandon", 409, "host-not-away")
    assert "Ask again in 30 s" in found["detail"]
    execute(api.database_url, "UPDATE workers SET lease_until = now() + interval '29 s'")
    found = await api.problem("POST", f"runs/{there}/abandon", 409, "host-not-away")
    assert "is not away" in found["detail"]


async def test_a_run_that_is_tried_again_where_its_host_is_away_is_so_once(api: Api) -> None:
    run_id = await api.away(on_unreachable="retry")
    await api.call("POST", f"runs/{run_id}/abandon", status=200)
    found: list[dict[str, Any]] = []

    async def follows() -> bool:
        nonlocal found
        found = (await api.call("GET", f"runs/?retry_of={run_id}", status=200))["items"]
        return bool(found)

    await until_true(follows)
    [retry] = found
    assert (retry["state"], retry["attempt"], retry["host"]) == ("queued", 2, None)
    assert retry["cause"] == {"kind": "retry", "id": run_id, "due_at": None}


async def test_a_run_is_started_and_told(api: Api) -> None:
    created = await api.create("echo one; exit 3", start=False)
    async with api.client.post(f"/api/v1/commands/{created['id']}/runs") as response:
        started = await response.json()
        assert response.status == 201
        assert response.headers["Location"] == started["links"]["self"]
    ended = await api.ended(started["id"])
    assert (ended["state"], ended["exitcode"], ended["signal"]) == ("failed", 3, None)
    assert (ended["output_bytes"], ended["output_lines"]) == (4, 1)
    assert started["start_time"] <= ended["start_time"] <= ended["end_time"]
    last = (await api.call("GET", f"commands/{created['id']}", status=200))["last_run"]
    assert last == ended


async def test_runs_are_listed(api: Api) -> None:
    created = await api.create("true")
    ids = [created["run"]["id"]]
    for _ in range(2):
        run = await api.call("POST", f"commands/{created['id']}/runs", status=201)
        ids.insert(0, run["id"])
    other = await api.run("exit 1")
    for run_id in [*ids, other]:
        await api.ended(run_id)
    for query, expected in [
        (f"runs/?command_id={created['id']}", ids),
        (f"commands/{created['id']}/runs", ids),
        (f"commands/{created['id']}/runs/", ids),
        ("runs/?state=failed", [other]),
        ("runs?state=succeeded&limit=500", ids),
        ("runs/?state=queued", []),
        ("runs/", [other, *ids]),
    ]:
        page = await api.call("GET", query, status=200)
        assert ([run["id"] for run in page["items"]], page["next"]) == (expected, None)
    first = await api.call("GET", "runs/?limit=1", status=200)
    second = await api.call("GET", f"runs/?limit=1&cursor={first['next']}", status=200)
    assert [run["id"] for run in first["items"] + second["items"]] == [other, ids[0]]


async def test_the_attempt_after_a_run_is_found(api: Api) -> None:
    created = await api.create("exit 3", retries={"limit": 1, "delay_seconds": 1000})
    other = await api.run("exit 3")
    for run_id in [created["run"]["id"], other]:
        await api.ended(run_id)
    path = f"runs/?retry_of={created['run']['id']}"
    async with patience():  # what follows an end is made a moment after it is told
        while not (found := (await api.call("GET", path, status=200))["items"]):
            pass
    assert [(run["attempt"], run["retry_of"]) for run in found] == [(2, created["run"]["id"])]
    assert (await api.call("GET", f"runs/?retry_of={other}", status=200))["items"] == []
    await api.call("POST", f"runs/{found[0]['id']}/stop", status=202)


async def test_runs_are_filtered_and_told_with_their_commands(api: Api) -> None:
    created = await api.create("exit 3", name="three")
    failed, ok = created["run"]["id"], await api.run("true")
    waits = await api.run("exec sleep 1000")
    for run_id in [failed, ok]:
        await api.ended(run_id)
    async with patience():  # a run's start is stored a moment after it is told
        while not (await api.call("GET", "runs/?state=running", status=200))["items"]:
            pass
    moment = (await api.call("GET", f"runs/{ok}", status=200))["created_at"].replace("+", "%2B")
    for query, expected in [
        ("state=failed,succeeded", [ok, failed]),
        ("state=failed,lost", [failed]),
        ("exitcode=3", [failed]),
        (f"since={moment}", [waits, ok]),
        (f"until={moment}", [failed]),
        ("min_seconds=1000", []),
        ("max_seconds=1000", [waits, ok, failed]),
        ("q=nothing+like+it", []),
        (f"state=failed,succeeded&command_id={created['id']}", [failed]),
    ]:
        page = await api.call("GET", f"runs/?{query}", status=200)
        assert [run["id"] for run in page["items"]] == expected, query
        assert all("command" not in run for run in page["items"])
    [run] = (await api.call("GET", "runs/?exitcode=3&embed=command", status=200))["items"]
    assert run.pop("command") == {"id": created["id"], "name": "three", "group": "default"}
    assert run == await api.call("GET", f"runs/{failed}", status=200)
    for query, expected in [("failed", ["three"]), ("failed,running", ["test", "three"])]:
        page = await api.call("GET", f"commands/?state={query}", status=200)
        assert [command["name"] for command in page["items"]] == expected
    await api.call("POST", f"runs/{waits}/stop", status=202)


async def test_runs_are_deleted_many_at_a_time(api: Api) -> None:
    ended, active = await api.run("exit 1"), await api.run("exec sleep 1000")
    await api.ended(ended)
    ids = [active, ended, NOBODY, ended]
    told = await api.call("POST", "runs/delete", json={"ids": ids}, status=200)
    assert told["items"] == [
        {"id": active, "outcome": "active", "detail": "The run is active. Stop it first."},
        {"id": ended, "outcome": "deleted", "detail": None},
        {"id": NOBODY, "outcome": "not_found", "detail": f"There is no run {NOBODY}."},
    ]
    [left] = (await api.call("GET", "runs/", status=200))["items"]
    assert left["id"] == active
    for body in [{}, {"ids": []}, {"ids": ["x"]}, {"ids": [NOBODY] * 501}]:
        wrong = await api.problem("POST", "runs/delete", 422, "invalid-input", json=body)
        assert [*wrong["errors"]] == ["ids"]
    await api.call("POST", f"runs/{active}/stop", status=202)


async def test_a_run_that_the_database_does_not_delete_keeps_no_other(
    api: Api, database_url: str
) -> None:
    refused, ended = await api.run("exit 1"), await api.run("exit 2")
    for run_id in [refused, ended]:
        await api.ended(run_id)
    execute(
        database_url,
        "CREATE TABLE kept (id UUID REFERENCES commands_info)",
        "INSERT INTO kept SELECT id FROM commands_info WHERE exitcode = 1",
    )
    told = await api.call("POST", "runs/delete", json={"ids": [refused, ended]}, status=200)
    assert [one["outcome"] for one in told["items"]] == ["failed", "deleted"]
    assert "kept" in told["items"][0]["detail"]


async def test_info_is_the_newest_run_with_so_much_of_its_output(serve: Serve) -> None:
    api = await serve(info_output_bytes=5)
    created = await api.create("printf '123é56'")
    await api.ended(created["run"]["id"])
    info = await api.call("GET", f"commands/{created['id']}/info", status=200)
    assert (info["id"], info["output_bytes"]) == (created["run"]["id"], 7)
    assert (info["output"], info["output_truncated"]) == ("123é", True)
    none = await api.create("true", start=False)
    await api.problem("GET", f"commands/{none['id']}/info", 404, "run-not-found")


async def test_a_run_is_signalled_stopped_and_then_deleted(api: Api) -> None:
    run_id = await api.run("trap 'echo got it' USR1; echo up; while :; do sleep 0.01; done")
    path = f"runs/{run_id}"
    async with api.stream(run_id) as stream:
        assert (await stream.receive()).data == "up"
        await api.call("POST", f"{path}/signal", json={"signal": "SIGUSR1"}, status=202)
        while "got it" not in (await stream.receive()).data:  # the shell tells of the signal
            pass
        paused = await api.call("POST", f"{path}/signal", json={"signal": "SIGSTOP"}, status=202)
        assert (paused["paused"], paused["stopping"]) == (True, False)
        await api.problem("DELETE", path, 409, "run-active")
        stop = {"signal": "SIGINT", "grace_seconds": 0}
        stopping = await api.call("POST", f"{path}/stop", json=stop, status=202)
        assert (stopping["paused"], stopping["stopping"]) == (False, True)
    assert (await api.ended(run_id))["state"] == "stopped"
    await api.problem("POST", f"{path}/stop", 409, "no-active-run")
    await api.problem("POST", f"{path}/signal", 409, "no-active-run", json={"signal": "SIGINT"})
    assert await api.call("DELETE", path, status=204) is None
    await api.problem("GET", path, 404, "run-not-found")


async def test_a_wrong_stop_or_signal_is_refused(api: Api, subtests: pytest.Subtests) -> None:
    run_id = await api.run("sleep 1000")
    for route, body, field in [
        ("stop", {"signal": "SIGNONE"}, "signal"),
        ("stop", {"grace_seconds": -1}, "grace_seconds"),
        ("stop", {"when": "now"}, "when"),
        ("signal", {}, "signal"),
        ("signal", {"signal": "USR1"}, "signal"),
    ]:
        with subtests.test(route, body=body):
            path = f"runs/{run_id}/{route}"
            told = await api.problem("POST", path, 422, "invalid-input", json=body)
            assert [*told["errors"]] == [field]
    run = await api.call("GET", f"runs/{run_id}", status=200)
    assert not run["stopping"]
    await api.call("POST", f"runs/{run_id}/stop", status=202)


async def test_what_is_not_there_is_named(api: Api, subtests: pytest.Subtests) -> None:
    for method, path, body in [
        ("GET", "", None),
        ("DELETE", "", None),
        ("POST", "/stop", None),
        ("POST", "/signal", {"signal": "SIGINT"}),
        ("GET", "/output", None),
    ]:
        with subtests.test(f"{method} {path}"):
            await api.problem(method, f"runs/{NOBODY}{path}", 404, "run-not-found", json=body)
    await api.problem("GET", "nothing", 404, "no-such-path")


async def test_a_wrong_query_is_refused(api: Api, subtests: pytest.Subtests) -> None:
    for query, field in [("state=asleep", "state"), ("command_id=x", "command_id")]:
        with subtests.test(query):
            told = await api.problem("GET", f"runs/?{query}", 422, "invalid-input")
            assert [*told["errors"]] == [field]


async def test_a_bound_of_runs_is_named(serve: Serve) -> None:
    api = await serve(max_active_runs_per_command=1)
    created = await api.create("sleep 1000")
    told = await api.problem("POST", f"commands/{created['id']}/runs", 503, "limit-reached")
    assert "TAILRUN_MAX_ACTIVE_RUNS_PER_COMMAND" in told["detail"]
    await api.call("POST", f"commands/{created['id']}/stop", status=202)


async def test_each_part_of_the_service_is_told(serve: Serve) -> None:
    api = await serve(min_free_bytes=2**62)
    assert await api.call("GET", "ping", status=200) == {"status": "ok"}
    async with api.client.get("/healthz") as response:
        assert await response.json() == {"status": "ok"}
    async with api.client.get("/readyz") as response:
        parts = await response.json()
        assert (response.status, parts["database"], parts["keeper"]) == (503, "ok", "ok")
        assert "MIN_FREE_BYTES" in parts["disk"]
    async with api.client.get("/metrics") as response:
        assert "tailrun_viewers 0.0" in (await response.text()).splitlines()


async def test_scripts_do_not_see_the_servers_environment(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET", "x")
    run_id = await api.run("env")
    await api.ended(run_id)
    names = {line.partition(b"=")[0] for line in (await api.output(run_id)).splitlines()}
    assert b"SECRET" in os.environb
    assert {b"PATH", b"TAILRUN_RUN_ID", b"TAILRUN_COMMAND_ID"} <= names
    assert b"SECRET" not in names


async def test_a_run_tells_the_script_that_it_executes_not_what_the_command_has_now(
    api: Api,
) -> None:
    created = await api.create("echo before")
    changed = {"script": "echo after"}
    await api.call("PATCH", f"commands/{created['id']}", json=changed, status=200)
    told = await api.call("GET", f"runs/{created['run']['id']}/script", status=200)
    assert told == {"script": "echo before"}
