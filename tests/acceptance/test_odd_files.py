"""Whatever stands at any name in a run's directories, at any moment: it is that run's matter alone.

Each example changes the files of one run beside a neighbour's, with or without the keeper's death
and the server's, before or after the change.
"""

import os
import shutil
import signal
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from server.keeper.client import KeeperClient
from server.keeper.spool import Spool
from tests.support.client import Client
from tests.support.service import Service
from tests.support.strangers import STRANGERS
from tests.support.waiting import until_true

pytestmark = pytest.mark.usefixtures("unmeasured")

EXAMPLES = 12
FINAL = {"succeeded", "failed", "stopped", "timed_out", "lost"}
NEIGHBOUR = 'seq 1000; while ! [ -e "$TAILRUN_RUN_DIRECTORY/go" ]; do sleep 0.02; done; exit 3'
NEIGHBOURS_OUTPUT = b"".join(b"%d\n" % number for number in range(1, 1001))


def containing(data: bytes) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(data)


def sparse(path: Path) -> None:
    path.touch()
    os.truncate(path, 1 << 30)


def forbidden(path: Path) -> None:
    path.mkdir()
    (path / "within").touch()
    path.chmod(0)


def immutable(path: Path) -> None:
    path.write_bytes(b"{}")
    if os.geteuid() == 0:
        subprocess.run(["/usr/bin/chattr", "+i", str(path)], check=True)


KINDS: dict[str, Callable[[Path], object]] = STRANGERS | {
    "nothing": lambda _: None,
    "no JSON": containing(b"\xff{"),
    "deep JSON": containing(b"[" * 60_000),
    "wrong values": containing(b'{"pid": "1", "signal": 9, "exitcode": true, "ended_at": 1e300}'),
    "exit and signal": containing(b'{"exitcode": 0, "signal": "SIGKILL", "ended_at": 1}'),
    "sparse": sparse,
    "forbidden": forbidden,
    "immutable": immutable,
}
SPOOL_NAMES = (
    *("run.json", "stop.json", "exit.json", "exit.tmp", "run.tmp"),
    *("output", "pipe", "tail.0", "tail.1.log", ""),
)
WORK_NAMES = ("script", "output", "")


@dataclass(frozen=True)
class Change:
    """What is put in the place of a file of the spool or the work directory.

    Without a name, of the directory itself.
    """

    kind: str
    place: tuple[bool, str]

    def apply(self, spool: Spool, run_id: str) -> None:
        in_work, name = self.place
        directory = spool.work(run_id) if in_work else spool.directory(run_id)
        path = directory / name if name else directory
        with suppress(OSError):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
            KINDS[self.kind](path)


changes = st.builds(
    Change,
    kind=st.sampled_from(sorted(KINDS)),
    place=st.sampled_from(
        [(False, name) for name in SPOOL_NAMES] + [(True, name) for name in WORK_NAMES]
    ),
)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def odd_client(shared_service: Service) -> AsyncIterator[Client]:
    """Be a client in the loop of the service, which is restarted."""
    async with aiohttp.ClientSession() as session:
        yield Client(session, shared_service)


async def kill_keeper(client: Client) -> None:
    keeper = KeeperClient(client.service.state_dir)
    pid = (await keeper.open()).pid
    await keeper.close()
    os.kill(pid, signal.SIGKILL)


async def ended(client: Client, run_id: str) -> dict[str, Any]:
    """Stop a run, however often that takes, and return it once it has ended."""

    async def is_final() -> bool:
        url = client.url(f"runs/{run_id}/stop")
        async with client.session.post(url, json={"grace_seconds": 0}) as response:
            assert response.status in {202, 409, 503}
        return (await client.get_run(run_id))["state"] in FINAL

    await until_true(is_final)
    return await client.get_run(run_id)


async def wrote(client: Client, run_id: str, output: bytes) -> None:
    async def is_written() -> bool:
        return await client.output(run_id) == output

    await until_true(is_written)


@pytest.mark.asyncio(loop_scope="module")
@settings(
    max_examples=EXAMPLES,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    before=st.lists(changes, max_size=2),
    after=st.lists(changes, min_size=1, max_size=3),
    dying=st.sets(st.sampled_from(["keeper", "server"])),
)
async def test_what_is_odd_in_one_runs_files_is_that_runs_matter_alone(
    odd_client: Client, before: list[Change], after: list[Change], dying: set[str]
) -> None:
    spool = Spool.of(odd_client.service.state_dir)
    odd, neighbour = (
        await odd_client.run("echo odd; exec sleep 1000"),
        await odd_client.run(NEIGHBOUR),
    )
    await wrote(odd_client, odd, b"odd\n")
    await wrote(odd_client, neighbour, NEIGHBOURS_OUTPUT)
    for change in before:
        change.apply(spool, odd)
    if "server" in dying:
        await odd_client.service.kill()
    if "keeper" in dying:
        await kill_keeper(odd_client)
    for change in after:
        change.apply(spool, odd)
    if "server" in dying:
        await odd_client.service.start()
    assert (await ended(odd_client, odd))["state"] in FINAL
    (spool.work(neighbour) / "go").touch()
    run = await odd_client.finished(neighbour)
    assert (run["state"], run["exitcode"]) == (
        ("lost", None) if "keeper" in dying else ("failed", 3)
    )
    assert await odd_client.output(neighbour) == NEIGHBOURS_OUTPUT
    assert (await odd_client.finished(await odd_client.run("true")))["state"] == "succeeded"
