"""Stops are on record whatever happens: no database, no journal, killed on the way."""

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from server.keeper import processes
from server.keeper.failpoints import VARIABLE
from tests.support.client import Client, Start
from tests.support.outage import Outage
from tests.support.postgres import execute
from tests.support.waiting import until, until_true

UNKNOWN = "the server ended before this was known to be done"


def gone(pid: int) -> bool:
    process = processes.read(pid)
    return process is None or process.ended


async def stops(client: Client) -> list[dict[str, Any]]:
    page = await client.call("GET", "audit/?act=run.stop")
    found: list[dict[str, Any]] = page["items"]
    return found


async def entered(client: Client) -> dict[str, Any]:
    """Wait for a stop's entry, and until no other can come; return it."""
    await until_true(lambda: stops(client))
    journal = client.service.state_dir / "audit"
    await until(lambda: journal.read_bytes()[:1] == b"\0")
    [entry] = await stops(client)
    return entry


@pytest.mark.parametrize("restart", [False, True], ids=["returns", "returns to another server"])
async def test_a_stop_without_the_database_is_entered_once_it_is_back(
    start: Start, outage: Outage, *, restart: bool
) -> None:
    client = await start()
    run_id = await client.run("sleep 1000")
    outage.begin()
    await client.stop(run_id, signal="SIGINT")
    if restart:
        await client.service.kill()
    outage.end()
    if restart:
        await client.service.start()
    entry = await entered(client)
    assert (entry["run_id"], entry["outcome"]) == (run_id, "done")
    assert entry["details"]["signal"] == "SIGINT"
    assert (await client.finished(run_id))["state"] == "stopped"


@pytest.mark.parametrize(
    ("point", "why"), [("audit.begun", UNKNOWN), ("audit.done", UNKNOWN), ("audit.entered", None)]
)
async def test_a_stop_is_entered_once_wherever_its_server_is_killed(
    start: Start, monkeypatch: pytest.MonkeyPatch, point: str, why: str | None
) -> None:
    monkeypatch.setenv(VARIABLE, point)
    client = await start()
    run_id = await client.run("sleep 1000")
    pid = client.service.pid
    with suppress(aiohttp.ClientConnectionError):
        await client.stop(run_id)
    await until(lambda: gone(pid))
    await client.service.kill()
    monkeypatch.delenv(VARIABLE)
    await client.service.start()
    entry = await entered(client)
    assert (entry["run_id"], entry["outcome"]) == (run_id, "done")
    assert entry["details"].get("why") == why
    run = await client.get_run(run_id)
    assert (run["state"] == "running" and not run["stopping"]) == (point == "audit.begun")


async def test_a_stop_that_can_be_put_on_record_nowhere_is_not_done(
    start: Start, outage: Outage
) -> None:
    client = await start(database_timeout_seconds="3")
    run_id = await client.run("sleep 1000")
    other = await client.run("sleep 1000")
    journal = client.service.state_dir / "audit"
    journal.unlink()
    journal.mkdir()
    outage.begin()
    for act, body in [("stop", {}), ("signal", {"signal": "SIGKILL"})]:
        told = await client.call("POST", f"runs/{run_id}/{act}", json=body, status=503)
        assert told["type"] == "/docs/api.md#audit-unavailable"
    outage.end()
    run = await client.get_run(run_id)
    assert (run["state"], run["stopping"]) == ("running", False)

    async def stopped() -> bool:
        url = client.url(f"runs/{run_id}/stop")
        async with client.session.post(url, json={}) as response:
            return response.status == 202

    await until_true(stopped)  # with the database, the journal is not needed
    [entry] = await stops(client)
    assert (entry["run_id"], entry["outcome"]) == (run_id, "done")
    journal.rmdir()
    await client.stop(other)  # and once it can be made, it is used again

    async def both() -> bool:
        return [entry["run_id"] for entry in await stops(client)] == [other, run_id]

    await until_true(both)


async def test_what_failed_without_the_database_is_on_record(start: Start, outage: Outage) -> None:
    client = await start()
    created = await client.create("true", start=False)
    outage.begin()
    await client.call("DELETE", f"commands/{created['id']}", status=503)
    await client.service.terminate()
    outage.end()
    await client.service.start()

    async def failed() -> list[dict[str, Any]]:
        page = await client.call("GET", "audit/?act=command.delete")
        found: list[dict[str, Any]] = page["items"]
        return found

    await until_true(failed)
    [entry] = await failed()
    assert (entry["outcome"], entry["command_id"]) == ("failed", created["id"])
    assert entry["details"]["why"]


async def test_entries_that_the_table_refuses_wait(start: Start, database_url: str) -> None:
    client = await start()
    execute(database_url, "ALTER TABLE audit ADD CONSTRAINT never CHECK (act <> 'run.stop')")
    run_id = await client.run("sleep 1000")
    await client.stop(run_id)

    async def told() -> bool:
        async with client.session.get(client.page_url("/readyz")) as response:
            assert response.status == 200
            return "1 to be entered: " in (await response.json())["audit"]

    await until_true(told)
    await client.service.terminate()
    execute(database_url, "ALTER TABLE audit DROP CONSTRAINT never")
    await client.service.start()
    assert (await entered(client))["run_id"] == run_id


@pytest.mark.parametrize("kind", ["a directory", "a link"])
async def test_a_journal_that_is_none_is_named_at_the_start(start: Start, kind: str) -> None:
    client = await start()
    await client.service.terminate()
    journal = client.service.state_dir / "audit"
    journal.unlink()
    journal.mkdir() if kind == "a directory" else journal.symlink_to("/dev/null")
    code, said = await client.service.refused()
    assert code == 78
    assert "The journal of the audit cannot be used" in said
    journal.rmdir() if kind == "a directory" else journal.unlink()


async def test_the_audit_is_also_in_a_file(start: Start, tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    client = await start(audit_log=str(path))
    created = await client.create("true", start=False)
    await until(lambda: path.read_bytes().endswith(b"\n"))
    assert [json.loads(path.read_text())] == (await client.call("GET", "audit/"))["items"]
    assert json.loads(path.read_text())["command_id"] == created["id"]
    async with client.session.get(client.page_url("/readyz")) as response:
        assert (await response.json())["audit_log"] == "ok"
    await client.service.terminate()
    client.service.set(audit_log=str(tmp_path))
    code, said = await client.service.refused()
    assert code == 78
    assert f"TAILRUN_AUDIT_LOG: {tmp_path} cannot be written: Is a directory" in said
