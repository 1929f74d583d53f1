"""A worker's key is stolen: what NATS lets its holder do, by the file that we write for it."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple

import pytest

from server.errors import NoAnswerError
from server.services.fleet.engine_users import User, users_file
from server.wire import asking, subjects
from server.wire.asking import Servers
from server.wire.bells import Bells, ring
from server.wire.connection import Wire
from server.wire.messages import Claim, Claimed
from server.wire.serving import serve_workers
from tests.support.nats import engine, new_host
from tests.support.waiting import until
from tests.support.wires import Connect

POOLS = ["build"]


class Place(NamedTuple):
    """An engine that knows a server and two workers; of one of them the key was stolen."""

    server: Wire
    thief: Wire
    other: Wire
    heard: list[str]


@pytest.fixture
async def place(tmp_path: Path, connect: Connect) -> AsyncIterator[Place]:
    server, thief, other = [new_host(tmp_path, name) for name in ("s", "w", "x")]
    users = tmp_path / "users.conf"
    workers = [
        User(thief.key.public, "w", "w", POOLS),
        User(other.key.public, "x", "x", ["prod"]),
        User(server.key.public, "y", "with the server's key", POOLS),
        User(thief.key.public, "z", "with another's key", ["prod"]),
    ]
    users.write_text(users_file([server.key.public], workers, file=users.name))
    async with engine(tmp_path, users=users) as nats:
        serves, steals, works = [
            await connect(nats.url, host.name, seed_file=host.seed_file)
            for host in (server, thief, other)
        ]
        yield Place(serves, steals, works, [])


async def listens(wire: Wire, subject: str, heard: list[str]) -> None:
    """Listen to a subject, as far as the engine lets it."""

    async def take(said: str, _reply: str, _data: bytes) -> None:
        heard.append(said)

    await wire.listen(subject, take)
    await wire.flush()


PUBLISHED = {
    "a request in another's name": "tailrun.v1.s.x.claim",
    "a request in nobody's name": "tailrun.v1.s.>",
    "an order to another worker": "tailrun.v1.w.x.stop",
    "an order to itself": "tailrun.v1.w.w.stop",
    "a bell": "tailrun.v1.bell.build",
    "an answer that nobody asked it for": "tailrun.v1.inbox.x.1",
    "anything of others": "orders.new",
}
HEARD = {
    "what all workers ask": ("tailrun.v1.s.>", "tailrun.v1.s.x.append"),
    "what another worker is asked": ("tailrun.v1.w.x.>", "tailrun.v1.w.x.read"),
    "what another worker is answered": ("tailrun.v1.inbox.>", "tailrun.v1.inbox.x.1"),
    "the bells of another pool": ("tailrun.v1.bell.prod", "tailrun.v1.bell.prod"),
    "everything": (">", "tailrun.v1.bells.prod"),
}
"""What it listens to, and what is said meanwhile that it would hear."""


@pytest.mark.parametrize("subject", PUBLISHED.values(), ids=PUBLISHED)
async def test_what_a_stolen_key_may_not_say(place: Place, subject: str) -> None:
    await listens(place.server, "tailrun.v1.>", place.heard)
    await listens(place.server, "orders.>", place.heard)
    await place.thief.send(subject, b"forged")
    await place.thief.flush()
    await place.server.send("tailrun.v1.bell.end")

    await until(lambda: "tailrun.v1.bell.end" in place.heard)
    assert place.heard == ["tailrun.v1.bell.end"]


@pytest.mark.parametrize(("wanted", "said"), HEARD.values(), ids=HEARD)
async def test_what_a_stolen_key_may_not_hear(place: Place, wanted: str, said: str) -> None:
    await listens(place.thief, wanted, place.heard)
    await listens(place.thief, f"{subjects.inbox('w')}.>", place.heard)
    for subject in (said, f"{subjects.inbox('w')}.end"):
        await place.server.send(subject)

    await until(lambda: place.heard)
    assert place.heard == [f"{subjects.inbox('w')}.end"]


async def test_what_a_worker_needs_it_may(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that what is refused above is refused for what it is."""

    async def claimed(_host: str, _request: Claim) -> Claimed:
        return Claimed(runs=())

    async with serve_workers(place.server, {"claim": claimed}):
        assert await Servers(place.thief, "w").ask(Claim(places=1)) == Claimed(runs=())
        assert await Servers(place.other, "x").ask(Claim(places=1)) == Claimed(runs=())
        monkeypatch.setattr(asking, "TIMEOUT_SECONDS", 0.3)
        for name in ("y", "z"):  # of two hosts with one key the first one has it
            with pytest.raises(NoAnswerError):
                await Servers(place.thief, name).ask(Claim(places=1))
    bells = Bells(place.thief, POOLS)
    await bells.hear()
    await place.thief.flush()
    await bells.wait(0)
    await ring(place.server, "build")
    assert await bells.wait(60)
