"""Letting workers in, and managing them, over HTTP."""

import asyncio
from contextlib import closing
from typing import Any
from uuid import uuid4

import psycopg2
import pytest

from server.repositories.database.database import Database
from server.services.access.credentials import WORKER_PREFIX, new_token
from server.services.fleet.removed import Removed
from tests.integration.handlers.harness import Api, Serve
from tests.integration.handlers.test_audit import NO_ROWS, entries, until_entered
from tests.support.fleet import new_key
from tests.support.postgres import execute
from tests.support.waiting import until_true
from tests.support.workers import add_worker

NATS_URL = "nats://127.0.0.1:1"


@pytest.fixture
async def api(serve: Serve) -> Api:
    """Hosts meet at an engine that is not there: it is asked for nothing here."""
    return await serve(nats_url=NATS_URL)


async def token(api: Api, **place: Any) -> str:
    """Return a new token."""
    made = await api.call("POST", "workers/tokens", json={"pools": ["build"], **place}, status=201)
    secret: str = made["token"]
    return secret


def asked(secret: str, **fields: str) -> dict[str, str]:
    """Return what a worker says to be enrolled."""
    said = {"name": f"n-{uuid4()}"[:40], "public_key": new_key(), "version": "1"}
    return {"token": secret, "host": str(uuid4()), **said, **fields}


async def listed(api: Api, host: str) -> dict[str, Any]:
    fleet = await api.call("GET", "workers/", status=200)
    [found] = [one for one in fleet["items"] if one["id"] == host]
    return dict(found)


async def test_a_worker_is_enrolled_once_for_what_its_token_says(
    api: Api, database: Database
) -> None:
    place = {"pools": ["build", "docs"], "labels": ["arch=arm64"], "places": 3}
    secret = await token(api, **place)
    said = asked(secret, name="build-1")

    told = await api.call("POST", "workers/enroll", json=said, status=200)
    [key] = told.pop("verify_keys")
    assert key.startswith("C")
    assert told == {"name": "build-1", **place, "nats_url": [NATS_URL], "nats_ca": None}
    worker = await listed(api, said["host"])
    assert worker["enrolled_at"]
    assert {name: worker[name] for name in place} == place
    stored = await database.fetch_all("SELECT hash, used_by FROM workers_tokens")
    assert [used_by for _, used_by in stored] == [said["host"]]
    assert secret.encode() not in bytes(stored[0][0])

    # Its answer may have been lost: the same worker is answered the same.
    again = await api.call("POST", "workers/enroll", json=said, status=200)
    assert (again["name"], again["verify_keys"]) == ("build-1", [key])


async def refused(api: Api, said: dict[str, str]) -> str:
    told = await api.problem("POST", "workers/enroll", 409, "conflict", json=said)
    detail: str = told["detail"]
    return detail


async def test_a_token_that_is_used_or_late_is_refused_with_the_mend(
    api: Api, database: Database
) -> None:
    secret = await token(api)
    await api.call("POST", "workers/enroll", json=asked(secret), status=200)
    assert (await refused(api, asked(secret))).startswith("The token was used already")

    late = await token(api)
    await database.fetch_all(
        "UPDATE workers_tokens SET expires_at = now() WHERE used_at IS NULL RETURNING id"
    )
    said = await refused(api, asked(late))
    assert said.startswith("The token was good until ")
    assert "`tailrun workers token`" in said


UNKNOWN = {
    "of no form": "tlw_",
    "none": "",
    "a user's": new_token(),
    "a worker's": new_token(WORKER_PREFIX),
}


@pytest.mark.parametrize("wrong", UNKNOWN.values(), ids=UNKNOWN)
async def test_an_unknown_token_is_refused_as_any_credential(api: Api, wrong: str) -> None:
    said = asked(wrong)
    await api.problem("POST", "workers/enroll", 401, "credential-refused", json=said)
    [row] = await until_entered(api, 1)
    assert (row["act"], row["outcome"], row["principal"]) == (
        *("worker.enrol", "refused", "anonymous"),
    )


async def test_who_guesses_tokens_has_to_wait(api: Api) -> None:
    for _ in range(10):
        said = asked(new_token(WORKER_PREFIX))
        await api.problem("POST", "workers/enroll", 401, "credential-refused", json=said)
    said = asked(new_token(WORKER_PREFIX))
    async with api.client.post("/api/v1/workers/enroll", json=said) as answer:
        assert answer.status == 429


async def test_nothing_of_another_host_is_taken_over(api: Api, database: Database) -> None:
    first = asked(await token(api), name="one")
    await api.call("POST", "workers/enroll", json=first, status=200)
    await add_worker(database, "server", role="server")
    await add_worker(database, "older", pools=["prod"], name="older")
    secret = await token(api)
    for fields, said in (
        ({"host": first["host"]}, "is enrolled as one with another key. Remove it first"),
        ({"public_key": first["public_key"]}, "This key is that of one. Each worker has a state"),
        ({"name": "one"}, "Another worker is called one. Give this one another name (--name)"),
        ({"host": "server"}, "This is the state directory of a server, server."),
        ({"host": "older"}, "is of the pools prod, and the token is for build"),
    ):
        assert said in await refused(api, asked(secret, **fields))
    # What was refused did not use the token up, and one for its pools enrols who was there before.
    await api.call("POST", "workers/enroll", json=asked(secret), status=200)
    own = asked(await token(api, pools=["prod", "build"]), host="older")
    await api.call("POST", "workers/enroll", json=own, status=200)
    assert (await listed(api, "older"))["pools"] == ["prod", "build"]


async def test_a_worker_is_drained_changed_and_goes_on(api: Api, database: Database) -> None:
    await add_worker(database, "w", name="w")
    await api.call("PATCH", "workers/w", json={"state": "draining"}, status=204)
    assert (await listed(api, "w"))["state"] == "draining"
    change = {"state": "active", "pools": ["docs"], "labels": [], "places": 7}
    await api.call("PATCH", "workers/w", json=change, status=204)
    found = await listed(api, "w")
    assert {name: found[name] for name in change} == change
    rows = await entries(api, "act=worker.change")
    assert [row["details"] for row in rows] == [
        {"worker": "w", "name": "w", "state": "draining"},
        {"worker": "w", "name": "w", **change},
    ]


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"state": "removed"},
        {"state": "unreachable"},
        {"pools": []},
        {"pools": ["Prod!"]},
        {"labels": ["none"]},
        {"places": 0},
        {"places": 10_001},
        {"name": "other"},
    ],
)
async def test_what_a_worker_cannot_be_is_refused_by_field(
    api: Api, database: Database, wrong: dict[str, object]
) -> None:
    await add_worker(database, "w")
    await api.problem("PATCH", "workers/w", 422, "invalid-input", json=wrong)


async def test_of_a_server_the_state_alone_is_changed(api: Api, database: Database) -> None:
    await add_worker(database, "s", role="server", name="s")
    await api.call("PATCH", "workers/s", json={"state": "draining"}, status=204)
    told = await api.problem("PATCH", "workers/s", 409, "conflict", json={"places": 3})
    assert "s is the host of a server" in told["detail"]
    told = await api.problem("DELETE", "workers/s", 409, "conflict")
    assert "End the server first" in told["detail"]
    await database.fetch_all("UPDATE workers SET lease_until = now() RETURNING id")
    await api.call("DELETE", "workers/s", status=204)


async def test_a_removed_worker_is_let_in_again_with_another_key_alone(api: Api) -> None:
    said = asked(await token(api))
    await api.call("POST", "workers/enroll", json=said, status=200)
    path = f"workers/{said['host']}"
    await api.call("DELETE", path, status=204)
    assert (await listed(api, said["host"]))["state"] == "removed"
    for method, json in (("PATCH", {"state": "active"}), ("DELETE", None)):
        told = await api.problem(method, path, 409, "conflict", json=json)
        assert "was removed" in told["detail"]

    # Neither its own repeated request, nor a new token helps: it is the key that is refused.
    assert "was used already" in await refused(api, said)
    again = {**said, "token": await token(api)}
    assert "which was removed. Remove the file nats.seed" in await refused(api, again)
    other = {**again, "host": str(uuid4()), "name": "another"}
    assert "which was removed" in await refused(api, other)
    await api.call("POST", "workers/enroll", json={**again, "public_key": new_key()}, status=200)
    assert (await listed(api, said["host"]))["state"] == "unreachable"  # not heard of yet


async def test_what_is_no_worker_is_not_found(api: Api) -> None:
    for method, json in (("PATCH", {"state": "active"}), ("DELETE", None)):
        await api.problem(method, f"workers/{uuid4()}", 404, "worker-not-found", json=json)


async def test_no_act_is_done_that_cannot_be_put_on_record(
    api: Api, database: Database, database_url: str
) -> None:
    await add_worker(database, "w")
    secret = await token(api)
    execute(database_url, NO_ROWS)
    for method, path, json in (
        ("POST", "workers/tokens", {"pools": ["build"]}),
        ("POST", "workers/enroll", asked(secret)),
        ("PATCH", "workers/w", {"state": "draining"}),
        ("DELETE", "workers/w", None),
    ):
        await api.problem(method, path, 503, "database-refused", json=json)
    execute(database_url, "DROP TRIGGER no_rows ON audit")
    assert (await listed(api, "w"))["state"] == "active"
    assert len(await database.fetch_all("SELECT FROM workers_tokens")) == 1
    await api.call("POST", "workers/enroll", json=asked(secret), status=200)


async def test_each_act_is_on_record_and_no_secret_with_it(api: Api) -> None:
    secret = await token(api)
    said = asked(secret, name="one")
    await api.call("POST", "workers/enroll", json=said, status=200)
    path = f"workers/{said['host']}"
    await api.call("PATCH", path, json={"places": 2}, status=204)
    await api.call("DELETE", path, status=204)
    rows = await until_entered(api, 4)
    assert [row["act"] for row in rows] == [
        *("worker.token", "worker.enrol", "worker.change", "worker.remove"),
    ]
    assert all(row["outcome"] == "done" for row in rows)
    made, enrolled = rows[:2]
    # Who has enrolled it is whoever made the token, known by it.
    assert enrolled["principal"] == made["principal"]
    assert enrolled["known_by"] == "token"
    assert enrolled["details"]["credential"] == made["details"]["token"]
    assert secret not in str(rows)


async def test_where_no_hosts_meet_it_is_said_what_is_missing(serve: Serve) -> None:
    api = await serve()
    told = await api.problem("POST", "workers/tokens", 409, "conflict", json={"pools": ["build"]})
    assert "set TAILRUN_NATS_URL" in told["detail"]


async def test_who_was_removed_at_another_server_is_refused_within_a_second() -> None:
    now, removed, asks = 0.0, set[str](), 0

    async def ask() -> set[str]:
        nonlocal asks
        asks += 1
        return {*removed}

    async def handle(host: str, _: object) -> object:
        return host

    guard = Removed(ask, clock=lambda: now)
    handler = guard.guarding({"append": handle})["append"]
    for _ in range(3):
        assert await handler("w", None) == "w"
    assert asks == 1
    removed.add("w")
    assert await handler("w", None) == "w"
    now = 1.0
    with pytest.raises(Exception, match="This worker was removed"):
        await handler("w", None)
    assert await handler("x", None) == "x"
    removed.clear()
    guard.forget()
    assert await handler("w", None) == "w"
    assert asks == 3


@pytest.mark.parametrize("field", ["host", "public_key", "name"])
async def test_of_workers_that_are_enrolled_at_once_none_takes_what_is_anothers(
    api: Api, field: str, database: Database
) -> None:
    shared = asked("")[field]
    said = [asked(await token(api), **{field: shared}) for _ in range(8)]

    async def enrol(one: dict[str, str]) -> int:
        async with api.client.post("/api/v1/workers/enroll", json=one) as answer:
            return answer.status

    assert sorted(await asyncio.gather(*map(enrol, said))) == [200, *[409] * 7]
    used = await database.fetch_all("SELECT FROM workers_tokens WHERE used_at IS NOT NULL")
    assert len(used) == 1


async def test_who_is_being_enrolled_elsewhere_is_waited_for(
    api: Api, database: Database, database_url: str
) -> None:
    await add_worker(database, "w", name="two")
    said = asked(await token(api), name="one")
    waits = """
        SELECT FROM pg_locks l JOIN pg_stat_activity a USING (pid)
        WHERE NOT l.granted AND a.datname = current_database()
    """

    async def is_waiting() -> bool:
        return await database.fetch_one(waits) is not None

    with closing(psycopg2.connect(database_url)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended('tailrun enrolments', 0))")
        cursor.execute("UPDATE workers SET name = 'one'")
        enrolling = asyncio.create_task(refused(api, said))
        await until_true(is_waiting)
        connection.commit()
        assert "Another worker is called one" in await enrolling
