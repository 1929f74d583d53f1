"""What servers are answered of a run that a worker has."""

import asyncio
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import pytest

from server.errors import NoActiveRunError, RunNotFollowedError
from server.models import RunState
from server.services.running.live import LiveRun
from server.services.worker import answers as module
from server.services.worker.answers import HEAD_BYTES, Answers
from server.wire.messages import Lines, Marks, Piece, Read, Signal, Sought, Stop
from server.wire.packing import unpacked
from tests.integration.services.running.harness import Site
from tests.support.waiting import until

MAX_BYTES = HEAD_BYTES + 1000
GATED = "while ! [ -e {gate} ]; do sleep 0.02; done"


@pytest.fixture
async def answers(site: Site) -> Answers:
    await site.begin()
    return Answers(site.active, site.control, site.finisher.end_of, lambda: MAX_BYTES)


def asked(live: LiveRun, offset: int = 0, wait_seconds: float = 10.0) -> Read:
    return Read(run_id=live.run.id, offset=offset, limit=1 << 20, wait_seconds=wait_seconds)


async def all_of(answers: Answers, live: LiveRun) -> tuple[bytes, Piece]:
    """Read a run's output to its end, as a server does; return it and the last answer."""
    data = b""
    while True:
        piece = await answers.read(asked(live, len(data)))
        data += piece.data
        if piece.seen.end is not None and not piece.data:
            return data, piece


async def test_output_is_read_to_its_end_and_the_end_with_it(site: Site, answers: Answers) -> None:
    live = await site.start("seq 1000; exit 5")
    data, last = await all_of(answers, live)
    assert data == b"".join(b"%d\n" % number for number in range(1, 1001))
    assert last.seen.end is not None
    assert (last.seen.end.state, last.seen.end.exitcode) == (RunState.FAILED, 5)
    assert (last.seen.ended, last.seen.size) == (True, len(data))
    assert last.seen.lines == data.count(b"\n")


async def test_an_answer_is_as_large_as_a_message_may_be(site: Site, answers: Answers) -> None:
    live = await site.start("seq 1000; exec sleep 1000")
    await until(lambda: live.log is not None and live.log.size > 3000)
    piece = await answers.read(asked(live, 10))
    assert len(piece.data) == MAX_BYTES - HEAD_BYTES
    assert piece.data.startswith(b"6\n7\n")
    assert piece.marks[0].offset <= 10
    assert len((await answers.read(replace(asked(live), limit=7))).data) == 7


async def test_output_is_packed_for_whoever_can_unpack_it(site: Site) -> None:
    await site.begin()
    answers = Answers(site.active, site.control, site.finisher.end_of, lambda: 1 << 20)
    live = await site.start("seq -f 'line %g of a log that says much' 2000; exec sleep 1000")
    await until(lambda: live.log is not None and live.log.size > 60_000)
    plain = await answers.read(asked(live))
    piece = await answers.read(replace(asked(live), packed=True))
    assert plain.packed_bytes is None
    assert len(piece.data) < len(plain.data) / 2
    assert unpacked(piece, 1 << 20).data == plain.data
    few = await answers.read(replace(asked(live), packed=True, limit=100))
    assert (few.packed_bytes, few.data) == (None, plain.data[:100]), "little is sent as it is"


async def test_a_request_waits_for_output_and_for_no_longer_than_it_says(
    site: Site, answers: Answers, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    live = await site.start(f"{GATED.format(gate=gate)}; echo now; exec sleep 1000")
    await until(lambda: live.log is not None)
    nothing = await answers.read(asked(live, wait_seconds=0.01))
    assert (nothing.data, nothing.seen.has_output, nothing.seen.ended) == (b"", True, False)
    waiting = asyncio.create_task(answers.read(asked(live)))
    await until(lambda: live.log is not None and live.log.waiters > 0)
    gate.touch()
    assert (await waiting).data == b"now\n"


async def test_a_change_of_the_run_ends_the_wait(
    site: Site, answers: Answers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_WAIT_SECONDS", 1000.0)
    live = await site.start("exec sleep 1000")
    await until(lambda: live.log is not None)
    before = (await answers.read(asked(live, wait_seconds=0))).seen
    request = replace(asked(live, wait_seconds=1000), change=before.change)
    waiting = asyncio.create_task(answers.read(request))
    await until(lambda: live.log is not None and live.log.waiters > 0)
    paused = await answers.signal(Signal(run_id=live.run.id, name="SIGSTOP"))
    assert paused.paused
    seen = (await waiting).seen
    assert (seen.paused, seen.change > before.change) == (True, True)
    assert (await answers.read(request)).seen == seen  # at once: it was told of less than that


async def test_a_run_is_stopped_and_its_reader_told(site: Site, answers: Answers) -> None:
    live = await site.start("echo one; exec sleep 1000")
    reading = asyncio.create_task(all_of(answers, live))
    await until(lambda: live.log is not None and live.log.size > 0)
    stop = Stop(run_id=live.run.id, signal="SIGTERM", grace_seconds=5)
    assert (await answers.stop(stop)).stopping
    data, last = await reading
    assert data == b"one\n"
    assert last.seen.end is not None
    assert last.seen.end.state is RunState.STOPPED
    with pytest.raises(NoActiveRunError):
        await answers.stop(replace(stop, run_id=uuid4()))


async def test_a_run_that_waits_for_a_place_has_no_output_and_is_told_when_it_starts(
    site: Site, answers: Answers
) -> None:
    for _ in range(10):
        first = await site.start("exec sleep 1000")
    live = await site.start("echo mine")
    assert site.active.is_queued(live)
    queued = await answers.read(asked(live, wait_seconds=0))
    assert (queued.seen.state, queued.seen.has_output) == (RunState.QUEUED, False)
    waiting = asyncio.create_task(answers.read(asked(live)))
    with pytest.raises(RunNotFollowedError):
        await answers.marks(Marks(run_id=live.run.id, start=0, end=1, limit=1))
    await answers.stop(Stop(run_id=first.run.id, signal="SIGKILL", grace_seconds=0))
    assert (await waiting).data == b"mine\n"


async def test_lines_and_times_are_looked_up_where_the_output_is(
    site: Site, answers: Answers
) -> None:
    live = await site.start("echo one; echo two; printf three; exec sleep 1000")
    await until(lambda: live.log is not None and live.log.size == 13)

    async def number(sought: Sought, given: int) -> int:
        return (await answers.lines(Lines(run_id=live.run.id, sought=sought, number=given))).number

    assert await number(Sought.LINES_BEFORE, 8) == 2
    assert await number(Sought.LINE_COUNT, 13) == 3
    assert await number(Sought.LINE_OFFSET, 2) == 4
    assert await number(Sought.TAIL_OFFSET, 1) == 8
    marked = await answers.marks(Marks(run_id=live.run.id, start=0, end=13, limit=100))
    assert marked.marks[0].offset == 0


async def test_a_run_that_is_not_here_is_not_answered_for(site: Site, answers: Answers) -> None:
    """What is stored of it counts then."""
    live = await site.start("true")
    await site.ended(live)
    await until(lambda: site.active.get(live.run.id) is None)
    with pytest.raises(RunNotFollowedError, match="not active on this worker"):
        await answers.read(asked(live))
