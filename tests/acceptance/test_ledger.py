"""What stands in the database: runs that no server has, rows of others, and damage."""

import asyncio
import shutil
from contextlib import closing, suppress
from typing import Any
from uuid import uuid4

import aiohttp
import psycopg2
import pytest

from server.keeper.client import KeeperClient
from tests.support.client import Client, Start
from tests.support.postgres import execute
from tests.support.waiting import until, until_true


def query(url: str, sql: str) -> list[tuple[Any, ...]]:
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchall()


async def archived(client: Client, run_id: str, size: int) -> None:
    async def enough() -> bool:
        async with client.session.get(client.url(f"runs/{run_id}")) as response:
            run = await response.json()
        return bool(run["output_lines"] * 4 >= size)

    await until_true(enough)


async def lose_state(client: Client) -> None:
    """Start the server anew on an empty state directory: the database is all that is left."""
    service = client.service
    await service.kill()
    await service.end_keeper()
    shutil.rmtree(service.state_dir)
    await service.start()


async def test_a_run_whose_state_directory_is_lost_can_be_ended(start: Start) -> None:
    """Nobody knows what became of it. Its stream tells what is known, and no end."""
    client = await start()
    created = await client.create("echo one; sleep 1000")
    command_id, run_id = created["id"], created["run"]["id"]
    await archived(client, run_id, 4)
    await lose_state(client)
    await until(lambda: "runs of another host identity: 1" in client.service.log)
    watched = await client.stream(run_id, format="json")
    assert [message["type"] for message in watched.messages if message["type"] != "alive"][-1] in {
        "output",
        "refused",
    }
    assert "end" not in {message["type"] for message in watched.messages}
    assert watched.code != 1000
    await client.call("DELETE", f"runs/{run_id}", status=409)
    stopped = await client.stop(run_id)
    assert (stopped["state"], stopped["exitcode"]) == ("lost", None)
    assert "another state directory" in stopped["reason"]
    await client.call("POST", f"runs/{run_id}/stop", json={}, status=409)
    assert await client.output(run_id) == b"one\n"
    await client.call("DELETE", f"runs/{run_id}")
    await client.call("DELETE", f"commands/{command_id}")


async def test_the_lost_runs_of_a_command_are_ended_with_it(start: Start) -> None:
    client = await start()
    created = await client.create("echo one; sleep 1000")
    await archived(client, created["run"]["id"], 4)
    await lose_state(client)
    path = f"commands/{created['id']}/stop"
    ended = await client.call("POST", path, json={}, status=202)
    assert [run["state"] for run in ended["items"]] == ["lost"]
    await client.call("POST", path, json={}, status=409)


async def test_a_run_that_another_server_has_ended_is_stopped(
    start: Start, database_url: str
) -> None:
    """It was asked to stop it, and did not have it: what it stored holds."""
    client = await start()
    run_id = await client.run("echo one; while ! [ -e go ]; do sleep 0.05; echo two; done")
    await archived(client, run_id, 4)
    execute(
        database_url,
        "UPDATE commands_info SET state = 'lost', end_time = now(), reason = 'so',"
        " epoch = epoch + 1",
    )

    async def ended() -> bool:
        return (await client.get_run(run_id))["end_time"] is not None

    await until_true(ended)
    run = await client.get_run(run_id)
    assert (run["state"], run["reason"]) == ("lost", "so")
    keeper = KeeperClient(client.service.state_dir)
    assert await keeper.runs() == set()
    await keeper.close()


@pytest.mark.parametrize(
    ("columns", "values", "state"),
    [
        ("", "", "lost"),
        (", start_time, end_time, exitcode, output", ", now(), now(), 0, 'x'", "succeeded"),
        (", exitcode", ", 3", "failed"),
    ],
)
async def test_a_row_that_somebody_inserts_is_a_run_that_has_ended(
    start: Start, database_url: str, columns: str, values: str, state: str
) -> None:
    """As with the tables of the original, of which these have all columns."""
    client = await start()
    command_id = (await client.create("true", start=False))["id"]
    execute(
        database_url,
        f"INSERT INTO commands_info (commands_id{columns}) VALUES ('{command_id}'{values})",  # noqa: S608
    )
    run = (await client.call("GET", f"commands/{command_id}"))["last_run"]
    assert run["state"] == state
    assert run["end_time"] is not None
    assert await client.output(run["id"]) == b""
    assert (await client.stream(run["id"], format="json")).messages[-1]["state"] == state
    await client.call("POST", f"runs/{run['id']}/stop", json={}, status=409)
    await client.call("DELETE", f"runs/{run['id']}")


async def test_tables_that_are_emptied_leave_no_output(start: Start, database_url: str) -> None:
    """The runs that go on are stopped: nobody could see them."""
    client = await start()
    await client.finished(await client.run("echo one"))
    run_id = await client.run("while :; do echo one; sleep 0.05; done")
    await archived(client, run_id, 4)
    execute(database_url, "TRUNCATE commands CASCADE")
    keeper = KeeperClient(client.service.state_dir)

    async def stopped() -> bool:
        return await keeper.runs() == set()

    await until_true(stopped)
    await keeper.close()
    assert query(database_url, "SELECT count(*) FROM commands_info_output") == [(0,)]


async def test_a_state_that_is_not_known_hides_no_run(start: Start, database_url: str) -> None:
    client = await start()
    run_id = await client.run("true")
    await client.finished(run_id)
    checks = query(
        database_url,
        "SELECT conname FROM pg_constraint WHERE conrelid = 'commands_info'::regclass"
        " AND contype = 'c'",
    )
    for (name,) in checks:
        execute(database_url, f"ALTER TABLE commands_info DROP CONSTRAINT {name}")
    execute(database_url, "UPDATE commands_info SET state = 'dreaming'")
    [run] = (await client.call("GET", "runs/"))["items"]
    assert (run["id"], run["state"]) == (run_id, "lost")
    [command] = (await client.call("GET", "commands/"))["items"]
    assert command["last_run"]["id"] == run_id


@pytest.mark.parametrize(
    "odd",
    [
        "output_bytes = -5",
        "output_bytes = 5",
        "output_lines = -9000000000",
        "start_time = '99999-01-01'",
        "end_time = '0044-03-15 BC'",
        "created_at = '-infinity'",
        "created_at = 'infinity', end_time = '290000-01-01'",
    ],
)
async def test_an_odd_row_hides_nothing_and_holds_nobody(
    start: Start, database_url: str, odd: str
) -> None:
    """Also when a run of such a row is active, and when a server starts with it."""
    client = await start()
    ended, active = await client.run("seq 1000"), await client.run("echo; sleep 1000")
    await client.finished(ended)
    execute(database_url, f"UPDATE commands_info SET {odd} WHERE id = '{ended}'")  # noqa: S608
    if "end_time" not in odd:
        execute(database_url, f"UPDATE commands_info SET {odd} WHERE id = '{active}'")  # noqa: S608
    for _ in range(2):
        for path in ("runs/", "commands/"):
            assert len((await client.call("GET", path))["items"]) == 2
        await client.output(ended)
        for query_ in ("tail=2", "lines=5-6", "lines=900-", "follow=true", "offset=3"):
            async with client.session.get(client.url(f"runs/{ended}/output?{query_}")) as answer:
                with suppress(aiohttp.ClientPayloadError):  # broken off at what is not there
                    await answer.read()
        assert (await client.stream(ended, format="json")).messages[-1]["type"] == "end"
        await client.service.terminate()
        await client.service.start()
    await client.call("POST", f"runs/{active}/stop", json={"grace_seconds": 0}, status=202)

    async def over() -> bool:
        return (await client.get_run(active))["state"] in {"stopped", "lost"}

    await until_true(over)


async def read_identity(client: Client, run_id: str, got: bytearray) -> None:
    url, headers = client.url(f"runs/{run_id}/output"), {"Accept-Encoding": "identity"}
    async with client.session.get(url, headers=headers) as response:
        async for piece in response.content.iter_any():
            got += piece


async def test_a_damaged_archive_is_served_up_to_the_damage_and_told(
    start: Start, database_url: str
) -> None:
    client = await start()
    run_id = await client.run("yes 'a line of it' | head -c 3000000")
    await client.finished(run_id)
    whole = b"a line of it\n" * 300_000
    execute(
        database_url,
        "UPDATE commands_info_output SET byte_count = byte_count + 5 WHERE byte_offset >= 1048576",
    )
    got = bytearray()
    with pytest.raises(aiohttp.ClientError):
        await read_identity(client, run_id, got)
    assert whole.startswith(bytes(got))
    run = await client.get_run(run_id)
    assert "archive damaged at byte" in run["reason"]
    watched = await client.stream(run_id, format="json")
    told = [message for message in watched.messages if message["type"] != "output"]
    assert [message["type"] for message in told] == ["run", "refused"]
    assert (told[-1]["status"], watched.code) == (410, 4410)
    async with client.session.get(client.url(f"runs/{run_id}/output?format=sse")) as response:
        assert '"status":410' in (await response.text()).rpartition("id: end\n")[2]
    problem = await client.call("GET", f"runs/{run_id}/output?tail=1", status=410)
    assert problem["type"].endswith("#archive-damaged")
    await client.call("GET", "ping")
    assert (await client.get_run(run_id))["reason"] == run["reason"]


async def test_a_request_with_a_key_is_done_once(start: Start) -> None:
    client = await start()
    headers = {"Idempotency-Key": "mine-1"}
    body = {"name": "once", "script": "echo $TAILRUN_RUN_ID; sleep 0.2"}
    answers = await asyncio.gather(
        *(
            client.call("POST", "commands/", json=body, headers=headers, status=201)
            for _ in range(5)
        )
    )
    assert len({answer["id"] for answer in answers}) == 1
    assert len({answer["run"]["id"] for answer in answers}) == 1
    assert len((await client.call("GET", "runs/"))["items"]) == 1
    run_id = answers[0]["run"]["id"]
    await client.finished(run_id)
    assert await client.output(run_id) == f"{run_id}\n".encode()
    path = f"commands/{answers[0]['id']}/runs"
    again = {"Idempotency-Key": str(uuid4())}
    runs = await asyncio.gather(
        *(client.call("POST", path, headers=again, status=201) for _ in range(5))
    )
    assert len({run["id"] for run in runs} | {run_id}) == 2
    async with client.session.post(client.url(path), headers=again) as response:
        assert response.headers["Idempotent-Replayed"] == "true"
        assert response.headers["Location"].endswith(runs[0]["id"])


async def test_a_key_is_for_one_request(start: Start) -> None:
    client = await start()
    headers = {"Idempotency-Key": "k" * 255}
    created = await client.call(
        "POST", "commands/", json={"name": "a", "script": "true"}, headers=headers
    )
    for path, body in [
        ("commands/", {"name": "b", "script": "true"}),
        (f"commands/{created['id']}/runs", None),
    ]:
        problem = await client.call("POST", path, json=body, headers=headers, status=422)
        assert problem["type"].endswith("idempotency-key-reused")
    for key in ["", "k" * 256, "with blanks", "ü"]:
        problem = await client.call(
            "POST",
            "commands/",
            json={"name": "a", "script": "true"},
            headers={"Idempotency-Key": key},
            status=422,
        )
        assert "Idempotency-Key" in problem["errors"]


async def test_a_key_of_what_was_deleted_makes_nothing(start: Start) -> None:
    client = await start()
    headers, body = {"Idempotency-Key": "mine-2"}, {"name": "once", "script": "true"}
    created = await client.call("POST", "commands/", json=body, headers=headers)
    await client.finished(created["run"]["id"])
    await client.call("DELETE", f"runs/{created['run']['id']}")
    problem = await client.call("POST", "commands/", json=body, headers=headers, status=404)
    assert problem["type"].endswith("run-not-found")
    await client.call("DELETE", f"commands/{created['id']}")
    await client.call("POST", "commands/", json=body, headers=headers, status=404)
    assert (await client.call("GET", "commands/"))["items"] == []
