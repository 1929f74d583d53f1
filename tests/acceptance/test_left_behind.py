"""What runs leave in their directories: nothing of it hurts them, others, or the service."""

import asyncio
import os

import pytest

from tests.support.client import Client, Start
from tests.support.waiting import until

BESIDE = 'cd "$(dirname "$0")"; '

LEFT = {
    "a directory": "mkdir -p build/deep; echo ok",
    "our names": "mkdir -p output exit.json; date > run.json; echo ok",
    "its output": "echo ok; seq 5 > output",
    "links": "ln -s / root; ln -s loop loop; ln -s /dev/zero zero; echo ok",
    "no UTF-8": "mkdir \"$(printf '\\377')\"; touch \"$(printf '\\376')/x\" 2>/dev/null; echo ok",
    "a pipe": "mkfifo pipe exit.json; echo ok",
    "no permission": "mkdir a; touch a/b; chmod 0 a; chmod 500 .; echo ok",
    "many files": "seq 20000 | xargs touch; echo ok",
    "nothing": 'rm -rf "$TAILRUN_RUN_DIRECTORY"; echo ok',
    "all of the work directories": "cd ..; rm -rf ./*; echo ok",
}
if os.geteuid() == 0:
    LEFT["what is immutable"] = "mkdir a; touch a/b; chattr +i a/b a; echo ok"


async def test_what_a_run_leaves_is_removed_and_hurts_nobody(
    start: Start, subtests: pytest.Subtests
) -> None:
    client = await start()
    state_dir = client.service.state_dir
    neighbour = await client.run("for i in $(seq 100); do echo $i; sleep 0.1; done; exit 3")
    for what, script in LEFT.items():
        with subtests.test(left=what):
            run_id = await client.run(BESIDE + script)
            run = await client.finished(run_id)
            assert (run["state"], run["reason"]) == ("succeeded", None)
            assert await client.output(run_id) == b"ok\n"
    run = await client.finished(neighbour)
    assert (run["state"], run["exitcode"], run["output_lines"]) == ("failed", 3, 100)
    places = [state_dir / name for name in ("spool", "work", "trash")]
    await until(lambda: not any(any(place.iterdir()) for place in places))
    await client.service.kill()
    await client.service.start()
    assert (await client.finished(await client.run("true")))["state"] == "succeeded"


async def test_a_run_that_fills_its_directory_while_it_is_removed_ends_alone(
    client: Client,
) -> None:
    """What a process that it left behind goes on making is removed later."""
    here = '"$TAILRUN_RUN_DIRECTORY"'
    endless = f"while mkdir -p {here}; do : > {here}/$((i += 1)); done 2> /dev/null"
    script = f'cd {here}; (i=0; {endless}) & echo ok; rm -rf "$PWD"'
    for run_id in await asyncio.gather(*(client.run(script) for _ in range(3))):
        assert (await client.finished(run_id))["state"] == "succeeded"
        assert await client.output(run_id) == b"ok\n"


async def test_what_runs_in_the_background_is_told_and_ended(client: Client) -> None:
    run_id = await client.run("nohup sleep 1000 & echo started")
    run = await client.finished(run_id)
    assert run["state"] == "succeeded"
    assert run["reason"] == "1 background process was ended with it"
    assert await client.output(run_id) == b"started\n"


async def test_a_server_starts_though_the_keepers_socket_was_removed(start: Start) -> None:
    client = await start()
    run_id = await client.run(
        'echo out; while ! [ -e "$TAILRUN_RUN_DIRECTORY/go" ]; do sleep 0.02; done; exit 3'
    )
    state_dir = client.service.state_dir
    await client.service.kill()
    (state_dir / "keeper" / "socket").unlink()
    await client.service.start()
    (state_dir / "work" / run_id / "go").touch()
    run = await client.finished(run_id)
    assert (run["exitcode"], run["output_bytes"]) == (3, 4)
