"""The lease of a host in its keeper: what it holds ends with it, whoever else stands still."""

import asyncio
import os
import shutil
import signal
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

import pytest

from server.keeper import processes
from server.keeper.client import KEEPER_COMMAND
from server.keeper.connection import Connection
from server.keeper.protocol import (
    KeeperError,
    KeeperLeaseError,
    KeeperRefusedError,
    boottime,
    socket_address,
)
from tests.integration.keeper.harness import (
    GO_ON,
    Host,
    a_host,
    go,
    gone,
    looks_within_keeper,
)
from tests.support.service import ROOT
from tests.support.waiting import until

LONG = 1000.0
SHORT = 0.5
STUBBORN = (
    "trap '' TERM; setsid sh -c 'trap \"\" TERM; echo escaped; sleep 1000' & sleep 1000; wait"
)
"""A script of which nothing ends by SIGTERM, and of which a part has left its group."""


@pytest.fixture
async def host(tmp_path: Path) -> AsyncIterator[Host]:
    async with a_host(tmp_path) as host:
        yield host


async def lease(host: Host, seconds: float, *, since: float | None = None) -> float:
    """Tell the keeper of a lease for so long; return from when on it stands."""
    now = boottime()
    begun = now if since is None else since
    await host.client.lease(begun, now + seconds)
    return begun


async def start(host: Host, script: str, grace_seconds: float = 0.2) -> str:
    """Start a run that ends with the lease."""
    return await host.start(script, leased_at=boottime(), grace_seconds=grace_seconds)


async def start_within(
    host: Host, seconds: float, script: str, grace_seconds: float = 0.2
) -> tuple[str, float]:
    """Start one within a lease of so long; return the moment at which that is over, too."""
    while True:
        over = await lease(host, seconds) + seconds
        with suppress(KeeperLeaseError):  # it took as long as that
            return await start(host, script, grace_seconds), over


def processes_of(run_id: str) -> list[int]:
    return [pid for pid, owner in processes.owners().items() if owner == run_id]


async def test_a_leased_run_ends_with_the_lease_and_all_of_its_processes_and_no_other_run(
    host: Host,
) -> None:
    free = await host.start("exec sleep 1000")
    leased, _ = await start_within(host, 1.5, STUBBORN)
    await host.wrote(leased, b"escaped")
    end = await host.ended(leased)
    assert (end.cause, end.signal, end.survivors) == ("lease", "SIGKILL", [])
    assert not processes_of(leased)
    assert await host.client.runs() == {free}


async def test_a_leased_run_may_end_by_itself_at_the_end_of_the_lease(host: Host) -> None:
    script = "trap 'echo bye; exit 3' TERM; while :; do sleep 0.02; done"
    run_id, _ = await start_within(host, 1.5, script, grace_seconds=10)
    end = await host.ended(run_id)
    assert (end.cause, end.exitcode) == ("lease", 3)
    assert host.output(run_id).endswith(b"bye\n")


async def test_a_lease_that_is_extended_in_time_holds_its_runs(host: Host) -> None:
    run_id, first_end = await start_within(host, 3.0, f"{GO_ON} exit 3")
    await lease(host, LONG)
    await lease(host, 0.1)  # told late: it is no shorter by that
    other = await start(host, "exec sleep 1000")
    while boottime() < first_end + SHORT:
        assert await host.client.runs() == {run_id, other}
        await asyncio.sleep(0.1)  # between two looks at what must not happen
    go(host, run_id)
    end = await host.ended(run_id)
    assert (end.cause, end.exitcode) == (None, 3)


async def test_what_a_run_left_in_the_background_ends_with_the_lease_as_well(host: Host) -> None:
    script = "setsid sh -c 'trap \"\" TERM; echo ready; while :; do sleep 0.1; done' & "
    run_id, _ = await start_within(host, 3.0, script + GO_ON, grace_seconds=LONG)
    await host.wrote(run_id, b"ready")
    go(host, run_id)
    end = await host.ended(run_id)
    assert end.cause is None
    assert end.left_behind
    await until(lambda: not processes_of(run_id))


async def test_a_leased_run_is_not_started_without_a_lease_that_has_stood_since(
    host: Host,
) -> None:
    asked_at = boottime()
    run_id = str(uuid4())
    request = host.request(run_id, "echo once", leased_at=asked_at)
    with pytest.raises(KeeperLeaseError, match="has no lease"):
        await host.client.start(request)
    await lease(host, LONG)  # it stands from here on: before, the run may have been given up
    with pytest.raises(KeeperLeaseError, match="has no lease"):
        await host.client.start(request)
    assert not host.spool.run_ids()
    assert await host.client.start(host.request(run_id, "echo once", leased_at=boottime()))
    await host.ended(run_id)
    assert not await host.client.start(request)  # it was started
    assert host.output(run_id) == b"once\n"


async def test_a_lease_that_stood_again_after_a_break_holds_no_run_of_before(host: Host) -> None:
    await lease(host, SHORT)
    asked_at = boottime()
    over = asked_at + SHORT
    await until(lambda: boottime() > over)
    await lease(host, LONG)
    late = host.request(str(uuid4()), "echo twice", leased_at=asked_at)
    with pytest.raises(KeeperLeaseError):
        await host.client.start(late)
    await lease(host, LONG, since=asked_at)  # there was none: another process knew better
    assert await host.client.start(late)


@pytest.mark.parametrize("then", ["kill", "renew"])
async def test_the_next_keeper_ends_what_the_lease_held(host: Host, then: str) -> None:
    run_id, _ = await start_within(host, 2.0, STUBBORN)
    if then == "kill":
        await host.kill_keeper()
        await host.client.open()
    else:
        await host.client.renew()
    end = await host.ended(run_id)
    assert end.cause == "lease"
    assert not processes_of(run_id)


async def test_the_next_keeper_holds_what_the_lease_still_holds(host: Host) -> None:
    run_id, over = await start_within(host, 4.0, f"{GO_ON} exit 3")
    await host.kill_keeper()
    await lease(host, LONG, since=over - 4)
    await until(lambda: boottime() > over + SHORT)
    assert await host.client.runs() == {run_id}
    go(host, run_id)
    assert (await host.ended(run_id)).cause is None


async def test_a_lease_that_ended_without_a_keeper_ends_its_runs_at_the_next_start(
    host: Host,
) -> None:
    run_id, over = await start_within(host, 2.0, STUBBORN, grace_seconds=LONG)
    await host.kill_keeper()
    await until(lambda: boottime() > over)
    assert processes_of(run_id)
    (host.state_dir / "keeper" / "lease").write_text("[")  # nobody knows how long ago
    await host.client.open()
    assert (await host.ended(run_id)).cause == "lease"
    assert not processes_of(run_id)


async def test_a_keeper_that_stood_still_hears_first_that_the_lease_was_extended(
    host: Host,
) -> None:
    run_id, over = await start_within(host, 2.0, f"{GO_ON} exit 3")
    keeper = (await host.hello()).pid
    os.kill(keeper, signal.SIGSTOP)
    try:
        telling = asyncio.create_task(host.client.lease(over - 2, over + LONG))
        await until(lambda: boottime() > over + SHORT)
    finally:
        os.kill(keeper, signal.SIGCONT)
    await telling
    go(host, run_id)
    end = await host.ended(run_id)
    assert (end.cause, end.exitcode) == (None, 3)


async def test_moments_of_another_clock_are_refused(host: Host) -> None:
    now = boottime()
    for since, end in ((now, now + 4000), (now + 3600, now + 3630), (now, now - 10)):
        with pytest.raises(KeeperRefusedError, match="none by the clock of this host"):
            await host.client.lease(since, end)
    with pytest.raises(KeeperRefusedError, match="'until' has a wrong value"):
        await host.client.lease(now, float("nan"))


@looks_within_keeper
async def test_the_timer_counts_while_the_machine_sleeps_and_is_there_for_leased_runs_alone(
    host: Host,
) -> None:
    """By what the kernel tells of it: 7 is CLOCK_BOOTTIME (proc_pid_fdinfo(5))."""
    await lease(host, LONG)
    await host.start("exec sleep 1000")
    pid = (await host.hello()).pid
    assert not clocks(pid)
    await start(host, "exec sleep 1000")
    assert clocks(pid) == ["clockid: 7"]


def clocks(pid: int) -> list[str]:
    found = []
    for path in Path(f"/proc/{pid}/fdinfo").iterdir():
        with suppress(FileNotFoundError):
            found += [line for line in path.read_text().splitlines() if "clockid" in line]
    return found


async def test_an_older_keeper_is_given_no_leased_run_until_it_has_renewed_itself(
    tmp_path: Path,
) -> None:
    tree = tmp_path / "tree"
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "server" / "keeper", tree / "server" / "keeper", ignore=ignored)
    (tree / "server" / "__init__.py").touch()
    newer = make_first_protocol(tree / "server" / "keeper")
    command = (*KEEPER_COMMAND[:-1], str(tree / "server" / "keeper" / "__main__.py"))
    async with a_host(tmp_path / "state", command=command) as host:
        assert (await host.hello()).protocol == 1
        since = await lease(host, LONG)  # it is not told
        free = await host.start(f"echo before; {GO_ON} echo after; exit 3")
        await host.wrote(free, b"before\n")
        with pytest.raises(KeeperLeaseError, match="is of an older version, which ends no run"):
            await start(host, "true")
        for path, code in newer.items():
            path.write_text(code, encoding="utf-8")
        assert (await host.client.renew()).protocol == 2
        with pytest.raises(KeeperLeaseError, match="has no lease"):
            await start(host, "true")
        await lease(host, LONG, since=since)
        await host.ended(await start(host, "true"))
        go(host, free)
        end = await host.ended(free)
        assert (end.exitcode, host.output(free)) == (3, b"before\nafter\n")


def make_first_protocol(directory: Path) -> dict[Path, str]:
    """Have a keeper's code know no lease; return how its files were."""
    # Of another size: what Python has compiled is held to its file by that and by whole seconds.
    changes = {"protocol.py": ("PROTOCOL = 2", "PROTOCOL = +1"), "keeper.py": ('"lease": ', '"": ')}
    newer = {}
    for name, (code, older) in changes.items():
        path = directory / name
        newer[path] = path.read_text(encoding="utf-8")
        assert newer[path].count(code) == 1
        path.write_text(newer[path].replace(code, older), encoding="utf-8")
    return newer


async def test_an_older_server_goes_on_with_a_newer_keeper(host: Host) -> None:
    """It says no protocol in its hello, and refuses another than its own."""
    await host.hello()
    run_id = await host.start("exec sleep 1000")
    directory = os.open(host.state_dir / "keeper", os.O_PATH)
    reader, writer = await asyncio.open_unix_connection(socket_address(directory))
    os.close(directory)
    older = Connection(reader, writer, 30)
    assert (await older.call("hello"))["protocol"] == 1
    assert (await older.call("list"))["runs"] == [run_id]
    with pytest.raises(KeeperError, match="'protocol' has a wrong value"):
        await older.call("hello", protocol="2")
    assert (await older.call("hello", protocol=99))["protocol"] == 2
    await older.close()


async def test_a_lease_that_cannot_be_noted_holds_for_this_keeper(host: Host) -> None:
    await host.hello()
    (host.state_dir / "keeper" / "lease.tmp").mkdir()
    await lease(host, SHORT)
    run_id, _ = await start_within(host, 1.5, "exec sleep 1000")
    assert (await host.ended(run_id)).cause == "lease"
    assert host.log().count("cannot be noted on disk") == 1
    assert not gone((await host.hello()).pid)
