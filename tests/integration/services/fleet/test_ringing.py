"""A bell for each run that waits: each wakes a worker of the pool that has places."""

import asyncio
from pathlib import Path

from server.services.fleet.ringing import MAX_BELLS, Ringing
from server.services.hosts.unclaimed import Waiting
from server.wire import subjects
from server.wire.connection import Wire
from tests.support.nats import engine
from tests.support.waiting import until
from tests.support.wires import Connect

ANY = Waiting("a", requires_labels=False)
LABELLED = Waiting("a", requires_labels=True)


async def heard(wire: Wire, subject: str) -> list[str]:
    """Return the bells that a host hears from now on."""
    bells: list[str] = []

    async def take(subject: str, _reply: str, _data: bytes) -> None:
        bells.append(subject)

    await wire.listen(subject, take)
    await wire.flush()
    return bells


async def test_each_run_is_rung_for_and_of_many_no_more_than_help(
    tmp_path: Path, connect: Connect
) -> None:
    async with engine(tmp_path) as nats:
        server, worker = await connect(nats.url, "s"), await connect(nats.url, "w")
        one = await heard(worker, subjects.bell("a"))
        everybody = await heard(worker, subjects.bell_of_all("a"))
        others = await heard(worker, subjects.bell("b"))
        ringing = Ringing(server)
        for _ in range(3):
            ringing.ring(ANY)
            ringing.ring(LABELLED)
        task = asyncio.create_task(ringing.run())
        await until(lambda: len(one) == 3 and len(everybody) == 1)

        for _ in range(2 * MAX_BELLS):
            ringing.ring(Waiting("b", requires_labels=False))
        await until(lambda: len(others) == MAX_BELLS)
        task.cancel()
        assert (len(one), len(everybody), len(others)) == (3, 1, MAX_BELLS)


async def test_what_is_stored_while_nats_is_away_is_rung_for_once_it_is_back(
    tmp_path: Path, connect: Connect
) -> None:
    async with engine(tmp_path) as nats:
        server = await connect(nats.url, "s")
        bells = await heard(server, subjects.bell("a"))  # who rings hears it whoever is first back
        ringing = Ringing(server)
        task = asyncio.create_task(ringing.run())
        ringing.ring(ANY)
        await until(lambda: len(bells) == 1)

        await nats.kill()
        await until(lambda: not server.connected)
        ringing.ring(ANY)
        await asyncio.sleep(0)
        await nats.start()
        await until(lambda: len(bells) == 2)
        task.cancel()
