"""How runs start and end in a real keeper."""

import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from server.keeper import processes
from tests.integration.keeper.harness import Host, a_host, gone, looks_within_keeper
from tests.support.waiting import until


@pytest.fixture
async def host(tmp_path: Path) -> AsyncIterator[Host]:
    async with a_host(tmp_path) as host:
        yield host


@pytest.mark.parametrize(
    ("script", "exitcode", "signal"),
    [
        ("exit 0", 0, None),
        ("exit 137", 137, None),
        ("exit 255", 255, None),
        ("kill -9 $$", None, "SIGKILL"),
        ("kill -TERM $$", None, "SIGTERM"),
        ("kill -35 $$", None, "SIGRTMIN+1"),
        ("no-such-program", 127, None),
    ],
)
async def test_exit_code_and_signal_are_told_apart(
    host: Host, script: str, exitcode: int | None, signal: str | None
) -> None:
    end, _ = await host.finish(script)
    assert (end.exitcode, end.signal) == (exitcode, signal)
    assert (end.cause, end.error, end.lost, end.survivors) == (None, None, False, [])


@pytest.mark.parametrize(
    "second", ["echo two > /dev/stderr", "echo two | tee /dev/stderr", "echo two > /dev/stdout"]
)
async def test_reopening_the_output_by_name_keeps_what_was_written(host: Host, second: str) -> None:
    _, output = await host.finish(f"echo one; {second}; echo three")
    assert output == b"one\n" + b"two\n" * (2 if "tee" in second else 1) + b"three\n"


STANDARD_SIGNALS = 0x7FFFFFFF
"""Those of signal(7); what is above are real-time signals, some of them the C library's own."""


async def test_output_is_kept_byte_for_byte(host: Host) -> None:
    everything = "".join(f"\\{byte:03o}" for byte in range(256))
    end, output = await host.finish(f"printf '{everything}'")
    assert output == bytes(range(256))
    assert end.output_bytes == 256


async def test_both_outputs_keep_the_order_of_writing(host: Host) -> None:
    script = "for i in 1 2 3; do echo out $i; echo err $i >&2; done"
    _, output = await host.finish(script)
    assert output == b"".join(b"out %d\nerr %d\n" % (i, i) for i in (1, 2, 3))


async def test_a_large_output_is_whole(host: Host) -> None:
    _, output = await host.finish("seq 1000000")
    assert output == b"".join(b"%d\n" % number for number in range(1, 1000001))


async def test_a_run_reads_nothing(host: Host) -> None:
    end, output = await host.finish("cat; echo end")
    assert (end.exitcode, output) == (0, b"end\n")


async def test_a_script_of_a_megabyte_runs(host: Host) -> None:
    end, output = await host.finish(": " + "x" * 1_000_000 + "\necho done")
    assert (end.exitcode, output) == (0, b"done\n")


async def test_the_environment_is_what_was_asked_for_and_the_mark(host: Host) -> None:
    run_id = await host.start("/bin/cat /proc/$$/environ", environment={"A": "1"})
    await host.ended(run_id)
    work = host.spool.work(run_id)
    mark = f"TAILRUN_RUN_ID={run_id}\0TAILRUN_RUN_DIRECTORY={work}\0"
    assert host.output(run_id) == f"A=1\0{mark}".encode()


@pytest.mark.parametrize(
    ("script", "output"),
    [
        ("echo a; seq 5 > output; mkdir -p pipe run.json; echo end", b"a\nend\n"),
        ("mkdir -p output; echo end", b"end\n"),
        ("echo a | tee -a output; cat output", b"a\na\n"),
        ('cd ..; date > output; mkdir exit.json "$TAILRUN_RUN_ID.x"; echo end', b"end\n"),
        ("rm -rf ../../work; echo end", b"end\n"),
    ],
)
async def test_what_a_script_writes_beside_itself_is_none_of_our_files(
    host: Host, script: str, output: bytes
) -> None:
    end, written = await host.finish(f'cd "$(dirname "$0")"; {script}')
    assert (end.exitcode, written) == (0, output)


async def test_a_script_can_execute_itself_and_knows_its_directory(host: Host) -> None:
    again = '[ $# = 1 ] && { echo "$1"; pwd; exit; }; cd "$TAILRUN_RUN_DIRECTORY" && exec "$0" b'
    run_id = await host.start(f"#!/bin/sh\n{again}\n")
    assert (await host.ended(run_id)).exitcode == 0
    assert host.output(run_id) == f"b\n{host.spool.work(run_id)}\n".encode()


async def test_the_directory_is_the_one_asked_for(host: Host, tmp_path: Path) -> None:
    _, output = await host.finish("pwd", directory=str(tmp_path))
    assert output == str(tmp_path).encode() + b"\n"


async def test_a_run_inherits_no_ignored_signal_and_no_descriptor(host: Host) -> None:
    _, output = await host.finish("grep SigIgn /proc/self/status; ls /proc/self/fd")
    _, ignored, *descriptors = output.split()
    assert int(ignored, 16) & STANDARD_SIGNALS == 0
    assert descriptors == [b"0", b"1", b"2", b"3"]  # 3 is ls's own


async def test_the_first_line_names_the_interpreter(host: Host) -> None:
    _, output = await host.finish("#! /bin/echo one  two \n")
    assert output.startswith(b"one  two /")


@pytest.mark.parametrize(
    ("script", "fields", "error"),
    [
        ("#!/no/such/program\n", {}, "interpreter '/no/such/program' cannot be run: No such file"),
        ("#!/bin/sh\r\n", {}, "interpreter '/bin/sh\\r' cannot be run"),
        ("#!/etc/passwd\n", {}, "interpreter '/etc/passwd' cannot be run: Permission denied"),
        ("true", {"shell": "/no/sh"}, "interpreter '/no/sh' cannot be run"),
        ("true", {"directory": "/no/where"}, "directory '/no/where' cannot be entered: No such"),
        ("true", {"directory": "/etc/passwd"}, "directory '/etc/passwd' cannot be entered: Not a"),
        ("true", {"environment": {"A": "x" * 3_000_000}}, "Argument list too long"),
        ("true", {"environment": {"A": "\0"}}, "embedded null byte"),
    ],
)
async def test_a_script_that_cannot_be_started_says_why(
    host: Host, script: str, fields: dict[str, object], error: str
) -> None:
    end, output = await host.finish(script, **fields)
    assert end.error is not None
    assert error in end.error
    assert (end.exitcode, end.signal, end.lost, output) == (None, None, False, b"")
    assert await host.client.runs() == set()


@pytest.mark.parametrize(
    "script",
    [
        "sleep 1000 & echo $!",
        "setsid sleep 1000 & echo $!",
        "(setsid sleep 1000 & echo $!)",
        "(env -i setsid sleep 1000 & echo $!)",
    ],
)
async def test_what_is_left_in_the_background_does_not_hold_the_run_and_is_ended(
    host: Host, script: str
) -> None:
    run_id = await host.start(script)
    end = await host.ended(run_id)
    assert (end.exitcode, end.cause) == (0, None)
    assert await until(lambda: gone(int(host.output(run_id))))


async def test_a_writer_left_behind_does_not_hold_the_run(host: Host) -> None:
    run_id = await host.start("yes & sleep 0.1")
    end = await host.ended(run_id)
    assert end.exitcode == 0
    assert end.output_bytes == len(host.output(run_id))


async def test_a_run_is_started_once(host: Host) -> None:
    run_id = await host.start("echo once")
    again = host.request(run_id, "echo twice")
    assert await host.client.start(again) is False
    await host.ended(run_id)
    assert await host.client.start(again) is False
    assert host.output(run_id) == b"once\n"


async def test_runs_lists_the_active_ones(host: Host) -> None:
    run_id = await host.start("sleep 1000")
    ended = await host.start("true")
    await host.ended(ended)
    assert await host.client.runs() == {run_id}


@looks_within_keeper
async def test_many_runs_leave_no_process_descriptor_or_thread(host: Host) -> None:
    hello = await host.hello()
    await host.finish("true")  # which ends are noted is a file that is opened for the first of them
    before = facts(hello.pid)
    run_ids = [str(uuid.uuid4()) for _ in range(1000)]
    for first in range(0, 1000, 20):
        for run_id in run_ids[first : first + 20]:
            await host.client.start(host.request(run_id, "(true &) ; exit 3"))
    ends = [await host.ended(run_id) for run_id in run_ids]
    assert {end.exitcode for end in ends} == {3}
    await until(lambda: facts(hello.pid) == before)


def facts(pid: int) -> tuple[int, int, list[int]]:
    """Return how many descriptors and threads a process has, and its children."""
    descriptors = len(list(Path(f"/proc/{pid}/fd").iterdir()))
    threads = len(list(Path(f"/proc/{pid}/task").iterdir()))
    return descriptors, threads, processes.children(pid)
