"""How a run goes on beyond the bound of its output, and the limits of its processes."""

import resource
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from server.keeper.records import ExitRecord
from server.keeper.run.output import MARKER
from tests.integration.keeper.harness import Host, a_host, keeper_command
from tests.support.waiting import until

MAX_OUTPUT_BYTES = 20_000
TAIL_BYTES = 4_000
BOUNDS: dict[str, Any] = {
    "max_output_bytes": MAX_OUTPUT_BYTES,
    "output_policy": "head_and_tail",
    "tail_bytes": TAIL_BYTES,
}
COUNTING_UNTIL = "i=0; while ! [ -e {go} ]; do i=$((i+1)); echo $i; done; exit 5"


@pytest.fixture
async def host(tmp_path: Path) -> AsyncIterator[Host]:
    async with a_host(tmp_path) as host:
        yield host


def lines(last: int) -> bytes:
    return b"".join(b"%d\n" % number for number in range(1, last + 1))


def kept(data: bytes) -> bytes:
    """Return what is to be kept of an output."""
    left_out = len(data) - MAX_OUTPUT_BYTES
    if left_out <= 0:
        return data
    head, tail = data[: MAX_OUTPUT_BYTES - TAIL_BYTES], data[-TAIL_BYTES:]
    return head + MARKER.format(left_out).encode() + tail


def assert_kept(host: Host, run_id: str, end: ExitRecord) -> None:
    """See that the output of one that counts is what is to be kept, however far it came."""
    output = host.output(run_id)
    counted = lines(int(output.split()[-1]))
    assert output == kept(counted)
    assert end.output_bytes == len(output)
    assert end.left_out_bytes == len(counted) - MAX_OUTPUT_BYTES > 0


def newest(host: Host, run_id: str) -> int:
    """Return the number of the newest segment of the tail, from 0; -1 when there is none."""
    return max((int(name.partition(".")[2]) for name in segments(host, run_id)), default=-1)


def segments(host: Host, run_id: str) -> list[str]:
    return [path.name for path in host.spool.directory(run_id).glob("tail.*")]


async def further(host: Host, run_id: str, count: int = 5) -> None:
    """Wait until so many more segments were begun."""
    wanted = newest(host, run_id) + count
    await until(lambda: newest(host, run_id) >= wanted)


@pytest.mark.parametrize(
    "size",
    [
        0,
        MAX_OUTPUT_BYTES - TAIL_BYTES,
        MAX_OUTPUT_BYTES - TAIL_BYTES + 1,
        MAX_OUTPUT_BYTES - 1,
        MAX_OUTPUT_BYTES,
        MAX_OUTPUT_BYTES + 1,
        MAX_OUTPUT_BYTES + TAIL_BYTES,
        3_000_007,
    ],
)
async def test_of_a_long_output_head_and_tail_are_kept_and_the_run_ends_by_itself(
    host: Host, size: int
) -> None:
    data = lines(600_000)[:size]
    end, output = await host.finish(f"seq 600000 | head -c {size}; exit 3", **BOUNDS)
    assert output == kept(data)
    assert (end.exitcode, end.signal, end.cause, end.lost) == (3, None, None, False)
    assert (end.output_bytes, end.left_out_bytes) == (
        len(output),
        max(size - MAX_OUTPUT_BYTES, 0),
    )


async def test_the_disk_that_a_run_without_end_takes_is_bounded(host: Host) -> None:
    run_id = await host.start("yes", **BOUNDS)
    for _ in range(20):
        await further(host, run_id)
        assert len(segments(host, run_id)) <= 3  # one may have gone while we looked
    assert len(host.output(run_id)) == MAX_OUTPUT_BYTES - TAIL_BYTES
    await host.stop(run_id)
    end = await host.ended(run_id)
    assert (end.signal, end.cause) == ("SIGTERM", "stop")
    taken = sum(path.stat().st_size for path in host.spool.directory(run_id).glob("[ot]*"))
    assert taken <= MAX_OUTPUT_BYTES + 2 * TAIL_BYTES + len(MARKER) + 20


async def test_the_tail_goes_on_when_the_keeper_is_killed_and_killed_again(host: Host) -> None:
    go = host.state_dir / "go"
    run_id = await host.start(COUNTING_UNTIL.format(go=go), **BOUNDS)
    for _ in range(3):
        await further(host, run_id)
        await host.kill_keeper()
        await host.hello()
    await further(host, run_id)
    go.touch()
    end = await host.ended(run_id)
    assert (end.lost, end.cause) == (True, None)
    assert_kept(host, run_id, end)


async def test_the_tail_goes_on_when_the_keeper_renews_itself(host: Host) -> None:
    go = host.state_dir / "go"
    run_id = await host.start(COUNTING_UNTIL.format(go=go), **BOUNDS)
    for _ in range(3):
        await further(host, run_id)
        await host.client.renew()
    await further(host, run_id)
    go.touch()
    end = await host.ended(run_id)
    assert (end.exitcode, end.lost) == (5, False)
    assert_kept(host, run_id, end)


async def test_what_comes_after_the_tail_was_appended_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A writer left behind goes on while there is no keeper to record the run's end."""
    monkeypatch.setenv("FAILPOINTS", "keeper.output_completed")
    async with a_host(tmp_path) as host:
        script = "seq 600000; while :; do echo more; done & exit 0"
        run_id = await host.start(script, **BOUNDS)
        await host.lost.wait()
        monkeypatch.delenv("FAILPOINTS")
        appended = host.output(run_id)
        assert b"bytes of output were left out here" in appended
        await host.hello()
        end = await host.ended(run_id)
        assert end.lost
        assert host.output(run_id) == appended


async def test_a_long_output_of_a_damaged_run_keeps_its_tail(host: Host) -> None:
    run_id = await host.start("seq 600000; sleep 1000", **BOUNDS)
    directory = host.spool.directory(run_id)
    full, rest = divmod(len(lines(600_000)) - MAX_OUTPUT_BYTES + TAIL_BYTES, TAIL_BYTES)
    last = directory / f"tail.{full}"
    await until(lambda: last.exists() and last.stat().st_size == rest)
    await host.kill_keeper()
    (directory / "pipe").unlink()
    await host.hello()
    end = await host.ended(run_id)
    assert end.lost
    assert host.output(run_id) == kept(lines(600_000))


async def test_a_run_of_which_there_is_but_the_directory_is_lost_with_an_empty_output(
    host: Host,
) -> None:
    run_id = "12345678-1234-1234-1234-123456789abc"
    host.spool.directory(run_id).mkdir(parents=True)
    await host.hello()
    end = await host.ended(run_id)
    assert (end.lost, end.output_bytes) == (True, 0)
    assert host.output(run_id) == b""
    assert await host.client.start(host.request(run_id, "echo never")) is False


@pytest.mark.parametrize("point", ["keeper.spool_made", "keeper.spawned"])
async def test_a_run_whose_keeper_was_killed_while_it_started_it_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, point: str
) -> None:
    monkeypatch.setenv("FAILPOINTS", point)
    async with a_host(tmp_path) as host:
        run_id = "12345678-1234-1234-1234-123456789abc"
        request = host.request(run_id, "sleep 1000")
        with pytest.raises(Exception, match="the keeper is lost"):
            await host.client.start(request)
        monkeypatch.delenv("FAILPOINTS")
        assert await host.client.start(request) is False
        assert (await host.ended(run_id)).lost
        assert host.output(run_id) == b""


async def test_a_run_has_the_limits_of_open_files_and_processes_that_were_asked_for(
    host: Host,
) -> None:
    script = "ulimit -Sn; ulimit -Hn; grep 'Max processes' /proc/self/limits"
    _, output = await host.finish(script, max_open_files=60, max_processes=70)
    assert output.split() == b"60 60 Max processes 70 70 processes".split()


async def test_a_run_cannot_open_more_files_than_it_may(host: Host) -> None:
    script = "exec 3</etc/passwd 4</etc/passwd 5</etc/passwd 6</etc/passwd; echo opened"
    assert (await host.finish(script, max_open_files=20))[1] == b"opened\n"
    end, output = await host.finish(script, max_open_files=6)
    assert end.exitcode != 0
    assert b"opened" not in output


async def test_a_limit_above_the_hard_one_is_the_hard_one(tmp_path: Path) -> None:
    command = ("/usr/bin/prlimit", "--nofile=100:200", *keeper_command())
    async with a_host(tmp_path, command=command) as host:
        _, output = await host.finish("ulimit -Sn; ulimit -Hn", max_open_files=1_000)
        assert output == b"200\n200\n"


async def test_a_run_that_asks_for_no_limits_has_the_keepers_and_dumps_no_core(host: Host) -> None:
    script = "ulimit -Sn; ulimit -Hn; grep 'core file' /proc/self/limits"
    _, output = await host.finish(script)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert output.split()[:2] == [b"%d" % soft, b"%d" % hard]
    assert output.split()[-3:] == [b"0", b"0", b"bytes"]


async def test_spools_of_ended_runs_take_no_descriptors_from_those_that_are_adopted(
    tmp_path: Path,
) -> None:
    """With them there seem to be more runs than the hard limit allows for."""
    command = ("/usr/bin/prlimit", "--nofile=80:260", *keeper_command())
    async with a_host(tmp_path, command=command) as host:
        run_ids = {await host.start("exec sleep 1000") for _ in range(32)}
        for _ in range(30):
            ended = str(uuid.uuid4())
            host.spool.create(ended, b"true")
            host.spool.write_exit(ended, ExitRecord(exitcode=0))
        await host.kill_keeper()
        await host.hello()
        assert await host.client.runs() == run_ids


async def test_the_keeper_raises_its_soft_limit_for_itself_alone(tmp_path: Path) -> None:
    command = ("/usr/bin/prlimit", "--nofile=80:1000", *keeper_command())
    async with a_host(tmp_path, command=command) as host:
        before = [await host.start("exec sleep 1000") for _ in range(100)]
        assert (await host.finish("ulimit -Sn; ulimit -Hn"))[1] == b"80\n1000\n"
        await host.client.renew()
        assert (await host.finish("ulimit -Sn; ulimit -Hn"))[1] == b"80\n1000\n"
        assert await host.client.runs() == set(before)
