"""Runs: how they end, how they are stopped, what they leave."""

import asyncio
import os
from pathlib import Path

import pytest

from tests.support.service import Client, Service
from tests.support.waiting import until


@pytest.mark.parametrize(
    ("script", "state", "exitcode", "signal", "close"),
    [
        ("true", "succeeded", 0, None, "exit 0"),
        ("exit 7", "failed", 7, None, "exit 7"),
        ("exit 137", "failed", 137, None, "exit 137"),
        ("exit 255", "failed", 255, None, "exit 255"),
        ("kill -9 $$", "failed", None, "SIGKILL", "signal SIGKILL"),
        ("kill -TERM $$", "failed", None, "SIGTERM", "signal SIGTERM"),
        ("sleep 1000 & exit 7", "failed", 7, None, "exit 7"),
        ("cat; exit 3", "failed", 3, None, "exit 3"),
        ("#!/no/such/interpreter\n", "failed", None, None, "not started"),
    ],
)
async def test_the_end_is_told_truly(
    client: Client, script: str, state: str, exitcode: int | None, signal: str | None, close: str
) -> None:
    run_id = await client.run(script)
    async with asyncio.timeout(20):
        watched = await client.stream(run_id, format="json")
    assert (watched.code, watched.reason) == (1000, close)
    assert watched.messages[0]["type"] == "run"
    end = watched.messages[-1]
    assert (end["type"], end["state"], end["exitcode"], end["signal"]) == (
        "end",
        state,
        exitcode,
        signal,
    )
    run = await client.get_run(run_id)
    assert (run["state"], run["exitcode"], run["signal"]) == (state, exitcode, signal)
    assert run["end_time"] >= run["start_time"]


async def test_a_script_that_cannot_be_started_says_why(client: Client) -> None:
    run = await client.finished(await client.run("#!/no/such/interpreter\n"))
    assert "/no/such/interpreter" in run["reason"]


async def test_output_written_to_dev_stderr_loses_nothing(client: Client) -> None:
    """Re-opening a regular file there would truncate it."""
    run_id = await client.run("echo one; echo two > /dev/stderr; echo three | tee /dev/stderr")
    await client.finished(run_id)
    assert await client.output(run_id) == b"one\ntwo\nthree\nthree\n"


async def test_scripts_get_a_small_environment(client: Client) -> None:
    run_id = await client.run("env | cut -d= -f1 | sort")
    await client.finished(run_id)
    names = set((await client.output(run_id)).decode().split())
    assert {"PATH", "TAILRUN_RUN_ID", "TAILRUN_COMMAND_ID"} <= names
    assert names <= {
        *("PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LC_ALL", "TZ", "TMPDIR", "PWD"),
        *("OLDPWD", "SHLVL", "_", "PYTHONUNBUFFERED", "TAILRUN_RUN_ID", "TAILRUN_COMMAND_ID"),
    }


async def test_server_and_keeper_are_not_dumpable(client: Client) -> None:
    """A process that is not dumpable has /proc files that belong to root (proc(5))."""
    keeper = await client.service.keeper_pid()
    for pid in (client.service.pid, keeper):
        status = Path(f"/proc/{pid}/coredump_filter")
        assert status.exists()
    run_id = await client.run(f"ls -ln /proc/{client.service.pid}/environ | cut -d' ' -f3")
    await client.finished(run_id)
    assert await client.output(run_id) == b"0\n"


async def test_stop_ends_all_of_a_run(client: Client, tmp_path: Path) -> None:
    script = f"setsid sleep 1000 & echo $! > {tmp_path}/pid; trap '' TERM; echo up; sleep 1000; sleep 1000"
    run_id = await client.run(script)
    async with client.connect(run_id) as stream:
        assert (await stream.receive(timeout=20)).data == "up"
    body = {"grace_seconds": 0.3}
    assert (await client.call("POST", f"runs/{run_id}/stop", json=body, status=202))["stopping"]
    await client.call("POST", f"runs/{run_id}/stop", json=body, status=202)
    run = await client.finished(run_id)
    assert (run["state"], run["signal"], run["stopping"]) == ("stopped", "SIGKILL", False)
    pid = int((tmp_path / "pid").read_text())
    await until(lambda: not Path(f"/proc/{pid}").exists())
    refused = await client.call("POST", f"runs/{run_id}/stop", status=409)
    assert "ended" in refused["detail"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"signal": "SIGNONE"}, "signal"),
        ({"grace_seconds": -1}, "grace_seconds"),
        ({"grace_seconds": "soon"}, "grace_seconds"),
        ({"when": "now"}, "when"),
    ],
)
async def test_a_wrong_stop_is_refused(client: Client, body: object, field: str) -> None:
    run_id = await client.run("sleep 100")
    refused = await client.call("POST", f"runs/{run_id}/stop", json=body, status=422)
    assert field in refused["errors"]
    assert (await client.get_run(run_id))["state"] == "running"
    await client.call("POST", f"runs/{run_id}/stop", status=202)


async def test_runs_are_listed_by_state_and_command(client: Client) -> None:
    failed = await client.create("exit 1")
    passed = await client.create("true")
    for created in (failed, passed):
        await client.finished(created["run"]["id"])
    both = await client.call("GET", "runs/")
    assert [run["id"] for run in both["items"]] == [passed["run"]["id"], failed["run"]["id"]]
    only = await client.call("GET", "runs?state=failed")
    assert [run["id"] for run in only["items"]] == [failed["run"]["id"]]
    only = await client.call("GET", f"runs/?command_id={passed['id']}&limit=1")
    assert [run["id"] for run in only["items"]] == [passed["run"]["id"]]
    await client.call("GET", "runs/?state=asleep", status=422)


async def test_runs_beyond_the_bound_are_queued_in_order(client: Client, service: Service) -> None:
    await service.terminate()
    service.set(max_concurrent_runs="1")
    await service.start()
    first = await client.run("sleep 1000")
    second = await client.run("echo second")
    third = await client.run("echo third")
    assert [(await client.get_run(run))["state"] for run in (first, second, third)] == [
        "running",
        "queued",
        "queued",
    ]
    await client.call("POST", f"runs/{second}/stop", status=202)
    stopped = await client.get_run(second)
    assert (stopped["state"], stopped["exitcode"]) == ("stopped", None)
    watching = asyncio.create_task(client.stream(third, format="text"))
    await client.call("POST", f"runs/{first}/stop", status=202)
    async with asyncio.timeout(20):
        assert (await watching).messages == ["third"]


async def test_a_finished_run_leaves_no_spool(client: Client) -> None:
    await client.finished(await client.run("echo hello"))
    spool = client.service.state_dir / "spool"
    await until(lambda: not os.listdir(spool))
