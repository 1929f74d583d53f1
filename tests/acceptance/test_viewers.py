"""Many viewers, slow ones and leaving ones: none disturbs a run or another viewer."""

import asyncio
import resource
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from aiohttp import ClientPayloadError, ClientSession, TCPConnector

from tests.support.certificates import believing_all
from tests.support.client import Client, Start, watch
from tests.support.postgres import execute
from tests.support.waiting import patience, until_true

pytestmark = pytest.mark.usefixtures("unmeasured")

MUCH = 50_000_000
MUCH_OUTPUT = f"yes {'x' * 99} | head -c {MUCH}"
HANDSHAKE = (
    "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


async def until_viewers(client: Client, count: int) -> None:
    """Wait until the server counts so many viewers."""

    async def counted() -> bool:
        return await client.metric("tailrun_viewers") == count

    await until_true(counted)


@asynccontextmanager
async def stalled_viewer(client: Client, path: str) -> AsyncIterator[asyncio.StreamReader]:
    """Ask for a stream, with little room for it, and read no more than one line of it."""
    address = urlsplit(client.service.address)
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.setblocking(False)  # noqa: FBT003
        await asyncio.get_running_loop().sock_connect(connection, (address.hostname, address.port))
        tls = believing_all() if address.scheme == "https" else None
        reader, writer = await asyncio.open_connection(
            sock=connection, limit=1024, ssl=tls, server_hostname=tls and address.hostname
        )
        try:
            writer.write(HANDSHAKE.format(path=f"/api/v1/{path}", host=address.netloc).encode())
            assert (await reader.readline()).split()[1] in {b"101", b"200"}
            yield reader
        finally:
            writer.transport.abort()


async def test_a_stalled_viewer_disturbs_nobody_and_is_dropped(start: Start) -> None:
    """Neither the run nor another viewer; one over WebSocket, one over HTTP."""
    client = await start(viewer_stall_seconds="3")
    run_id = await client.run(MUCH_OUTPUT)
    async with (
        stalled_viewer(client, f"runs/{run_id}/ws?format=raw") as first,
        stalled_viewer(client, f"runs/{run_id}/output?follow=true") as second,
    ):
        watched = await client.stream(run_id, format="raw")
        assert sum(map(len, watched.messages)) == MUCH
        assert (watched.code, watched.reason) == (1000, "exit 0")
        assert (await client.get_run(run_id))["state"] == "succeeded"
        await until_viewers(client, 0)
        assert await client.metric("tailrun_viewers_dropped_total") == 2
        for dropped in (first, second):
            assert len(await dropped.read()) < MUCH


@pytest.fixture
def descriptors_for_thousands() -> Iterator[None]:
    """Let this process, and a server that it starts, have as many descriptors as it may."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.timeout(600)
@pytest.mark.usefixtures("descriptors_for_thousands")
async def test_a_thousand_viewers_do_not_notice_those_that_stall(
    start: Start, tmp_path: Path
) -> None:
    """The stalled ones are behind by much; all others get what comes last, and the end."""
    viewers, stalled = 1000, 10
    bound, gate = str(viewers + stalled), tmp_path / "gate"
    service = (
        await start(max_viewers=bound, max_viewers_per_run=bound, viewer_stall_seconds="3")
    ).service
    async with (
        ClientSession(connector=TCPConnector(limit=0)) as session,
        AsyncExitStack() as stalling,
    ):
        client = Client(session, service)
        wait = f"while ! [ -e {gate} ]; do sleep 0.05; done"
        run_id = await client.run(f"{MUCH_OUTPUT}; {wait}; seq 1000; exit 3")
        path = f"runs/{run_id}/ws?format=raw"
        for _ in range(stalled):
            await stalling.enter_async_context(stalled_viewer(client, path))
        watching = [
            asyncio.create_task(client.stream(run_id, format="raw", offset=str(MUCH)))
            for _ in range(viewers)
        ]
        await until_viewers(client, viewers)
        gate.touch()
        expected = b"".join(b"%d\n" % n for n in range(1, 1001))
        for watched in await asyncio.gather(*watching):
            assert b"".join(watched.messages) == expected
            assert (watched.code, watched.reason) == (1000, "exit 3")
        await until_viewers(client, 0)
        assert await client.metric("tailrun_viewers_dropped_total") == stalled


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        (b"\x83\x80\0\0\0\0", 1002),  # an opcode that is reserved
        (b"\xf1\x80\0\0\0\0", 1002),  # bits that are reserved
        (b"\x09\x80\0\0\0\0", 1002),  # a ping in fragments
        (b"\x89\xfe\0\x80\0\0\0\0", 1002),  # a ping that is too long
        (b"\x81\x82\0\0\0\0\xff\xff", 1007),  # text that is no UTF-8
    ],
)
async def test_a_malformed_frame_ends_its_stream_alone(
    client: Client, frame: bytes, code: int
) -> None:
    run_id = await client.run("echo up; sleep 1000")
    address = urlsplit(client.service.address)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    async with client.connect(run_id) as other, patience():
        assert (await other.receive()).data == "up"
        path = f"/api/v1/runs/{run_id}/ws"
        writer.write(HANDSHAKE.format(path=path, host=address.netloc).encode())
        await reader.readuntil(b"\r\n\r\n")
        assert await reader.readexactly(4) == b"\x81\x02up"
        writer.write(frame)
        closing = await reader.read()
        assert (closing[:1], int.from_bytes(closing[2:4])) == (b"\x88", code)
        writer.close()
        await until_viewers(client, 1)
        await client.stop(run_id)
        assert (await watch(other)).reason == "stopped"


async def test_a_slow_viewer_gets_all(client: Client) -> None:
    """It lags in the file; what it has not taken is not lost when the run ends."""
    run_id = await client.run("seq 300000")
    url = client.url(f"runs/{run_id}/ws?format=raw")
    async with client.session.ws_connect(url, max_msg_size=0) as stream:
        await client.finished(run_id)
        watched = await watch(stream)
    assert b"".join(watched.messages) == b"".join(b"%d\n" % n for n in range(1, 300_001))


async def test_viewers_are_bounded(start: Start, subtests: pytest.Subtests) -> None:
    """The one too many is told so, by its first frame; a place is free again at once."""
    for setting in ["max_viewers", "max_viewers_per_run"]:
        with subtests.test(setting):
            client = await start(**{"max_viewers": "9", "max_viewers_per_run": "9", setting: "1"})
            run_id = await client.run("sleep 1000")
            async with client.connect(run_id):
                await until_viewers(client, 1)
                await check_refused(client, run_id, setting.upper())
                if setting == "max_viewers_per_run":
                    async with client.connect(await client.run("sleep 1000")):
                        await until_viewers(client, 2)
            await until_viewers(client, 0)
            async with client.connect(run_id):
                await until_viewers(client, 1)
            await client.stop(run_id)
            await client.service.terminate()


async def check_refused(client: Client, run_id: str, bound: str) -> None:
    """Be a viewer too many, in every way; each is told the bound, and to come back later."""
    for stream_format, count in [("json", 1), ("text", 0), ("raw", 0)]:
        told = await client.stream(run_id, format=stream_format)
        assert told.code == 1013
        assert bound in (told.reason or "")
        if stream_format == "json":
            [refused] = told.messages
            assert (refused["type"], refused["status"]) == ("refused", 503)
            assert bound in refused["detail"]
        assert len(told.messages) == count
    url = client.url(f"runs/{run_id}/output?follow=true")
    async with client.session.get(url) as response:
        assert (response.status, int(response.headers["Retry-After"]) > 0) == (503, True)
        assert bound in (await response.json())["detail"]
    async with client.session.get(url, headers={"Accept": "text/event-stream"}) as response:
        assert bound in await response.text()


async def test_a_viewer_that_leaves_frees_its_place(
    client: Client, subtests: pytest.Subtests
) -> None:
    """While there is nothing to tell it, and while there is much."""
    for script in ["sleep 1000", "yes"]:
        run_id = await client.run(script)
        with subtests.test("websocket", script=script):
            async with client.connect(run_id):
                await until_viewers(client, 1)
            await until_viewers(client, 0)
        with subtests.test("http", script=script):
            async with client.session.get(client.url(f"runs/{run_id}/output?follow=true")):
                await until_viewers(client, 1)
            await until_viewers(client, 0)
        await client.stop(run_id)


async def test_viewers_of_a_server_that_goes_down_are_told(
    start: Start, subtests: pytest.Subtests
) -> None:
    """To come back, over WebSocket; over HTTP, by the broken connection, that it is not all."""
    client = await start()
    run_id = await client.run("echo up; sleep 1000")
    url = client.url(f"runs/{run_id}/output?follow=true")
    async with client.connect(run_id) as stream, client.session.get(url) as response:
        assert (await stream.receive()).data == "up"
        assert await response.content.readline() == b"up\n"
        watching = asyncio.create_task(watch(stream))
        assert await client.service.terminate() == 0
        with subtests.test("websocket"):
            watched = await watching
            assert (watched.messages, watched.code) == ([], 1001)
        with subtests.test("http"), pytest.raises(ClientPayloadError):
            await response.read()


async def test_a_stalled_viewer_does_not_hold_the_server_up(start: Start) -> None:
    client = await start()
    run_id = await client.run("yes")
    async with stalled_viewer(client, f"runs/{run_id}/ws?format=raw"):
        await until_viewers(client, 1)
        async with patience():
            assert await client.service.terminate() == 0


async def test_output_that_is_deleted_under_its_reader_is_broken_off(
    client: Client, shared_database_url: str, subtests: pytest.Subtests
) -> None:
    """The reader learns that what it has is not all."""
    for name, headers in [("plain", {}), ("zstd", {"Accept-Encoding": "zstd"})]:
        with subtests.test(name):
            run_id = await client.run("head -c 20000000 /dev/urandom")
            await client.finished(run_id)
            url = client.url(f"runs/{run_id}/output")
            async with client.session.get(url, headers=headers, auto_decompress=False) as response:
                execute(shared_database_url, "DELETE FROM commands_info_output")
                with pytest.raises(ClientPayloadError):
                    async with patience():
                        await response.read()
    for stream_format, count in [("raw", 0), ("json", 1)]:
        with subtests.test("websocket", format=stream_format):
            async with patience():
                watched = await client.stream(run_id, format=stream_format)
            refused = [one for one in watched.messages if one["type"] == "refused"]
            assert [one["status"] for one in refused] == [410] * count
            assert watched.code == 4410
