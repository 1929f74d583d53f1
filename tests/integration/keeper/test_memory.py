"""The bound of a run's memory: held by a cgroup, which leaves nothing behind; or refused."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from server.keeper import processes
from server.keeper.cgroups.group import Group, Groups
from server.keeper.cgroups.place import current
from tests.integration.keeper.harness import Host, a_host, gone, without_cgroups
from tests.support.waiting import until

MEBIBYTE = 1024 * 1024
BOUND: dict[str, Any] = {"max_run_memory_bytes": 64 * MEBIBYTE}
TAKE = f"{sys.executable} -Sc \"import time; x = b'x' * ({{}} << 20); {{}}\""
GREEDY = TAKE.format(200, "print('had it')")
MODEST = TAKE.format(20, "print('had it')")


@pytest.fixture
async def host(tmp_path: Path) -> AsyncIterator[Host]:
    async with a_host(tmp_path) as host:
        yield host
    assert groups(host) == []


def groups(host: Host) -> list[Path]:
    """Return the cgroups that are there of a state directory's runs."""
    return [group.directory for group in Groups(host.state_dir).left(())]


async def bounded(host: Host) -> bool:
    """Whether memory can be bounded on this machine; where not, see that it is refused.

    A machine on which this process may make a cgroup must not get away with a refusal.
    """
    problem = await host.client.memory_problem()
    if problem is None:
        return True
    end, output = await host.finish("echo started", **BOUND)
    assert (end.exitcode, end.signal, output) == (None, None, b"")
    assert end.error == f"the limit TAILRUN_MAX_RUN_MEMORY_BYTES cannot be held: {problem}"
    assert not may_make_cgroups(), problem
    return False


def may_make_cgroups() -> bool:
    """Whether the cgroup of this process is ours beyond doubt: of version 1, and writable."""
    rows = [line.split(":", 2) for line in Path("/proc/self/cgroup").read_text().splitlines()]
    own = [path for _, controllers, path in rows if "memory" in controllers.split(",")]
    return bool(own) and os.access(f"/sys/fs/cgroup/memory{own[0]}", os.W_OK)


async def test_a_run_that_takes_more_than_the_bound_is_killed_and_others_live(host: Host) -> None:
    if not await bounded(host):
        return
    go = host.state_dir / "go"
    waiting = f"while ! [ -e {go} ]; do sleep 0.02; done; {MODEST}"
    other = await host.start(waiting, **BOUND)
    unbounded = await host.start(f"{waiting}; {GREEDY}")
    end, output = await host.finish(f"exec {GREEDY}", **BOUND)
    assert (end.exitcode, end.signal, end.cause, end.memory_reached) == (
        None,
        "SIGKILL",
        None,
        True,
    )
    assert output == b""
    go.touch()
    for run_id, expected in [(other, b"had it\n"), (unbounded, b"had it\nhad it\n")]:
        end = await host.ended(run_id)
        assert (end.exitcode, end.memory_reached) == (0, False)
        assert host.output(run_id) == expected
    await until(lambda: groups(host) == [])


async def test_a_run_below_its_bound_is_in_a_group_that_goes_with_it(host: Host) -> None:
    if not await bounded(host):
        return
    end, output = await host.finish(f"cat /proc/self/cgroup; {MODEST}; exit 3", **BOUND)
    assert (end.exitcode, end.memory_reached, end.error) == (3, False, None)
    run_ids = host.spool.run_ids()
    assert b"/" + run_ids[-1].encode() + b"\n" in output
    directory = current().place() / Groups(host.state_dir)._name
    await until(lambda: not directory.exists())


async def test_a_run_without_a_bound_has_no_group(host: Host) -> None:
    assert Path("/proc/self/cgroup").read_bytes() == (await host.finish("cat /proc/self/cgroup"))[1]


async def test_a_kill_that_nobody_ordered_for_memory_is_not_taken_for_one(host: Host) -> None:
    if not await bounded(host):
        return
    end, _ = await host.finish("kill -KILL $$", **BOUND)
    assert (end.signal, end.memory_reached) == ("SIGKILL", False)


async def test_that_a_child_was_killed_is_told_although_the_script_went_on(host: Host) -> None:
    if not await bounded(host):
        return
    end, output = await host.finish(f"{GREEDY}; echo child $?; exit 0", **BOUND)
    assert end.memory_reached
    if current().version == 1:
        assert (end.exitcode, output.splitlines()[-1]) == (0, b"child 137")
    else:  # memory.oom.group: none is left without the other
        assert end.signal == "SIGKILL"


async def test_children_and_grandchildren_count_together(host: Host) -> None:
    """Each of them alone may take a third of the bound, in a session of its own."""
    if not await bounded(host):
        return
    script = host.state_dir / "third"
    script.write_text(TAKE.format(20, "print('had it', flush=True); time.sleep(1000)"))
    third = f"(setsid sh {script} &); "
    few = await host.start(f"{third * 2} sleep 1000", **BOUND)
    await until(lambda: host.output(few) == b"had it\n" * 2)
    many = await host.start(f"{third * 5} sleep 1000", **BOUND)
    group = Group(next(path for path in groups(host) if path.name == many))
    await until(group.exceeded)
    for run_id, exceeded in [(few, False), (many, True)]:
        await host.stop(run_id)
        end = await host.ended(run_id)
        assert end.memory_reached is exceeded
        assert end.survivors == []


async def test_what_hides_from_the_keeper_is_found_by_its_group(host: Host) -> None:
    """Without mark, parent, session or group; and there is another run that it could be of."""
    if not await bounded(host):
        return
    other = await host.start("sleep 1000", **BOUND)
    script = "trap 'echo told' TERM; echo $$; while :; do sleep 0.05; done"
    run_id = await host.start(
        f'(setsid env -i sh -c "{script}" &); sleep 1000'.replace("$$", r"\$\$"), **BOUND
    )
    await until(lambda: host.output(run_id).endswith(b"\n"))
    pid = int(host.output(run_id))
    await host.stop(run_id, grace_seconds=1000)
    await host.wrote(run_id, b"told\n")
    await host.stop(run_id, grace_seconds=0)
    end = await host.ended(run_id)
    assert (end.cause, end.survivors, end.memory_reached) == ("stop", [], False)
    assert gone(pid)
    assert await host.client.runs() == {other}
    await until(lambda: [path.name for path in groups(host)] == [other])


async def test_the_bound_holds_and_nothing_is_left_when_the_keeper_is_killed(host: Host) -> None:
    if not await bounded(host):
        return
    go = host.state_dir / "go"
    waiting = f"while ! [ -e {go} ]; do sleep 0.02; done"
    greedy = await host.start(f"{waiting}; exec {GREEDY}", **BOUND)
    during = await host.start(f"exec {GREEDY}", **BOUND)
    await host.ended(during)
    ends_without_keeper = await host.start("exec sleep 1000", **BOUND)
    record = host.spool.read_process(ends_without_keeper)
    assert record is not None
    await host.kill_keeper()
    os.kill(record.pid, 9)
    await until(lambda: gone(record.pid))
    await host.hello()
    assert (await host.ended(ends_without_keeper)).lost
    assert await host.client.runs() == {greedy}
    go.touch()
    end = await host.ended(greedy)
    assert (end.lost, end.memory_reached) == (True, True)
    assert host.output(greedy) == b""
    await until(lambda: groups(host) == [])


async def test_the_bound_holds_when_the_keeper_renews_itself(host: Host) -> None:
    if not await bounded(host):
        return
    go = host.state_dir / "go"
    run_id = await host.start(f"while ! [ -e {go} ]; do sleep 0.02; done; exec {GREEDY}", **BOUND)
    await host.client.renew()
    assert [path.name for path in groups(host)] == [run_id]
    go.touch()
    end = await host.ended(run_id)
    assert (end.signal, end.lost, end.memory_reached) == ("SIGKILL", False, True)
    await until(lambda: groups(host) == [])


@pytest.mark.parametrize("point", ["keeper.spool_made", "keeper.spawned", "keeper.end_recorded"])
async def test_a_keeper_killed_at_any_point_leaves_no_group_to_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, point: str
) -> None:
    async with a_host(tmp_path) as host:
        if not await bounded(host):
            return
    monkeypatch.setenv("FAILPOINTS", point)
    async with a_host(tmp_path) as host:
        run_id = "12345678-1234-1234-1234-123456789abc"
        script = "sleep 1000" if point == "keeper.spawned" else "sleep 1000 & exit 0"
        starting = asyncio.create_task(host.client.start(host.request(run_id, script, **BOUND)))
        await host.lost.wait()
        await asyncio.wait([starting])
        starting.exception()
        monkeypatch.delenv("FAILPOINTS")
        await host.hello()
        await host.ended(run_id)
        await until(lambda: groups(host) == [])
        await until(lambda: run_id not in processes.owners().values())


async def test_a_script_that_cannot_be_started_leaves_no_group(host: Host) -> None:
    if not await bounded(host):
        return
    end, _ = await host.finish("#!/no/such/interpreter", **BOUND)
    assert "/no/such/interpreter" in str(end.error)
    await until(lambda: groups(host) == [])


async def test_a_bound_that_leaves_no_room_to_start_ends_the_run_by_that(host: Host) -> None:
    if not await bounded(host):
        return
    end, output = await host.finish("echo started", max_run_memory_bytes=1)
    assert (end.signal, end.memory_reached, output) == ("SIGKILL", True, b"")


async def test_no_run_is_started_without_the_bound_that_it_must_have(tmp_path: Path) -> None:
    async with a_host(tmp_path, command=without_cgroups()) as host:
        problem = await host.client.memory_problem()
        assert problem
        end, output = await host.finish("echo started", **BOUND)
        assert end.error == f"the limit TAILRUN_MAX_RUN_MEMORY_BYTES cannot be held: {problem}"
        assert (end.exitcode, end.signal, output) == (None, None, b"")
        assert (await host.finish("echo started"))[1] == b"started\n"
