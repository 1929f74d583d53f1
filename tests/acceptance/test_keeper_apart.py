"""A keeper as root, a server as a user, runs as another: each touches its own things alone."""

import asyncio
import os
import pwd
import signal
import socket
import sys
from asyncio.subprocess import PIPE, STDOUT, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from server.keeper.client import KeeperClient
from server.keeper.spool import Spool
from server.repositories.embedded import postmaster
from tests.support.client import Client
from tests.support.service import ROOT, Service
from tests.support.users import as_user, reachable
from tests.support.waiting import patience, until

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="needs root")

SERVER, USER = pwd.getpwnam("daemon"), pwd.getpwnam("nobody")
CONFIGURATION = f"# whom it serves\nserver = {SERVER.pw_name}\nusers = {USER.pw_name}, backup\n"
WAIT = 'until [ -e "${0%/*}/go" ]; do sleep 0.02; done; '


class Host:
    """A directory for a keeper, with its configuration, and one for a server."""

    def __init__(self, directory: Path) -> None:
        self.keeper_dir = directory / "keeper"
        self.configuration = directory / "configuration"
        self.configuration.write_text(CONFIGURATION)
        self.keeper_dir.mkdir()
        state_dir = directory / "state"
        state_dir.mkdir(mode=0o700)
        os.chown(state_dir, SERVER.pw_uid, SERVER.pw_gid)
        self.state_dir = state_dir
        self.spool = Spool.of(self.keeper_dir)
        self._ready = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self._ready.bind(str(directory / "ready"))
        self.process: Process | None = None

    async def begin(self, **settings: str) -> Process:
        """Start a keeper, as a service manager does."""
        environment = {"NOTIFY_SOCKET": self._ready.getsockname(), "PATH": os.environ["PATH"]}
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "server", "keeper"),
            *(str(self.keeper_dir), str(self.configuration)),
            cwd=ROOT,
            env=environment | settings,
            stdout=PIPE,
            stderr=STDOUT,
        )

    async def keep(self) -> int:
        """Have a keeper serve; return its pid."""
        self.process = await self.begin()
        async with patience():
            assert await asyncio.get_running_loop().sock_recv(self._ready, 100) == b"READY=1"
        return self.process.pid

    async def end(self, number: signal.Signals = signal.SIGTERM) -> None:
        """End the keeper."""
        if self.process is not None:
            self.process.send_signal(number)
            async with patience():
                await self.process.communicate()
            self.process = None

    async def clear(self) -> None:
        """End what still runs, and the keeper."""
        if self.process is not None and self.process.returncode is None:
            client = KeeperClient(self.keeper_dir, launches=False)
            for run_id in await client.runs():
                await client.stop(run_id, signal="SIGKILL", grace_seconds=0)
            await until(lambda: all(map(self.spool.read_exit, self.spool.run_ids())))
            await client.close()
            await self.end(signal.SIGKILL)
        self._ready.close()

    @asynccontextmanager
    async def serving(self, **settings: str) -> AsyncIterator[Client]:
        """Run a server as its user, with a database of its own."""
        own = {"keeper_directory": str(self.keeper_dir), "run_as": USER.pw_name}
        own |= {"working_directory": "/", "auth": "off", **settings}
        service = Service(self.state_dir, None, **own)
        try:
            async with aiohttp.ClientSession() as session:
                await service.start(*as_user(SERVER.pw_name))
                yield Client(session, service)
                assert await service.terminate() == 0
                assert "Traceback" not in service.log
        finally:
            await service.kill()
            left = postmaster.pid_of(self.state_dir / "database")
            if left is not None:
                os.kill(left, signal.SIGQUIT)


@pytest.fixture
async def host() -> AsyncIterator[Host]:
    with reachable() as directory:
        host = Host(directory)
        try:
            yield host
        finally:
            await host.clear()


@pytest.fixture
async def client(host: Host) -> AsyncIterator[Client]:
    await host.keep()
    async with host.serving() as client:
        yield client


async def test_a_run_is_started_watched_and_removed(host: Host, client: Client) -> None:
    assert os.stat(f"/proc/{client.service.pid}").st_uid == SERVER.pw_uid  # noqa: PTH116
    run_id = await client.run("id -un; echo 2 > /dev/stderr; echo 3 > /dev/stdout; exit 4")
    run = await client.finished(run_id)
    assert (run["state"], run["exitcode"]) == ("failed", 4)
    assert await client.output(run_id) == f"{USER.pw_name}\n2\n3\n".encode()
    await until(lambda: not host.spool.run_ids())
    await until(lambda: not [*(host.keeper_dir / "work").iterdir()])
    await until(lambda: not [*(host.keeper_dir / "trash").iterdir()])


async def test_the_server_reads_the_spools_and_writes_none(host: Host, client: Client) -> None:
    run_id = await client.run("echo secret; sleep 1000")
    spool, work = host.spool.directory(run_id), host.spool.work(run_id)
    await until(lambda: (spool / "output").read_bytes() == b"secret\n")
    script = (
        f"cat {spool}/output {spool}/run.json {work}/script > /dev/null && echo read;"
        f" touch {spool}/exit.json; touch {spool.parent}/new; echo >> {spool}/output;"
        f" rm {spool}/pipe; rm {work}/script; touch {work}/new; ls {host.keeper_dir}/trash"
    )
    said = await run_as(SERVER.pw_name, script)
    assert said[0] == "read"
    assert len(said) == 8
    assert all(line.endswith("Permission denied") for line in said[1:]), said


async def test_a_run_reaches_neither_the_keeper_nor_the_spools(host: Host, client: Client) -> None:
    keeper_dir, pid = host.keeper_dir, client.service.pid
    run_id = await client.run(
        f"exec 2>&1; ls {keeper_dir}; ls {keeper_dir}/spool; ls {keeper_dir}/keeper;"
        f" ls {host.state_dir}; cat /proc/{pid}/environ; kill -9 {pid}; kill -9 $PPID"
    )
    await client.finished(run_id)
    said = (await client.output(run_id)).decode().splitlines()
    assert len(said) == 7
    for line in said:
        assert line.endswith(("Permission denied", "Operation not permitted")), said


async def test_another_user_is_not_answered_even_in_the_servers_group(
    host: Host, client: Client
) -> None:
    """The mode lets him connect; the kernel says who he is."""
    assert await client.run("true")
    ask = (
        "import socket; s = socket.socket(socket.AF_UNIX); s.settimeout(20);"
        f" s.connect('{host.keeper_dir}/keeper/socket'); print('connected', flush=True);"
        ' s.send(b\'{"id": 1, "op": "list"}\\n\'); print(len(s.recv(100)))'
    )
    for groups, connects in ((["--clear-groups"], False), ([f"--groups={SERVER.pw_gid}"], True)):
        command = ("/usr/bin/setpriv", "--reuid=nobody", "--regid=nogroup", *groups)
        said = await lines(*command, "/usr/bin/python3", "-c", ask)
        assert ("connected" in said) is connects
        # Without an answer: the connection is closed, or reset.
        assert said[-1] == "0" or said[-1].startswith(("Connection", "BrokenPipe", "Permission"))


async def test_a_stop_ends_all_of_a_run(host: Host, client: Client) -> None:
    run_id = await client.run("setsid sh -c 'trap \"\" TERM; echo $$; sleep 1000; :' & sleep 1000")
    output = host.spool.output_path(run_id)
    background = int(await until(lambda: (output.exists() and output.read_bytes()) or None))
    await client.stop(run_id, grace_seconds=0.2)
    run = await client.finished(run_id)
    assert (run["state"], run["signal"]) == ("stopped", "SIGTERM")
    assert not Path(f"/proc/{background}").exists()


async def test_a_killed_server_and_a_renewed_keeper_lose_nothing(
    host: Host, client: Client
) -> None:
    run_id = await client.run(f"echo one; {WAIT}echo two > /dev/stderr; exit 5")
    await until(lambda: host.spool.output_path(run_id).exists())
    await client.service.kill()
    keeper = KeeperClient(host.keeper_dir, launches=False)
    before = (await keeper.open()).pid
    assert (await keeper.renew()).pid == before
    await keeper.close()
    await client.service.start(*as_user(SERVER.pw_name))
    (host.spool.work(run_id) / "go").touch()
    run = await client.finished(run_id)
    assert (run["state"], run["exitcode"]) == ("failed", 5)
    assert await client.output(run_id) == b"one\ntwo\n"


async def test_a_keeper_that_is_started_again_goes_on(host: Host, client: Client) -> None:
    """Killed, it loses how its runs end; what waits meanwhile is removed later."""
    run_id = await client.run(f"echo one; {WAIT}echo two")
    output = host.spool.output_path(run_id)
    await until(lambda: output.exists() and output.read_bytes() == b"one\n")
    await host.end(signal.SIGKILL)
    await host.keep()
    (host.spool.work(run_id) / "go").touch()
    run = await client.finished(run_id)
    assert run["state"] == "lost"
    assert await client.output(run_id) == b"one\ntwo\n"
    assert (await client.finished(await client.run("true")))["exitcode"] == 0


async def test_a_keeper_that_is_stopped_ends_with_its_last_run(host: Host, client: Client) -> None:
    run_id = await client.run(f"echo one; {WAIT}exit 6")
    await until(lambda: host.spool.read_process(run_id))
    assert host.process is not None
    host.process.terminate()
    assert host.process.stdout is not None
    while b"the keeper ends with the last of 1 runs" not in (
        line := await host.process.stdout.readline()
    ):
        assert line
    waiting = await client.run("echo next")
    assert (await client.get_run(waiting))["state"] == "queued"
    (host.spool.work(run_id) / "go").touch()
    async with patience():
        said, _ = await host.process.communicate()
    assert host.process.returncode == 0, said
    await host.keep()
    assert (await client.finished(run_id))["exitcode"] == 6
    assert (await client.finished(waiting))["exitcode"] == 0


async def test_only_those_that_roots_file_lists_are_run_as(host: Host) -> None:
    await host.keep()
    async with host.serving(run_as="man") as client:
        run = await client.finished(await client.run("true"))
        assert f"'man' is not one of the users in {host.configuration}" in run["reason"]
        host.configuration.write_text(f"server = daemon\nusers = man, {SERVER.pw_name}\n")
        assert (await client.finished(await client.run("true")))["exitcode"] == 0
        host.configuration.chmod(0o664)
        waiting = await client.run("true")
        said = f"{host.configuration} is to be root's, and written by root alone"
        await until(lambda: said in client.service.log)
        assert (await client.get_run(waiting))["state"] == "queued"
        host.configuration.chmod(0o644)
        assert (await client.finished(waiting))["exitcode"] == 0


async def test_the_servers_own_user_is_never_run_as(host: Host) -> None:
    """He may read every output; so may whoever is in his group."""
    host.configuration.write_text(f"server = daemon\nusers = {SERVER.pw_name}\n")
    await host.keep()
    async with host.serving(run_as=SERVER.pw_name) as client:
        run = await client.finished(await client.run("true"))
        assert "is the server's user or in its group" in run["reason"]


@pytest.mark.parametrize(
    ("configuration", "said"),
    [
        ("server = nobody-here\nusers = nobody\n", "this host has no user 'nobody-here'"),
        ("server = daemon\n", "is to have the lines"),
        ("server = daemon\nusers = nobody\nroot = yes\n", "is to have the lines"),
        ("server = daemon\nusers\n", "line 2: it is not `name = value`"),
        (None, "cannot be read"),
    ],
)
async def test_a_configuration_that_is_wrong_is_told(
    host: Host, configuration: str | None, said: str
) -> None:
    if configuration is None:
        host.configuration.unlink()
    else:
        host.configuration.write_text(configuration)
    process = await host.begin()
    async with patience():
        told, _ = await process.communicate()
    assert process.returncode == os.EX_CONFIG
    assert said in told.decode()
    assert "Traceback" not in told.decode()


async def test_a_server_without_its_keeper_or_a_user_is_told_what_to_do(host: Host) -> None:
    settings = {"keeper_directory": str(host.keeper_dir)}
    code, said = await Service(host.state_dir, None, **settings).refused()
    assert (code, "TAILRUN_RUN_AS" in said) == (os.EX_CONFIG, True)


async def run_as(name: str, script: str) -> list[str]:
    """Run a script as a user; return the lines that it says."""
    user = ("/usr/bin/setpriv", f"--reuid={name}", f"--regid={name}", "--clear-groups")
    return await lines(*user, "/bin/sh", "-c", script)


async def lines(*command: str) -> list[str]:
    """Return the lines that a command says."""
    process = await asyncio.create_subprocess_exec(*command, cwd="/", stdout=PIPE, stderr=STDOUT)
    async with patience():
        said, _ = await process.communicate()
    return said.decode().splitlines()
