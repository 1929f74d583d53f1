"""What a hook was sent, in a file of the run's work directory."""

from base64 import b64encode
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from server.keeper.protocol import Hello, KeeperRefusedError
from tests.integration.keeper.harness import Host, a_host

BODY = bytes(range(256)) * 100
SHOW = 'cat "$TAILRUN_HOOK_BODY"'


@pytest.fixture
async def host(tmp_path: Path) -> AsyncIterator[Host]:
    async with a_host(tmp_path) as host:
        yield host


@pytest.mark.parametrize("body", [BODY, b""], ids=["bytes", "nothing"])
async def test_a_run_reads_the_exact_bytes(host: Host, body: bytes) -> None:
    hook_body = b64encode(body).decode()
    end, output = await host.finish(f"{SHOW}; exit 3", hook_body=hook_body)
    assert (end.exitcode, output) == (3, body)


async def test_a_run_of_no_hook_has_no_body(host: Host) -> None:
    run_id = await host.start('exec sleep 1000; echo "${TAILRUN_HOOK_BODY-none}"')
    assert [path.name for path in host.spool.work(run_id).iterdir()] == ["script"]
    assert (await host.finish('echo "${TAILRUN_HOOK_BODY-none}"'))[1] == b"none\n"


async def test_what_is_no_base64_is_refused(host: Host) -> None:
    with pytest.raises(KeeperRefusedError):
        await host.start("true", hook_body="no base64!")
    assert host.spool.run_ids() == []


async def test_an_older_keeper_is_not_asked_to_hand_a_body_over(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would start the run without it."""
    await host.hello()
    connection = host.client._connection
    assert connection is not None
    older = connection.hello
    monkeypatch.setattr(connection, "hello", Hello(older.protocol, older.version, older.pid))
    with pytest.raises(KeeperRefusedError, match="of an older version, which hands no hook's body"):
        await host.start(SHOW, hook_body="")
    assert host.spool.run_ids() == []
    await host.ended(await host.start("true"))
