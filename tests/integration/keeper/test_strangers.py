"""Runs whose spools are changed by somebody else: each ends, exactly; the keeper serves on."""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from server.keeper import processes
from server.keeper.protocol import KeeperRefusedError
from server.keeper.records import ProcessRecord
from tests.integration.keeper.harness import (
    BOUNDS,
    GO_ON,
    Host,
    a_host,
    go,
    gone,
    keeper_command,
    rewrite,
)
from tests.support.strangers import STRANGERS
from tests.support.waiting import until


@pytest.fixture
async def host(tmp_path: Path) -> AsyncIterator[Host]:
    async with a_host(tmp_path) as host:
        yield host


def cut(path: Path) -> None:
    os.truncate(path, 2)


def overwrite(path: Path) -> None:
    path.write_bytes(b"Thu\n")


def lengthen(path: Path) -> None:
    os.truncate(path, 4 << 40)


def move_away(path: Path) -> None:
    path.rename(path.with_name("o"))
    os.mkfifo(path)


CHANGES: dict[str, tuple[Callable[[Path], object], bytes, bool]] = {
    "removed": (Path.unlink, b"before\nafter\n", False),
    "rewritten": (rewrite, b"before\nafter\n", False),
    "a pipe": (move_away, b"before\nafter\n", False),
    "lengthened": (lengthen, b"before\nafter\n", True),
    "cut": (cut, b"be\0\0\0\0\0after\n", True),
    "overwritten": (overwrite, b"Thu\n\0\0\0after\n", True),
}


@pytest.mark.parametrize("change", CHANGES)
async def test_a_run_ends_exactly_whatever_becomes_of_its_output(host: Host, change: str) -> None:
    apply, output, changed = CHANGES[change]
    run_id = await host.start(f"echo before; {GO_ON} echo after; exit 3")
    neighbour = await host.start("for i in $(seq 20); do echo $i; sleep 0.02; done; exit 4")
    await host.wrote(run_id, b"before\n")
    apply(host.spool.output_path(run_id))
    if changed:  # the keeper looks at its size once a second
        await until(lambda: host.spool.output_path(run_id).stat().st_size == 7)
    go(host, run_id)
    end = await host.ended(run_id)
    assert (end.exitcode, end.output_bytes, end.lost) == (3, len(output), False)
    assert host.output(run_id) == output
    assert end.output_changed is changed
    assert (await host.ended(neighbour)).exitcode == 4
    assert host.output(neighbour) == b"".join(b"%d\n" % number for number in range(1, 21))


@pytest.mark.parametrize("name", ["exit.json", "exit.tmp", "run.json", "stop.json", "stop.tmp"])
@pytest.mark.parametrize("kind", STRANGERS)
async def test_what_stands_at_the_name_of_a_record_does_not_keep_a_run_from_its_end(
    host: Host, name: str, kind: str
) -> None:
    run_id = await host.start("echo out; sleep 1000")
    await host.wrote(run_id, b"out\n")
    path = host.spool.directory(run_id) / name
    path.unlink(missing_ok=True)
    STRANGERS[kind](path)
    assert await host.stop(run_id)
    end = await host.ended(run_id)
    assert (end.signal, end.cause, end.output_bytes) == ("SIGTERM", "stop", 4)


@pytest.mark.parametrize("name", ["tail.5", "tail.0", "tail.1", "tail.1.log", "tail.01"])
async def test_a_tail_that_is_not_ours_is_none(host: Host, name: str) -> None:
    script = f"echo head; {GO_ON} seq 1000"
    run_id = await host.start(script, **BOUNDS)
    await host.wrote(run_id, b"head\n")
    (host.spool.directory(run_id) / name).write_bytes(b"x")
    go(host, run_id)
    end = await host.ended(run_id)
    output = host.output(run_id)
    assert end.output_bytes == len(output)
    assert output.endswith(b"\n999\n1000\n")
    written = b"head\n" + b"".join(b"%d\n" % number for number in range(1, 1001))
    assert output[:1000] == written[:1000]
    assert end.left_out_bytes == len(written) - 2000


async def test_the_next_keeper_takes_no_strangers_tail(host: Host) -> None:
    run_id = await host.start("echo head; sleep 1000", **BOUNDS)
    await host.wrote(run_id, b"head\n")
    for name in ("tail.1.log", "tail.7", "tail.0", "tail.9999999999999999999999"):
        (host.spool.directory(run_id) / name).write_bytes(b"x")
    await host.kill_keeper()
    assert await host.client.runs() == {run_id}
    await host.stop(run_id)
    end = await host.ended(run_id)
    assert (end.cause, end.output_bytes, host.output(run_id)) == ("stop", 5, b"head\n")


async def test_a_cut_that_more_output_would_hide_is_noticed(host: Host) -> None:
    """What comes next is written where it belongs, so the size alone tells nothing afterwards."""
    run_id = await host.start(
        f"echo before; {GO_ON} truncate -s 2 {host.spool.root}/$TAILRUN_RUN_ID/output; echo after"
    )
    await host.wrote(run_id, b"before\n")
    go(host, run_id)
    end = await host.ended(run_id)
    assert (end.exitcode, end.output_changed) == (0, True)
    assert host.output(run_id) == b"be\0\0\0\0\0after\n"


async def test_a_renewed_keeper_knows_that_an_output_was_changed(host: Host) -> None:
    run_id = await host.start(f"echo before; {GO_ON} echo after; exit 3")
    await host.wrote(run_id, b"before\n")
    cut(host.spool.output_path(run_id))
    await until(lambda: host.spool.output_path(run_id).stat().st_size == 7)
    await host.client.renew()
    go(host, run_id)
    end = await host.ended(run_id)
    assert (end.exitcode, end.output_changed) == (3, True)
    assert host.output(run_id) == b"be\0\0\0\0\0after\n"


async def test_the_next_keeper_takes_no_hole_for_output(host: Host) -> None:
    """It was made while no keeper was there; to archive it would take hours."""
    run_id = await host.start(f"echo before; {GO_ON} echo after; exit 3")
    await host.wrote(run_id, b"before\n")
    await host.kill_keeper()
    lengthen(host.spool.output_path(run_id))
    await host.hello()
    go(host, run_id)
    end = await host.ended(run_id)
    assert (end.lost, end.output_changed) == (True, True)
    output = host.output(run_id)
    assert output.startswith(b"before\n")
    assert output.endswith(b"\0after\n")
    assert len(output) == end.output_bytes < 1 << 20


async def test_a_run_whose_spool_is_removed_is_stopped_and_its_end_recorded(host: Host) -> None:
    run_id = await host.start(
        "trap 'echo last; exit 3' TERM; echo out; while :; do sleep 0.02; done"
    )
    await host.wrote(run_id, b"out\n")
    host.spool.trash.take(host.spool.directory(run_id))
    host.spool.trash.empty()
    end = await host.ended(run_id)
    assert (end.exitcode, end.cause) == (3, "spool_removed")
    output = host.output(run_id)
    assert (output[:4], output[-5:], len(output)) == (b"out\n", b"last\n", end.output_bytes)


async def test_a_keeper_that_starts_kills_the_runs_whose_spools_are_gone(host: Host) -> None:
    """Of its own state directory alone; nobody could ever stop them."""
    run_id = await host.start("setsid sleep 1000 & exec sleep 1000")
    process = host.spool.read_process(run_id)
    assert process is not None
    await until(lambda: len(processes.children(process.pid)) == 1)
    await host.kill_keeper()
    host.spool.trash.take(host.spool.directory(run_id))
    await host.hello()
    await until(lambda: gone(process.pid))
    await until(lambda: run_id not in processes.owners().values())


CONTENTS: dict[str, Callable[[Path], object]] = STRANGERS | {
    "a number": lambda path: path.write_bytes(b"1"),
    "nothing": lambda path: path.write_bytes(b""),
    "deep": lambda path: path.write_bytes(b"[" * 200_000),
    "a time": lambda path: path.write_bytes(b'{"exitcode": 0, "ended_at": 1e300}'),
    "both": lambda path: path.write_bytes(b'{"exitcode": 1, "signal": "SIGTERM"}'),
    "no ASCII": lambda path: path.write_bytes(b"\xff\xfe"),
}


@pytest.mark.parametrize("name", ["run.json", "pipe", "output", "exit.json", "stop.json"])
async def test_a_keeper_starts_whatever_is_in_the_spool(host: Host, name: str) -> None:
    """One run each, of all kinds; and things that have but the name of a spool."""
    runs = [await host.start("echo out; sleep 1000") for _ in CONTENTS]
    neighbour = await host.start(f"echo out; {GO_ON} exit 3")
    for run_id in (*runs, neighbour):
        await host.wrote(run_id, b"out\n")
    await host.kill_keeper()
    for run_id, make in zip(runs, CONTENTS.values(), strict=True):
        path = host.spool.directory(run_id) / name
        path.unlink(missing_ok=True)
        make(path)
    for number, make in enumerate(STRANGERS.values()):
        make(host.spool.root / f"00000000-0000-4000-8000-{number:012}")
    await host.hello()
    assert neighbour in await host.client.runs()
    for run_id in runs:
        await host.stop(run_id, grace_seconds=0)
        end = await host.ended(run_id)
        assert end.lost or end.cause == "stop"
        assert host.spool.output_path(run_id).is_file()
    go(host, neighbour)
    assert host.output(neighbour) == b"out\n"
    assert (await host.ended(neighbour)).lost


async def test_the_socket_is_there_again_when_somebody_removed_it(host: Host) -> None:
    run_id = await host.start("sleep 1000")
    pid = (await host.hello()).pid
    path = host.state_dir / "keeper" / "socket"
    for make in (lambda _: None, Path.mkdir, Path.touch):
        await host.client.close()
        path.unlink()
        make(path)
        assert await host.client.runs() == {run_id}
        assert (await host.hello()).pid == pid


async def test_there_is_one_keeper_though_somebody_removed_its_lock(host: Host) -> None:
    """As `rm -r` of its directory does; a second one would take half of each run's output."""
    run_id = await host.start("sleep 1000")
    pid = (await host.hello()).pid
    await host.client.close()
    shutil.rmtree(host.state_dir / "keeper")
    command = [*keeper_command(), str(host.state_dir), "60"]
    second = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.PIPE)
    await second.communicate()
    assert second.returncode == os.EX_TEMPFAIL
    assert await host.client.runs() == {run_id}
    assert (await host.hello()).pid == pid


async def test_what_was_left_in_the_background_is_counted(host: Host) -> None:
    end, _ = await host.finish("sleep 1000 & nohup sleep 1000 & echo started")
    assert (end.exitcode, end.left_behind) == (0, 2)
    assert (await host.finish("sleep 0; echo done"))[0].left_behind == 0


@pytest.mark.parametrize(
    "wrong",
    [
        {"script": 7},
        {"environment": {"A": 1}},
        {"environment": None},
        {"timeout_seconds": "1"},
        {"max_open_files": 2**70},
        {"directory": ["/"]},
        {"run_id": "../../x"},
    ],
    ids=str,
)
async def test_a_start_that_is_wrong_is_refused_and_leaves_nothing(
    host: Host, wrong: dict[str, object]
) -> None:
    request = {"run_id": "12345678-1234-1234-1234-123456789abc", "script": "true"}
    fields = {"shell": "/bin/sh", "directory": "/", "environment": {}}
    with pytest.raises(KeeperRefusedError):
        await host.client._call("start", **(request | fields | wrong))
    assert await host.client.runs() == set()
    assert host.spool.run_ids() == []


async def test_a_script_that_no_message_holds_is_refused(host: Host) -> None:
    """Each of its characters takes six bytes in JSON."""
    with pytest.raises(KeeperRefusedError, match="bytes in a message to the keeper"):
        await host.start("\x01" * (12 << 20))
    assert (await host.finish("# " + "ж" * (12 << 20)))[0].exitcode == 0


async def test_the_run_of_an_older_version_is_kept(host: Host) -> None:
    """Its script lies in the spool; its keeper was replaced by a newer one meanwhile."""
    run_id = await host.start(f"echo out; {GO_ON} exit 3")
    await host.wrote(run_id, b"out\n")
    directory = host.spool.directory(run_id)
    (host.spool.work(run_id) / "script").rename(directory / "script")
    (directory / "exit.tmp").unlink()
    await host.client.renew()
    assert host.spool.read_script(run_id).startswith("echo out")
    go(host, run_id)
    assert (await host.ended(run_id)).exitcode == 3
    assert isinstance(host.spool.read_process(run_id), ProcessRecord)


async def test_a_run_whose_spool_was_removed_is_not_started_a_second_time(host: Host) -> None:
    """A server that was killed before it stored the start asks again."""
    script = 'echo $$ >>"$TAILRUN_RUN_DIRECTORY/../started"; sleep 1000'
    run_id = await host.start(script)
    started = host.spool.work(run_id).parent / "started"
    await until(lambda: started.exists() and started.read_text().endswith("\n"))
    shutil.rmtree(host.spool.directory(run_id))
    assert not await host.client.start(host.request(run_id, script))
    await host.ended(run_id)
    assert started.read_text().count("\n") == 1
