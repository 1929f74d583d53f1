"""A state directory that was copied: each run is started once, whatever is started with it."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import aiohttp
import pytest

from tests.support.client import Client
from tests.support.cluster import Cluster
from tests.support.waiting import patience, until
from tests.support.worker import Worker

pytestmark = pytest.mark.timeout(300)

LEASE_SECONDS = 12
RUNS = 28
GROWS_OLDER_SECONDS = 11
"""Until the original is older than its copy, and servers have heard of it."""


class Hosts(Cluster):
    """A server and a worker, whose state directory may be copied; each run notes that it starts."""

    def __init__(self, directory: Path, database_url: str) -> None:
        super().__init__(
            directory, database_url, servers=1, workers=1, lease_seconds=str(LEASE_SECONDS)
        )
        self.notes = directory / "notes"
        self.notes.mkdir(parents=True)
        self.client: Client

    @property
    def original(self) -> Worker:
        return self.workers[0]

    async def copy(self) -> Worker:
        """Copy the worker's state directory, and what it holds of runs that go on."""
        copy = await self.original.copied(self.original.state_dir.with_name("copy"))
        self.workers.append(copy)
        return copy

    async def run(self, script: str = "", **said: object) -> str:
        """Start a run that notes it; return its id."""
        noting = f"echo $TAILRUN_RUN_ID >>{self.notes}/started; {script}"
        run = (await self.client.create(noting, pool="all", **said))["run"]
        return str(run["id"])

    @property
    def started(self) -> list[str]:
        """The runs that were started, as often as they were."""
        path = self.notes / "started"
        return path.read_text().split() if path.exists() else []

    async def has_started(self, run_id: str) -> None:
        await until(lambda: run_id in self.started)


@pytest.fixture
async def hosts(tmp_path: Path, database_url: str) -> AsyncIterator[Hosts]:
    hosts = Hosts(tmp_path / "hosts", database_url)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(hosts.end)
        await hosts.start()
        session = await stack.enter_async_context(aiohttp.ClientSession())
        hosts.client = Client(session, hosts.servers[0])
        yield hosts
        assert len(hosts.started) == len({*hosts.started})
        assert not [one for one in (*hosts.servers, *hosts.workers) if "Traceback" in one.log]


async def test_a_copy_gets_nothing_while_the_original_is_there(hosts: Hosts) -> None:
    """Nor does it end or touch what it takes for its own, on the same machine even."""
    going = await hosts.run("sleep 600", on_unreachable="retry")
    await hosts.has_started(going)
    copy = await hosts.copy()
    process = await copy.launch()
    await until(lambda: "Another process is there as worker1" in copy.log)
    runs = [await hosts.run("sleep 0.5; echo done") for _ in range(RUNS)]
    for run_id in runs:
        assert (await hosts.client.finished(run_id))["state"] == "succeeded"
        assert await hosts.client.output(run_id) == b"done\n"
    assert sorted(hosts.started) == sorted([going, *runs])
    assert (await hosts.client.get_run(going))["state"] == "running"

    # A worker that is started again is the same one, and is back at once, with its runs.
    await hosts.original.kill()
    await hosts.original.start()
    assert "Another process is there" not in hosts.original.log
    assert (await hosts.client.get_run(going))["state"] == "running"
    after = await hosts.run("echo after")
    assert (await hosts.client.finished(after))["state"] == "succeeded"
    assert process.returncode is None


async def test_a_copy_that_is_started_once_the_original_is_gone_takes_its_place(
    hosts: Hosts,
) -> None:
    """What the original began meanwhile is lost, and not begun again; when it is back it waits."""
    ended = await hosts.run("echo ended")
    assert (await hosts.client.finished(ended))["state"] == "succeeded"
    before = await hosts.run("echo before; sleep 600")
    await hosts.has_started(before)
    copy = await hosts.copy()
    await asyncio.sleep(GROWS_OLDER_SECONDS)
    since = await hosts.run("echo since; sleep 600")
    await hosts.has_started(since)
    await hosts.original.kill()
    process = await copy.launch()
    for run_id in (before, since):
        run = await hosts.client.finished(run_id)
        assert run["state"] == "lost"
        assert "may not know what became of it" in run["reason"]
    later = await hosts.run("echo later")
    assert (await hosts.client.finished(later))["state"] == "succeeded"

    back = await hosts.original.launch()
    await until(lambda: "Another process is there as worker1" in hosts.original.log)
    assert process.returncode is None
    assert back.returncode is None

    # It is let in once the copy is over, and ends what was given up meanwhile.
    await copy.kill()
    assert await hosts.client.output(before) == b"before\n"
    last = await hosts.run("echo last")
    assert (await hosts.client.finished(last))["state"] == "succeeded"
    assert sorted(hosts.started) == sorted([ended, before, since, later, last])


async def test_a_copy_that_is_enrolled_anew_is_a_worker_of_its_own(hosts: Hosts) -> None:
    copy = await hosts.copy()
    shutil.rmtree(copy.state_dir)
    await copy.enrol(hosts.servers[0], pools=["all"], name="second")
    await hosts.renew_users("--reload", str(hosts.nats.pid_file))
    await copy.start()
    names = [one["name"] for one in (await hosts.client.call("GET", "workers/"))["items"]]
    assert {"worker1", "second"} <= {*names}


async def test_a_copied_server_waits_until_the_first_one_is_gone(hosts: Hosts) -> None:
    """It neither listens nor touches anything; by then it may lack what the first one began."""
    first = hosts.servers[0]
    noting = f"echo $TAILRUN_RUN_ID >>{hosts.notes}/started; echo going; sleep 600"
    going = await hosts.client.run(noting)
    await hosts.has_started(going)
    copy = await first.copied(first.state_dir.with_name("copy of server"))
    hosts.servers.append(copy)
    process = await copy.begin()
    assert process.stdout is not None
    async with patience():
        while b"Another process is there as" not in await process.stdout.readline():
            pass
        process.terminate()
        await process.communicate()
    assert (await hosts.client.get_run(going))["state"] == "running"

    await asyncio.sleep(GROWS_OLDER_SECONDS)
    await first.kill()
    await copy.start()
    client = Client(hosts.client.session, copy)
    run = await client.finished(going)
    assert run["state"] == "lost"
    assert await client.output(going) == b"going\n"
    after = await client.run("echo after")
    assert (await client.finished(after))["state"] == "succeeded"
