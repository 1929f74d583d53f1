"""Many connections that ask for nothing: newcomers are served, and nothing of the service ends."""

import resource
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp

from server.repositories.embedded.server import EmbeddedDatabase
from tests.acceptance.conftest import ended
from tests.support.client import Client, Start
from tests.support.service import Service
from tests.support.waiting import until

HALF = b"GET /api/v1/ping HTTP/1.1\r\nHost: "


@contextmanager
def half_open(service: Service, count: int) -> Iterator[None]:
    """Open connections that send half a request, or nothing."""
    address = urlsplit(service.address)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, count + 1000)), hard))
    with ExitStack() as stack:
        for number in range(count):
            connection = socket.create_connection((str(address.hostname), address.port or 0))
            stack.enter_context(connection)
            connection.send(HALF[: number % len(HALF)])
        yield


async def served(client: Client) -> float:
    """Have a newcomer served; return how long that took, in seconds."""
    began = time.monotonic()
    async with aiohttp.ClientSession() as session:
        assert await Client(session, client.service).call("GET", "ping") == {"status": "ok"}
    return time.monotonic() - began


async def test_a_newcomer_is_served_beside_4000_half_open_connections(start: Start) -> None:
    """And a viewer who was there before goes on. `pytest -rP` shows how long it takes."""
    client = await start(max_connections="1000")
    run_id = await client.run("cat /dev/zero | head -c 3; exec sleep 1000")
    async with client.connect(run_id, format="raw") as stream:
        assert (await stream.receive()).data == bytes(3)
        with half_open(client.service, 4000):
            print(f"a newcomer is served after {await served(client):.3f} s")
            await client.stop(run_id)
            assert (await stream.receive()).type == aiohttp.WSMsgType.CLOSE
    assert (await client.finished(run_id))["state"] == "stopped"


async def test_connections_leave_descriptors_for_all_else(tmp_path: Path) -> None:
    """Under a hard bound that is lower than TAILRUN_MAX_CONNECTIONS."""
    service = Service(tmp_path / "state", None, max_concurrent_runs="10")
    try:
        async with ended(service), aiohttp.ClientSession() as session:
            client = Client(session, await service.start("prlimit", "--nofile=400:400"))
            await until(lambda: "at most 254 connections are served at a time" in service.log)
            with half_open(service, 600):
                await served(client)
                run_id = await client.run("echo output; exit 3")
                assert (await client.finished(run_id))["exitcode"] == 3
                assert await client.output(run_id) == b"output\n"
                await served(client)
            assert "have to wait" not in service.log
    finally:
        await EmbeddedDatabase(tmp_path / "state" / "database").stop()


async def test_a_lack_of_descriptors_ends_nothing(embedded: Client) -> None:
    """The embedded database cannot even be looked at for a while."""
    service = embedded.service
    soft, hard = resource.prlimit(service.pid, resource.RLIMIT_NOFILE)
    few = len([*Path(f"/proc/{service.pid}/fd").iterdir()])
    resource.prlimit(service.pid, resource.RLIMIT_NOFILE, (few, hard))
    await until(lambda: "embedded database not checked, tried again" in service.log)
    resource.prlimit(service.pid, resource.RLIMIT_NOFILE, (soft, hard))
    run_id = await embedded.run("echo output")
    await embedded.finished(run_id)
    assert await embedded.output(run_id) == b"output\n"
