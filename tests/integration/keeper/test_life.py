"""The life of the keeper itself: found again, killed, renewed, and gone by itself."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from server.keeper import processes
from server.keeper.client import KEEPER_COMMAND, KeeperClient
from server.keeper.listener import Listener, Message
from server.keeper.protocol import KeeperError, KeeperFullError
from tests.integration.keeper.harness import (
    Host,
    a_host,
    gone,
    keeper_command,
    looks_within_keeper,
)
from tests.support.waiting import until

COUNTING = "i=0; while [ $i -lt {count} ]; do i=$((i+1)); echo $i; done; exit 5"
COUNTING_IN_BURSTS = """\
i=0
while ! [ -e {gate} ]; do
    burst=$((i+100)); while [ $i -lt $burst ]; do i=$((i+1)); echo $i; done; sleep 0.1
done
echo end; exit 5"""
COUNTING_SLOWLY = "i=0; while :; do i=$((i+1)); echo $i; sleep 0.002; done"


@pytest.fixture
async def host(tmp_path: Path) -> AsyncIterator[Host]:
    async with a_host(tmp_path) as host:
        yield host


@looks_within_keeper
async def test_the_keeper_is_small_nobodys_child_and_has_a_clean_environment(
    tmp_path: Path,
) -> None:
    async with a_host(tmp_path, command=KEEPER_COMMAND) as host:
        pid = (await host.hello()).pid
        assert pid not in processes.children(os.getpid())
        process = processes.read(pid)
        assert process is not None
        assert process.session not in (os.getsid(0), os.getpid())
        proc = Path(f"/proc/{pid}")
        assert (proc / "environ").read_bytes() == b"LANG=C.UTF-8\0PATH=/bin:/usr/bin\0"
        assert (proc / "cwd").readlink() == Path("/")
        rollup = (proc / "smaps_rollup").read_text()
        (proportional,) = (line.split()[1] for line in rollup.splitlines() if line[:4] == "Pss:")
        assert int(proportional) < 16_000


@pytest.mark.skipif(os.getuid() == 0, reason="root may look within every process")
async def test_a_run_cannot_look_within_the_keeper(host: Host) -> None:
    end, output = await host.finish("cat /proc/$PPID/environ")
    assert end.exitcode == 1
    assert b"Permission denied" in output


async def test_no_more_runs_are_taken_than_there_are_descriptors_for(tmp_path: Path) -> None:
    command = ("/usr/bin/prlimit", "--nofile=90", *keeper_command())
    async with a_host(tmp_path, command=command) as host:
        for _ in range(4):
            await host.start("sleep 1000")
        with pytest.raises(KeeperFullError, match="90 open files"):
            await host.start("sleep 1000")


async def test_only_the_owner_may_ask(host: Host) -> None:
    await host.hello()
    assert (host.state_dir / "keeper").stat().st_mode & 0o777 == 0o700
    assert (host.state_dir / "keeper" / "socket").stat().st_mode & 0o777 == 0o600
    run_id = await host.start("true")
    directory = host.spool.directory(run_id)
    await host.ended(run_id)
    assert directory.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in directory.iterdir()} == {0o600}


async def test_runs_go_on_without_a_client(host: Host) -> None:
    run_id = await host.start("sleep 0.2; echo done; exit 8")
    await host.client.close()
    end = await host.ended(run_id)
    assert (end.exitcode, host.output(run_id)) == (8, b"done\n")


async def test_another_client_finds_the_same_keeper(host: Host) -> None:
    run_id = await host.start("sleep 1000")
    other = KeeperClient(host.state_dir)
    assert await other.open() == await host.hello()
    assert await other.runs() == {run_id}
    assert not other.outdated
    await other.close()


async def test_clients_that_start_at_once_share_one_keeper(host: Host) -> None:
    clients = [KeeperClient(host.state_dir) for _ in range(5)]
    hellos = await asyncio.gather(*(client.open() for client in clients))
    assert len({hello.pid for hello in hellos}) == 1
    for client in clients:
        await client.close()


async def test_a_second_keeper_refuses(host: Host) -> None:
    await host.hello()
    command = [*KEEPER_COMMAND, str(host.state_dir), "60"]
    second = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.PIPE)
    _, error = await second.communicate()
    assert second.returncode == os.EX_TEMPFAIL
    assert error == f"another keeper serves {host.state_dir}\n".encode()


async def test_a_keeper_serves_although_nobody_waits_for_it_any_more(host: Host) -> None:
    """The server that launched it was killed meanwhile."""
    directory = host.state_dir / "keeper"
    directory.mkdir(mode=0o700)
    with (directory / "log").open("wb") as log:
        command = [*keeper_command(), str(host.state_dir), "60"]
        launcher = await asyncio.create_subprocess_exec(*command, stderr=log)
    [keeper] = await until(lambda: processes.children(launcher.pid))
    launcher.kill()
    await launcher.wait()
    await until(lambda: (directory / "socket").exists() or gone(keeper))
    assert (await host.hello()).pid == keeper


async def test_a_long_state_directory_serves(tmp_path: Path) -> None:
    async with a_host(tmp_path / ("d" * 200) / ("e" * 200)) as host:
        assert (await host.finish("echo x"))[1] == b"x\n"


async def test_the_keeper_ends_by_itself_when_it_is_idle(tmp_path: Path) -> None:
    async with a_host(tmp_path, idle_seconds=0.2) as host:
        pid = (await host.hello()).pid
        run_id = await host.start("sleep 0.5; exit 2")
        await host.client.close()
        assert (await host.ended(run_id)).exitcode == 2
        await until(lambda: gone(pid))
        assert not (tmp_path / "keeper" / "socket").exists()
        assert (await host.hello()).pid != pid


async def test_signals_do_not_take_the_keeper_from_its_runs(host: Host) -> None:
    run_id = await host.start("sleep 1000")
    pid = (await host.hello()).pid
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        os.kill(pid, number)
    await until(lambda: "SIGTERM is ignored: 1 runs are active" in host.log())
    assert await host.client.runs() == {run_id}


async def test_the_keeper_goes_on_sigterm_when_it_has_no_run(host: Host) -> None:
    pid = (await host.hello()).pid
    os.kill(pid, signal.SIGTERM)
    await until(lambda: gone(pid))


async def test_a_run_goes_on_when_its_keeper_is_killed_and_nothing_is_lost(host: Host) -> None:
    run_id = await host.start(COUNTING_SLOWLY)
    await host.numbers(run_id, 20)
    killed = await host.kill_keeper()
    hello = await host.hello()
    assert hello.pid != killed
    assert await host.client.runs() == {run_id}
    numbers = await host.numbers(run_id, host.output(run_id).count(b"\n") + 20)
    assert numbers == list(range(1, len(numbers) + 1))
    await host.stop(run_id)
    end = await host.ended(run_id)
    assert (end.lost, end.cause, end.exitcode, end.signal) == (True, "stop", None, None)
    assert end.output_bytes == len(host.output(run_id))


async def test_a_run_that_ends_without_a_keeper_is_lost_with_all_its_output(host: Host) -> None:
    run_id = await host.start(COUNTING.format(count=200_000))
    await host.numbers(run_id, 20)
    await host.kill_keeper()
    await host.hello()
    end = await host.ended(run_id)
    assert (end.lost, end.exitcode, end.cause) == (True, None, None)
    assert host.output(run_id) == b"".join(b"%d\n" % number for number in range(1, 200_001))


async def test_the_last_output_is_kept_by_the_client_while_there_is_no_keeper(host: Host) -> None:
    go = host.state_dir / "go"
    run_id = await host.start(f"echo ready; while ! [ -e {go} ]; do sleep 0.01; done; echo last")
    await host.wrote(run_id, b"ready\n")
    process = host.spool.read_process(run_id)
    assert process is not None
    await host.kill_keeper()
    go.touch()
    await until(lambda: gone(process.pid))
    await host.hello()
    assert (await host.ended(run_id)).lost
    assert host.output(run_id) == b"ready\nlast\n"


async def test_a_stop_under_way_goes_on_when_the_keeper_is_killed(host: Host) -> None:
    script = "trap '' TERM; setsid -f sleep 1000; echo ready; while :; do sleep 0.05; done"
    run_id = await host.start(script)
    await host.wrote(run_id, b"ready")
    await host.stop(run_id, grace_seconds=3)
    await host.kill_keeper()
    await host.hello()
    end = await host.ended(run_id)
    assert (end.lost, end.cause, end.survivors) == (True, "stop", [])
    assert run_id not in processes.owners().values()


async def test_a_time_out_goes_on_when_the_keeper_is_killed(host: Host) -> None:
    run_id = await host.start("sleep 1000", timeout_seconds=3)
    await host.kill_keeper()
    await host.hello()
    end = await host.ended(run_id)
    assert (end.lost, end.cause) == (True, "timeout")


async def test_a_run_that_was_never_started_is_lost(host: Host) -> None:
    run_id = "12345678-1234-1234-1234-123456789abc"
    host.spool.create(run_id, b"true")
    await host.hello()
    end = await host.ended(run_id)
    assert end.lost
    assert end.error == "the keeper ended while it was starting the run"


async def test_a_spool_that_is_damaged_is_lost(host: Host) -> None:
    run_id = await host.start("sleep 1000")
    await host.kill_keeper()
    (host.spool.directory(run_id) / "pipe").unlink()
    await host.hello()
    end = await host.ended(run_id)
    assert end.lost
    assert end.error is not None
    assert "its spool cannot be used" in end.error


async def test_a_run_of_another_boot_is_lost_and_its_pid_left_alone(host: Host) -> None:
    run_id = await host.start("sleep 1000")
    record = host.spool.read_process(run_id)
    assert record is not None
    await host.kill_keeper()
    path = host.spool.directory(run_id) / "run.json"
    path.write_text(path.read_text().replace(record.boot_id, "another"))
    await host.hello()
    assert (await host.ended(run_id)).lost


async def test_renewing_keeps_100_runs_that_write(host: Host, tmp_path: Path) -> None:
    before, gate = await host.hello(), tmp_path / "gate"
    script = COUNTING_IN_BURSTS.format(gate=gate)
    run_ids = [await host.start(script) for _ in range(100)]
    for _ in range(3):
        assert (await host.client.renew()).pid == before.pid
        assert await host.client.runs() == set(run_ids)
        written = len(host.output(run_ids[0]))
        await until(lambda size=written: len(host.output(run_ids[0])) > size)  # type: ignore[misc]
    gate.touch()
    ends = [await host.ended(run_id) for run_id in run_ids]
    assert {(end.exitcode, end.lost) for end in ends} == {(5, False)}
    for run_id in run_ids:
        *numbers, last = host.output(run_id).split()
        assert numbers == [b"%d" % number for number in range(1, len(numbers) + 1)]
        assert (last, len(numbers) % 100) == (b"end", 0)


async def test_runs_that_end_while_the_keeper_renews_itself_keep_their_status(host: Host) -> None:
    scripts = [
        f"sleep 0.{tenth}{digit}; exit {tenth}{digit}" for tenth in "123" for digit in "13579"
    ]
    run_ids = {await host.start(script): int(script[-2:]) for script in scripts}
    while await host.client.runs():
        await host.client.renew()
    ends = {run_id: (await host.ended(run_id)).exitcode for run_id in run_ids}
    assert ends == run_ids


@looks_within_keeper
async def test_renewing_keeps_descriptors_and_orphans_in_order(host: Host) -> None:
    pid = (await host.hello()).pid
    await host.client.renew()
    await host.finish("true")  # which ends are noted is a file that is opened for the first of them
    before = len(list(Path(f"/proc/{pid}/fd").iterdir()))
    run_id = await host.start("(sleep 0.3 &); sleep 1000")
    await host.client.renew()
    await host.client.renew()
    await host.stop(run_id)
    assert (await host.ended(run_id)).signal == "SIGTERM"
    await until(lambda: processes.children(pid) == [])
    assert len(list(Path(f"/proc/{pid}/fd").iterdir())) == before


async def test_what_was_left_of_an_ended_run_does_not_outlive_a_renewal(host: Host) -> None:
    left = "trap '' TERM; echo \\$\\$; while :; do sleep 0.05; done"
    go = host.state_dir / "go"
    script = f'sh -c "{left}" & while ! [ -e {go} ]; do sleep 0.01; done'
    run_id = await host.start(script, grace_seconds=1000)
    pid = int(await host.wrote(run_id, b"\n"))
    go.touch()
    await host.ended(run_id)
    assert not gone(pid)
    await host.client.renew()
    await until(lambda: gone(pid))


async def test_a_stop_under_way_goes_on_after_a_renewal_with_the_true_status(host: Host) -> None:
    stubborn = "setsid sh -c \"trap '' TERM; echo ready; while :; do sleep 0.05; done\" &"
    run_id = await host.start(f"trap 'exit 6' TERM; {stubborn} while :; do sleep 0.01; done")
    await host.wrote(run_id, b"ready")
    process = host.spool.read_process(run_id)
    assert process is not None
    await host.stop(run_id, grace_seconds=1)
    await until(lambda: gone(process.pid))
    await host.client.renew()
    end = await host.ended(run_id)
    assert (end.exitcode, end.lost, end.cause, end.survivors) == (6, False, "stop", [])


async def test_a_time_out_goes_on_after_a_renewal(host: Host) -> None:
    run_id = await host.start("sleep 1000", timeout_seconds=1)
    await host.client.renew()
    end = await host.ended(run_id)
    assert (end.signal, end.cause) == ("SIGTERM", "timeout")


async def test_a_renewal_that_fails_changes_nothing(tmp_path: Path) -> None:
    link = tmp_path / "python"
    link.symlink_to(sys.executable)
    client = KeeperClient(tmp_path / "state", command=(str(link), *KEEPER_COMMAND[1:]))
    async with a_host(tmp_path / "state") as other:
        hello = await client.open()
        run_id = await other.start("sleep 1000")
        link.unlink()
        renewing = asyncio.create_task(client.renew())
        await until(lambda: "renewal failed" in other.log())
        assert await other.client.runs() == {run_id}
        renewing.cancel()
        await asyncio.wait([renewing])
        assert await client.open() == hello
        await client.close()
        path = tmp_path / "state" / "keeper" / "log"
        path.write_text(path.read_text().replace("Traceback", "traceback"))


async def test_losing_the_keeper_is_told_once_and_the_next_call_finds_another(
    tmp_path: Path,
) -> None:
    lost: list[bool] = []
    async with a_host(tmp_path) as host:
        client = KeeperClient(tmp_path, on_lost=lambda: lost.append(True))
        pid = (await client.open()).pid
        os.kill(pid, signal.SIGSTOP)
        calls = [asyncio.create_task(client.runs()) for _ in range(3)]
        await asyncio.sleep(0)
        os.kill(pid, signal.SIGKILL)
        results = await asyncio.gather(*calls, return_exceptions=True)
        assert all(isinstance(result, KeeperError) for result in results)
        assert lost == [True]
        assert await client.runs() == set()
        assert (await client.open()).pid == (await host.hello()).pid != pid
        await client.close()
    assert lost == [True]


async def test_a_silent_keeper_is_an_error(host: Host) -> None:
    pid = (await host.hello()).pid
    client = KeeperClient(host.state_dir, call_timeout_seconds=0.1)
    os.kill(pid, signal.SIGSTOP)
    try:
        with pytest.raises(KeeperError, match=r"hello: no answer within 0\.1 s"):
            await client.runs()
    finally:
        os.kill(pid, signal.SIGCONT)
        await client.close()


@pytest.mark.parametrize(
    ("command", "seconds", "error"),
    [
        ((sys.executable, "-c", "import sys; sys.exit('no luck')"), 99, "exit status 1; .*no luck"),
        (("/no/such/python",), 99, "No such file or directory: '/no/such/python'; .*: empty"),
        ((sys.executable, "-c", "import time; time.sleep(1000)"), 0.5, r"no answer within 0\.5 s"),
    ],
)
async def test_a_keeper_that_cannot_be_started_says_why(
    tmp_path: Path, command: tuple[str, ...], seconds: float, error: str
) -> None:
    client = KeeperClient(tmp_path, command=command, open_timeout_seconds=seconds)
    with pytest.raises(KeeperError, match=error):
        await client.open()
    await client.close()


async def test_a_state_directory_that_cannot_be_made_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    client = KeeperClient(tmp_path / "file")
    with pytest.raises(KeeperError, match="Not a directory"):
        await client.open()


async def test_a_keeper_of_another_protocol_is_refused(tmp_path: Path) -> None:
    async def answer(_: Message) -> Message:
        return {"protocol": 99, "version": "of tomorrow", "pid": 7}

    directory = tmp_path / "keeper"
    directory.mkdir()
    keeper = Listener(directory, answer, lambda: None)
    await keeper.open()
    client = KeeperClient(tmp_path)
    with pytest.raises(KeeperError, match=r"\(pid 7\) speaks protocol 99, not 1 to 2"):
        await client.open()
    await client.close()
    await keeper.close()


async def test_requests_that_make_no_sense_are_answered(host: Host) -> None:
    await host.hello()
    directory = os.open(host.state_dir / "keeper", os.O_PATH)
    reader, writer = await asyncio.open_unix_connection(f"/proc/self/fd/{directory}/socket")
    os.close(directory)
    for line in (b"nonsense\n", b"[]\n", b'{"id":1,"op":"dance"}\n', b'{"id":2,"op":"start"}\n'):
        writer.write(line)
        assert b'"ok":false' in await reader.readline()
    writer.write(b'{"id":3,"op":"start","run_id":"../x","script":"","shell":"sh",')
    writer.write(b'"directory":"/","environment":{}}\n')
    assert b"not a run id" in await reader.readline()
    for request, error in (
        (b"{}", b"the field 'op' is missing"),
        (b'{"op":[]}', b"the field 'op' has a wrong value"),
        (b'{"op":"start","script":""}', b"the field 'run_id' is missing"),
        (b'{"op":"stop","signal":"SIGTERM"}', b"the field 'run_id' is missing"),
        (b'{"op":"stop","run_id":"x"}', b"the field 'signal' is missing"),
        (b'{"op":"stop","run_id":"x","signal":"SIGTERM"}', b"the field 'grace_seconds' is missing"),
        (b'{"op":"signal","signal":"SIGHUP"}', b"the field 'run_id' is missing"),
        (b'{"op":"signal","run_id":{},"signal":"SIGHUP"}', b"the field 'run_id' has a wrong value"),
        (b'{"op":"signal","run_id":"x"}', b"the field 'signal' is missing"),
    ):
        writer.write(request + b"\n")
        assert error in await reader.readline()
    writer.close()
    await writer.wait_closed()


async def test_the_keeper_warns_of_nothing_in_development_mode(tmp_path: Path) -> None:
    command = (KEEPER_COMMAND[0], "-X", "dev", *KEEPER_COMMAND[1:])
    async with a_host(tmp_path, command=command, idle_seconds=0.1) as host:
        pid = (await host.hello()).pid
        await host.finish("exit 3")
        await host.finish("sleep 1000 &")
        await host.client.renew()
        await host.client.close()
        await until(lambda: gone(pid))
        assert "Warning" not in host.log()
