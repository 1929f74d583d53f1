"""`tailrun schedules`, `pause`, `resume` and `hooks`: what starts a command by itself."""

import json
import os
import zlib
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.acceptance.test_run_word import say
from tests.support.client import Client
from tests.support.hooks import as_body, github


@pytest.fixture
def key(request: pytest.FixtureRequest) -> str:
    """Return a name for the test's own command."""
    return f"s{zlib.crc32(request.node.name.encode())}"


async def scheduled(client: Client, key: str, cron: str = "0 3 * * *") -> dict[str, Any]:
    """Store a command with a schedule; return the schedule."""
    command = await client.create("true", name=f"Job {key}", key=key, start=False)
    body = {"cron": cron, "time_zone": "Asia/Tokyo"}
    path = f"commands/{command['id']}/schedules"
    made: dict[str, Any] = await client.call("POST", path, json=body)
    return made


async def test_schedules_are_listed_with_their_next_times(client: Client, key: str) -> None:
    schedule = await scheduled(client, key)
    first = datetime.fromisoformat(schedule["next_times"][0]).isoformat(" ", "seconds")
    listed = await say(client, "schedules")
    row = [f"Job {key}", "0 3 * * *", "Asia/Tokyo", first, schedule["id"]]
    lines = listed.out.decode().splitlines()
    assert [one.split() for one in lines if key in one] == [" ".join(row).split()]
    told = (await say(client, "schedules", key)).out.decode().splitlines()
    assert told[0] == "0 3 * * * (Asia/Tokyo): At 03:00 every day"
    assert told[1] == f"  id: {schedule['id']}"
    assert told[2] == f"  next: {first}"
    assert len([one for one in told if one.startswith("  next: ")]) == 5
    [found] = [
        json.loads(one) for one in (await say(client, "schedules", key, "--json")).out.splitlines()
    ]
    assert (found["id"], found["fires"]) == (schedule["id"], [])
    await client.call("PATCH", f"schedules/{schedule['id']}", json={"enabled": False})
    assert "  turned off: it starts nothing\n" in (await say(client, "schedules", key)).out.decode()


async def test_a_pause_says_why_nothing_is_started_and_is_ended(client: Client, key: str) -> None:
    schedule = await scheduled(client, key, "* * * * * *")
    paused = await say(client, "pause", key, "--note", "the disk is moved", "--for", "2h")
    assert (paused.code, paused.out) == (0, b"")
    assert paused.err.startswith(f"tailrun: Job {key} is paused until ")
    assert "the disk is moved" in paused.err
    command = await client.call("GET", f"commands/{schedule['command']['id']}")
    end = datetime.fromisoformat(command["paused"]["until"]) - datetime.now(UTC)
    assert timedelta(hours=1, minutes=50) < end <= timedelta(hours=2)
    while not (why := [one for one in await told(client, key) if ", paused" in one]):
        pass
    assert why[0].startswith("  due: ")
    at = await say(client, "schedules", key, "--at", datetime.now(UTC).isoformat())
    assert at.out.decode().count("  due: ") == 1
    assert ", paused" in at.out.decode()
    resumed = await say(client, "resume", key)
    assert resumed.err == f"tailrun: Job {key} is started by its schedules and hooks again.\n"
    while not [one for one in await told(client, key) if ", started, run " in one]:
        pass
    await client.call("DELETE", f"schedules/{schedule['id']}")
    assert (await say(client, "schedules", key)).out == b""


async def told(client: Client, key: str) -> list[str]:
    return (await say(client, "schedules", key, "-n", "50")).out.decode().splitlines()


async def test_a_pause_that_has_ended_is_refused(client: Client, key: str) -> None:
    await scheduled(client, key)
    said = await say(client, "pause", key, "--until", "2020-01-01")
    assert said.code == os.EX_DATAERR
    assert said.err == "tailrun: until: It has passed. Give a time to come.\n"
    assert (await say(client, "pause", "nobodys")).code == os.EX_NOINPUT


async def test_a_hook_is_listed_turned_off_and_given_a_new_secret(client: Client, key: str) -> None:
    command = await client.create("true", key=key, start=False)
    path = f"commands/{command['id']}/hooks"
    asked = {"name": "on push", "scheme": "github", "events": ["push"]}
    made = await client.call("POST", path, json=asked)
    listed = (await say(client, "hooks", key)).out.decode().splitlines()
    words = ["on", "push", "github", "push", "on", made["deliveries"], made["id"]]
    assert [one.split() for one in listed[1:]] == [words]
    off = await say(client, "hooks", key, "--disable", "on push", "--json")
    assert json.loads(off.out)["enabled"] is False
    assert "turned off" in (await say(client, "hooks", key)).out.decode()
    on = await say(client, "hooks", key, "--enable", made["id"])
    assert "turned off" not in on.out.decode()
    renewed = await say(client, "hooks", key, "--new-secret", "on push")
    secret = renewed.out.decode().rstrip("\n")
    assert secret not in renewed.err
    body = as_body({})
    for signed_by, status in ((made["secret"], 401), (secret, 201)):
        headers = github(signed_by, body)
        url = f"{client.service.address}{made['deliveries']}"
        async with client.session.post(url, data=body, headers=headers) as answer:
            assert answer.status == status
    unknown = await say(client, "hooks", key, "--new-secret", "x")
    assert unknown.code == os.EX_NOINPUT
    assert unknown.err == "tailrun: There is no hook 'x'; the command has: on push.\n"
    await client.call("POST", path, json=asked)
    several = await say(client, "hooks", key, "--new-secret", "on push")
    assert (several.code, several.out) == (os.EX_NOINPUT, b"")
    assert "Several hooks are called 'on push'" in several.err
