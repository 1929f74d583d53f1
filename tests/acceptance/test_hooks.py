"""Deliveries to hooks, through kills of the server and for runs of other users."""

import asyncio
import os
import pwd
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import aiohttp
import pytest

from server.keeper import processes
from server.keeper.failpoints import VARIABLE
from server.repositories.embedded.server import EmbeddedDatabase
from tests.acceptance.conftest import ended
from tests.support.client import Client, Start
from tests.support.hooks import github
from tests.support.postgres import query
from tests.support.service import Service
from tests.support.users import reachable
from tests.support.waiting import until, until_true

USER, OTHER = pwd.getpwnam("nobody"), pwd.getpwnam("daemon")
BODY = b'{"ref": "refs/heads/main"}\r\n\x00\xff'


async def made_hook(client: Client, script: str) -> tuple[str, str]:
    """Store a command with a hook; return the path of that, and its secret."""
    command = await client.create(script, start=False)
    path, asked = f"commands/{command['id']}/hooks", {"name": "push", "scheme": "github"}
    hook = await client.call("POST", path, status=201, json=asked)
    return f"hooks/{hook['id']}", hook["secret"]


@pytest.mark.parametrize("point", ["run.stored", "run.started"])
async def test_a_delivery_starts_one_run_wherever_the_server_is_killed(
    start: Start, monkeypatch: pytest.MonkeyPatch, point: str
) -> None:
    """Its sender gets no answer, and sends it again; the body was kept."""
    monkeypatch.setenv(VARIABLE, point)
    client = await start()
    path, secret = await made_hook(client, 'cat "$TAILRUN_HOOK_BODY"')
    headers, killed = github(secret, BODY), client.service.pid
    with suppress(aiohttp.ClientConnectionError):
        await client.call("POST", path, data=BODY, headers=headers)

    def gone() -> bool:
        process = processes.read(killed)
        return process is None or process.ended

    await until(gone)
    await client.service.kill()
    monkeypatch.delenv(VARIABLE)
    await client.service.start()
    again = await client.call("POST", path, data=BODY, headers=headers, status=200)
    assert again["outcome"] == "repeated"
    [run] = (await client.call("GET", "runs/"))["items"]
    assert run["id"] == again["run_id"]
    assert (await client.finished(run["id"]))["state"] == "succeeded"
    assert await client.output(run["id"]) == BODY
    assert secret not in client.service.log


async def test_a_body_waits_with_its_run_and_goes_when_that_has_ended(
    start: Start, tmp_path: Path
) -> None:
    """In the database; and with the run's work directory."""
    client = await start(max_concurrent_runs="1")
    gate = tmp_path / "gate"
    await client.run(f"while ! [ -e {gate} ]; do sleep 0.02; done")
    path, secret = await made_hook(
        client, 'cat "$TAILRUN_HOOK_BODY"; echo "$TAILRUN_HOOK_BODY" >&2'
    )
    told = await client.call("POST", path, data=BODY, headers=github(secret, BODY), status=201)
    assert (await client.get_run(told["run_id"]))["state"] == "queued"
    await client.service.kill()
    await client.service.start()
    gate.touch()
    assert (await client.finished(told["run_id"]))["state"] == "succeeded"
    output = await client.output(told["run_id"])
    assert output.startswith(BODY)
    file = Path(os.fsdecode(output.removeprefix(BODY).strip()))
    await until(lambda: not file.exists())
    await client.service.kill()
    await client.service.start()  # at its start, and every ten minutes
    database_url = client.service.environment["TAILRUN_DATABASE_URL"]

    async def purged() -> bool:
        return not query(database_url, "SELECT FROM commands_hooks_bodies")

    await until_true(purged)


@pytest.fixture
async def served() -> AsyncIterator[Client]:
    """Run a service as root whose runs are another user's."""
    with reachable() as directory:
        state_dir = directory / "state"
        try:
            service = Service(state_dir, None, run_as=USER.pw_name, working_directory="/")
            async with ended(service), aiohttp.ClientSession() as session:
                yield Client(session, await service.start())
        finally:
            await EmbeddedDatabase(state_dir / "database").stop()


@pytest.mark.skipif(os.getuid() != 0, reason="needs root")
async def test_a_body_is_for_the_runs_own_user_alone(served: Client) -> None:
    script = 'cat "$TAILRUN_HOOK_BODY"; stat -c "%U %a" "$TAILRUN_HOOK_BODY"; sleep 1000'
    path, secret = await made_hook(served, script)
    told = await served.call("POST", path, data=BODY, headers=github(secret, BODY), status=201)
    expected = BODY + f"{USER.pw_name} 600\n".encode()

    async def read() -> bool:
        return await served.output(told["run_id"]) == expected

    await until_true(read)
    file = served.service.state_dir / "work" / told["run_id"] / "hook-body"
    assert file.stat().st_uid == USER.pw_uid
    reading = await asyncio.create_subprocess_exec(
        *("cat", str(file)), user=OTHER.pw_uid, stdout=DEVNULL, stderr=PIPE
    )
    _, said = await reading.communicate()
    assert b"Permission denied" in said
    await served.stop(told["run_id"])
