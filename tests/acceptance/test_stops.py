"""Stopping, pausing and signalling a run: all of it, and only while it runs."""

from pathlib import Path

from tests.support.client import Client
from tests.support.waiting import until


async def test_stop_ends_all_of_a_run(client: Client, tmp_path: Path) -> None:
    """Also what ignores SIGTERM, and what left the process group."""
    script = (
        f"setsid sleep 1000 & echo $! > {tmp_path}/pid;"
        " trap '' TERM; echo up; sleep 1000; sleep 1000"
    )
    run_id = await client.run(script)
    async with client.connect(run_id) as stream:
        assert (await stream.receive()).data == "up"
    assert (await client.stop(run_id, grace_seconds=0.3))["stopping"]
    await client.stop(run_id, grace_seconds=0.3)
    run = await client.finished(run_id)
    assert (run["state"], run["signal"], run["stopping"]) == ("stopped", "SIGKILL", False)
    pid = int((tmp_path / "pid").read_text())
    await until(lambda: not Path(f"/proc/{pid}").exists())


async def test_a_stop_is_told_to_viewers(client: Client) -> None:
    run_id = await client.run("trap '' TERM; echo up; sleep 1000; sleep 1000")
    async with client.connect(run_id, format="json") as stream:
        while (await stream.receive_json())["type"] != "output":
            pass
        await client.stop(run_id, grace_seconds=0.1)
        told = await stream.receive_json()
        assert (told["type"], told["run"]["stopping"]) == ("run", True)


async def test_a_stop_without_a_body_takes_the_defaults(client: Client) -> None:
    run_id = await client.run("sleep 1000")
    await client.call("POST", f"runs/{run_id}/stop", status=202)
    assert (await client.finished(run_id))["signal"] == "SIGTERM"


async def test_a_stop_may_name_its_signal(client: Client) -> None:
    run_id = await client.run(
        "trap 'echo interrupted; exit 5' INT; echo up; while :; do sleep 1; done"
    )
    async with client.connect(run_id) as stream:
        assert (await stream.receive()).data == "up"
        await client.stop(run_id, signal="SIGINT")
        assert (await stream.receive()).data == "interrupted"
    run = await client.finished(run_id)
    assert (run["state"], run["exitcode"], run["signal"]) == ("stopped", 5, None)


async def test_a_run_that_has_ended_is_not_stopped(client: Client) -> None:
    run_id = await client.run("true")
    await client.finished(run_id)
    refused = await client.call("POST", f"runs/{run_id}/stop", status=409)
    assert "ended" in refused["detail"]
    assert (await client.get_run(run_id))["state"] == "succeeded"


async def test_a_run_is_paused_and_resumed(client: Client, tmp_path: Path) -> None:
    # D: a shell waits so for a child of vfork(2), which may be stopped before it executes.
    pid = tmp_path / "pid"
    run_id = await client.run(f"echo $$ > {pid}; echo up; while :; do sleep 0.01; done")
    async with client.connect(run_id) as stream:
        assert (await stream.receive()).data == "up"
    for name, paused, state in [("SIGSTOP", True, "TD"), ("SIGCONT", False, "RSD")]:
        answer = await client.call("POST", f"runs/{run_id}/signal", json={"signal": name})
        assert answer["paused"] is paused
        await until(lambda state=state: process_state(pid) in state)  # type: ignore[misc]
        assert (await client.get_run(run_id))["paused"] is paused
    await client.stop(run_id)
    assert (await client.finished(run_id))["state"] == "stopped"


async def test_a_paused_run_can_be_stopped(client: Client) -> None:
    run_id = await client.run("echo up; sleep 1000")
    async with client.connect(run_id, format="json") as stream:
        while (await stream.receive_json())["type"] != "output":
            pass
        await client.call("POST", f"runs/{run_id}/signal", json={"signal": "SIGSTOP"})
        assert (await stream.receive_json())["run"]["paused"]
        stopping = await client.stop(run_id)
        assert (stopping["stopping"], stopping["paused"]) == (True, False)
    run = await client.finished(run_id)
    assert (run["state"], run["signal"]) == ("stopped", "SIGTERM")


async def test_a_signal_reaches_the_run(client: Client) -> None:
    run_id = await client.run(
        "trap 'echo got it; exit 0' USR1; echo up; while :; do sleep 0.01; done"
    )
    async with client.connect(run_id) as stream:
        assert (await stream.receive()).data == "up"
        await client.call("POST", f"runs/{run_id}/signal", json={"signal": "SIGUSR1"}, status=202)
        while "got it" not in (await stream.receive()).data:  # sh tells of the signal
            pass
    run = await client.finished(run_id)
    assert (run["state"], run["exitcode"]) == ("succeeded", 0)
    body = {"signal": "SIGUSR1"}
    refused = await client.call("POST", f"runs/{run_id}/signal", json=body, status=409)
    assert "no process" in refused["detail"]


def process_state(pid: Path) -> str:
    """Return the state of the process whose pid a file holds (proc_pid_stat(5))."""
    stat = Path(f"/proc/{pid.read_text().strip()}/stat").read_text()
    return stat.rpartition(") ")[2][0]
