"""Workers, over HTTP."""

import pytest

from server.repositories.database.database import Database
from server.repositories.workers import WorkerRepository
from tests.integration.handlers.harness import Api


async def test_there_are_no_workers_where_none_said_hello(api: Api) -> None:
    assert await api.call("GET", "workers/", status=200) == {"items": []}


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
    workers = WorkerRepository(database)
    for name in ("second", "first"):
        await workers.hello(
            name,
            name=name,
            version="1.2",
            pools=["build", "docs"],
            labels=["arch=arm64"],
            places=3,
            lease_seconds=-1 if over else 30,
        )
    await database.fetch_all("UPDATE workers SET state = %(state)s RETURNING id", {"state": stored})
    first, second = (await api.call("GET", "workers/", status=200))["items"]
    assert first.pop("seen_at")
    assert first == {
        "id": "first",
        "name": "first",
        "state": told,
        "pools": ["build", "docs"],
        "labels": ["arch=arm64"],
        "places": 3,
        "version": "1.2",
    }
    assert second["name"] == "second"
