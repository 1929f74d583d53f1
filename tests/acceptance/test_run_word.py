"""`tailrun run` and `tailrun tail`: bytes, exit code, signals, terminals."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from asyncio.subprocess import PIPE, Process
from pathlib import Path
from typing import NamedTuple

import pytest

from server.handlers.http.local_socket import SOCKET_NAME
from tests.support.client import Client, Start
from tests.support.numbered import Numbered
from tests.support.outage import Outage
from tests.support.relay import Relay
from tests.support.service import ROOT, Service, environment_without_settings
from tests.support.terminal import terminal
from tests.support.waiting import patience, until

LATER = "echo before; read -r _ < {gate}; echo after; exit 5"
STUBBORN = "trap '' TERM; echo ready; while :; do sleep 1; done"


class Ended(NamedTuple):
    """What a command wrote, and its exit code."""

    code: int | None
    out: bytes
    err: str


async def begin(address: str, *words: str, **environment: str) -> Process:
    """Say `tailrun …` to the server at an address."""
    own = {"TAILRUN_URL": address, **environment}
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "server", *words),
        cwd=ROOT,
        env=environment_without_settings() | own,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=PIPE,
        stderr=PIPE,
    )


async def ended(process: Process) -> Ended:
    async with patience():
        out, err = await process.communicate()
    return Ended(process.returncode, out, err.decode())


async def say(client: Client, *words: str, **environment: str) -> Ended:
    return await ended(await begin(client.service.address, *words, **environment))


async def stored(client: Client, script: str) -> str:
    """Store a command; return its id."""
    command = await client.create(script, start=False)
    return str(command["id"])


@pytest.fixture
def gate(tmp_path: Path) -> Path:
    """Make a FIFO at which a script waits until somebody opens it to write."""
    path = tmp_path / "gate"
    os.mkfifo(path)
    return path


async def pass_gate(gate: Path) -> None:
    await asyncio.to_thread(gate.write_text, "go\n")


@pytest.mark.parametrize(
    ("script", "code"), [("true", 0), ("exit 7", 7), ("kill -KILL $$", 137), ("kill -USR1 $$", 138)]
)
async def test_the_bytes_go_to_stdout_and_the_code_is_the_runs(
    client: Client, script: str, code: int
) -> None:
    said = await say(client, "run", await stored(client, f"printf 'a\\000\\377b'; {script}"))
    assert said == Ended(code, b"a\x00\xffb", "")


async def test_output_to_a_file_is_exact_through_cuts_and_a_kill_of_the_server(
    start: Start, service: Service, tmp_path: Path
) -> None:
    client = await start()
    numbered = Numbered(tmp_path, seed=3, exitcode=9)
    command = await stored(client, numbered.script)
    async with Relay(service.state_dir / SOCKET_NAME, cut_after_bytes=50_000) as relay:
        address = f"http://127.0.0.1:{relay.port}"
        process = await begin(address, "run", command)
        ending = asyncio.create_task(ended(process))
        await until(lambda: relay.cuts >= 10 or ending.done())
        await service.kill()
        await service.start()
        await until(lambda: relay.cuts >= 21 or ending.done())
        numbered.end()
        said = await ending
    assert said.code == 9
    assert said.out == numbered.output


async def test_an_interrupt_lets_the_run_go_and_says_how_to_come_back(
    client: Client, gate: Path
) -> None:
    command = await stored(client, LATER.format(gate=gate))
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        process = await begin(client.service.address, "run", command)
        assert process.stdout is not None
        async with patience():
            assert await process.stdout.readline() == b"before\n"
        process.send_signal(number)
        said = await ended(process)
        assert said.code == 128 + number
        assert said.err.startswith("tailrun: Run ")
        run_id = said.err.split()[2]
        back = said.err.partition("`tailrun tail ")[2].partition("`")[0].split()
        assert back == [run_id, "--offset", "7"]
        await pass_gate(gate)
        again = await say(client, "tail", *back)
        assert (again.code, again.out) == (5, b"after\n")


async def test_an_interrupt_stops_the_run_where_that_is_asked_for(client: Client) -> None:
    command = await stored(client, "echo ready; exec sleep 1000")
    process = await begin(client.service.address, "run", "--stop-on-interrupt", command)
    assert process.stdout is not None
    async with patience():
        assert await process.stdout.readline() == b"ready\n"
    process.send_signal(signal.SIGINT)
    said = await ended(process)
    assert said.code == 143
    assert "is being stopped. Once more kills it." in said.err
    assert "ended as stopped" in said.err


async def test_a_second_interrupt_kills_and_a_third_lets_go(client: Client) -> None:
    command = await stored(client, STUBBORN)
    process = await begin(client.service.address, "run", "--stop-on-interrupt", command)
    assert process.stdout is not None
    assert process.stderr is not None
    async with patience():
        assert await process.stdout.readline() == b"ready\n"
        process.send_signal(signal.SIGINT)
        assert b"is being stopped" in await process.stderr.readline()
        process.send_signal(signal.SIGINT)
        assert b"is being killed" in await process.stderr.readline()
    assert (await ended(process)).code == 137


async def test_whoever_has_seen_enough_ends_it_without_a_word(client: Client, gate: Path) -> None:
    """Also while the run is silent; it goes on."""
    command = await stored(client, LATER.format(gate=gate))
    process = await begin(client.service.address, "run", command)
    assert process.stdout is not None
    async with patience():
        assert await process.stdout.readline() == b"before\n"
    process._transport.get_pipe_transport(1).close()  # type: ignore[attr-defined]
    assert process.stderr is not None
    async with patience():
        assert await process.stderr.read() == b""
        assert await process.wait() == 128 + signal.SIGPIPE
    await pass_gate(gate)
    newest = await client.call("GET", f"commands/{command}")
    assert (await client.finished(newest["last_run"]["id"]))["exitcode"] == 5


async def test_a_full_disk_is_named(client: Client) -> None:
    command = await stored(client, "echo x")
    done = await asyncio.create_subprocess_shell(
        f"{sys.executable} -m server run {command} > /dev/full",
        cwd=ROOT,
        env=environment_without_settings() | {"TAILRUN_URL": client.service.address},
        stderr=PIPE,
    )
    async with patience():
        _, err = await done.communicate()
    assert (done.returncode, err) == (os.EX_IOERR, b"tailrun: stdout: No space left on device.\n")


@pytest.mark.parametrize("words", ["ls", "run {command} -p NOTE=@-", "show {command}", "ps --all"])
async def test_closed_streams_are_as_if_they_led_nowhere(client: Client, words: str) -> None:
    note = {"name": "NOTE", "type": "text"}
    command = await client.create('printf "$NOTE"; exit 0', start=False, parameters=[note])
    process = await asyncio.create_subprocess_exec(
        *("sh", "-c", 'exec "$@" <&- >&- 2>&-', "-", sys.executable),
        *("-m", "server", *words.format(command=command["id"]).split()),
        cwd=ROOT,
        env=environment_without_settings() | {"TAILRUN_URL": client.service.address},
    )
    async with patience():
        assert await process.wait() == 0


async def test_a_run_that_is_not_followed_is_told_by_its_id(client: Client) -> None:
    command = await stored(client, "echo hidden; exit 4")
    said = await say(client, "run", "--detach", command)
    run_id = said.out.decode().strip()
    assert said == Ended(0, f"{run_id}\n".encode(), "")
    assert (await client.finished(run_id))["command_id"] == command
    as_json = await say(client, "tail", "--json", run_id)
    assert as_json.code == 4
    assert b'"exitcode": 4' in as_json.out
    assert b"hidden" not in as_json.out
    once = [await say(client, "run", "--detach", "--idempotency-key", run_id, command)] * 2
    assert len({one.out for one in once}) == 1


async def test_tail_begins_at_the_last_lines_and_ends_where_that_is_asked_for(
    client: Client, gate: Path
) -> None:
    command = await stored(client, f"seq 5; {LATER.format(gate=gate)}")
    run_id = (await say(client, "run", "--detach", command)).out.decode().strip()
    async with patience():
        while (await client.get_run(run_id))["output_bytes"] < 17:  # noqa: ASYNC110  the event
            await asyncio.sleep(0.01)
    now = await say(client, "tail", "--no-follow", "-n", "2", command)
    assert now == Ended(0, b"5\nbefore\n", "")
    await pass_gate(gate)
    said = await say(client, "tail", "--offset", "10", run_id)
    assert said == Ended(5, b"before\nafter\n", "")


async def test_a_terminal_shows_a_bar_where_the_output_goes_elsewhere_and_then_nothing(
    client: Client, gate: Path, tmp_path: Path
) -> None:
    command = await stored(client, LATER.format(gate=gate))
    environment = {"TAILRUN_URL": client.service.address, "PYTHON": sys.executable}
    async with terminal(ROOT, **environment) as person:
        run = f"$PYTHON -m server run {command} > {tmp_path}/out; echo code=$?\n"
        await person.begin(run, r" 7 B +\S+ k?B/s +0:\d\d +running")
        await pass_gate(gate)
        await until(lambda: "code=5" in person.said)
        assert (tmp_path / "out").read_text() == "before\nafter\n"


async def test_a_terminal_is_told_why_a_run_waits(start: Start) -> None:
    client = await start(max_concurrent_runs="1")
    running = await client.run("exec sleep 1000")
    command = await stored(client, "echo at last")
    environment = {"TAILRUN_URL": client.service.address, "PYTHON": sys.executable}
    async with terminal(ROOT, **environment) as person:
        run = f"$PYTHON -m server run {command}; echo code=$?\n"
        await person.begin(run, r"tailrun: Run \S+ is queued: it waits for a place\.")
        await client.stop(running)
        await until(lambda: "at last" in person.said and "code=0" in person.said)


@pytest.mark.parametrize(
    ("words", "code", "expected"),
    [
        (["run"], 2, "name a COMMAND"),
        (["run", "no such"], os.EX_NOINPUT, "There is no command 'no such'"),
        (["tail", "no such"], os.EX_NOINPUT, "There is no command 'no such'"),
        (["tail", "x", "-n", "two"], 2, "two is no whole number from 0 on"),
        (["stop", "x", "--grace-seconds", "-1"], 2, "-1 is no number of seconds"),
        (["show", "no such"], os.EX_NOINPUT, "There is no command 'no such'"),
        (["ls", "--colour"], 2, "unrecognized arguments: --colour"),
    ],
)
async def test_what_cannot_be_done_is_said_in_a_line_with_a_code(
    client: Client, words: list[str], code: int, expected: str
) -> None:
    said = await say(client, *words)
    assert (said.code, said.out) == (code, b"")
    assert expected in said.err
    assert "Traceback" not in said.err


async def test_without_a_server_or_with_a_wrong_token_it_says_so(client: Client) -> None:
    away = await ended(await begin("http://127.0.0.1:1", "ls"))
    assert away.code == os.EX_UNAVAILABLE
    assert away.err == "tailrun: No server answers at http://127.0.0.1:1: Connection refused.\n"
    refused = await say(client, "ls", TAILRUN_TOKEN="tlr_wrong")  # noqa: S106  it is none
    assert refused.code == os.EX_NOPERM
    _, mend = refused.err.splitlines()
    assert mend.startswith("tailrun: Set TAILRUN_TOKEN to a valid token; `tailrun token create")


async def test_a_server_that_stays_away_is_named_with_how_to_come_back(
    start: Start, service: Service, gate: Path
) -> None:
    client = await start()
    command = await stored(client, LATER.format(gate=gate))
    process = await begin(service.address, "run", "--patience", "0.5", command)
    assert process.stdout is not None
    async with patience():
        assert await process.stdout.readline() == b"before\n"
    await service.kill()
    said = await ended(process)
    assert said.code == os.EX_UNAVAILABLE
    assert " may go on. Come back by " in said.err
    assert "No server answers at " in said.err.splitlines()[-1]
    back = said.err.partition("`tailrun tail ")[2].partition("`")[0].split()
    await service.start()
    await pass_gate(gate)
    again = await say(client, "tail", *back)
    assert (again.code, again.out) == (5, b"after\n")


async def test_of_a_run_that_is_tried_again_the_attempts_are_told_or_followed(
    client: Client,
) -> None:
    script = "echo $TAILRUN_ATTEMPT; [ $TAILRUN_ATTEMPT = 3 ] || exit 3"
    command = await client.create(script, start=False, retries={"limit": 2})
    said = await say(client, "run", command["id"])
    assert (said.code, said.out) == (3, b"1\n")
    assert said.err.startswith("tailrun: Attempt 2 of 3 follows: `tailrun tail ")
    followed = await say(client, "run", "--retries", command["id"])
    assert (followed.code, followed.out) == (0, b"1\n2\n3\n")
    second, third = followed.err.splitlines()
    assert "Attempt 2 of 3 follows" in second
    assert "Attempt 3 of 3 follows" in third
    last = third.rpartition("`tailrun tail ")[2].removesuffix("`.")
    assert await say(client, "tail", "--retries", last) == Ended(0, b"3\n", "")
    run = json.loads((await say(client, "run", "--retries", "--json", command["id"])).out)
    assert (run["attempt"], run["state"]) == (3, "succeeded")


async def test_an_end_is_told_while_the_database_is_away(
    start: Start, outage: Outage, gate: Path
) -> None:
    client = await start()
    process = await begin(
        client.service.address, "run", await stored(client, LATER.format(gate=gate))
    )
    assert process.stdout is not None
    async with patience():
        assert await process.stdout.readline() == b"before\n"
    run_id = (await client.call("GET", "runs/"))["items"][0]["id"]
    outage.begin()
    waiting = await begin(client.service.address, "tail", "--json", run_id)
    await pass_gate(gate)
    assert await ended(process) == Ended(5, b"after\n", "")
    waited = await ended(waiting)
    told = json.loads(waited.out)
    assert (waited.code, told["state"], told["exitcode"]) == (5, "failed", 5)
    assert (told["output_bytes"], told["output_lines"], told["stopping"]) == (13, 2, False)
    assert told["start_time"] < told["end_time"]
    assert "type" not in told
    assert (await client.get_run(run_id))["state"] == "running", "it is not stored"
    outage.end()
    stored_end = await client.finished(run_id)
    assert stored_end["end_time"] == told["end_time"]


async def test_commands_and_runs_are_listed_shown_and_stopped(client: Client) -> None:
    command = await client.create("exec sleep 1000", name="nap", description="rest")
    run_id = command["run"]["id"]
    listed = await say(client, "ls", "nap")
    assert command["id"] in listed.out.decode()
    going_on = await say(client, "ps")
    assert run_id in going_on.out.decode()
    shown = (await say(client, "show", command["id"])).out.decode()
    assert "description: rest\n" in shown
    assert "script:\n  exec sleep 1000\n" in shown
    stopped = await say(client, "stop", "--wait", "--kill", command["id"])
    assert (stopped.code, stopped.err) == (0, f"tailrun: Run {run_id} is stopped.\n")
    assert f'"id": "{run_id}"' in (await say(client, "ps", "-a", "--json")).out.decode()
    assert run_id not in (await say(client, "ps")).out.decode()
    assert "signal: SIGKILL\n" in (await say(client, "show", run_id)).out.decode()
    again = await say(client, "stop", run_id)
    assert again.code == os.EX_TEMPFAIL


def test_the_words_that_speak_to_a_server_load_nothing_of_it() -> None:
    program = (
        "import sys, server.__main__ as entry\n"
        "try: entry.main(['run', '--help'])\n"
        "finally:\n"
        "    own = {one for one in sys.modules if one.startswith('server')}\n"
        "    assert own == {'server', 'server.__main__', 'server.process',"
        " 'server.process.signals'}, own\n"
        "    assert not {'marshmallow', 'aiopg', 'orjson'} & {*sys.modules}\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, capture_output=True)
