"""A server's part where hosts meet: its connection with NATS, and what workers ask of it."""

from contextlib import AsyncExitStack
from dataclasses import dataclass

from server.core import Ground
from server.database import Stored
from server.repositories.claims import ClaimRepository
from server.repositories.workers import WorkerRepository
from server.services.fleet.attending import Attending
from server.services.fleet.hands import Hands
from server.services.fleet.ringing import Ringing
from server.services.ledger.sql import SqlLedger
from server.services.tasks import cancel_and_wait
from server.wire.address import Address
from server.wire.asking import Workers
from server.wire.connection import Wire
from server.wire.serving import serve_workers


@dataclass(frozen=True, slots=True)
class Meeting:
    """How other hosts are reached."""

    wire: Wire
    workers: Workers
    ringing: Ringing


async def open_meeting(
    stack: AsyncExitStack, address: Address, ground: Ground, stored: Stored
) -> Meeting:
    """Connect with NATS, now or as soon as it is there, and answer workers."""
    host, database = ground.state.host, stored.database
    wire = Wire(address, host=host, name=f"tailrun server {host}")
    stack.push_async_callback(cancel_and_wait, ground.tasks.start(wire.run(), "NATS"))
    stack.push_async_callback(wire.flush)
    attending = Attending(WorkerRepository(database))
    hands = Hands(
        runs=stored.runs,
        outputs=stored.outputs,
        claims=ClaimRepository(database),
        roster=attending,
        ledger_of=lambda host: SqlLedger.of(host, database),
        max_bytes=lambda: wire.max_payload,
    )
    handlers = {**attending.handlers, **hands.handlers}
    await stack.enter_async_context(serve_workers(wire, handlers))
    ringing = Ringing(wire)
    ground.tasks.start(ringing.run(), "bells")
    return Meeting(wire, Workers(wire), ringing)
