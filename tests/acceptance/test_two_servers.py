"""Two servers that meet over NATS, and a worker: it makes no difference which of them is asked.

What runs are started by, who may what, what is on record, found and told is of the database; the
runs are the worker's, and neither server has one of its own.
"""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, NamedTuple
from uuid import uuid4

import aiohttp
import pytest
import pytest_asyncio
from aiohttp import hdrs

from tests.support.client import Client
from tests.support.cluster import Cluster, cluster
from tests.support.turns import Notes
from tests.support.waiting import patience, until, until_true


class Servers(NamedTuple):
    """Clients of both servers."""

    first: Client
    second: Client


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def hosts(
    tmp_path_factory: pytest.TempPathFactory, shared_database_url: str
) -> AsyncIterator[Cluster]:
    """Run two servers and a worker, for all tests of the module."""
    directory = tmp_path_factory.mktemp("hosts")
    async with cluster(directory, shared_database_url, servers=2, workers=1) as hosts:
        yield hosts
        assert not [one for one in (*hosts.servers, *hosts.workers) if "Traceback" in one.log]


@pytest.fixture
async def servers(hosts: Cluster) -> AsyncIterator[Servers]:
    async with aiohttp.ClientSession() as session:
        yield Servers(*(Client(session, server) for server in hosts.servers))


async def stored(client: Client, script: str, **said: object) -> str:
    """Store a command of the worker's pool; return its id."""
    command = await client.create(script, start=False, **{"pool": "pool1", **said})
    return str(command["id"])


async def started(client: Client, command_id: str, **arguments: Any) -> dict[str, Any]:
    """Start a run."""
    return dict(await client.call("POST", f"commands/{command_id}/runs", status=201, **arguments))


async def runs_of(client: Client, command_id: str) -> list[dict[str, Any]]:
    """Return the runs of a command, the first first."""
    found: list[dict[str, Any]] = (await client.call("GET", f"commands/{command_id}/runs"))["items"]
    return found[::-1]


async def token_of(client: Client, role: str, group: str) -> tuple[str, dict[str, str]]:
    """Return the id of a new token, and the headers of a request by it."""
    asked = {"name": f"{role} of {group}", "role": role, "group": group}
    made = await client.call("POST", "tokens/", status=201, json=asked)
    return made["id"], {hdrs.AUTHORIZATION: f"Bearer {made['token']}"}


async def test_a_due_time_starts_one_run(servers: Servers) -> None:
    """Both servers look at what is due; what came of it is told by both."""
    command_id = await stored(servers.second, "echo due")
    path = f"commands/{command_id}/schedules"
    schedule = await servers.first.call("POST", path, status=201, json={"cron": "* * * * * *"})

    async def ended() -> list[dict[str, Any]]:
        return [run for run in await runs_of(servers.second, command_id) if run["end_time"]]

    async def have_ended() -> bool:
        return len(await ended()) >= 3

    await until_true(have_ended)
    await servers.second.call("DELETE", f"schedules/{schedule['id']}", status=204)
    due = [run["cause"]["due_at"] for run in await runs_of(servers.first, command_id)]
    assert len(due) == len({*due})
    assert {run["state"] for run in await ended()} == {"succeeded"}


async def test_a_run_that_failed_is_tried_again_once(servers: Servers) -> None:
    failing = await stored(servers.first, "exit 7", retries={"limit": 2})
    first = await started(servers.second, failing)

    async def tried() -> bool:
        found = await runs_of(servers.first, failing)
        return len(found) == 3 and all(run["end_time"] for run in found)

    await until_true(tried)
    found = await runs_of(servers.second, failing)
    assert [run["attempt"] for run in found] == [1, 2, 3]
    assert [run["retry_of"] for run in found] == [None, *(run["id"] for run in found[:2])]
    assert {run["cause"]["id"] for run in found[1:]} == {first["id"]}


async def test_the_limit_of_a_command_holds_over_both(servers: Servers, tmp_path: Path) -> None:
    notes = Notes(tmp_path)
    queued = await stored(servers.first, notes.script(), concurrency={"limit": 2})
    runs = [await started(servers[number % 2], queued) for number in range(6)]
    await until(lambda: len(notes.begun) == 2)
    limit = {"limit": 1, "beyond": "refuse"}
    refusing = await stored(servers.first, "sleep 600", concurrency=limit)
    one = await started(servers.first, refusing)
    told = await servers.second.call("POST", f"commands/{refusing}/runs", status=409)
    assert one["id"] in told["detail"]
    await servers.second.stop(one["id"])
    notes.open()
    for number, run in enumerate(runs):
        assert (await servers[number % 2].finished(run["id"]))["state"] == "succeeded"
    assert notes.most == 2
    assert sorted(notes.begun) == sorted(run["id"] for run in runs)


async def test_a_request_that_comes_again_elsewhere_starts_nothing(servers: Servers) -> None:
    command_id = await stored(servers.first, "true")
    key = {"headers": {"Idempotency-Key": str(uuid4())}}
    first, again = [await started(client, command_id, **key) for client in servers]
    assert first["id"] == again["id"]
    await servers.second.finished(first["id"])
    assert len(await runs_of(servers.first, command_id)) == 1


async def test_rights_given_and_taken_at_one_hold_at_the_other(servers: Servers) -> None:
    """At once when they are given, within some seconds when they are taken."""
    first, second = servers
    mine = await stored(first, "echo up; exec sleep 600", group="mine")
    theirs = await stored(first, "true", group="theirs")
    run = await started(first, mine)
    token_id, by_token = await token_of(first, "operator", "mine")
    async with second.connect(run["id"], by_token, format="raw") as stream, patience():
        assert await stream.receive_bytes() == b"up\n"
    await second.call("POST", f"commands/{theirs}/runs", headers=by_token, status=404)
    await first.call("DELETE", f"tokens/{token_id}", status=204)
    stop = second.url(f"runs/{run['id']}/stop")

    async def refused() -> bool:
        async with second.session.get(second.url("runs/"), headers=by_token) as response:
            return response.status == 401

    await until_true(refused)
    async with second.session.post(stop, headers=by_token, json={}) as response:
        assert response.status == 401
    await second.stop(run["id"])
    assert (await first.finished(run["id"]))["state"] == "stopped"


async def test_acts_at_both_are_on_one_record(servers: Servers) -> None:
    first, second = servers
    _, by_token = await token_of(first, "operator", "kept")
    command_id = await stored(first, "exec sleep 600", group="kept")
    run = await started(first, command_id)
    await second.call("DELETE", f"commands/{command_id}", headers=by_token, status=403)
    await second.call("POST", f"runs/{run['id']}/stop", headers=by_token, json={}, status=202)
    await first.finished(run["id"])
    acts = ["run.stop", "denied", "command.start", "command.create"]

    async def record(client: Client) -> list[str]:
        found = (await client.call("GET", "audit/"))["items"]
        return [
            one["act"]
            for one in found
            if command_id in {one["command_id"], *one["details"].get("path", "").split("/")}
        ]

    async def is_on_record() -> bool:
        return sorted(await record(first)) == sorted(acts)

    await until_true(is_on_record)
    assert await record(second) == await record(first)


async def test_the_output_of_a_worker_is_searched_at_both(servers: Servers, tmp_path: Path) -> None:
    """While it goes on, and once it is archived, with the same lines."""
    go_on = tmp_path / "go on"
    script = f"seq 100000; until [ -e '{go_on}' ]; do sleep 0.05; done; echo 99999 last"
    run = await started(servers.first, await stored(servers.first, script))
    path = f"runs/{run['id']}/search?q=99999"
    expected = [(99_999, "99999")]

    async def lines(client: Client) -> list[tuple[int, str]]:
        return [(hit["line"], hit["text"]) for hit in (await client.call("GET", path))["items"]]

    async def found() -> bool:
        return await lines(servers.second) == expected

    await until_true(found)
    assert await lines(servers.first) == expected
    go_on.touch()
    await servers.second.finished(run["id"])
    for client in servers:
        assert await lines(client) == [*expected, (100_001, "99999 last")]


@pytest.mark.parametrize("of_worker", [True, False])
async def test_what_happens_through_one_is_told_at_the_other(
    servers: Servers, *, of_worker: bool
) -> None:
    """Of a worker's run, and of one that the first server has itself."""
    first, second = servers
    pool = {} if of_worker else {"pool": None}
    command_id = await stored(first, "true", **pool)
    async with second.session.ws_connect(second.url("events")) as listener:
        assert (await listener.receive()).json()["type"] == "reset"
        run = await started(first, command_id)
        state = ""
        async with patience():
            while state != "succeeded":
                told = (await listener.receive()).json()
                if told["type"] == "run" and told["run"]["id"] == run["id"]:
                    state = told["run"]["state"]


async def test_a_command_that_changes_at_one_is_to_be_fetched_anew_at_the_other(
    servers: Servers,
) -> None:
    first, second = servers
    command_id = await stored(first, "true")
    path = f"commands/{command_id}"
    async with second.session.ws_connect(second.url("events")) as listener:
        assert (await listener.receive()).json()["type"] == "reset"
        await first.call("PATCH", path, json={"name": "another"})
        async with patience():
            while (await listener.receive()).json()["type"] != "reset":
                pass
    assert (await second.call("GET", path))["name"] == "another"
