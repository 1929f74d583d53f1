"""Runs as another user: what they get, what they cannot reach, and that they still end."""

import os
import pwd
import stat
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from server.keeper.cgroups.group import Group
from server.keeper.client import KeeperClient
from server.keeper.protocol import Hello, KeeperError, KeeperRefusedError
from server.keeper.spool import OUTPUT, PIPE, SCRIPT
from server.services.running.spools import KeepersSpools
from tests.integration.keeper.harness import GO_ON, Host, a_host, go, gone
from tests.integration.keeper.test_memory import BOUND, bounded
from tests.support.users import reachable
from tests.support.waiting import until

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="needs root")

USER = pwd.getpwnam("nobody")
OTHER = pwd.getpwnam("daemon")


@pytest.fixture
def state_dir() -> Iterator[Path]:
    """Make a directory that other users may reach, unlike those of pytest."""
    with reachable() as directory:
        state_dir = directory / "state"
        state_dir.mkdir(mode=0o700)
        yield state_dir


@pytest.fixture
async def host(state_dir: Path) -> AsyncIterator[Host]:
    async with a_host(state_dir) as host:
        yield host


async def test_a_run_is_the_users_with_his_groups_and_variables_alone(host: Host) -> None:
    """The groups are his, not the keeper's; so is the directory it starts in."""
    script = 'id -u; id -G; echo "$HOME $USER $LOGNAME $SHELL"; pwd; cat /proc/self/status'
    environment = {"PATH": os.environ["PATH"], "HOME": "/root", "USER": "root", "KEPT": "yes"}
    end, output = await host.finish(
        script + '; echo "$KEPT"', user=OTHER.pw_name, directory="", environment=environment
    )
    assert end.exitcode == 0, output
    lines = output.decode().splitlines()
    groups = os.getgrouplist(OTHER.pw_name, OTHER.pw_gid)
    assert lines[0] == str(OTHER.pw_uid)
    assert {*map(int, lines[1].split())} == {*groups}
    assert lines[2] == f"{OTHER.pw_dir} {OTHER.pw_name} {OTHER.pw_name} {OTHER.pw_shell}"
    assert lines[3] == str(Path(OTHER.pw_dir).resolve())
    status = dict(line.split(":\t", 1) for line in lines[4:-1])
    assert {int(status[name], 16) for name in ("CapPrm", "CapEff", "CapAmb")} == {0}
    assert lines[-1] == "yes"


async def test_what_a_script_writes_to_its_streams_by_name_arrives(host: Host) -> None:
    script = (
        "echo 1; echo 2 > /dev/stderr; echo 3 > /dev/stdout; echo 4 >> /dev/fd/2; echo 5 >&2;"
        " echo 6 | tee /dev/stderr > /dev/null; echo 7 > /proc/self/fd/1"
    )
    end, output = await host.finish(script, user=USER.pw_name)
    assert (end.exitcode, output) == (0, b"1\n2\n3\n4\n5\n6\n7\n")


async def test_its_own_directory_is_the_users_and_all_else_is_not(host: Host) -> None:
    run_id = await host.start("sleep 1000", user="nobody")
    await until(lambda: host.spool.read_process(run_id))
    own, spool = host.spool.work(run_id), host.spool.directory(run_id)
    for path in (own, own / SCRIPT, spool / PIPE):
        assert path.stat().st_uid == USER.pw_uid
        assert stat.S_IMODE(path.stat().st_mode) in {0o600, 0o700}
    for path in (spool, spool / OUTPUT, spool / "run.json"):
        assert path.stat().st_uid == 0
        assert stat.S_IMODE(path.stat().st_mode) in {0o600, 0o700}
    modes = {path: stat.S_IMODE((host.state_dir / path).stat().st_mode) for path in (".", "work")}
    assert set(modes.values()) == {0o711}
    record = host.spool.read_process(run_id)
    assert record is not None
    assert record.user == "nobody"
    assert await host.stop(run_id)
    await host.ended(run_id)
    host.spool.remove(run_id)
    assert not own.exists()


async def test_a_script_may_use_its_directory(host: Host) -> None:
    script = 'cd "$(dirname "$0")" && echo text > file && cat file && chmod 0 file && ls'
    end, output = await host.finish(script, user=USER.pw_name)
    assert (end.exitcode, output) == (0, b"text\nfile\nscript\n")


async def test_what_left_its_parents_is_stopped_too(host: Host) -> None:
    """In a session of its own, with neither mark nor parent."""
    script = "setsid env -i sh -c 'trap \"\" TERM; echo $$; while :; do sleep 1; done' & sleep 1000"
    run_id = await host.start(script, user=USER.pw_name)
    background = int(await host.wrote(run_id, b"\n"))
    assert await host.stop(run_id, grace_seconds=0.5)
    end = await host.ended(run_id)
    assert (end.cause, end.survivors) == ("stop", [])
    assert gone(background)


async def test_what_it_leaves_in_the_background_is_ended_with_it(host: Host) -> None:
    run_id = await host.start("sleep 1000 & echo $!; exit 7", user=USER.pw_name)
    end = await host.ended(run_id)
    assert (end.exitcode, end.left_behind) == (7, 1)
    await until(lambda: gone(int(host.output(run_id))))


async def test_a_signal_reaches_it(host: Host) -> None:
    script = "trap 'echo usr1' USR1; echo ready; while :; do sleep 0.02; done"
    run_id = await host.start(script, user=USER.pw_name)
    await host.wrote(run_id, b"ready\n")
    assert await host.client.signal(run_id, "SIGUSR1")
    await host.wrote(run_id, b"usr1\n")


async def test_a_renewed_keeper_knows_how_it_ended(host: Host) -> None:
    run_id = await host.start(f"echo one; {GO_ON}echo two >/dev/stderr; exit 9", user=USER.pw_name)
    await host.wrote(run_id, b"one\n")
    await host.client.renew()
    go(host, run_id)
    end = await host.ended(run_id)
    assert (end.exitcode, end.lost, host.output(run_id)) == (9, False, b"one\ntwo\n")


async def test_the_keeper_after_a_killed_one_goes_on_with_it(host: Host) -> None:
    run_id = await host.start(f"echo one; {GO_ON}echo two >/dev/stderr", user=USER.pw_name)
    await host.wrote(run_id, b"one\n")
    await host.kill_keeper()
    await host.hello()
    go(host, run_id)
    end = await host.ended(run_id)
    assert (end.lost, host.output(run_id)) == (True, b"one\ntwo\n")


async def test_it_gains_no_rights_if_it_is_not_to(host: Host) -> None:
    script = "grep -h NoNewPrivs /proc/self/status; umask"
    for user in (None, USER.pw_name):
        for new in (True, False):
            _, output = await host.finish(script, user=user, no_new_privileges=new, umask=0o027)
            assert output == b"NoNewPrivs:\t%d\n0027\n" % new


async def test_the_kernel_ends_runs_first_when_memory_is_short(host: Host) -> None:
    """The score is raised as soon as the process is there; one that is higher stays."""
    own = int(Path("/proc/self/oom_score_adj").read_text())
    for user in (None, USER.pw_name):
        for asked in (0, 700):
            score = max(own, asked)
            script = f"until grep -qx {score} /proc/$$/oom_score_adj; do sleep 0.01; done; echo so"
            _, output = await host.finish(script, user=user, oom_score_adj=asked)
            assert output == b"so\n"


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"directory": "/root"}, "could not enter the directory '/root': Permission denied"),
        ({"directory": ""}, "could not enter the directory '/nonexistent': No such file"),
        ({"shell": "/missing"}, "the interpreter '/missing' cannot be run"),
    ],
)
async def test_what_the_user_may_not_is_the_runs_reason(
    host: Host, fields: dict[str, str], problem: str
) -> None:
    end, output = await host.finish("echo started", user=USER.pw_name, **fields)
    assert problem in str(end.error)
    assert output == b""


async def test_a_state_directory_that_the_user_cannot_reach_is_named(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    async with a_host(tmp_path / "state") as host:
        end, _ = await host.finish("true", user=USER.pw_name)
        assert "could not read its script" in str(end.error)
        assert str(end.error).endswith("Permission denied")


async def test_a_user_that_there_is_not_is_refused(host: Host) -> None:
    with pytest.raises(KeeperRefusedError, match="this host has no user 'nobody-here'"):
        await host.start("true", user="nobody-here")
    assert host.spool.run_ids() == []


async def test_a_run_is_started_once_whatever_has_become_of_its_user(
    host: Host,
) -> None:
    """The one whose answer was lost, for example."""
    run_id = await host.start("true", user=USER.pw_name)
    await host.ended(run_id)
    again = host.request(run_id, "true", user="nobody-here")
    assert await host.client.start(again) is False


async def test_an_older_keeper_is_not_asked_for_what_it_would_not_do(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would start the run as root."""
    await host.hello()
    connection = host.client._connection
    assert connection is not None
    older = connection.hello
    monkeypatch.setattr(connection, "hello", Hello(older.protocol, older.version, older.pid))
    for fields in ({"user": USER.pw_name}, {"no_new_privileges": True}, {"umask": 0o77}):
        with pytest.raises(KeeperError, match="of an older version"):
            await host.start("true", **fields)
    assert host.spool.run_ids() == []
    await host.ended(await host.start("true"))


async def test_a_link_in_the_scripts_place_shows_nobody_elses_file(host: Host) -> None:
    """A hard link, which the kernel may permit (protected_hardlinks in proc_sys_fs(5))."""
    run_id = await host.start("sleep 1000", user=USER.pw_name)
    work, secret = host.spool.work(run_id), host.state_dir / "secret"
    secret.write_text("secret\r\n")
    (work / SCRIPT).unlink()
    os.link(secret, work / SCRIPT)
    with pytest.raises(PermissionError, match="not the run's own"):
        host.spool.read_script(run_id)
    assert host.spool.has_windows_line_ends(run_id) is False
    (work / SCRIPT).unlink()
    (work / SCRIPT).symlink_to(secret)
    with pytest.raises(OSError, match="symbolic links"):
        host.spool.read_script(run_id)


async def test_what_a_server_may_not_write_the_keeper_does_for_it(host: Host) -> None:
    care = KeepersSpools(host.client)
    run_id = await host.start("echo out; sleep 1000", user=USER.pw_name)
    await host.wrote(run_id, b"out\n")
    with pytest.raises(KeeperRefusedError, match="the run is active"):
        await host.client.remove(run_id)
    await care.remove(run_id)
    assert host.output(run_id) == b"out\n"
    await care.give_up(run_id)
    assert host.spool.is_given_up(run_id)
    await host.stop(run_id)
    await host.ended(run_id)
    await care.remove(run_id)
    assert host.spool.run_ids() == []
    (host.state_dir / "trash" / "left").mkdir(parents=True)
    await care.sweep()
    assert not list((host.state_dir / "trash").iterdir())


async def test_what_the_keeper_did_not_remove_is_removed_later(state_dir: Path) -> None:
    """It was away."""
    async with a_host(state_dir) as host:
        run_id = await host.start("true")
        await host.ended(run_id)
        away = KeeperClient(state_dir / "none", launches=False, open_timeout_seconds=0.1)
        care = KeepersSpools(away)
        await care.remove(run_id)
        for doing in (care.sweep(), care.give_up(run_id)):
            with pytest.raises(OSError, match="no keeper serves"):
                await doing
        care._keeper = host.client
        await care.sweep()
        assert host.spool.run_ids() == []


async def test_it_is_within_its_memory_cgroup_and_cannot_leave(host: Host) -> None:
    if not await bounded(host):
        return
    groups = [Path(root) for root in ("/sys/fs/cgroup/memory", "/sys/fs/cgroup")]
    procs = next(group / "cgroup.procs" for group in groups if (group / "cgroup.procs").exists())
    script = f"exec 2>&1; (echo $$ > {procs}); echo ready; sleep 1000"
    run_id = await host.start(script, user=USER.pw_name, **BOUND)
    output = await host.wrote(run_id, b"ready\n")
    assert b"Permission denied" in output
    record = host.spool.read_process(run_id)
    assert record is not None
    assert record.memory_group is not None
    assert record.pid in Group(Path(record.memory_group)).pids()
    assert await host.stop(run_id)
    assert (await host.ended(run_id)).survivors == []
