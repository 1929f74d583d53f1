"""What follows a run's end through kills: a retry once, a notification at least once."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import suppress
from functools import partial
from pathlib import Path

import aiohttp
import pytest

from server.keeper.failpoints import VARIABLE
from tests.support.client import Client, Start
from tests.support.receiver import Receiver, receiving
from tests.support.waiting import until, until_true

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
