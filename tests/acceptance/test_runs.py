"""Runs: how they end, what they get, what they leave."""

from pathlib import Path

import pytest

from tests.support.client import Client, Start
from tests.support.waiting import patience, until


async def test_the_end_is_told_truly(client: Client, subtests: pytest.Subtests) -> None:
    for script, state, exitcode, signal, close in [
        ("true", "succeeded", 0, None, "exit 0"),
        ("exit 7", "failed", 7, None, "exit 7"),
        ("exit 137", "failed", 137, None, "exit 137"),
        ("exit 255", "failed", 255, None, "exit 255"),
        ("kill -9 $$", "failed", None, "SIGKILL", "signal SIGKILL"),
        ("kill -TERM $$", "failed", None, "SIGTERM", "signal SIGTERM"),
        ("sleep 1000 & exit 7", "failed", 7, None, "exit 7"),
        ("cat; exit 3", "failed", 3, None, "exit 3"),
        ("#!/no/such/interpreter\n", "failed", None, None, "not started"),
    ]:
        with subtests.test(script=script):
            run_id = await client.run(script)
            async with patience():
                watched = await client.stream(run_id, format="json")
            assert (watched.code, watched.reason) == (1000, close)
            assert watched.messages[0]["type"] == "run"
            end = watched.messages[-1]
            assert end["type"] == "end"
            for told in (end, run := await client.get_run(run_id)):
                assert (told["state"], told["exitcode"], told["signal"]) == (
                    *(state, exitcode, signal),
                )
            assert run["end_time"] >= run["start_time"]


async def test_a_script_that_cannot_be_started_says_why(client: Client) -> None:
    run = await client.finished(await client.run("#!/no/such/interpreter\n"))
    assert "/no/such/interpreter" in run["reason"]


async def test_windows_line_ends_are_told_where_they_may_be_why(client: Client) -> None:
    for script, told in {
        "#!/usr/bin/env bash\r\necho\r\n": True,
        "#!/bin/bash\r\necho\r\n": True,
        "exit 3\r\n": True,
        "echo fine\r\n": False,
        r"printf 'a\r\n'; exit 3": False,
    }.items():
        run = await client.finished(await client.run(script))
        assert ("Windows line ends" in (run["reason"] or "")) is told, script


async def test_a_missing_working_directory_is_the_runs_reason(start: Start, tmp_path: Path) -> None:
    missing = tmp_path / "missing"
    client = await start(working_directory=str(missing))
    run = await client.finished(await client.run("true"))
    assert (run["state"], run["exitcode"]) == ("failed", None)
    assert str(missing) in run["reason"]


BASH_SCRIPT = """\
echo {1..3}
words=(one two)
echo ${words[1]}
[[ two == t* ]] && echo matched
word=ä
echo in UTF-8: ${#word}
set -o pipefail
(exit 7) | cat
"""


async def test_output_written_to_dev_stderr_loses_nothing(client: Client) -> None:
    """Re-opening a regular file there would truncate it."""
    run_id = await client.run("echo one; echo two > /dev/stderr; echo three | tee /dev/stderr")
    await client.finished(run_id)
    assert await client.output(run_id) == b"one\ntwo\nthree\nthree\n"


async def test_scripts_get_a_small_environment(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Named variables, those of PASS_ENVIRONMENT, and none of the server's secrets."""
    monkeypatch.setenv("SECRET_TOKEN", "secret")
    monkeypatch.setenv("CHOSEN", "given")
    client = await start(pass_environment="CHOSEN, MISSING")  # noqa: S106
    run_id = await client.run("env")
    await client.finished(run_id)
    lines = (await client.output(run_id)).decode().splitlines()
    given = dict(line.partition("=")[::2] for line in lines)
    assert given["CHOSEN"] == "given"
    assert given["TAILRUN_RUN_ID"] == run_id
    assert {"PATH", "TAILRUN_COMMAND_ID"} <= set(given)
    assert set(given) <= {
        *("PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LC_ALL", "TZ", "TMPDIR", "PWD"),
        *("OLDPWD", "SHLVL", "_", "PYTHONUNBUFFERED", "TAILRUN_RUN_ID", "TAILRUN_COMMAND_ID"),
        *("TERM", "CHOSEN", "TAILRUN_RUN_DIRECTORY", "TAILRUN_ATTEMPT", "TAILRUN_CAUSE"),
    }


async def test_a_script_without_an_interpreter_is_a_bash_script(client: Client) -> None:
    run_id = await client.run(BASH_SCRIPT)
    assert (await client.finished(run_id))["exitcode"] == 7
    assert await client.output(run_id) == b"1 2 3\ntwo\nmatched\nin UTF-8: 1\n"


async def test_a_script_can_ask_for_its_terminal(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the server itself was started with."""
    for name in ("TERM", "LANG", "LC_ALL"):
        monkeypatch.delenv(name, raising=False)
    client = await start()
    run_id = await client.run("set -e\nclear >/dev/null\ntput cols\necho $LANG")
    assert (await client.finished(run_id))["exitcode"] == 0
    assert await client.output(run_id) == b"80\nC.UTF-8\n"


async def test_server_and_keeper_are_not_dumpable(client: Client) -> None:
    """A process that is not dumpable has /proc files that belong to root (proc(5))."""
    keeper = await client.service.keeper_pid()
    for pid in (client.service.pid, keeper):
        assert Path(f"/proc/{pid}/environ").stat().st_uid == 0
        status = Path(f"/proc/{pid}/mem")
        assert status.stat().st_uid == 0
    run_id = await client.run(f"ls -ln /proc/{client.service.pid}/environ | cut -d' ' -f3")
    await client.finished(run_id)
    assert await client.output(run_id) == b"0\n"


async def test_runs_are_listed_by_state_and_command(client: Client) -> None:
    failed = await client.create("exit 1")
    passed = await client.create("true")
    for created in (failed, passed):
        await client.finished(created["run"]["id"])
    both = await client.call("GET", "runs/?limit=2")
    assert [run["id"] for run in both["items"]] == [passed["run"]["id"], failed["run"]["id"]]
    only = await client.call("GET", "runs?state=failed&limit=1")
    assert [run["id"] for run in only["items"]] == [failed["run"]["id"]]
    only = await client.call("GET", f"runs/?command_id={passed['id']}")
    assert [run["id"] for run in only["items"]] == [passed["run"]["id"]]


async def test_runs_are_paged(client: Client) -> None:
    created = await client.create("true")
    path = f"commands/{created['id']}/runs"
    ids = [created["run"]["id"]]
    ids += [(await client.call("POST", path))["id"] for _ in range(4)]
    found, cursor = [], ""
    while cursor is not None:
        page = await client.call("GET", f"{path}/?limit=2{cursor}")
        found += [run["id"] for run in page["items"]]
        cursor = page["next"] and f"&cursor={page['next']}"
    assert found == ids[::-1]


async def test_runs_beyond_the_bound_are_queued_in_order(start: Start) -> None:
    client = await start(max_concurrent_runs="1")
    first = await client.run("sleep 1000")
    second = await client.run("echo second")
    third = await client.run("echo third")
    assert [(await client.get_run(run))["state"] for run in (first, second, third)] == [
        "running",
        "queued",
        "queued",
    ]
    await client.stop(second)
    stopped = await client.get_run(second)
    assert (stopped["state"], stopped["exitcode"]) == ("stopped", None)
    async with patience(), client.connect(third, format="json") as stream:
        states = [(await stream.receive_json())["run"]["state"]]
        await client.stop(first)
        while message := await stream.receive_json():
            if message["type"] == "run":
                states.append(message["run"]["state"])
            elif message["type"] == "output":
                assert message["text"] == "third\n"
            else:
                break
    assert (states[0], states[-1]) == ("queued", "running")


async def test_a_command_may_have_so_many_active_runs(start: Start) -> None:
    client = await start(max_active_runs_per_command="1")
    created = await client.create("sleep 1000")
    refused = await client.call("POST", f"commands/{created['id']}/runs", status=503)
    assert "MAX_ACTIVE_RUNS_PER_COMMAND" in refused["detail"]
    await client.stop(created["run"]["id"])
    await client.finished(created["run"]["id"])
    await client.call("POST", f"commands/{created['id']}/runs", status=201)


async def test_bounds_of_a_run_end_it_visibly(start: Start, subtests: pytest.Subtests) -> None:
    for script, state, close, setting, bound in [
        ("sleep 1000", "timed_out", "timed out", "RUN_TIMEOUT_SECONDS", "0.3"),
        ("yes", "stopped", "stopped", "MAX_OUTPUT_BYTES", "100000"),
    ]:
        with subtests.test(script=script):
            client = await start(**{"run_timeout_seconds": "0", setting.lower(): bound})
            run_id = await client.run(script)
            watched = await client.stream(run_id, format="raw")
            assert (watched.code, watched.reason) == (1000, close)
            run = await client.get_run(run_id)
            assert run["state"] == state
            assert setting in run["reason"]
            await client.service.terminate()
    assert len(b"".join(watched.messages)) == run["output_bytes"] >= 100000


async def test_a_finished_run_leaves_no_spool(client: Client) -> None:
    run_id = await client.run("echo hello")
    await client.finished(run_id)
    spool = client.service.state_dir / "spool" / run_id
    await until(lambda: not spool.exists())
