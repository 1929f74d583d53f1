"""What the host may do to server and keeper: many runs, few descriptors, a full disk, a clock."""

import asyncio
import errno
import os
import resource
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from server.keeper import processes
from server.keeper.spool import Spool
from tests.integration.keeper.harness import a_host
from tests.support import faketime
from tests.support.client import Client, Start
from tests.support.service import Service
from tests.support.waiting import until, until_true

pytestmark = pytest.mark.usefixtures("unmeasured")

AS_ROOT = pytest.mark.skipif(os.getuid() != 0, reason="needs root")
MEBIBYTE = 1024 * 1024

FORK_BOMB = """\
#!/usr/bin/env python3
import os, resource, sys, time
os.setgroups([]); os.setgid(65534); os.setuid(65534)
resource.setrlimit(resource.RLIMIT_NPROC, (150, 150))
while True:
    try:
        os.fork()
    except OSError:
        os.write(1, b"no more\\n")
        time.sleep(0.1)
"""

POOL_GROWTH = 16
"""By so many may the pools of threads and of connections have grown; 1,000 runs are far more."""


def descriptors(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def threads(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/task").iterdir()))


async def idle(client: Client) -> None:
    """Wait until no run is active and no spool is left."""

    async def none() -> bool:
        names = ["tailrun_runs_running", "tailrun_runs_queued"]
        active = [await client.metric(name) for name in names]
        return not any(active) and not Spool.of(client.service.state_dir).run_ids()

    await until_true(none)


async def start_many(client: Client, count: int) -> None:
    """Run a quick script so many times, 20 at a time."""
    created = await client.create("(true &); exit 3", start=False)
    path = f"commands/{created['id']}/runs"

    async def start_some() -> None:
        for _ in range(count // 20):
            await client.call("POST", path)

    await asyncio.gather(*(start_some() for _ in range(20)))
    await idle(client)


@AS_ROOT
@pytest.mark.timeout(600)
async def test_1000_quick_runs_leave_no_process_descriptor_or_thread(start: Start) -> None:
    client = await start(max_active_runs_per_command="1000", log_level="warning")
    pids = [client.service.pid, await client.service.keeper_pid()]
    await start_many(client, 100)
    before = [(descriptors(pid), threads(pid)) for pid in pids]
    await start_many(client, 1000)

    def none_is_left() -> bool:
        return all(
            descriptors(pid) <= some + POOL_GROWTH and threads(pid) <= few + POOL_GROWTH
            for pid, (some, few) in zip(pids, before, strict=True)
        )

    await until(none_is_left)
    assert all(processes.children(pid) == [] for pid in pids)
    assert await client.metric('tailrun_runs_ended_total{state="failed"}') == 1100


@AS_ROOT
async def test_the_api_answers_beside_a_fork_bomb_which_is_ended_whole(client: Client) -> None:
    run_id = await client.run(FORK_BOMB)
    async with client.connect(run_id) as stream:
        assert (await stream.receive()).data.startswith("no more")
    for _ in range(10):
        await client.call("GET", "commands/")
    await client.stop(run_id, grace_seconds=1)
    assert (await client.finished(run_id))["state"] == "stopped"
    assert run_id not in processes.owners().values()


async def test_a_run_that_takes_too_much_memory_ends_with_that_reason_and_others_live(
    start: Start, service: Service
) -> None:
    """Where no cgroup can be had, the server must refuse to start."""
    async with a_host(service.state_dir) as host:
        problem = await host.client.memory_problem()
    service.set(max_run_memory_bytes=str(64 * MEBIBYTE))
    if problem is not None:
        code, said = await service.refused()
        assert (code, problem in said) == (os.EX_CONFIG, True)
        return
    client = await start()
    other = await client.run("sleep 1000")
    greedy = f"exec {sys.executable} -c \"print(len(b'x' * (200 << 20)))\""
    run = await client.finished(await client.run(greedy))
    assert (run["state"], run["exitcode"], run["signal"]) == ("failed", None, "SIGKILL")
    assert run["reason"] == "its memory reached the limit TAILRUN_MAX_RUN_MEMORY_BYTES"
    assert (await client.get_run(other))["state"] == "running"
    await client.stop(other)
    assert (await client.finished(other))["reason"] is None


async def test_accepting_pauses_without_descriptors_and_runs_survive(
    start: Start, tmp_path: Path
) -> None:
    """One that goes on, one that ends meanwhile, one that is started on an open connection."""
    client = await start()
    gate, pid = tmp_path / "gate", client.service.pid
    script = f"echo one; while ! [ -e {gate} ]; do sleep 0.05; done; echo two; exit 3"
    run_id = await client.run(script)
    async with client.connect(run_id, format="raw") as stream:
        assert (await stream.receive()).data == b"one\n"
        await client.call("GET", "ping")  # on a connection that stays open
        few = descriptors(pid) + 10
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (few, few))
        address = urlsplit(client.service.address)
        with ExitStack() as connections:
            for _ in range(20):
                connections.enter_context(
                    socket.create_connection((str(address.hostname), address.port or 0))
                )
            await until(lambda: "connections have to wait" in client.service.log)
            late = await client.run("echo late; exit 4")
            gate.touch()
            assert (await stream.receive()).data == b"two\n"
            for what in ("its output cannot be read", "it cannot be followed"):
                text = f"{what} now: {os.strerror(errno.EMFILE)}"
                await until(lambda text=text: text in client.service.log)  # type: ignore[misc]
    await until(lambda: descriptors(pid) < few)
    for one, output, exitcode in [(run_id, b"one\ntwo\n", 3), (late, b"late\n", 4)]:
        run = await client.finished(one)
        assert (run["state"], run["exitcode"]) == ("failed", exitcode)
        assert await client.output(one) == output


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Mount a disk of 48 MiB where the service's state is to be."""
    directory = tmp_path / "state"
    directory.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=48m,mode=0700", "tmpfs", str(directory)]
    if os.getuid() != 0 or subprocess.run(command, check=False).returncode != 0:
        pytest.skip("only root may mount a disk")
    yield directory
    subprocess.run(["umount", "--lazy", str(directory)], check=True)


async def test_a_run_that_fills_the_disk_fails_visibly_and_everything_else_lives(
    small_disk: Path, start: Start, tmp_path: Path
) -> None:
    client = await start(min_free_bytes=str(20 * MEBIBYTE))
    gate = tmp_path / "gate"
    quiet = await client.run(f"while ! [ -e {gate} ]; do sleep 0.05; done; echo lives")
    greedy = await client.run("yes")
    run = await client.finished(greedy)
    assert run["state"] == "failed"
    assert "disk under the spool is full" in run["reason"]
    assert 16 * MEBIBYTE <= run["output_bytes"] <= 48 * MEBIBYTE
    gate.touch()
    assert (await client.finished(quiet))["state"] == "succeeded"
    assert await client.output(quiet) == b"lives\n"
    await until(lambda: not Spool(small_disk / "spool").run_ids())
    assert (await client.finished(await client.run("echo again")))["state"] == "succeeded"


async def test_a_run_of_another_boot_is_lost_with_its_output_kept(start: Start) -> None:
    client = await start()
    run_id = await client.run("echo one; exec sleep 1000")
    async with client.connect(run_id) as stream:
        assert (await stream.receive()).data == "one"
    keeper, spool = await client.service.keeper_pid(), Spool.of(client.service.state_dir)
    await client.service.kill()
    os.kill(keeper, signal.SIGKILL)
    process = spool.read_process(run_id)
    assert process is not None
    record = spool.directory(run_id) / "run.json"
    record.write_text(record.read_text().replace(process.boot_id, "another"))
    await client.service.start()
    assert (await client.finished(run_id))["state"] == "lost"
    assert await client.output(run_id) == b"one\n"


async def test_a_clock_that_jumps_an_hour_disturbs_nothing(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Forwards and back; only the server has such a clock."""
    clock, log = tmp_path / "clock", tmp_path / "log"
    clock.write_text("+0")
    log.touch()
    for name, value in faketime.environment(clock).items():
        monkeypatch.setenv(name, value)
    client = await start()
    run_id = await client.run(f"exec tail -n +1 -f {log} 2>/dev/null")
    times = []
    async with client.connect(run_id, format="json") as stream:
        assert (await stream.receive_json())["type"] == "run"
        for jump in ["+0", "+3600", "-3600"]:
            clock.write_text(jump)
            with log.open("a") as file:
                file.write(f"{jump}\n")
            while (message := await stream.receive_json())["type"] != "output":
                pass
            assert message["text"] == f"{jump}\n"
            times.append(message["time"])
    assert [round((later - times[0]) / 3600) for later in times] == [0, 1, -1]
    await client.stop(run_id)
    assert (await client.finished(run_id))["state"] == "stopped"
    assert await client.output(run_id) == b"+0\n+3600\n-3600\n"
