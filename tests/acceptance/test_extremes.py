"""Output in extreme shapes: what is written is kept exactly, and the server stays as it was."""

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import pytest
from aiohttp import ClientConnectionError

from server.output.cursor import SLAB_BYTES
from tests.support.client import Client, Start

pytestmark = pytest.mark.usefixtures("unmeasured")

MANY = 1_000_000
MILLION = 1_000_000
LONG = 1000 * MILLION
PROMPT_SECONDS = 2.0
"""Of the server's own work: others may have the machine meanwhile."""

SLACK_KIB = 128 * 1024
BODY_SLACK_KIB = 32 * 1024


def peak_kib(pid: int) -> int:
    """Return the most memory that a process has had, in KiB (proc_pid_status(5))."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0])


def worked_seconds(pid: int) -> float:
    """Return for how long a process's main thread has had a processor (proc_pid_stat(5))."""
    stat = Path(f"/proc/{pid}/task/{pid}/stat").read_text().rpartition(") ")[2].split()
    return (int(stat[11]) + int(stat[12])) / os.sysconf("SC_CLK_TCK")


async def slowest_answer(client: Client, until: asyncio.Event) -> float:
    """Ask until the event is set; return the most that the server worked before an answer."""
    most = 0.0
    while not until.is_set():
        before = worked_seconds(client.service.pid)
        await client.call("GET", "ping")
        most = max(most, worked_seconds(client.service.pid) - before)
    return most


async def test_a_million_writes_of_one_byte_are_kept_and_disturb_nobody(client: Client) -> None:
    over = asyncio.Event()
    asking = asyncio.create_task(slowest_answer(client, over))
    run_id = await client.run(f"dd if=/dev/zero bs=1 count={MANY} 2>/dev/null")
    watched = await client.stream(run_id, format="raw")
    over.set()
    assert (b"".join(watched.messages), watched.reason) == (bytes(MANY), "exit 0")
    assert await client.output(run_id) == bytes(MANY)
    assert await asking < PROMPT_SECONDS


async def test_a_million_carriage_returns_are_one_unfinished_line(client: Client) -> None:
    run_id = await client.run(f"head -c {MANY} /dev/zero | tr '\\0' '\\r'")
    watched = await client.stream(run_id)
    assert "".join(watched.messages) == "\r" * MANY
    assert (await client.get_run(run_id))["output_lines"] == 0
    assert await client.output(run_id, "?tail=1") == b"\r" * MANY


@pytest.mark.timeout(600)
async def test_a_line_of_1_gb_goes_out_in_messages_of_bounded_size(start: Start) -> None:
    """Live and from the archive; the server does not hold it in memory."""
    client = await start()
    for _ in range(2):
        await client.finished(await client.run("seq 300000"))
    before = peak_kib(client.service.pid)
    run_id = await client.run(f"head -c {LONG} /dev/zero | tr '\\0' x; echo; exit 4")
    for _ in range(2):
        length = 0
        async with client.connect(run_id) as stream:
            async for message in stream:
                assert len(message.data) <= SLAB_BYTES
                assert message.data.strip("x") == ""
                length += len(message.data)
            assert length == LONG
    run = await client.get_run(run_id)
    assert (run["exitcode"], run["output_bytes"], run["output_lines"]) == (4, LONG + 1, 1)
    expected = hashlib.sha256()
    for _ in range(LONG // MILLION):
        expected.update(b"x" * MILLION)
    expected.update(b"\n")
    assert await digest(client, run_id) == expected.hexdigest()
    assert peak_kib(client.service.pid) < before + SLACK_KIB


async def test_a_body_of_100_mb_is_not_taken_into_memory(start: Start) -> None:
    """It is refused when it has passed the bound; who goes on sending is cut off."""
    client = await start()
    await client.call("POST", "commands/", json={"name": "test"}, status=422)
    before = peak_kib(client.service.pid)

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(100):
            yield bytes(1_000_000)

    with suppress(ClientConnectionError):
        headers = {"Content-Type": "application/json"}
        await client.call("POST", "commands/", data=pieces(), headers=headers, status=413)
    assert peak_kib(client.service.pid) < before + BODY_SLACK_KIB
    assert await client.call("GET", "ping") == {"status": "ok"}


async def digest(client: Client, run_id: str) -> str:
    """Return the SHA-256 of a run's output."""
    found = hashlib.sha256()
    async with client.session.get(client.url(f"runs/{run_id}/output")) as response:
        async for piece in response.content.iter_chunked(2**20):
            found.update(piece)
    return found.hexdigest()


async def test_a_run_that_writes_without_end_keeps_what_it_may(start: Start) -> None:
    """It is stopped at its bound, and says so."""
    client = await start(max_output_bytes="1000000", stop_grace_seconds="1")
    run_id = await client.run("yes")
    run = await client.finished(run_id)
    assert (run["state"], run["output_bytes"]) == ("stopped", 1_000_000)
    assert "MAX_OUTPUT_BYTES" in run["reason"]
    assert await client.output(run_id) == b"y\n" * 500_000


@pytest.mark.timeout(600)
async def test_a_quiet_run_is_prompt_beside_500_chatty_ones(start: Start, tmp_path: Path) -> None:
    """All write whatever is written to a file of theirs; 500 of them have the same one."""
    client = await start(max_concurrent_runs="501", max_active_runs_per_command="500")
    chat, whisper = tmp_path / "chat", tmp_path / "whisper"
    for file in (chat, whisper):
        file.touch()
    created = await client.create(f"exec tail -n +1 -f {chat}", start=False)
    quiet = await client.run(f"exec tail -n +1 -f {whisper}")
    path = f"commands/{created['id']}"
    for _ in range(500):
        await client.call("POST", f"{path}/runs")
    over = asyncio.Event()
    chatting = asyncio.create_task(write_lines(chat, over))
    work = []
    async with client.connect(quiet) as stream:
        for number in range(20):
            await asyncio.sleep(0.13)
            before = worked_seconds(client.service.pid)
            write_line(whisper, str(number))
            assert (await stream.receive()).data == str(number)
            work.append(worked_seconds(client.service.pid) - before)
    over.set()
    await chatting
    assert sorted(work)[len(work) // 2] < PROMPT_SECONDS, work
    runs = (await client.call("GET", f"{path}/runs?limit=500"))["items"]
    assert min(run["output_bytes"] for run in runs) > 0
    await client.call("POST", f"{path}/stop", json={"signal": "SIGKILL"})


def write_line(path: Path, text: str) -> None:
    with path.open("a") as file:
        file.write(f"{text}\n")


async def write_lines(path: Path, over: asyncio.Event) -> None:
    """Write a line ten times a second until the event is set."""
    while not over.is_set():
        write_line(path, "chatter")
        await asyncio.sleep(0.1)
