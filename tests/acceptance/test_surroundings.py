"""What the server is started with and sent: streams nobody reads, signals, few descriptors."""

import asyncio
import os
import resource
import signal
import socket
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import aiohttp
import pytest

from tests.support.client import Client, Start
from tests.support.service import ROOT, Service
from tests.support.waiting import patience, until, until_true
from tests.unit.process.test_outlet import fill

IGNORED = (signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2)


@asynccontextmanager
async def started(
    service: Service, command: str, *, stdout: int | None = None, stderr: int = PIPE
) -> AsyncIterator[Process]:
    """Start a server by a shell command in which `"$@"` is the server's; end it in the end."""
    process = await asyncio.create_subprocess_exec(
        *("/bin/sh", "-c", command, "sh", sys.executable, "-m", "server"),
        cwd=ROOT,
        env=service.environment,
        stdout=stdout,
        stderr=stderr,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def ended(process: Process) -> int:
    async with patience():
        return await process.wait()


def in_log(service: Service, text: str) -> bool:
    return text in service.log


def a_free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


@pytest.mark.parametrize(
    "command",
    [
        'exec "$@"',
        'exec "$@" >/dev/full 2>&1',
        'exec "$@" <&- >&- 2>&-',
        'PYTHONIOENCODING=ascii LC_ALL=C exec "$@"',
    ],
    ids=["full pipes", "full disk", "closed", "ascii"],
)
async def test_it_serves_whatever_becomes_of_what_it_says(
    tmp_path: Path, database_url: str, command: str
) -> None:
    """The pipe is full from the start, and nobody reads it."""
    service = Service(tmp_path / "zwölf", database_url)
    service.set(port=str(a_free_port()), log_level="debug")
    service.address = f"http://127.0.0.1:{service.environment['TAILRUN_PORT']}"
    reading, writing = os.pipe()
    fill(writing)
    try:
        async with (
            started(service, command, stdout=writing, stderr=writing) as process,
            aiohttp.ClientSession() as session,
        ):
            client = Client(session, service)

            async def serves() -> bool:
                try:
                    return bool(await client.call("GET", "ping"))
                except aiohttp.ClientConnectionError:
                    return False

            await until_true(serves)
            for number in range(3):
                assert "socket" not in str(Path(f"/proc/{process.pid}/fd/{number}").readlink())
            for number in IGNORED:
                process.send_signal(number)
            run_id = await client.run("echo output; exit 3")
            assert (await client.finished(run_id))["exitcode"] == 3
            assert await client.output(run_id) == b"output\n"
            process.terminate()
            assert await ended(process) == 0
    finally:
        os.close(reading)
        os.close(writing)
        await service.end_keeper()


async def test_a_refusal_that_nobody_reads_ends_the_start(service: Service) -> None:
    service.set(port="http")
    reading, writing = os.pipe()
    fill(writing)
    async with started(service, 'exec "$@"', stdout=writing, stderr=writing) as process:
        assert await ended(process) == os.EX_CONFIG
    os.close(reading)
    os.close(writing)


async def test_signals_that_mean_nothing_are_ignored_and_not_inherited(start: Start) -> None:
    client = await start()
    for number in IGNORED:
        os.kill(client.service.pid, number)
    for number in IGNORED:
        await until(partial(in_log, client.service, f"{number.name} ignored"))
    run_id = await client.run("grep SigIgn /proc/self/status")
    await client.finished(run_id)
    ignored = int((await client.output(run_id)).split()[1], 16)
    assert not [number for number in IGNORED if ignored >> (number - 1) & 1]


async def test_sigterm_ends_a_start_that_makes_its_database(tmp_path: Path) -> None:
    """What it began is taken down, and the next start begins anew."""
    service = Service(tmp_path / "state", None)
    async with started(service, 'exec "$@"') as process:
        await until(lambda: any(service.state_dir.glob(".database-new-*/PG_VERSION")))
        process.terminate()
        assert await ended(process) == 0
        assert process.stderr is not None
        said = (await process.stderr.read()).decode()
        assert "stopped while starting" in said
        assert "Traceback" not in said
    assert not (service.state_dir / "database" / "postmaster.pid").exists()


async def test_sigterm_ends_a_start_that_waits_for_a_silent_database(tmp_path: Path) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        silent.setblocking(False)  # noqa: FBT003
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        url = f"postgresql://user@{address}/name?connect_timeout=600"
        service = Service(tmp_path / "state", url)
        async with started(service, 'exec "$@"') as process:
            async with patience():
                connected, _ = await asyncio.get_running_loop().sock_accept(silent)
            process.terminate()
            assert await ended(process) == 0
            connected.close()
    await service.end_keeper()


async def keeper_descriptors(service: Service) -> str:
    """Return what /readyz says of the keeper's bound; it is no reason not to be ready."""
    async with aiohttp.ClientSession() as session, session.get(f"{service.address}/readyz") as got:
        assert got.status == 200
        return str((await got.json())["keeper_descriptors"])


async def test_runs_say_that_the_bound_on_open_files_keeps_them_in_the_queue(
    tmp_path: Path, database_url: str
) -> None:
    """The first, which was tried, and the one behind it; both can be stopped."""
    service = Service(tmp_path / "state", database_url)
    try:
        async with aiohttp.ClientSession() as session:
            client = Client(session, await service.start("prlimit", "--nofile=64:64"))
            run_ids = [await client.run("echo up") for _ in range(2)]
            why = "it waits for the keeper: 64 open files (ulimit -Hn) allow for no further run"
            for run_id in run_ids:
                run = await client.get_run(run_id)
                assert (run["state"], run["reason"]) == ("queued", why)
            async with session.get(f"{service.address}/readyz") as response:
                assert (response.status, (await response.json())["queue"]) == (200, why)
            for run_id in run_ids:
                await client.stop(run_id)
                assert (await client.get_run(run_id))["reason"] == "it was stopped while queued"
            async with session.get(f"{service.address}/readyz") as response:
                assert (await response.json())["queue"] == "ok"
        assert await service.terminate() == 0
        assert service.log.count("dispatch paused") == 1
    finally:
        await service.kill()
        await service.end_keeper()


async def test_the_bound_on_open_files_is_raised_for_server_and_keeper(
    tmp_path: Path, database_url: str
) -> None:
    """Also for a keeper that an earlier server started with a lower one."""
    service = Service(tmp_path / "state", database_url)
    try:
        keeper = await service.keeper_pid()
        hard = resource.prlimit(keeper, resource.RLIMIT_NOFILE)[1]
        resource.prlimit(keeper, resource.RLIMIT_NOFILE, (300, hard))
        await service.start("prlimit", f"--nofile=300:{hard}")
        raised = min(65536, hard)
        for pid in (service.pid, keeper):
            assert resource.prlimit(pid, resource.RLIMIT_NOFILE) == (raised, hard)
        assert await keeper_descriptors(service) == "ok"
        resource.prlimit(keeper, resource.RLIMIT_NOFILE, (300, hard))
        told = await keeper_descriptors(service)
        assert told == f"the keeper has 300, and the server {raised}"
        assert await service.terminate() == 0
    finally:
        await service.kill()
        await service.end_keeper()
