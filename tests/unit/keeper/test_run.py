"""Runs and the keeper in the test's own loop, where a failure can be made to happen."""

import asyncio
import errno
import os
import signal
import uuid
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

import pytest

from server.keeper import processes
from server.keeper import runs as runs_module
from server.keeper import spool as spool_module
from server.keeper.cgroups.group import Group, Groups
from server.keeper.handover import Handover
from server.keeper.keeper import Keeper
from server.keeper.protocol import KeeperError
from server.keeper.records import ExitRecord, ProcessRecord
from server.keeper.run import ending, process_tree
from server.keeper.run.output import OutputFiles
from server.keeper.run.process_tree import ProcessTree
from server.keeper.run.pump import Pump
from server.keeper.run.run import Run
from server.keeper.run.status import Status
from server.keeper.spool import Spool
from tests.support.waiting import until


def start_message(script: str) -> dict[str, object]:
    return {
        "op": "start",
        "run_id": str(uuid.uuid4()),
        "script": script,
        "shell": "/bin/sh",
        "directory": "/",
        "environment": {"PATH": os.environ["PATH"]},
    }


@pytest.mark.parametrize(
    ("returncode", "status"),
    [
        (0, Status(exitcode=0)),
        (137, Status(exitcode=137)),
        (-9, Status(signal="SIGKILL")),
        (-15, Status(signal="SIGTERM")),
    ],
)
def test_a_status_is_an_exit_code_or_a_signal(returncode: int, status: Status) -> None:
    assert Status.of(returncode) == status
    assert status.known
    assert not Status().known


def no_room(*_: object, **__: object) -> None:
    raise OSError("no room")


def no_space(*_: object) -> None:
    raise OSError(errno.ENOSPC, "no space")


@pytest.fixture
def keeper(tmp_path: Path) -> Keeper:
    return Keeper(tmp_path, 60, lambda _runs, _ended: None, Handover())


async def test_a_run_that_the_keeper_fails_to_keep_is_killed_and_lost(
    keeper: Keeper, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: Pump) -> None:
        raise RuntimeError

    monkeypatch.setattr(Pump, "drain", fail)
    message = start_message("sleep 1000 & exit 3")
    await keeper._answer(message)
    run_id = str(message["run_id"])
    end = await until(lambda: Spool.of(tmp_path).read_exit(run_id))
    assert (end.lost, end.error) == (True, "the keeper failed; see its log")
    await until(lambda: run_id not in processes.owners().values())


async def test_an_end_that_is_recorded_stands_whatever_fails_afterwards(
    keeper: Keeper, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object, **__: object) -> list[str]:
        raise RuntimeError

    monkeypatch.setattr(ProcessTree, "left_behind", lambda _: 1)
    monkeypatch.setattr(ProcessTree, "end", fail)
    message = start_message("sleep 1000 & exit 3")
    await keeper._answer(message)
    run_id = str(message["run_id"])
    await until(lambda: not keeper._runs._tasks)
    end = Spool.of(tmp_path).read_exit(run_id)
    assert end is not None
    assert (end.exitcode, end.lost, end.left_behind) == (3, False, 1)
    assert len(keeper._runs) == 0
    await until(lambda: run_id not in processes.owners().values())


@pytest.mark.parametrize(
    ("module", "name"),
    [(spool_module, "_write"), (os, "mkfifo"), (runs_module, "Run"), (os, "open")],
)
async def test_a_run_whose_spool_cannot_be_made_whole_ends_with_an_error_and_an_output(
    keeper: Keeper, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: ModuleType, name: str
) -> None:
    message = start_message("true")
    run_id = str(message["run_id"])
    with monkeypatch.context() as patch:
        patch.setattr(module, name, no_room)
        assert await keeper._answer(message) == {"started": True}
    end = await until(lambda: Spool.of(tmp_path).read_exit(run_id))
    assert (end.error, end.lost) == ("its spool cannot be made: no room", False)
    assert Spool.of(tmp_path).output_path(run_id).read_bytes() == b""
    assert await keeper._answer(message) == {"started": False}
    assert await keeper._answer({"op": "list"}) == {"runs": []}


async def test_a_start_is_refused_when_not_even_the_spools_directory_can_be_made(
    keeper: Keeper, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Path, "mkdir", no_room)
    with pytest.raises(OSError, match="no room"):
        await keeper._answer(start_message("true"))
    assert Spool.of(tmp_path).run_ids() == []


async def test_the_end_of_a_run_that_was_not_kept_waits_for_room(
    keeper: Keeper,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(ending, "RETRY_SECONDS", 0)
    message = start_message("true")
    with monkeypatch.context() as patch:
        patch.setattr(spool_module, "_write", no_room)
        patch.setattr(spool_module, "write_whole", no_space)
        await keeper._answer(message)
        await until(lambda: "end not recorded, trying again: [Errno 28] no space" in caplog.text)
        assert keeper._idle is None
    end = await until(lambda: Spool.of(tmp_path).read_exit(str(message["run_id"])))
    assert end.error == "its spool cannot be made: no room"
    await until(lambda: keeper._idle)


async def test_what_survives_a_stop_is_named_in_the_record_of_the_end(
    keeper: Keeper, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As one that has become another user's would, which only root may signal."""
    monkeypatch.setattr(processes, "send", lambda *_: None)
    monkeypatch.setattr(process_tree, "KILL_ROUNDS", 2)
    message = start_message("setsid sleep 1000 & echo $!; wait")
    run_id = str(message["run_id"])
    spool = Spool.of(tmp_path)
    await keeper._answer(message)
    survivor = int(await until(lambda: spool.output_path(run_id).read_bytes()))
    await until(lambda: getattr(processes.read(survivor), "name", "") == "sleep")
    stop = {"op": "stop", "run_id": run_id, "signal": "SIGTERM", "grace_seconds": 0}
    try:
        assert await keeper._answer(stop) == {"stopping": True}
        end = await until(lambda: spool.read_exit(run_id))
    finally:
        os.kill(survivor, signal.SIGKILL)
    assert (end.signal, end.cause) == ("SIGTERM", "stop")
    assert end.survivors == [f"pid {survivor} (sleep)"]


async def test_no_run_is_started_while_the_keeper_renews_itself(keeper: Keeper) -> None:
    assert await keeper._answer({"op": "renew"}) == {}
    assert await keeper._answer({"op": "renew"}) == {}
    with pytest.raises(KeeperError, match="ask again"):
        await keeper._answer(start_message("true"))


@contextmanager
def closed(_: Group) -> Iterator[Callable[[], object]]:
    def refuse() -> None:
        raise OSError(errno.ENODEV, "no")

    yield refuse


@pytest.mark.parametrize(
    ("entrance", "error", "problem"),
    [
        (
            Group.entrance,
            "the limit TAILRUN_MAX_RUN_MEMORY_BYTES cannot be held: [Errno 2] No such file",
            "[Errno 2] No such file",
        ),
        (
            closed,
            "the main process could not enter its cgroup: no",
            "a process cannot enter a cgroup: No such device",
        ),
    ],
)
async def test_a_run_that_cannot_enter_its_group_is_not_started(
    keeper: Keeper,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    entrance: object,
    error: str,
    problem: str,
) -> None:
    """The group has gone; or the kernel lets no process in."""
    monkeypatch.setattr(Groups, "make", lambda *_: Group(tmp_path / "gone"))
    monkeypatch.setattr(Group, "entrance", entrance)
    message = start_message("echo started") | {"max_run_memory_bytes": 1 << 30}
    assert await keeper._answer(message) == {"started": True}
    run_id = str(message["run_id"])
    end = await until(lambda: Spool.of(tmp_path).read_exit(run_id))
    assert str(end.error).startswith(error)
    assert Spool.of(tmp_path).output_path(run_id).read_bytes() == b""
    answer = await keeper._answer({"op": "memory"})
    assert answer["problem"].startswith(problem)


def broken(*_: object, **__: object) -> None:
    raise OSError(errno.EIO, "broken")


async def test_an_end_that_cannot_be_recorded_is_recorded_in_a_new_spool(
    keeper: Keeper, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a while; what is in the old one is in the trash."""
    monkeypatch.setattr(ending, "RETRY_SECONDS", 0)
    spool = Spool.of(tmp_path)
    message = start_message("echo out; exit 3")
    run_id = str(message["run_id"])
    write_exit, place = Spool.write_exit, tmp_path / "spool" / run_id

    def write_to_another(spool: Spool, run_id: str, record: ExitRecord) -> None:
        if os.path.samestat(place.stat(), first):
            broken()
        write_exit(spool, run_id, record)

    monkeypatch.setattr(Spool, "write_exit", write_to_another)
    monkeypatch.setattr(Run, "live", begin_later(live := asyncio.Event()))
    await keeper._answer(message)
    first = place.stat()
    live.set()
    end = await until(lambda: spool.read_exit(run_id))
    assert (end.exitcode, end.output_bytes) == (3, 4)
    assert spool.output_path(run_id).read_bytes() == b"out\n"


async def test_an_output_that_cannot_be_completed_does_not_keep_the_end(
    keeper: Keeper, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ending, "RETRY_SECONDS", 0)
    monkeypatch.setattr(OutputFiles, "finish", broken)
    message = start_message("exit 3")
    await keeper._answer(message)
    end = await until(lambda: Spool.of(tmp_path).read_exit(str(message["run_id"])))
    assert (end.exitcode, end.output_error) == (3, "[Errno 5] broken")


async def test_no_end_is_recorded_where_there_is_no_spool_any_more(
    keeper: Keeper, tmp_path: Path
) -> None:
    message = start_message("sleep 1000")
    await keeper._answer(message)
    (tmp_path / "spool").rename(tmp_path / "gone")
    run_id = str(message["run_id"])
    await keeper._answer({"op": "stop", "run_id": run_id, "signal": "SIGTERM", "grace_seconds": 0})
    await until(lambda: not keeper._runs.busy)
    assert not (tmp_path / "spool").exists()


async def test_a_run_whose_start_fails_in_the_keeper_ends(
    keeper: Keeper, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object) -> None:
        raise RuntimeError("out of order")

    monkeypatch.setattr(Run, "start", fail)
    message = start_message("true")
    assert await keeper._answer(message) == {"started": True}
    assert await keeper._answer({"op": "list"}) == {"runs": []}
    end = await until(lambda: Spool.of(tmp_path).read_exit(str(message["run_id"])))
    assert end.error == "the keeper failed: RuntimeError('out of order')"


async def test_a_run_that_cannot_be_taken_up_is_lost_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = Spool.of(tmp_path)
    runs = [str(uuid.uuid4()) for _ in range(2)]
    for run_id in runs:
        spool.create(run_id, b"true")
    read_process = Spool.read_process

    def fail(spool: Spool, run_id: str) -> ProcessRecord | None:
        if run_id == runs[0]:
            raise RuntimeError("out of order")
        return read_process(spool, run_id)

    monkeypatch.setattr(Spool, "read_process", fail)
    keeper = Keeper(tmp_path, 60, lambda _runs, _ended: None, Handover())
    keeper._runs.recover()
    await until(lambda: all(spool.read_exit(run_id) for run_id in runs))
    ends = [spool.read_exit(run_id) or ExitRecord() for run_id in runs]
    assert [end.lost for end in ends] == [True, True]
    assert "out of order" in str(ends[0].error)


def begin_later(event: asyncio.Event) -> Callable[[Run], Coroutine[object, object, None]]:
    """Return Run.live that waits for an event first."""
    live = Run.live

    async def wait_first(run: Run) -> None:
        await event.wait()
        await live(run)

    return wait_first
