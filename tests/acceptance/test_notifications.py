"""What follows a run's end through kills: a retry once, a notification at least once."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import closing, suppress
from functools import partial
from pathlib import Path

import aiohttp
import psycopg2
import pytest

from server.keeper.failpoints import VARIABLE
from tests.acceptance.conftest import ended
from tests.support.client import Client, Start
from tests.support.postgres import execute
from tests.support.receiver import Receiver, receiving
from tests.support.service import Service
from tests.support.waiting import until, until_true

pytestmark = pytest.mark.usefixtures("unmeasured")

ENDED = 60
LEFT_BEHIND = """
    INSERT INTO commands_info (
        id, commands_id, host, state, created_at, start_time, script, options
    )
    SELECT gen_random_uuid(), c.id, 'gone', 'running', now(), now(), c.script, c.options
    FROM commands c, generate_series(1, 60)
"""
ENDING = "UPDATE commands_info SET state = 'failed', exitcode = 1, end_time = now()"
REFUSE = """
    CREATE FUNCTION refuse() RETURNS TRIGGER LANGUAGE plpgsql AS
    $$ BEGIN RAISE 'not this one'; END $$;
    CREATE TRIGGER refuse BEFORE INSERT ON notifications FOR EACH ROW
    WHEN (NEW.occasion = 'failed') EXECUTE FUNCTION refuse()
"""
ENDS = 300
AT_ONCE = 20
KILLS = 5


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as receiver:
        yield receiver


async def add_target(client: Client, receiver: Receiver, name: str) -> None:
    body = {"name": name, "url": f"{receiver.url}/{name}"}
    await client.call("POST", "notification-targets/", json=body, status=201)


@pytest.mark.parametrize(
    "point",
    [
        "end.follow",
        "end.followed",
        "run.stored:2",
        "notification.claim:3",
        "notification.claimed",
        "notification.sent",
    ],
)
async def test_a_run_is_tried_again_once_and_told_of_whenever_the_server_is_killed(
    start: Start, receiver: Receiver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, point: str
) -> None:
    notes = tmp_path / "notes"
    client = await start()
    await add_target(client, receiver, "chat")
    created = await client.create(
        f"echo $TAILRUN_ATTEMPT >>{notes}; exit 1",
        start=False,
        retries={"limit": 1},
        notify=[{"target": "chat", "on": ["failed"]}],
    )
    await client.service.terminate()
    monkeypatch.setenv(VARIABLE, point)
    await client.service.start()
    with suppress(aiohttp.ClientConnectionError):
        await client.call("POST", f"commands/{created['id']}/runs")
    await until_killed(client)
    monkeypatch.delenv(VARIABLE)
    await client.service.kill()
    await client.service.start()
    heard = await receiver.wait_for("/chat")
    assert {one.told["data"]["run"]["attempt"] for one in heard} == {2}
    assert len({one.headers["webhook-id"] for one in heard}) == 1
    assert notes.read_text().split() == ["1", "2"]
    runs = (await client.call("GET", f"commands/{created['id']}/runs"))["items"]
    assert [run["attempt"] for run in runs] == [2, 1]


@pytest.fixture
async def other(start: Start, tmp_path: Path) -> AsyncIterator[tuple[Client, Client]]:
    """Run two servers, each of a state directory of its own, on one database."""
    client = await start()
    database_url = client.service.environment["TAILRUN_DATABASE_URL"]
    async with ended(Service(tmp_path / "other", database_url)) as service:
        yield client, Client(client.session, await service.start())


async def test_of_two_servers_one_makes_what_follows_an_end_that_neither_made(
    other: tuple[Client, Client], receiver: Receiver, tmp_path: Path
) -> None:
    """The end is of a host that is gone: both look for it, and both look at what is due."""
    client, second = other
    notes = tmp_path / "notes"
    await add_target(client, receiver, "chat")
    created = await client.create(
        f"echo $TAILRUN_ATTEMPT >>{notes}; exit 1",
        start=False,
        retries={"limit": 1},
        notify=[{"target": "chat", "on": ["failed"]}],
    )
    for service in (client.service, second.service):
        await service.terminate()
    database_url = client.service.environment["TAILRUN_DATABASE_URL"]
    execute(database_url, LEFT_BEHIND, ENDING)
    execute(database_url, "UPDATE commands_info_ends SET ended_at = now() - interval '1 hour'")
    await asyncio.gather(client.service.start(), second.service.start())
    await until(lambda: len({one.told["data"]["run"]["id"] for one in receiver.heard}) == ENDED)
    assert len({one.headers["webhook-id"] for one in receiver.heard}) == ENDED
    runs = (await client.call("GET", f"runs/?limit=500&command_id={created['id']}"))["items"]
    retried = Counter(run["retry_of"] for run in runs if run["attempt"] == 2)
    assert len(retried) == ENDED
    assert set(retried.values()) == {1}
    assert notes.read_text().split() == ["2"] * ENDED


async def test_an_end_of_which_nothing_can_be_made_holds_up_no_other(
    start: Start, receiver: Receiver
) -> None:
    client = await start()
    await add_target(client, receiver, "chat")
    database_url = client.service.environment["TAILRUN_DATABASE_URL"]
    execute(database_url, REFUSE)
    notify = [{"target": "chat", "on": ["failed", "succeeded"]}]
    refused = await client.create("exit 1", notify=notify)
    await until(lambda: "what follows its end cannot be made now" in client.service.log)
    others = [(await client.create("true", notify=notify))["run"]["id"] for _ in range(2)]
    await until(lambda: len(receiver.at("/chat")) == 2)
    assert {one.told["data"]["run"]["id"] for one in receiver.heard} == {*others}
    execute(database_url, "DROP TRIGGER refuse ON notifications")
    await client.service.terminate()
    await client.service.start()
    await until(lambda: len(receiver.at("/chat")) == 3)
    assert receiver.heard[2].told["data"]["run"]["id"] == refused["run"]["id"]


async def test_the_secrets_of_a_chain_are_gone_when_it_has_ended(
    start: Start, tmp_path: Path
) -> None:
    """By its last attempt, or by a stop of one that waits."""
    client = await start()
    kept = tmp_path / "kept"
    created = await client.create(
        f'echo "$PASSWORD" >>{kept}; exit 1',
        start=False,
        parameters=[{"name": "PASSWORD", "type": "secret"}],
        retries={"limit": 1},
    )
    path = f"commands/{created['id']}"
    body = {"parameters": {"PASSWORD": "open sesame"}}
    await client.call("POST", f"{path}/runs", json=body)
    database_url = client.service.environment["TAILRUN_DATABASE_URL"]
    await until(lambda: kept.exists() and kept.read_text() == "open sesame\n" * 2)
    await until(lambda: secrets_in(database_url) == [None, None])
    await client.call("PATCH", path, json={"retries": {"limit": 1, "delay_seconds": 3600}})
    first = await client.call("POST", f"{path}/runs", json=body)
    await client.finished(first["id"])

    async def waiting() -> str | None:
        [last, *_] = (await client.call("GET", f"{path}/runs"))["items"]
        return last["id"] if last["retry_of"] == first["id"] else None

    await until_true(waiting)
    assert [one for one in secrets_in(database_url) if one] == [{"PASSWORD": "open sesame"}]
    retry = await waiting()
    await client.stop(str(retry))
    await until(lambda: secrets_in(database_url) == [None] * 4)
    assert (await client.get_run(str(retry)))["state"] == "stopped"
    assert kept.read_text() == "open sesame\n" * 3


def secrets_in(database_url: str) -> list[dict[str, str] | None]:
    """Return the secrets of all runs."""
    with closing(psycopg2.connect(database_url)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT secrets FROM commands_info")
        return [row[0] for row in cursor.fetchall()]


async def until_killed(client: Client) -> None:
    """Wait until the server answers no more."""

    async def gone() -> bool:
        try:
            await client.call("GET", "ping")
        except aiohttp.ClientError:
            return True
        return False

    await until_true(gone)


class Starts:
    """Starts of a command, each made once, whatever becomes of the server meanwhile."""

    def __init__(self, client: Client, command_id: str, count: int) -> None:
        self.ids: set[str] = set()
        self.left = [*range(count)]
        self.is_up = asyncio.Event()
        self.is_up.set()
        self._client = client
        self._command_id = command_id

    async def make(self) -> None:
        """Make those that are left."""
        while self.left:
            key = f"{self._command_id}-{self.left.pop()}"
            await until_true(partial(self._start, key))

    async def _start(self, key: str) -> bool:
        """Start a run; false: the server is away, or just comes up."""
        await self.is_up.wait()
        path = f"commands/{self._command_id}/runs"
        with suppress(aiohttp.ClientError, AssertionError):
            run = await self._client.call("POST", path, headers={"Idempotency-Key": key})
            self.ids.add(str(run["id"]))
            return True
        return False

    def _are_few(self, left: int) -> bool:
        return len(self.left) <= left

    async def kill(self, times: int) -> None:
        """Kill the server so many times while they are made, and start it anew."""
        count, chance = len(self.left), random.Random(15)
        for kill in range(1, times + 1):
            await until(partial(self._are_few, count - kill * count // (times + 1)))
            await asyncio.sleep(chance.random() / 5)
            self.is_up.clear()
            await self._client.service.kill()
            await self._client.service.start()
            self.is_up.set()


@pytest.mark.timeout(300)
async def test_each_target_hears_each_of_many_ends_through_kills(
    start: Start, receiver: Receiver
) -> None:
    client = await start()
    both = []
    for name in ("first", "second"):
        await add_target(client, receiver, name)
        both.append({"target": name, "on": ["succeeded"]})
    created = await client.create("true", start=False, notify=both)
    starts = Starts(client, created["id"], ENDS)
    await asyncio.gather(starts.kill(KILLS), *(starts.make() for _ in range(AT_ONCE)))
    assert len(starts.ids) == ENDS

    def told(path: str) -> set[str]:
        return {one.told["data"]["run"]["id"] for one in receiver.at(path)}

    await until(lambda: starts.ids <= told("/first") and starts.ids <= told("/second"))
    assert starts.ids == told("/first") == told("/second")
