"""Schedules over HTTP."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any
from uuid import uuid4

import pytest

from server.repositories.schedules import MAX_SCHEDULES
from tests.integration.handlers.harness import Api
from tests.support.waiting import until_true


async def stored(api: Api, **fields: object) -> str:
    """Store a command that is not started."""
    command_id: str = (await api.create("echo $DAY", start=False, **fields))["id"]
    return command_id


async def scheduled(api: Api, cron: str = "0 3 * * *", **fields: object) -> dict[str, Any]:
    """Store a command with a schedule."""
    path = f"commands/{await stored(api)}/schedules"
    made: dict[str, Any] = await api.call("POST", path, json={"cron": cron, **fields}, status=201)
    return made


async def test_a_schedule_is_stored_with_its_next_times(api: Api) -> None:
    command_id = await stored(api)
    async with api.client.post(
        f"/api/v1/commands/{command_id}/schedules",
        json={"cron": " 0 3 *  * mon-fri ", "time_zone": "Europe/Berlin", "overlap": "queue"},
    ) as response:
        assert response.status == 201
        made = await response.json()
        assert response.headers["Location"] == f"/api/v1/schedules/{made['id']}"
        tag = response.headers["ETag"]
    assert made["cron"] == "0 3 * * mon-fri"
    assert made["words"] == "At 03:00 on Monday through Friday"
    assert made["command"] == {"id": command_id, "name": "test", "group": "default"}
    assert (made["enabled"], made["overlap"], made["missed"]) == (True, "queue", "skip")
    assert (made["times"], made["paused"], made["jitter_seconds"]) == (None, None, 0)
    times = [datetime.fromisoformat(time) for time in made["next_times"]]
    assert len(times) == 5
    assert all(time.hour == 3 and time.utcoffset() for time in times)
    assert await api.call("GET", f"schedules/{made['id']}", status=200) == made
    for path in ["schedules/", f"commands/{command_id}/schedules"]:
        assert (await api.call("GET", path, status=200))["items"] == [made]

    path = f"schedules/{made['id']}"
    off = await api.call(
        "PATCH", path, json={"enabled": False}, status=200, headers={"If-Match": tag}
    )
    assert (off["next_times"], off["cron"]) == ([], made["cron"])
    await api.problem(
        "PATCH", path, 412, "schedule-changed", json={"enabled": True}, headers={"If-Match": tag}
    )
    whole = await api.call("PUT", path, json={**off, "cron": "@", "words": "x"}, status=422)
    assert whole["errors"].keys() == {"cron"}
    whole = await api.call("PUT", path, json={**off, "cron": "5 4 * * *"}, status=200)
    assert (whole["cron"], whole["enabled"], whole["overlap"]) == ("5 4 * * *", False, "queue")
    await api.call("DELETE", path, status=204)
    await api.problem("GET", path, 404, "schedule-not-found")
    await api.problem("DELETE", path, 404, "schedule-not-found")


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({}, "cron"),
        ({"cron": "61 * * * *"}, "cron"),
        ({"cron": "0 0 31 2 *"}, "cron"),
        ({"cron": None}, "cron"),
        ({"time_zone": "Mars/Olympus"}, "time_zone"),
        ({"overlap": "never"}, "overlap"),
        ({"missed": "twice"}, "missed"),
        ({"enabled": "yes"}, "enabled"),
        ({"jitter_seconds": 3601}, "jitter_seconds"),
        ({"jitter_seconds": "5"}, "jitter_seconds"),
        ({"parameters": {"DAY": "mon"}}, "parameters.DAY"),
        ({"every": "day"}, "every"),
    ],
    ids=lambda value: None if isinstance(value, dict) else value,
)
async def test_what_is_wrong_is_named(api: Api, fields: dict[str, Any], wrong: str) -> None:
    body = fields if "cron" in fields or not fields else {"cron": "0 3 * * *", **fields}
    path = f"commands/{await stored(api)}/schedules"
    told = await api.problem("POST", path, 422, "invalid-input", json=body)
    assert told["errors"].keys() == {wrong}


async def test_nothing_and_unknown_things_are_refused(api: Api) -> None:
    made = await scheduled(api)
    await api.problem("PATCH", f"schedules/{made['id']}", 422, "invalid-input", json={})
    new = {"cron": "0 3 * * *"}
    nowhere = f"commands/{uuid4()}"
    await api.problem("POST", f"{nowhere}/schedules", 404, "command-not-found", json=new)
    await api.problem("GET", f"{nowhere}/schedules", 404, "command-not-found")
    await api.problem("POST", f"{nowhere}/pause", 404, "command-not-found", json={})
    await api.problem("POST", f"{nowhere}/resume", 404, "command-not-found")
    await api.problem("PUT", f"schedules/{uuid4()}", 404, "schedule-not-found", json=new)
    await api.problem("GET", f"schedules/{uuid4()}/fires", 404, "schedule-not-found")
    await api.problem("GET", "schedules/first", 404, "schedule-not-found")
    await api.problem("GET", f"schedules/{made['id']}/fires?cursor=x", 422, "invalid-cursor")
    other = (await api.call("GET", "commands/?limit=1", status=200))["next"]
    assert other is None


async def test_a_schedule_that_is_due_starts_a_run_and_tells_why(api: Api) -> None:
    made = await scheduled(api, "* * * * * *", overlap="allow")
    path = f"schedules/{made['id']}"

    async def fires() -> Any:
        return (await api.call("GET", f"{path}/fires", status=200))["items"]

    async def have_come() -> bool:
        return len(await fires()) >= 3

    await until_true(have_come)
    await api.call("PATCH", path, json={"enabled": False}, status=200)
    found = await fires()
    due = [datetime.fromisoformat(fire["due_at"]) for fire in found]
    assert {later - earlier for later, earlier in pairwise(due)} == {timedelta(seconds=1)}
    run = await api.ended(found[0]["run_id"])
    assert run["state"] == "succeeded"
    assert run["cause"] == {"kind": "schedule", "id": made["id"], "due_at": found[0]["due_at"]}
    asked = {"at": found[1]["due_at"]}
    [nearest] = (await api.call("GET", f"{path}/fires", params=asked, status=200))["items"]
    assert nearest == found[1]
    first = await api.call("GET", f"{path}/fires?limit=1", status=200)
    rest = await api.call("GET", f"{path}/fires?cursor={first['next']}", status=200)
    assert [*first["items"], *rest["items"]] == found
    audit = (await api.call("GET", f"audit/?run_id={found[0]['run_id']}", status=200))["items"]
    assert [(one["act"], one["principal"]) for one in audit] == [
        ("command.start", f"schedule {made['id']}")
    ]


async def test_a_paused_command_says_so_until_it_goes_on(api: Api) -> None:
    made = await scheduled(api)
    path = f"commands/{made['command']['id']}"
    until_then = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    asked = {"note": "moving the database", "until": until_then}
    before = await api.call("GET", path, status=200)
    paused = await api.call("POST", f"{path}/pause", json=asked, status=200)
    assert paused["updated_at"] == before["updated_at"]
    assert paused["paused"]["note"] == "moving the database"
    seen = await api.call("GET", f"schedules/{made['id']}", status=200)
    assert seen["paused"]["note"] == "moving the database"
    assert seen["paused"]["until"] == until_then
    assert (await api.call("GET", "schedules/", status=200))["items"] == [seen]
    await api.call("POST", f"{path}/resume", status=200)
    await api.call("POST", f"{path}/resume", status=200)
    assert (await api.call("GET", f"schedules/{made['id']}", status=200))["paused"] is None
    assert (await api.call("GET", path, status=200))["paused"] is None
    acts = [one["act"] for one in (await api.call("GET", "audit/", status=200))["items"]]
    assert acts[:4] == ["command.resume", "command.resume", "command.pause", "schedule.create"]
    for wrong, field in [
        ({"until": "2020-01-01T00:00:00Z"}, "until"),
        ({"note": "two\nlines"}, "note"),
        ({"note": "x" * 201}, "note"),
        ({"for": 5}, "for"),
    ]:
        told = await api.problem("POST", f"{path}/pause", 422, "invalid-input", json=wrong)
        assert told["errors"].keys() == {field}


async def test_a_line_is_looked_at_before_it_is_stored(api: Api) -> None:
    asked = {"cron": "30 2 * * *", "time_zone": "Europe/Berlin"}
    told = await api.call("GET", "schedules/preview", params=asked, status=200)
    assert told["words"] == "At 02:30 every day"
    assert len(told["next_times"]) == 5
    assert {(one["kind"], one["effect"]) for one in told["warnings"]} == {
        ("skipped", "after"),
        ("repeated", "first"),
    }
    wrong = {"cron": "0 0 31 2 *", "time_zone": "here"}
    refused = await api.call("GET", "schedules/preview", params=wrong, status=422)
    assert refused["errors"]["cron"] == [
        "It would never fire: no month that it names has such a day."
    ]
    assert refused["errors"].keys() == {"cron", "time_zone"}


async def test_due_times_are_listed_up_to_a_moment(api: Api) -> None:
    dense = await scheduled(api, "* * * * *")
    daily = await scheduled(api, "0 3 * * *")
    yearly = await scheduled(api, "0 0 29 2 *")
    week = (datetime.now(UTC) + timedelta(days=7)).isoformat()
    page = await api.call("GET", "schedules/", params={"until": week}, status=200)
    told = {one["id"]: (len(one["times"]), one["more"]) for one in page["items"]}
    assert told == {dense["id"]: (200, True), daily["id"]: (7, False), yearly["id"]: (0, False)}
    year = (datetime.now(UTC) + timedelta(days=300)).isoformat()
    refused = await api.call("GET", "schedules/", params={"until": year}, status=422)
    assert refused["errors"] == {"until": ["It is more than 32 days ahead."]}
    assert (await api.call("GET", "schedules/?group=other", status=200))["items"] == []


async def test_a_command_has_a_bounded_number_of_schedules(api: Api) -> None:
    path = f"commands/{await stored(api)}/schedules"
    for _ in range(MAX_SCHEDULES):
        await api.call("POST", path, json={"cron": "* * * * * *", "enabled": False}, status=201)
    told = await api.problem("POST", path, 409, "conflict", json={"cron": "0 3 * * *"})
    assert told["detail"].startswith(f"The command has {MAX_SCHEDULES} schedules")
    listed = await api.call("GET", f"{path}?limit=500", status=200)
    assert len(listed["items"]) == MAX_SCHEDULES
    await api.call("DELETE", f"schedules/{listed['items'][0]['id']}", status=204)
    await api.call("POST", path, json={"cron": "0 3 * * *"}, status=201)


async def test_a_value_that_was_given_as_a_secret_is_not_shown_once_it_is_none(api: Api) -> None:
    def parameters(kind: str) -> list[dict[str, str]]:
        return [{"name": "KEY", "type": kind}, {"name": "OTHER", "type": "secret"}]

    command_id = await stored(api, parameters=parameters("secret"))
    body = {"cron": "* * * * * *", "parameters": {"KEY": "hush", "OTHER": "hush"}}
    await api.call("POST", f"commands/{command_id}/schedules", json=body, status=201)
    await api.call(
        "PATCH", f"commands/{command_id}", json={"parameters": parameters("string")}, status=200
    )
    changed_at = datetime.now(UTC)
    found: list[dict[str, Any]] = []

    async def fired() -> bool:
        runs = (await api.call("GET", f"commands/{command_id}/runs", status=200))["items"]
        found[:] = [
            one for one in runs if datetime.fromisoformat(one["cause"]["due_at"]) > changed_at
        ]
        return bool(found)

    await until_true(fired)
    await api.call("POST", f"commands/{command_id}/pause", json={}, status=200)
    assert all(one["parameters"] == {} for one in found)


async def test_a_pause_that_has_ended_by_itself_is_none(api: Api) -> None:
    made = await scheduled(api)
    path = f"commands/{made['command']['id']}"
    soon = (datetime.now(UTC) + timedelta(seconds=1)).isoformat()
    await api.call("POST", f"{path}/pause", json={"until": soon}, status=200)

    async def has_ended() -> bool:
        return (await api.call("GET", path, status=200))["paused"] is None

    await until_true(has_ended)
    assert (await api.call("GET", f"schedules/{made['id']}", status=200))["paused"] is None
