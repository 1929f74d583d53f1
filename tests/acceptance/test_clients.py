"""The clients that people use: curl, wscat, and the documentation's own examples."""

import asyncio
import json
import os
import re
from asyncio.subprocess import PIPE
from contextlib import suppress
from pathlib import Path
from typing import IO

import pytest

from tests.support.client import Client, Start
from tests.support.programs import PATH, program, say
from tests.support.signing import Browser
from tests.support.waiting import patience

COUNT = "for i in $(seq 3); do echo line $i; sleep 0.1; done"


async def curl(*arguments: str) -> str:
    return await say(program("curl"), "-sS", *arguments)


async def curl_run(client: Client, script: str) -> str:
    """Store and start a command with curl; return its run's id."""
    body = json.dumps({"name": "test", "script": script})
    said = await curl(
        *(str(client.url("commands/")), "-H", "Content-Type: application/json", "-d", body)
    )
    run_id: str = json.loads(said)["run"]["id"]
    return run_id


async def test_curl_follows_a_run_as_it_writes(client: Client, tmp_path: Path) -> None:
    """Each line comes before the next is written: the run waits for the reader."""
    go = tmp_path / "go"
    run_id = await curl_run(client, f"echo one; until [ -e {go} ]; do sleep 0.01; done; echo two")
    url = str(client.url(f"runs/{run_id}/output?follow=true"))
    process = await asyncio.create_subprocess_exec(program("curl"), "-sSN", url, stdout=PIPE)
    assert process.stdout is not None
    async with patience():
        assert await process.stdout.readline() == b"one\n"
        go.touch()
        assert await process.stdout.read() == b"two\n"
        assert await process.wait() == 0


async def test_curl_gets_parts_of_an_output(client: Client, subtests: pytest.Subtests) -> None:
    run_id = await curl_run(client, "seq 100000")
    await client.finished(run_id)
    url = str(client.url(f"runs/{run_id}/output"))
    whole = "".join(f"{number}\n" for number in range(1, 100_001))
    for arguments, expected in [
        ((url,), whole),
        (("-r", "0-3", url), "1\n2\n"),
        (("-r", "-7", url), "100000\n"),
        (("-C", "588000", url), whole[588000:]),
        ((f"{url}?lines=2-3",), "2\n3\n"),
        (("--compressed", "-H", "Accept-Encoding: zstd", url), whole),
    ]:
        with subtests.test(" ".join(arguments[:-1])):
            if arguments[0] == "--compressed" and "zstd" not in await curl("--version"):
                pytest.skip("this curl does not know zstd")
            assert await curl(*arguments) == expected


async def test_curl_saves_an_output_under_its_commands_name(client: Client, tmp_path: Path) -> None:
    run = (await client.create("echo one", name="Nightly backup"))["run"]
    await client.finished(run["id"])
    url = str(client.url(f"runs/{run['id']}/output"))
    await curl("-OJ", "--output-dir", str(tmp_path), url)
    [saved] = tmp_path.iterdir()
    assert saved.name.startswith("Nightly backup 20")
    assert saved.read_bytes() == b"one\n"


async def test_wscat_watches_a_run_to_its_end(client: Client, subtests: pytest.Subtests) -> None:
    """It shows each message and the close reason."""
    for script, lines, reason in [
        (COUNT, ["line 1", "line 2", "line 3"], 'code: 1000, reason: "exit 0"'),
        ("echo up; exit 7", ["up"], 'code: 1000, reason: "exit 7"'),
    ]:
        with subtests.test(script):
            run_id = await client.run(script)
            said = await wscat(client, f"runs/{run_id}/ws")
            assert [line for line in said if line in lines] == lines
            assert any(reason in line for line in said), said


async def test_wscat_and_curl_watch_by_a_token_or_a_ticket(start: Start) -> None:
    client = await start(auth="required")
    browser = Browser(client.service)
    await browser.sign_in()
    run = await browser.run("echo one; exit 7")
    asked = {"name": "watching", "role": "viewer", "group": "*"}
    secret = (await browser.ask("POST", "tokens/", 201, json=asked))["token"]
    header = f"Authorization: Bearer {secret}"
    ask = ("POST", f"runs/{run}/ticket", 200)
    first, second = [(await browser.ask(*ask))["ticket"] for _ in range(2)]
    await browser.session.close()
    for options, query in ((["-H", header], ""), ([], f"?ticket={first}")):
        said = await wscat(client, f"runs/{run}/ws{query}", *options)
        assert any('code: 1000, reason: "exit 7"' in line for line in said), said
    assert any("code: 4401" in line for line in await wscat(client, f"runs/{run}/ws"))
    url = str(client.url(f"runs/{run}/output"))
    assert await curl("-H", header, url) == "one\n"
    assert await curl(f"{url}?follow=true&ticket={second}") == "one\n"


async def wscat(client: Client, path: str, *options: str) -> list[str]:
    """Watch with wscat to the end; return the lines that it shows."""
    url = str(client.url(path).with_scheme("ws"))
    said = await on_terminal(program("wscat"), "--no-color", *options, "--connect", url)
    return [line.lstrip("> ").removeprefix("< ") for line in said.splitlines()]


async def on_terminal(*command: str) -> str:
    """Run a command on a terminal, as people do; return what it shows once it has ended well."""
    ours, theirs = os.openpty()
    process = await asyncio.create_subprocess_exec(
        *command,
        env={**os.environ, "PATH": PATH},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    with os.fdopen(ours, "rb", buffering=0) as terminal:
        try:
            async with patience():
                said = await asyncio.to_thread(read_terminal, terminal)
                assert await process.wait() == 0, said
        finally:
            if process.returncode is None:
                process.kill()
    return re.sub(r"\x1b\[[0-9;]*[A-Za-z]|\r", "", said.decode())


def read_terminal(terminal: IO[bytes]) -> bytes:
    """Read all that is written to a terminal: its end is an EIO (tty_ioctl(4))."""
    said = b""
    with suppress(OSError):
        while data := terminal.read(4096):
            said += data
    return said
