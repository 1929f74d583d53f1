"""How runs are stopped, and how their bounds are kept."""

import asyncio
import contextlib
import os
import signal
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from server.keeper import processes
from server.keeper.protocol import KeeperError
from server.keeper.run.pump import FREE_CHECK_BYTES
from tests.integration.keeper.harness import Host, a_host, gone
from tests.support.waiting import until

IGNORING = "trap '' TERM; echo ready; while :; do sleep 0.05; done"
MEBIBYTE = 1024 * 1024

BREEDING = """\
#!/bin/sh
trap '' TERM; echo x
generation=$((${1:-0} + 1))
[ $generation -lt 60 ] && setsid "$0" $generation &
sleep 0.02
[ $generation -lt 5 ] && setsid "$0" $generation &
sleep 1000
"""
"""16 lines of processes, each with one child after the other: they are bounded, however late the
stop comes."""


@pytest.fixture
async def host(tmp_path: Path) -> AsyncIterator[Host]:
    async with a_host(tmp_path) as host:
        yield host


async def test_stop_ends_a_run_by_sigterm(host: Host) -> None:
    run_id = await host.start("sleep 1000")
    assert await host.stop(run_id)
    end = await host.ended(run_id)
    assert (end.signal, end.exitcode, end.cause, end.survivors) == ("SIGTERM", None, "stop", [])
    stop = host.spool.read_stop(run_id)
    assert stop is not None
    assert (stop.cause, stop.signal, stop.grace_seconds) == ("stop", "SIGTERM", 20.0)


async def test_a_run_may_end_in_its_own_way_when_stopped(host: Host) -> None:
    run_id = await host.start(
        "trap 'echo bye; exit 7' INT; echo ready; while :; do sleep 0.01; done"
    )
    await host.wrote(run_id, b"ready")
    await host.stop(run_id, "SIGINT")
    end = await host.ended(run_id)
    assert (end.exitcode, end.signal, end.cause) == (7, None, "stop")
    assert host.output(run_id) == b"ready\nbye\n"


async def test_one_that_ignores_sigterm_is_killed_after_the_grace(host: Host) -> None:
    run_id = await host.start(IGNORING)
    await host.wrote(run_id, b"ready")
    began = time.monotonic()
    await host.stop(run_id, grace_seconds=0.3)
    end = await host.ended(run_id)
    assert (end.signal, end.cause, end.survivors) == ("SIGKILL", "stop", [])
    assert time.monotonic() - began >= 0.3


@pytest.mark.parametrize(
    "escape",
    [
        "setsid sh -c '{daemon}' &",
        "(setsid sh -c '{daemon}' &)",
        "setsid setsid -f sh -c '{daemon}'",
        "env -i setsid -f sh -c '{daemon}'",
    ],
)
@pytest.mark.parametrize("stubborn", [False, True])
async def test_processes_that_left_the_group_are_stopped_too(
    host: Host, escape: str, *, stubborn: bool
) -> None:
    daemon = ('trap "" TERM; ' if stubborn else "") + "echo $$; while :; do sleep 0.05; done"
    run_id = await host.start(escape.format(daemon=daemon) + "\nsleep 1000")
    daemon_pid = int(await host.wrote(run_id, b"\n"))
    await host.stop(run_id, grace_seconds=0.3 if stubborn else 20)
    end = await host.ended(run_id)
    assert (end.signal, end.cause, end.survivors) == ("SIGTERM", "stop", [])
    assert gone(daemon_pid)


async def test_one_that_hides_when_it_is_stopped_is_found(host: Host) -> None:
    other = await host.start("sleep 1000")  # so that an orphan may be the other's
    hidden = "trap 'exec env -i setsid sleep 1000' TERM; echo $$; while :; do sleep 0.01; done"
    run_id = await host.start(f'sh -c "{hidden}" & \n sleep 1000'.replace("$$", "\\$\\$"))
    pid = int(await host.wrote(run_id, b"\n"))
    await host.stop(run_id, grace_seconds=0.3)
    await host.ended(run_id)
    assert gone(pid)
    assert await host.client.runs() == {other}


async def test_a_paused_run_hears_that_it_is_stopped(host: Host) -> None:
    run_id = await host.start("trap 'exit 9' TERM; echo ready; while :; do sleep 0.01; done")
    await host.wrote(run_id, b"ready")
    assert await host.client.signal(run_id, "SIGSTOP")
    assert await host.stop(run_id)
    assert (await host.ended(run_id)).exitcode == 9


async def test_processes_made_while_the_run_is_killed_are_killed(host: Host) -> None:
    run_id = await host.start(BREEDING)
    await until(lambda: len(host.output(run_id)) > 40)  # more are to come
    await host.stop(run_id, grace_seconds=0)
    end = await host.ended(run_id)
    assert end.survivors == []
    assert run_id not in processes.owners().values()


async def test_stopping_twice_is_harmless(host: Host) -> None:
    script = "trap 'echo term' TERM; echo ready; while :; do :; done"
    run_id = await host.start(script)
    await host.wrote(run_id, b"ready")
    assert await host.stop(run_id)
    await host.wrote(run_id, b"term")
    assert await host.stop(run_id)
    assert await host.stop(run_id, "SIGKILL")
    end = await host.ended(run_id)
    assert (end.signal, end.cause) == ("SIGKILL", "stop")
    assert host.output(run_id) == b"ready\nterm\n"
    assert await host.stop(run_id) is False


async def test_a_second_stop_may_shorten_the_grace(host: Host) -> None:
    run_id = await host.start(IGNORING)
    await host.wrote(run_id, b"ready")
    await host.stop(run_id, grace_seconds=1000)
    await host.stop(run_id, grace_seconds=0.1)
    assert (await host.ended(run_id)).signal == "SIGKILL"


async def test_a_second_stop_never_lengthens_the_grace(host: Host) -> None:
    run_id = await host.start(IGNORING)
    await host.wrote(run_id, b"ready")
    await host.stop(run_id, grace_seconds=0.5)
    await host.stop(run_id, "SIGINT", grace_seconds=1000)
    assert (await host.ended(run_id)).signal in {"SIGKILL", "SIGINT"}


async def test_a_signal_reaches_the_group(host: Host) -> None:
    run_id = await host.start(
        "trap 'echo usr; exit 3' USR1; echo ready; while :; do sleep 0.01; done"
    )
    await host.wrote(run_id, b"ready")
    assert await host.client.signal(run_id, "SIGUSR1")
    end = await host.ended(run_id)
    # The sleep of that moment gets it as well, and the shell tells of its end.
    assert (end.exitcode, end.cause) == (3, None)
    assert b"usr\n" in host.output(run_id)
    assert await host.client.signal(run_id, "SIGUSR1") is False


async def test_unknown_signals_and_runs(host: Host) -> None:
    run_id = await host.start("sleep 1000")
    with pytest.raises(KeeperError, match="unknown signal 'SIGNONE'"):
        await host.client.signal(run_id, "SIGNONE")
    with pytest.raises(KeeperError, match="unknown signal 'SIGNONE'"):
        await host.stop(run_id, "SIGNONE")
    assert await host.stop("0" * 8) is False


async def test_a_stop_under_way_hears_of_the_end_of_the_main_process(host: Host) -> None:
    run_id = await host.start("sleep 1000")
    first, *_ = await asyncio.gather(*(host.stop(run_id) for _ in range(20)))
    assert first
    assert (await host.ended(run_id)).cause == "stop"


async def test_the_time_of_a_run_is_bounded(host: Host) -> None:
    began = time.monotonic()
    end, _ = await host.finish("sleep 1000", timeout_seconds=0.3)
    assert (end.signal, end.cause) == ("SIGTERM", "timeout")
    assert time.monotonic() - began >= 0.3


async def test_a_run_within_its_time_is_not_stopped(host: Host) -> None:
    end, _ = await host.finish("exit 4", timeout_seconds=1000)
    assert (end.exitcode, end.cause) == (4, None)


@pytest.mark.parametrize("limit", [1, 1000, 65536, 3 * MEBIBYTE + 7])
async def test_the_output_of_a_run_is_bounded_to_the_byte(host: Host, limit: int) -> None:
    end, output = await host.finish("yes", max_output_bytes=limit)
    assert (end.cause, end.output_bytes) == ("output_limit", limit)
    assert output == (b"y\n" * (limit // 2 + 1))[:limit]


async def test_an_output_of_just_the_bound_is_no_reason_to_stop(host: Host) -> None:
    end, output = await host.finish("printf 12345; exit 6", max_output_bytes=5)
    assert (end.exitcode, end.cause, output) == (6, None, b"12345")


async def test_a_run_that_ended_with_too_much_output_says_so(host: Host) -> None:
    end, output = await host.finish("printf 123456", max_output_bytes=5)
    assert (end.cause, output) == ("output_limit", b"12345")


async def test_a_run_above_its_bound_can_still_end_by_itself(host: Host) -> None:
    script = "trap 'head -c 1000000 /dev/zero; exit 5' TERM; while :; do echo xxxxxxxxxxxx; done"
    end, output = await host.finish(script, max_output_bytes=100)
    assert (end.exitcode, end.cause, len(output)) == (5, "output_limit", 100)


async def test_a_run_is_not_started_on_a_disk_too_full(host: Host) -> None:
    end, _ = await host.finish("true", min_free_bytes=1 << 60)
    assert end.cause == "disk_full"
    assert end.error is not None
    assert "bytes are free" in end.error


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Provide a directory on a disk of its own, of 48 MiB."""
    command = ["mount", "-t", "tmpfs", "-o", "size=48m", "tmpfs", str(tmp_path)]
    if os.getuid() != 0 or subprocess.run(command, check=False).returncode != 0:
        pytest.skip("only root may mount a disk")
    yield tmp_path
    subprocess.run(["umount", str(tmp_path)], check=True)


async def test_a_run_is_stopped_when_the_disk_gets_too_full(small_disk: Path) -> None:
    async with a_host(small_disk) as host:
        end, output = await host.finish("yes", min_free_bytes=40 * MEBIBYTE)
        assert end.cause == "disk_full"
        assert FREE_CHECK_BYTES <= end.output_bytes == len(output) < 2 * FREE_CHECK_BYTES


async def test_a_full_disk_stops_the_run_and_keeps_what_was_written(small_disk: Path) -> None:
    async with a_host(small_disk) as host:
        await host.hello()
        filler = small_disk / "filler"
        filler.write_bytes(bytes(MEBIBYTE))
        run_id = await host.start("yes")
        process = host.spool.read_process(run_id)
        assert process is not None
        await until(lambda: gone(process.pid))
        end = await host.ended(run_id)  # there is no room but that which was kept free for it
        assert filler.exists()
        assert (end.signal, end.cause) == ("SIGTERM", "disk_full")
        assert end.output_bytes > 40 * MEBIBYTE
        assert host.output(run_id) == b"y\n" * (end.output_bytes // 2)


@contextlib.contextmanager
def full(disk: Path) -> Iterator[None]:
    """Leave no room on a disk for a while."""
    filler = disk / "filler"
    descriptor = os.open(filler, os.O_WRONLY | os.O_CREAT)
    with contextlib.suppress(OSError):
        while True:
            os.write(descriptor, bytes(4096))
    os.close(descriptor)
    try:
        yield
    finally:
        filler.unlink()


async def test_a_run_started_on_a_full_disk_ends_with_an_error_and_an_output(
    small_disk: Path,
) -> None:
    async with a_host(small_disk) as host:
        await host.hello()
        with full(small_disk):
            run_id = await host.start("echo " + "x" * 10_000)
            assert host.spool.read_exit(run_id) is None  # it waits for room to be recorded
        end = await host.ended(run_id)
        assert end.error is not None
        assert "No space left on device" in end.error
        assert (end.cause, end.lost, host.output(run_id)) == (None, False, b"")


async def test_a_tail_that_finds_no_room_is_appended_when_there_is_some(small_disk: Path) -> None:
    async with a_host(small_disk) as host:
        go = small_disk / "go"
        script = f"seq 300000; while ! [ -e {go} ]; do sleep 0.01; done; echo end; exit 3"
        bounds = {"max_output_bytes": 200_000, "tail_bytes": 100_000}
        run_id = await host.start(script, output_policy="head_and_tail", **bounds)
        process = host.spool.read_process(run_id)
        assert process is not None
        last = host.spool.directory(run_id) / "tail.18"
        await until(lambda: last.exists() and last.read_bytes().endswith(b"300000\n"))
        with full(small_disk):
            go.touch()  # the last line goes into a page that is there already
            await until(lambda: gone(process.pid))
            assert await host.client.runs() == {run_id}
        end = await host.ended(run_id)
        assert (end.exitcode, end.cause, end.lost) == (3, None, False)
        output = host.output(run_id)
        assert output[100_000:].startswith(b"\n[tailrun: ")
        assert output.endswith(b"\n299999\n300000\nend\n")
        assert len(output) == end.output_bytes


async def test_a_run_that_pauses_itself_has_not_ended(host: Host) -> None:
    run_id = await host.start("kill -STOP $$; echo on")
    process = host.spool.read_process(run_id)
    assert process is not None
    await until(lambda: b"\nState:\tT" in Path(f"/proc/{process.pid}/status").read_bytes())
    os.kill(process.pid, signal.SIGCONT)
    assert (await host.ended(run_id)).exitcode == 0
