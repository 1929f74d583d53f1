"""Readers that are slow, and readers that read nothing: the first stay, the others go."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from tests.support.client import Client, Start, watch
from tests.support.reader import KINDS, Reader, reader
from tests.support.waiting import patience, until_true

pytestmark = pytest.mark.usefixtures("unmeasured")

MUCH_OUTPUT = "seq 19000000"
"""160 MB of lines that differ."""

RATES = (50_000, 100_000, 300_000)
READING_SECONDS = 60.0
MANY = 100
GROWTH_BYTES = 32 * 1024 * 1024


def numbers(size: int) -> bytes:
    """Return the first bytes of the output, at least so many."""
    pieces, length, number = [], 0, 1
    while length < size:
        pieces.append(b"".join(b"%d\n" % n for n in range(number, number + 10_000)))
        length, number = length + len(pieces[-1]), number + 10_000
    return b"".join(pieces)


async def written(client: Client, script: str, size: int) -> str:
    """Start a run; return its id once it has written so much."""
    run_id = await client.run(script)

    async def enough() -> bool:
        return int((await client.get_run(run_id))["output_bytes"]) >= size

    await until_true(enough)
    return run_id


@pytest.mark.timeout(300)
async def test_readers_that_read_slowly_and_steadily_stay(
    client: Client, subtests: pytest.Subtests
) -> None:
    """At 50, 100 and 300 kB/s, in each format, over WebSocket and HTTP; what they get is exact."""
    finished = await client.run(MUCH_OUTPUT)
    live = await written(client, f"{MUCH_OUTPUT}; sleep 1000", 150_000_000)
    await client.finished(finished)
    readers: list[tuple[str, int, Reader]] = []
    async with AsyncExitStack() as stack, asyncio.TaskGroup() as group:
        for state, run_id in [("finished", finished), ("live", live)]:
            for kind in KINDS:
                for rate in RATES:
                    one = await stack.enter_async_context(reader(client, run_id, kind))
                    readers.append((state, rate, one))
                    group.create_task(one.read_for(READING_SECONDS, rate))
    assert await client.metric("tailrun_viewers_dropped_total") == 0
    expected = numbers(round(max(RATES) * READING_SECONDS))
    for state, rate, one in readers:
        with subtests.test(state=state, kind=one.kind, rate=rate):
            got = one.output()
            assert not one.cut
            assert got.rstrip(b"\n") == expected[: len(got.rstrip(b"\n"))]
            assert len(got) > 100_000
    await client.stop(live)


async def test_a_client_that_is_slow_at_each_message_gets_all(client: Client) -> None:
    """It comes late to each ping, and to the close frame too."""
    run_id = await client.run("seq 1200000")
    await client.finished(run_id)
    messages: list[str] = []
    async with client.connect(run_id, format="text") as stream:
        while len(messages) < 30 and isinstance(data := (await stream.receive()).data, str):
            messages.append(data)
            await asyncio.sleep(0.8)
        rest = await watch(stream)
    text = "\n".join([*messages, *rest.messages]) + "\n"
    assert text.encode() == b"".join(b"%d\n" % number for number in range(1, 1_200_001))
    assert (rest.code, rest.reason) == (1000, "exit 0")


@asynccontextmanager
async def stalled(client: Client, kinds: list[tuple[str, str, str]]) -> AsyncIterator[list[Reader]]:
    """Ask for output in many ways, by run, kind and headers, and read nothing of it."""
    async with AsyncExitStack() as stack:
        yield [
            await stack.enter_async_context(reader(client, run_id, kind, headers=headers))
            for run_id, kind, headers in kinds
        ]


async def test_readers_that_read_nothing_go_whatever_they_asked_for(start: Start) -> None:
    client = await start(viewer_stall_seconds="1")
    finished = await client.run("head -c 30000000 /dev/urandom | base64")
    await client.finished(finished)
    live = await written(client, "head -c 30000000 /dev/urandom | base64; sleep 1000", 40_000_000)
    asked = [(run_id, kind, "") for run_id in (finished, live) for kind in KINDS]
    asked += [
        (finished, "plain", "Accept-Encoding: zstd\r\n"),
        (finished, "plain", "Range: bytes=5-\r\n"),
        (live, "plain", "Range: bytes=5-\r\n"),
        (live, "ws json", "Sec-WebSocket-Extensions: permessage-deflate\r\n"),
    ]
    async with stalled(client, asked) as readers:

        async def gone() -> bool:
            dropped = await client.metric("tailrun_viewers_dropped_total")
            return dropped == len(asked) and not await client.metric("tailrun_viewers")

        await until_true(gone)
        async with patience():
            for one in readers:
                while not one.cut:
                    await one.take(2**20)
    await client.stop(live)


@pytest.mark.parametrize("kind", ["plain", "ws json"])
@pytest.mark.parametrize("accept", ["", "Accept-Encoding: zstd\r\n"])
async def test_a_hundred_readers_that_read_nothing_take_little_memory(
    start: Start, kind: str, accept: str
) -> None:
    """Of 60 MB that hardly compress, each."""
    client = await start(viewer_stall_seconds="5")
    run_id = await client.run("head -c 45000000 /dev/urandom | base64")
    await client.finished(run_id)
    before = resident(client.service.pid, "VmRSS")
    Path(f"/proc/{client.service.pid}/clear_refs").write_text("5", encoding="ascii")
    async with stalled(client, [(run_id, kind, accept)] * MANY):

        async def gone() -> bool:
            dropped = await client.metric("tailrun_viewers_dropped_total")
            return dropped == MANY and not await client.metric("tailrun_viewers")

        await until_true(gone)
    assert resident(client.service.pid, "VmHWM") - before < GROWTH_BYTES


def resident(pid: int, name: str) -> int:
    """Return a process's resident memory, now (VmRSS) or at most (VmHWM; proc(5), clear_refs)."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    match = re.search(rf"{name}:\s+(\d+) kB", status)
    assert match
    return int(match[1]) * 1024
