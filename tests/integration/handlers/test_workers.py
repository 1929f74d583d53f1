"""Workers, over HTTP."""

import pytest

from server.repositories.database.database import Database
from tests.integration.handlers.harness import Api, Claimed, Serve
from tests.support.workers import add_worker


async def test_there_are_no_workers_where_none_said_hello(api: Api) -> None:
    assert await api.call("GET", "workers/", status=200) == {
        "is_met": None,
        "items": [],
        "pools": [],
    }


@pytest.mark.parametrize(
    ("stored", "over", "told"),
    [
        ("active", False, "active"),
        ("draining", False, "draining"),
        ("active", True, "unreachable"),
        ("draining", True, "unreachable"),
        ("removed", False, "removed"),
        ("removed", True, "removed"),
    ],
)
async def test_a_worker_is_told_as_it_stands(
    api: Api, database: Database, stored: str, told: str, *, over: bool
) -> None:
    for name in ("second", "first"):
        await add_worker(
            *(database, name),
            pools=["build", "docs"],
            labels=["arch=arm64"],
            places=3,
            lease_seconds=-1 if over else 30,
        )
    await database.fetch_all("UPDATE workers SET state = %(state)s RETURNING id", {"state": stored})
    fleet = await api.call("GET", "workers/", status=200)
    first, second = fleet["items"]
    nothing: dict[str, object] = {"waiting": 0, "oldest_at": None, "in_vain": []}
    names = [] if told == "removed" else ["build", "docs"]
    assert fleet["pools"] == [{"name": name, **nothing} for name in names]
    assert first.pop("seen_at")
    assert first == {
        "id": "first",
        "name": "first",
        "role": "worker",
        "state": told,
        "draining": stored == "draining",
        "pools": ["build", "docs"],
        "labels": ["arch=arm64"],
        "places": 3,
        "running": 0,
        "version": "1",
        "enrolled_at": None,
    }
    assert second["name"] == "second"


async def test_what_waits_in_a_pool_is_told_of_the_groups_that_are_seen(serve: Serve) -> None:
    """And what of it no worker can have, the first that was stored first."""
    api = await serve(Claimed())
    api.client.session.headers["As"] = "admin@*"
    for group, requires in [("web", ["os=none"]), ("web", []), ("mail", []), ("web", ["os=none"])]:
        await api.create("true", group=group, pool="build", requires=requires)
    [pool] = (await api.call("GET", "workers/", status=200))["pools"]
    assert pool["oldest_at"] == pool["in_vain"][0].pop("oldest_at")
    assert pool["in_vain"].pop(1).pop("waiting") == 2
    assert pool["in_vain"] == [{"why": "no_worker", "requires": ["os=none"], "waiting": 2}]
    assert (pool["name"], pool["waiting"]) == ("build", 4)
    headers = {"As": "editor@mail"}
    [pool] = (await api.call("GET", "workers/", status=200, headers=headers))["pools"]
    assert (pool["waiting"], [one["requires"] for one in pool["in_vain"]]) == (1, [[]])


async def test_runs_of_a_pool_and_of_a_host_are_found(api: Api, database: Database) -> None:
    one, _ = await api.create("true", pool="build"), await api.create("true")
    path = "runs/?pool=build"
    [found] = (await api.call("GET", path, status=200))["items"]
    assert (found["id"], found["pool"]) == (one["run"]["id"], "build")
    assert found["reason"] == "it waits for a worker of the pool build"
    stored = "UPDATE commands_info SET host = 'h' WHERE id = %(id)s RETURNING id"
    await database.fetch_all(stored, {"id": found["id"]})
    [again] = (await api.call("GET", "runs/?host=h&state=queued", status=200))["items"]
    assert again["id"] == found["id"]
    await add_worker(database, "h")
    [host] = (await api.call("GET", "workers/", status=200))["items"]
    assert (host["id"], host["running"]) == ("h", 1)
    assert (await api.call("GET", "runs/?pool=docs", status=200))["items"] == []


async def test_a_server_by_itself_has_no_workers(api: Api) -> None:
    assert (await api.call("GET", "session", status=200))["workers"] is False
