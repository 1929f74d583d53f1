"""Facts about processes, and what becomes of those that cannot be ended."""

import asyncio
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from server.keeper import processes
from server.keeper.run import process_tree
from server.keeper.run.process_tree import ProcessTree


class NoOrphans:
    def orphans(self) -> Iterator[int]:
        return iter(())

    def is_sole(self, _: str) -> bool:
        return False


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    environment = {"TAILRUN_RUN_ID": "x", "PATH": os.environ["PATH"]}
    with subprocess.Popen(
        ["cat"],
        env=environment,
        start_new_session=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        # Popen returns in the midst of execve(2), before there is an environment to be read.
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(b"\n")
        process.stdin.flush()
        process.stdout.readline()
        yield process
        process.kill()


def test_a_process_is_described(sleeper: subprocess.Popen[bytes]) -> None:
    process = processes.read(sleeper.pid)
    assert process is not None
    assert (process.pid, process.group, process.session) == (sleeper.pid,) * 3
    assert str(process) == f"pid {sleeper.pid} (cat)"
    assert not process.ended
    assert processes.is_same(sleeper.pid, process.start_ticks)
    assert not processes.is_same(sleeper.pid, process.start_ticks + 1)
    assert sleeper.pid in processes.children(os.getpid())
    assert processes.owner(sleeper.pid) == "x"
    assert processes.owners()[sleeper.pid] == "x"


def test_a_name_with_blanks_and_brackets_is_read(tmp_path: Path) -> None:
    program = tmp_path / "a) R (b"
    program.symlink_to("/bin/sleep")
    with subprocess.Popen([program, "1000"], start_new_session=True) as sleeper:
        process = processes.read(sleeper.pid)
        sleeper.kill()
    assert process is not None
    assert process.name == "a) R (b"
    assert process.session == sleeper.pid


def test_one_that_waits_to_be_reaped_has_ended(sleeper: subprocess.Popen[bytes]) -> None:
    sleeper.kill()
    os.waitid(os.P_PID, sleeper.pid, os.WEXITED | os.WNOWAIT)
    process = processes.read(sleeper.pid)
    assert process is not None
    assert process.ended
    sleeper.wait()
    assert processes.read(sleeper.pid) is None
    assert processes.children(sleeper.pid) == []
    assert processes.owner(sleeper.pid) is None
    processes.send(process, signal.SIGKILL)
    assert processes.send_group(sleeper.pid, 0) is False


def test_one_that_is_stopped_is_told(sleeper: subprocess.Popen[bytes]) -> None:
    process = processes.read(sleeper.pid)
    assert process is not None
    assert not processes.is_stopped(sleeper.pid, process.start_ticks)
    sleeper.send_signal(signal.SIGSTOP)
    os.waitid(os.P_PID, sleeper.pid, os.WSTOPPED | os.WNOWAIT)
    assert processes.is_stopped(sleeper.pid, process.start_ticks)
    assert not processes.is_stopped(sleeper.pid, process.start_ticks + 1)
    sleeper.send_signal(signal.SIGCONT)
    os.waitid(os.P_PID, sleeper.pid, os.WCONTINUED | os.WNOWAIT)
    assert not processes.is_stopped(sleeper.pid, process.start_ticks)


@pytest.mark.parametrize(
    ("parent", "child", "stopped"), [("D", "T", 1), ("D", "S", 0), ("S", "T", 0)]
)
def test_one_that_waits_for_a_stopped_child_of_vfork_is_stopped(
    parent: str, child: str, stopped: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The moment is too short to be had from a real process."""
    monkeypatch.setattr(processes, "_PROC", tmp_path)
    for pid, state, children in [(1, parent, "2"), (2, child, "")]:
        (tmp_path / f"{pid}/task/{pid}").mkdir(parents=True)
        (tmp_path / f"{pid}/task/{pid}/children").write_text(children)
        (tmp_path / f"{pid}/stat").write_text(f"{pid} (sh) {state} 0 1 1" + " 1" * 40)
    assert processes.is_stopped(1, 1) == bool(stopped)


def test_a_later_process_of_the_same_pid_is_not_signalled(
    sleeper: subprocess.Popen[bytes],
) -> None:
    process = processes.read(sleeper.pid)
    assert process is not None
    other = processes.Process(process.pid, process.start_ticks - 1, 0, 0, "other", ended=False)
    processes.send(other, signal.SIGKILL)
    with pytest.raises(subprocess.TimeoutExpired):
        sleeper.wait(0.05)
    processes.send(process, signal.SIGKILL)
    assert sleeper.wait() == -signal.SIGKILL


@pytest.mark.parametrize("name", ["SIGKILL", "SIGTERM", "SIGUSR1", "SIGRTMIN"])
def test_a_signals_name_and_number_tell_each_other(name: str) -> None:
    assert processes.signal_name(processes.signal_number(name)) == name


def test_signals_without_a_name() -> None:
    assert processes.signal_name(signal.SIGRTMIN + 2) == "SIGRTMIN+2"
    with pytest.raises(ValueError, match="unknown signal 'KILL'"):
        processes.signal_number("KILL")


async def test_what_survives_is_named(
    sleeper: subprocess.Popen[bytes],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(processes, "send", lambda *_: None)
    monkeypatch.setattr(processes, "send_group", lambda *_: True)
    monkeypatch.setattr(process_tree, "KILL_ROUNDS", 2)
    monkeypatch.setattr(process_tree, "POLL_SECONDS", 0.001)
    process = processes.read(sleeper.pid)
    assert process is not None
    tree = ProcessTree("x", sleeper.pid, process.start_ticks, NoOrphans(), is_child=True)
    overdue = asyncio.Event()
    overdue.set()
    assert await tree.end(overdue, signalled=False) == [f"pid {sleeper.pid} (cat)"]
    assert f"run x: processes survive: pid {sleeper.pid} (cat)" in caplog.text
