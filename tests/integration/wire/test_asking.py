"""Servers and workers ask each other through a real engine, whatever becomes of it."""

import asyncio
from collections import Counter
from contextlib import AsyncExitStack
from pathlib import Path
from uuid import uuid4

import pytest
from nats import connect as connect_client

from server.errors import (
    ArchiveDamagedError,
    DatabaseReadOnlyError,
    DatabaseUnavailableError,
    EngineUnavailableError,
    MessageTooLargeError,
    NoActiveRunError,
    NoAnswerError,
    OtherHostFailedError,
    RunNotFoundError,
)
from server.wire import asking, connection, subjects
from server.wire.asking import Servers, Workers
from server.wire.bells import Bells, ring
from server.wire.codec import Parts, encode
from server.wire.messages import (
    Beat,
    Claim,
    Claimed,
    Found,
    Hello,
    Lines,
    Place,
    Positions,
    Read,
    Secrets,
    Signal,
    Sought,
    Standing,
    Start,
    WorkerState,
)
from server.wire.serving import FromServer, serve_servers, serve_workers
from server.wire.values import parts_of
from tests.support.nats import Nats, engine
from tests.support.waiting import patience, until, until_true
from tests.support.wires import Connect

ASK = Claim(places=3)
NOTHING = Claimed(runs=())


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have time-outs come soon: what is proved is what follows them."""
    monkeypatch.setattr(asking, "TIMEOUT_SECONDS", 0.5)


async def claimed(_host: str, request: Claim) -> Claimed:
    return Claimed(runs=(), more=request.places == 3)


async def answers(servers: Servers) -> bool:
    """Whether a claim is answered."""
    try:
        answer: Claimed = await servers.ask(ASK)
    except NoAnswerError:
        return False
    return answer.more


async def test_a_worker_asks_and_the_server_knows_who_it_is(nats: Nats, connect: Connect) -> None:
    asked: list[tuple[str, object]] = []

    async def claim(host: str, request: Claim) -> Claimed:
        asked.append((host, request))
        return NOTHING

    server, worker = await connect(nats.url, "server"), await connect(nats.url, "w.1")
    async with serve_workers(server, {"claim": claim}):
        assert await Servers(worker, "w.1").ask(ASK) == NOTHING

    assert asked == [("w.1", ASK)]


def answering(number: int) -> FromServer:
    async def lines(_request: Lines) -> Place:
        return Place(number=number)

    return lines


async def test_a_server_asks_one_worker_and_no_other(nats: Nats, connect: Connect) -> None:
    server, first, second = [await connect(nats.url, name) for name in ("s", "w1", "w2")]

    ask = Lines(run_id=uuid4(), sought=Sought.LINE_COUNT, number=1)
    async with (
        serve_servers(first, "w1", {"lines": answering(1)}),
        serve_servers(second, "w2", {"lines": answering(2)}),
    ):
        workers = Workers(server)
        assert [(await workers.ask(name, ask)).number for name in ("w2", "w1", "w2")] == [2, 1, 2]
        with pytest.raises(NoAnswerError, match="lines was asked 1 times: nobody is there"):
            await workers.ask("w3", ask, attempts=1)


async def test_each_request_is_answered_by_one_server_and_by_the_other_once_one_is_gone(
    nats: Nats, connect: Connect
) -> None:
    by: Counter[int] = Counter()
    worker = Servers(await connect(nats.url, "w"), "w")
    async with AsyncExitStack() as stack:
        for number in range(2):

            async def claim(_host: str, _request: Claim, number: int = number) -> Claimed:
                by[number] += 1
                return NOTHING

            wire = await connect(nats.url, f"server {number}")
            await stack.enter_async_context(serve_workers(wire, {"claim": claim}))
        for _ in range(100):
            await worker.ask(ASK)
        assert by.total() == 100
        assert len(by) == 2  # by chance one of 2**99 times it is one
        async with serve_workers(await connect(nats.url, "third"), {"claim": claimed}):
            pass
        await worker.ask(ASK)
        assert by.total() == 101


@pytest.mark.parametrize(
    "error",
    [
        DatabaseUnavailableError("host=secret.example"),
        DatabaseReadOnlyError("host=secret.example"),
        RunNotFoundError.of(uuid4()),
        NoActiveRunError("It has ended."),
        ArchiveDamagedError(7),
    ],
)
async def test_an_error_is_raised_again_where_it_was_asked(
    nats: Nats, connect: Connect, error: Exception
) -> None:
    async def fail(_host: str, _request: Claim) -> Claimed:
        raise error

    server, worker = await connect(nats.url, "s"), await connect(nats.url, "w")
    async with serve_workers(server, {"claim": fail}):
        with pytest.raises(type(error)) as raised:
            await Servers(worker, "w").ask(ASK)

    assert type(raised.value) is type(error)
    database = isinstance(error, DatabaseUnavailableError)
    assert (str(raised.value) == str(error)) != database
    assert "secret.example" not in str(raised.value)


async def test_a_defect_of_the_other_side_is_told_as_such_and_logged_there(
    nats: Nats, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail(_host: str, _request: Claim) -> Claimed:
        raise KeyError("secret")

    server, worker = await connect(nats.url, "s"), await connect(nats.url, "w")
    async with serve_workers(server, {"claim": fail}):
        with pytest.raises(OtherHostFailedError, match="its log says why"):
            await Servers(worker, "w").ask(ASK)

    assert "claim cannot be answered" in caplog.text


async def test_an_error_that_is_not_known_here_is_an_error_all_the_same(
    nats: Nats, connect: Connect
) -> None:
    server, worker = await connect(nats.url, "s"), await connect(nats.url, "w")
    said = {"error": ["ErrorOfTheFuture", "NoActiveRunError"], "said": "No."}

    async def answer(_subject: str, reply: str, _data: bytes) -> None:
        await server.send(reply, encode(Parts(said)))

    await server.listen(subjects.any_worker_asks("claim"), answer)
    with pytest.raises(NoActiveRunError, match=r"^No\.$"):
        await Servers(worker, "w").ask(ASK)
    said["error"] = ["ErrorOfTheFuture"]
    with pytest.raises(OtherHostFailedError):
        await Servers(worker, "w").ask(ASK)


async def test_no_error_is_raised_because_a_worker_says_so_that_is_for_servers_to_say(
    nats: Nats, connect: Connect
) -> None:
    """Else who stole a worker could have users told that they are not signed in."""
    server, worker = await connect(nats.url, "s"), await connect(nats.url, "w")
    said = {"error": ["CredentialRefusedError", "TailrunError"], "said": "Sign in."}

    async def answer(_subject: str, reply: str, _data: bytes) -> None:
        await worker.send(reply, encode(Parts(said)))

    await worker.listen(subjects.to_worker("w", "signal"), answer)
    await worker.flush()
    with pytest.raises(OtherHostFailedError, match=r"^Sign in\.$"):
        await Workers(server).ask("w", Signal(run_id=uuid4(), name="SIGUSR1"))


async def test_what_is_no_request_is_answered_with_what_is_wrong(
    nats: Nats, connect: Connect
) -> None:
    server, worker = await connect(nats.url, "s"), await connect(nats.url, "w")
    async with serve_workers(server, {"claim": claimed}):
        subject = subjects.to_servers("w", "claim")
        for wrong in (b"", b"\xff" * 9, encode(Parts({"places": "3"}))):
            assert b"WireError" in await worker.request(subject, wrong, 5)
        newer = encode(Parts({"places": 1})).replace(b'"v":1', b'"v":9')
        assert b"WireVersionError" in await worker.request(subject, newer, 5)


async def test_all_flows_again_once_a_killed_engine_is_back(nats: Nats, connect: Connect) -> None:
    server, worker = await connect(nats.url, "s"), await connect(nats.url, "w")
    servers, woken = Servers(worker, "w"), []
    worker.on_connect.append(lambda: woken.append(True))
    bells = Bells(worker, ["pool"])
    await bells.hear()
    async with serve_workers(server, {"claim": claimed}):
        assert await answers(servers)

        await nats.kill()
        await until(lambda: not worker.connected and not server.connected)
        assert "lost" in worker.problem or "cannot be reached" in worker.problem
        with pytest.raises(EngineUnavailableError, match="cannot be reached"):
            await servers.ask(ASK)
        await nats.start()

        await until_true(lambda: answers(servers))
        assert woken == [True]
        assert await bells.wait(0)  # it may have rung while nobody could hear it
        assert worker.problem == "ok"
        await until(lambda: server.connected)
        await ring(server, "pool")
        assert await bells.wait(60)


async def test_what_was_asked_when_the_engine_died_is_asked_again(
    nats: Nats, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "ATTEMPTS", 1000)
    taken = asyncio.Event()

    async def never_at_first(_host: str, _request: Claim) -> Claimed:
        if not taken.is_set():
            taken.set()
            await asyncio.Event().wait()
        return NOTHING

    server, worker = await connect(nats.url, "s"), await connect(nats.url, "w")
    async with serve_workers(server, {"claim": never_at_first}):
        asking_on = asyncio.create_task(Servers(worker, "w").ask(ASK))
        async with patience():
            await taken.wait()
        await nats.kill()
        await nats.start()
        async with patience():
            assert await asking_on == NOTHING


async def test_a_connection_that_swallows_all_is_made_anew(nats: Nats, connect: Connect) -> None:
    """A frozen engine takes what is sent, as a network does that has lost the way back."""
    server, worker = await connect(nats.url, "s"), await connect(nats.url, "w")
    servers = Servers(worker, "w")
    async with serve_workers(server, {"claim": claimed}):
        assert await answers(servers)
        await nats.freeze()
        with pytest.raises(NoAnswerError, match="3 times: no answer came in time"):
            await servers.ask(ASK)
        await until(lambda: not worker.connected)
        nats.thaw()

        await until_true(lambda: answers(servers))


async def test_one_that_hangs_costs_nobody_else_the_connection(
    nats: Nats, connect: Connect
) -> None:
    server, hanging, well = [await connect(nats.url, name) for name in ("s", "hangs", "well")]
    news: list[bool] = []
    server.on_connect.append(lambda: news.append(True))

    async def hang(_request: Signal) -> Place:
        await asyncio.Event().wait()
        raise AssertionError

    async def lines(_request: Lines) -> Place:
        return Place(number=1)

    workers = Workers(server)
    ask = Lines(run_id=uuid4(), sought=Sought.LINE_COUNT, number=1)

    async def ask_well() -> None:
        while True:
            await workers.ask("well", ask)
            await asyncio.sleep(0.05)

    async with (
        serve_servers(hanging, "hangs", {"signal": hang}),
        serve_servers(well, "well", {"lines": lines}),
    ):
        beside = asyncio.create_task(ask_well())
        with pytest.raises(NoAnswerError):
            await workers.ask("hangs", Signal(run_id=uuid4(), name="SIGHUP"), attempts=5)
        assert not beside.done()
        beside.cancel()

    assert news == []


async def test_a_thousand_requests_at_once_are_answered_each_with_its_own(
    nats: Nats, connect: Connect
) -> None:
    busy, most = 0, 0

    async def start(_host: str, request: Start) -> Secrets:
        nonlocal busy, most
        busy += 1
        most = max(most, busy)
        await asyncio.sleep(0)
        busy -= 1
        return Secrets(secrets={"run": str(request.run_id)})

    server, worker = await connect(nats.url, "s"), await connect(nats.url, "w")
    asked = [Start(run_id=uuid4()) for _ in range(1000)]
    async with serve_workers(server, {"start": start}):
        servers = Servers(worker, "w")
        async with patience():
            found = await asyncio.gather(*(servers.ask(one) for one in asked))

    assert [one.secrets["run"] for one in found] == [str(one.run_id) for one in asked]
    assert most <= 64


async def test_beats_that_wait_to_be_stored_together_are_heard_beside_each_other(
    nats: Nats, connect: Connect
) -> None:
    everybody = asyncio.Barrier(200)
    standing = Standing(state=WorkerState.ACTIVE, lease_seconds=30, beat_seconds=5)

    async def beat(_host: str, _: Beat) -> Standing:
        await everybody.wait()
        return standing

    server, worker = await connect(nats.url, "s"), await connect(nats.url, "w")
    async with serve_workers(server, {"beat": beat}):
        servers = Servers(worker, "w")
        async with patience():
            found = await asyncio.gather(*(servers.ask(Beat()) for _ in range(200)))

    assert found == [standing] * 200


async def test_answers_that_are_late_doubled_or_for_another_are_nobodys(
    nats: Nats, connect: Connect
) -> None:
    """The first request is answered after the second one, which repeats it, and both twice."""
    server, worker = await connect(nats.url, "s"), await connect(nats.url, "w")
    replies: list[str] = []

    def answer(number: int) -> bytes:
        return encode(parts_of(Claimed(runs=(), more=bool(number))))

    async def take(_subject: str, reply: str, _data: bytes) -> None:
        replies.append(reply)
        if len(replies) >= 2:
            await server.send(replies[0], answer(0))
            for _ in range(2):
                await server.send(replies[-1], answer(1))

    await server.listen(subjects.any_worker_asks("claim"), take)
    servers = Servers(worker, "w")
    assert (await servers.ask(ASK)).more
    assert (await servers.ask(ASK)).more
    assert len(set(replies)) == 3


async def test_as_much_is_sent_as_the_engine_takes_and_no_more(
    tmp_path: Path, connect: Connect
) -> None:
    async with engine(tmp_path, max_payload=10_000) as nats:
        server, worker = await connect(nats.url, "s"), await connect(nats.url, "w")
        assert worker.max_payload == 10_000
        large = Positions(run_ids=tuple(uuid4() for _ in range(1000)))
        answered = Found(positions={})

        async def positions(_host: str, request: Positions) -> object:
            return answered if len(request.run_ids) < 10 else Secrets(secrets={"A": "a" * 20_000})

        async with serve_workers(server, {"positions": positions}):
            servers = Servers(worker, "w")
            with pytest.raises(MessageTooLargeError, match="engine takes 10000"):
                await servers.ask(large)
            assert await servers.ask(Positions(run_ids=())) == answered
            with pytest.raises(MessageTooLargeError, match="engine takes 10000"):
                await servers.ask(Positions(run_ids=large.run_ids[:100]))
            assert worker.problem == "ok"


async def test_a_long_wait_for_output_is_no_time_out(nats: Nats, connect: Connect) -> None:
    server, worker = await connect(nats.url, "s"), await connect(nats.url, "w")

    async def read(request: Read) -> Place:
        await asyncio.sleep(request.wait_seconds)
        raise NoActiveRunError("It has ended.")

    async with serve_servers(worker, "w", {"read": read}):
        asked = Read(run_id=uuid4(), offset=0, limit=1, wait_seconds=1.0)
        with pytest.raises(NoActiveRunError):
            await Workers(server).ask("w", asked, wait_seconds=1.0, attempts=1)


async def test_one_idle_worker_wakes_or_all_of_them(nats: Nats, connect: Connect) -> None:
    server = await connect(nats.url, "s")
    wires = [await connect(nats.url, f"w{number}") for number in range(3)]
    bells = [Bells(wire, ["a", "b.c"]) for wire in wires]
    for one in bells:
        await one.hear()
        assert not await one.wait(0)
    for wire in wires:
        await wire.flush()

    await ring(server, "b.c")
    heard = [await one.wait(0) for one in bells]
    while not any(heard):
        heard = [await one.wait(0.01) for one in bells]
    await ring(server, "a", everybody=True)
    assert all([await one.wait(60) for one in bells])
    assert sum(heard) == 1

    for one in bells[1:]:
        await one.ignore()
    for wire in wires:
        await wire.flush()
    for _ in range(5):
        await ring(server, "a")
        assert await bells[0].wait(60)
    assert not any([await one.wait(0) for one in bells[1:]])


async def test_what_is_being_answered_at_the_end_is_answered(nats: Nats, connect: Connect) -> None:
    taken, go_on = asyncio.Event(), asyncio.Event()

    async def claim(_host: str, _request: Claim) -> Claimed:
        taken.set()
        await go_on.wait()
        return NOTHING

    server, worker = await connect(nats.url, "s"), await connect(nats.url, "w")
    async with serve_workers(server, {"claim": claim}):
        asked = asyncio.create_task(Servers(worker, "w").ask(ASK))
        async with patience():
            await taken.wait()
        asyncio.get_running_loop().call_later(0.05, go_on.set)
    await server.flush()

    async with patience():
        assert await asked == NOTHING
    with pytest.raises(NoAnswerError, match="nobody is there"):
        await Servers(worker, "w").ask(ASK)


def test_the_connection_is_given_up_after_so_many_requests_one_after_the_other() -> None:
    silence = connection.Silence()

    def timed_out(begun_at: float, now: float, received: int = 5) -> bool:
        return silence.lasts(begun_at=begun_at, now=now, received=received)

    assert not timed_out(0, 2)
    assert not timed_out(1, 2)  # it waited beside the first
    assert not timed_out(2, 4)
    assert timed_out(4, 6)
    assert not timed_out(6, 8, received=6)  # something has come
    assert not timed_out(8, 10, received=6)
    assert timed_out(10, 12, received=6)


async def test_no_answer_is_sent_where_it_would_be_a_request_of_another_worker(
    nats: Nats, connect: Connect
) -> None:
    """What answers a hello reads as a claim: its runs would be a worker's that never hears."""
    claims: list[str] = []

    async def claim(host: str, _request: Claim) -> Claimed:
        claims.append(host)
        return NOTHING

    async def hello(_host: str, _request: Hello) -> Standing:
        return Standing(
            state=WorkerState.ACTIVE,
            lease_seconds=30,
            beat_seconds=5,
            pools=(),
            labels=(),
            places=9,
        )

    said = Hello(name="name", version="1", pools=(), labels=(), places=9)
    server, worker = await connect(nats.url, "server"), await connect(nats.url, "worker")
    async with serve_workers(server, {"claim": claim, "hello": hello}):
        liar = await connect_client(nats.url)
        await liar.publish(
            subjects.to_servers("liar", "hello"),
            encode(parts_of(said)),
            reply=subjects.to_servers("victim", "claim"),
        )
        await liar.flush()
        await liar.close()
        assert (await Servers(worker, "worker").ask(said)).places == 9
        await Servers(worker, "worker").ask(ASK)

    assert claims == ["worker"]


async def test_of_two_processes_of_a_host_the_one_that_may_answers(
    nats: Nats, connect: Connect
) -> None:
    """As where a state directory was copied: the other one is not heard, whatever it would say."""
    server, first, second = [await connect(nats.url, name) for name in ("server", "w1", "w1")]
    may = [True, False]
    ask = Lines(run_id=uuid4(), sought=Sought.LINE_COUNT, number=1)
    async with (
        serve_servers(first, "w1", {"lines": answering(1)}, may_answer=lambda: may[0]),
        serve_servers(second, "w1", {"lines": answering(2)}, may_answer=lambda: may[1]),
    ):
        for number in (1, 2):
            for _ in range(10):
                place: Place = await Workers(server).ask("w1", ask)
                assert place.number == number
            may.reverse()
