"""Whoever holds the engine forges what servers say: no worker believes it, nothing is run."""

import logging
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from nats import connect as connect_client
from nats.aio.msg import Msg

from server.errors import NoAnswerError, OtherHostFailedError
from server.wire import asking, signing, subjects
from server.wire.asking import Servers, Workers
from server.wire.codec import encode
from server.wire.keys import FleetKey
from server.wire.messages import Active, ActiveRuns, Claim, Claimed, Seen, Stop
from server.wire.serving import serve_servers, serve_workers
from server.wire.signing import Signing
from server.wire.values import parts_of
from tests.support.fleet import SERVERS, WORKERS
from tests.support.nats import Nats
from tests.support.waiting import until
from tests.support.wires import Connect

OTHER = Signing(FleetKey(FleetKey.new_seed()))
MORE = Claimed(runs=(), more=True)
"""What stands for runs: that the answer is believed is what matters."""

Forge = Callable[[str], bytes]
"""Returns a forged answer, by what it is to be for."""

FORGED: dict[str, Forge] = {
    "unsigned": lambda _: encode(parts_of(MORE)),
    "of another key": lambda about: OTHER.written(parts_of(MORE), about=about),
    "replayed": lambda _: SERVERS.written(
        parts_of(MORE), about=signing.answer("tailrun.v1.s.w.claim", "inbox.of-before", b"")
    ),
}


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "TIMEOUT_SECONDS", 0.5)
    monkeypatch.setattr(asking, "PAUSE_SECONDS", (0.01, 0.02))


@pytest.mark.parametrize("forge", FORGED.values(), ids=FORGED)
async def test_no_claim_is_believed_that_no_server_has_answered(
    nats: Nats, connect: Connect, forge: Forge
) -> None:
    thief = await connect(nats.url, "thief", signing=None)
    worker = await connect(nats.url, "w", signing=WORKERS)

    async def answer(subject: str, reply: str, data: bytes) -> None:
        await thief.send(reply, forge(signing.answer(subject, reply, data)))

    listener = await thief.listen(subjects.any_worker_asks("claim"), answer)
    with pytest.raises(NoAnswerError, match="not signed with a key of this worker's fleet"):
        await Servers(worker, "w").ask(Claim(places=1))

    # And whatever a thief says beside, what a server says is believed.
    await thief.ignore(listener)
    server = await connect(nats.url, "s")

    async def claimed(_host: str, _request: Claim) -> Claimed:
        return MORE

    async with serve_workers(server, {"claim": claimed}):
        assert await Servers(worker, "w").ask(Claim(places=1)) == MORE


async def test_an_answer_that_was_recorded_is_no_answer_to_what_is_asked_later(
    nats: Nats, connect: Connect
) -> None:
    """The runs in it would be started a second time, by whoever has it."""
    thief = await connect(nats.url, "thief", signing=None)
    server = await connect(nats.url, "s")
    worker = await connect(nats.url, "w", signing=WORKERS)
    recorded: list[bytes] = []

    async def record(_subject: str, _reply: str, data: bytes) -> None:
        recorded.append(data)

    async def claimed(_host: str, _request: Claim) -> Claimed:
        return MORE

    listener = await thief.listen(f"{subjects.inbox('w')}.>", record)
    await thief.flush()
    async with serve_workers(server, {"claim": claimed}):
        assert await Servers(worker, "w").ask(Claim(places=1)) == MORE
    await until(lambda: recorded)
    await thief.ignore(listener)

    async def replay(_subject: str, reply: str, _data: bytes) -> None:
        await thief.send(reply, recorded[0])

    await thief.listen(subjects.any_worker_asks("claim"), replay)
    await thief.flush()
    with pytest.raises(NoAnswerError, match="not signed"):
        await Servers(worker, "w").ask(Claim(places=1))


async def test_an_answer_to_what_somebody_else_has_asked_in_its_name_is_none(
    nats: Nats, connect: Connect
) -> None:
    """Else a worker could be told that its runs are gone, and would stop them."""
    server = await connect(nats.url, "s")
    worker = await connect(nats.url, "w", signing=WORKERS)
    thief = await connect_client(nats.url)
    asked: list[Active] = []

    async def active(_host: str, request: Active) -> ActiveRuns:
        asked.append(request)
        return ActiveRuns(runs=(), more=True)

    async def ask(message: Msg) -> None:
        subject = subjects.to_servers("w", "active")
        await thief.publish(subject, message.data, reply=message.reply)

    await thief.subscribe(subjects.any_worker_asks("claim"), cb=ask)
    await thief.flush()
    async with serve_workers(server, {"active": active}):
        with pytest.raises(NoAnswerError, match="not signed"):
            await Servers(worker, "w").ask(Claim(places=1))
        assert asked
        assert await Servers(worker, "w").ask(Active()) == ActiveRuns(runs=(), more=True)
    await thief.close()


@pytest.mark.parametrize("forger", [None, OTHER], ids=["unsigned", "of another key"])
async def test_no_stop_is_done_that_no_server_has_asked_for(
    nats: Nats,
    connect: Connect,
    caplog: pytest.LogCaptureFixture,
    forger: Signing | None,
) -> None:
    thief = await connect(nats.url, "thief", signing=forger)
    server, worker = await connect(nats.url, "s"), await connect(nats.url, "w", signing=WORKERS)
    done: list[Any] = []

    async def stop(request: Stop) -> Seen:
        done.append(request)
        raise OtherHostFailedError("It was asked.")

    asked = Stop(run_id=uuid4(), signal="SIGKILL", grace_seconds=0)
    async with serve_servers(worker, "w", {"stop": stop}):
        with caplog.at_level(logging.WARNING), pytest.raises(NoAnswerError, match="in time"):
            await Workers(thief).ask("w", asked)
        assert done == []
        assert caplog.text.count("tailrun.v1.w.w.stop is not answered: It is not signed") == 1
        with pytest.raises(OtherHostFailedError, match="It was asked"):
            await Workers(server).ask("w", asked)
    assert done == [asked]


async def test_a_worker_of_before_takes_signed_answers(nats: Nats, connect: Connect) -> None:
    server, old = await connect(nats.url, "s"), await connect(nats.url, "w", signing=None)

    async def claimed(_host: str, _request: Claim) -> Claimed:
        return MORE

    async with serve_workers(server, {"claim": claimed}):
        assert await Servers(old, "w").ask(Claim(places=1)) == MORE
