"""What a run may touch that is another user's than the server: its own things, and no others."""

import os
import pwd
import signal
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio

from server.handlers.http.local_socket import SOCKET_NAME
from server.keeper.client import KeeperClient
from server.keeper.protocol import StartRequest
from server.keeper.spool import Spool
from server.repositories.embedded.server import EmbeddedDatabase
from tests.acceptance.conftest import ended
from tests.support.client import Client
from tests.support.service import Service
from tests.support.users import reachable
from tests.support.waiting import until

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="needs root")

USER = pwd.getpwnam("nobody")
OTHER = pwd.getpwnam("daemon")

DENIED = ("Permission denied", "Operation not permitted")
CONNECT = """\
#!/usr/bin/env python3
import socket, sys
try:
    socket.socket(socket.AF_UNIX).connect("{}")
except OSError as error:
    sys.exit(error.strerror)
print("connected")
"""


@pytest.fixture
def state_dir() -> Iterator[Path]:
    """Make a place for a service of the test's own."""
    with reachable() as directory:
        yield directory / "state"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def service() -> AsyncIterator[Service]:
    """Run a service as root, with a database of its own, whose runs are another user's."""
    with reachable() as directory:
        state_dir = directory / "state"
        try:
            service = Service(state_dir, None, run_as=USER.pw_name, working_directory="/")
            async with ended(service):
                yield await service.start()
        finally:
            await EmbeddedDatabase(state_dir / "database").stop()


@pytest.fixture
async def client(service: Service) -> AsyncIterator[Client]:
    """Be a client of it."""
    async with aiohttp.ClientSession() as session:
        yield Client(session, service)


async def said(client: Client, script: str) -> str:
    """Run a script to its end; return what it wrote."""
    run_id = await client.run(script)
    run = await client.finished(run_id)
    output = (await client.output(run_id)).decode("utf-8", "replace")
    assert run["exitcode"] is not None, run["reason"]
    return output


async def is_denied(client: Client, script: str) -> None:
    """See that each of the script's commands is denied, and says so in a line."""
    lines = (await said(client, f"id -u; exec 2>&1; {script}")).splitlines()
    assert lines[0] == str(USER.pw_uid)
    assert len(lines) > 1
    for line in lines[1:]:
        assert line.endswith(DENIED), lines


@asynccontextmanager
async def other_run(state_dir: Path) -> AsyncIterator[str]:
    """Have the keeper run something as yet another user."""
    keeper, run_id = KeeperClient(state_dir), str(uuid.uuid4())
    request = StartRequest(  # noqa: S604
        run_id=run_id,
        script="echo secret; sleep 1000",
        shell="/bin/sh",
        directory="/",
        environment={"PATH": os.environ["PATH"]},
        user=OTHER.pw_name,
    )
    try:
        assert await keeper.start(request)
        output = state_dir / "spool" / run_id / "output"
        await until(lambda: output.read_bytes() == b"secret\n")
        yield run_id
        assert await keeper.stop(run_id, signal="SIGKILL", grace_seconds=0)
    finally:
        await keeper.close()


async def test_it_cannot_read_the_environment_of_server_and_keeper(client: Client) -> None:
    keeper = await client.service.keeper_pid()
    for pid in (client.service.pid, keeper):
        await is_denied(client, f"cat /proc/{pid}/environ; cat /proc/{pid}/mem; ls /proc/{pid}/fd")


async def test_it_cannot_read_what_another_users_run_has(client: Client) -> None:
    """Neither its environment and spool nor its script."""
    state = client.service.state_dir
    async with other_run(state) as run_id:
        record = Spool.of(state).read_process(run_id)
        assert record is not None
        await is_denied(
            client,
            f"cat {state}/spool/{run_id}/output; cat {state}/work/{run_id}/script;"
            f" cat /proc/{record.pid}/environ; kill -9 {record.pid}",
        )


async def test_it_cannot_see_which_runs_there_are(client: Client) -> None:
    state = client.service.state_dir
    await said(client, "true")
    await until((state / "trash").exists)
    places = (".", "spool", "work", "trash", "keeper", "database")
    await is_denied(client, "; ".join(f"ls {state}/{place}" for place in places))


async def test_it_cannot_ask_the_keeper(client: Client) -> None:
    await client.service.keeper_pid()
    output = await said(client, CONNECT.format(client.service.state_dir / "keeper" / "socket"))
    assert output == "Permission denied\n"


async def test_it_cannot_ask_the_server_as_one_of_its_own_user(client: Client) -> None:
    """Neither by the command line's socket nor by the address on loopback."""
    output = await said(client, CONNECT.format(client.service.state_dir / SOCKET_NAME))
    assert output == "Permission denied\n"
    ask = f"curl -s -o /dev/null -w '%{{http_code}}' {client.url('commands/')}"
    assert await said(client, ask) == "401"


async def test_it_cannot_ask_the_database(client: Client) -> None:
    """Which trusts everybody who reaches its socket."""
    database = client.service.state_dir / "database"
    output = await said(client, CONNECT.format(database / ".s.PGSQL.5432"))
    assert output == "Permission denied\n"
    await is_denied(client, f"cat {database}/pg_hba.conf; cat {database}/PG_VERSION")


async def test_it_cannot_signal_what_runs_it(client: Client) -> None:
    keeper = await client.service.keeper_pid()
    database = int(
        (client.service.state_dir / "database" / "postmaster.pid").read_text().split()[0]
    )
    pids = (client.service.pid, keeper, database)
    await is_denied(client, "; ".join(f"kill -9 {pid}" for pid in pids))


async def test_it_cannot_forge_an_end(client: Client) -> None:
    """Nor write what it has not written, nor take back what it has."""
    state = client.service.state_dir
    spool = f"{state}/spool/$TAILRUN_RUN_ID"
    await is_denied(
        client,
        f"(echo '{{\"exitcode\": 0}}' > {spool}/exit.json); (echo more >> {spool}/output);"
        f" (: > {spool}/output); rm -r {spool}; mv {spool} /tmp; mkdir {state}/spool/x",
    )


async def test_its_work_directory_is_its_own(client: Client) -> None:
    output = await said(client, 'cd "${0%/*}" && pwd && touch file && ls && rm script && ls')
    assert output.splitlines()[1:] == ["file", "script", "file"]


async def test_what_it_writes_to_its_streams_by_name_is_kept(client: Client) -> None:
    output = await said(client, "echo 1 > /dev/stdout; echo 2 > /dev/stderr; echo 3 > /dev/fd/2")
    assert output == "1\n2\n3\n"


async def test_it_is_stopped_with_all_that_it_has_begun(client: Client) -> None:
    run_id = await client.run(
        "setsid sh -c 'trap \"\" TERM; echo $$; sleep 1000; sleep 1000' & sleep 1000"
    )
    background = int(await until_written(client, run_id))
    await client.stop(run_id, grace_seconds=0.2)
    run = await client.finished(run_id)
    assert (run["state"], run["signal"]) == ("stopped", signal.SIGTERM.name)
    assert not Path(f"/proc/{background}").exists()
    await until(lambda: not (client.service.state_dir / "work" / run_id).exists())


async def test_another_server_adopts_it(state_dir: Path, database_url: str) -> None:
    script = 'echo one; until [ -e "${0%/*}/go" ]; do sleep 0.02; done; echo two >/dev/stderr'
    settings = {"run_as": USER.pw_name, "working_directory": "/"}
    async with (
        ended(Service(state_dir, database_url, **settings)) as service,
        aiohttp.ClientSession() as session,
    ):
        client = Client(session, await service.start())
        run_id = await client.run(f"{script}; exit 5")
        await until_written(client, run_id)
        await service.kill()
        await service.start()
        (state_dir / "work" / run_id / "go").touch()
        run = await client.finished(run_id)
        assert (run["state"], run["exitcode"]) == ("failed", 5)
        assert await client.output(run_id) == b"one\ntwo\n"


async def until_written(client: Client, run_id: str) -> bytes:
    """Wait for the first line of a run's output."""
    output = client.service.state_dir / "spool" / run_id / "output"
    return await until(lambda: output.read_bytes() if output.exists() else None)


async def test_runs_are_roots_as_root_has_started_the_server_and_it_says_so(
    state_dir: Path, database_url: str
) -> None:
    async with (
        ended(Service(state_dir, database_url)) as service,
        aiohttp.ClientSession() as session,
    ):
        client = Client(session, await service.start())
        assert await said(client, "id -u") == "0\n"
        [line] = [line for line in service.log.splitlines() if "runs are root's" in line]
        assert "TAILRUN_RUN_AS" in line
        service.set(allow_root_runs="true")
        await service.terminate()
        await service.start()
        assert service.log.count("runs are root's") == 1


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"run_as": "missing"}, "TAILRUN_RUN_AS names 'missing', and this host has no such user"),
        ({"run_as": "root"}, "TAILRUN_RUN_AS names root. Name another user, or set"),
        ({"run_as_users": "nobody,root"}, "TAILRUN_RUN_AS_USERS names root."),
        (
            {"host": "0.0.0.0", "insecure_no_auth": "true"},  # noqa: S104
            "Not started: runs are root's, as the server is: set TAILRUN_RUN_AS",
        ),
        ({"run_as_users": "pgserver"}, "names pgserver, whose the embedded database is"),
        ({"run_umask": "9"}, "it takes three octal digits, such as 027"),
    ],
)
async def test_a_user_that_runs_must_not_be_is_refused(
    state_dir: Path, settings: dict[str, str], said: str
) -> None:
    code, message = await Service(state_dir, None, **settings).refused()
    assert code == os.EX_CONFIG
    assert said in message
    assert not state_dir.exists()


async def test_it_cannot_work_in_a_directory_that_its_user_may_not_enter(
    client: Client, tmp_path: Path
) -> None:
    """Though the server, and whoever gave the directory, may."""
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    run = (await client.create("pwd", working_directory=str(closed)))["run"]
    ended = await client.finished(run["id"])
    assert (ended["state"], ended["exitcode"]) == ("failed", None)
    assert f"enter the directory '{closed}': Permission denied" in ended["reason"]
