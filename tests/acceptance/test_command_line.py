"""`tailrun token` and `tailrun sign-in`, of a server that lets nobody in without a credential."""

import asyncio
import os
import re
import signal
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import aiohttp
import pytest

from server.handlers.http.local_socket import SOCKET_NAME
from tests.support.client import Client, Start
from tests.support.outage import Outage
from tests.support.service import ROOT, Service
from tests.support.waiting import patience

SECRET = re.compile(r"tlr_[0-9A-Za-z]{49}")
STRANGER = 54321
"""A uid that nobody has here."""


class Said(NamedTuple):
    """What a command said, and its exit code."""

    code: int | None
    out: str
    err: str


async def say(service: Service, *words: str, uid: int | None = None, **environment: str) -> Said:
    """Say `tailrun …` with the server's environment."""
    as_user = (
        [] if uid is None else ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups"]
    )
    process = await asyncio.create_subprocess_exec(
        *(*as_user, sys.executable, "-m", "server", *words),
        cwd=ROOT,
        env=service.environment | environment,
        stdout=PIPE,
        stderr=PIPE,
    )
    async with patience():
        out, err = await process.communicate()
    return Said(process.returncode, out.decode(), err.decode())


def by(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}


async def create(service: Service, *options: str) -> str:
    """Make a token by the command line; return its secret."""
    said = await say(service, "token", "create", "ci", "--role", "operator", *options)
    assert said.code == 0, said
    assert SECRET.fullmatch(said.out.strip()), "the secret alone is on stdout"
    assert not SECRET.search(said.err)
    return said.out.strip()


async def test_the_command_line_makes_lists_and_revokes_tokens_where_all_must_sign_in(
    start: Start, service: Service
) -> None:
    client = await start(auth="required")
    await client.call("GET", "commands/", status=401)
    secret = await create(service, "--group", "*", "--days", "1")
    await client.call("GET", "commands/", status=200, headers=by(secret))
    listed = await say(service, "token", "list")
    assert listed.code == 0
    head, row = listed.out.splitlines()
    assert head.split()[:5] == ["ID", "NAME", "OWNER", "ROLE", "GROUP"]
    assert re.search(r"\bci +local:\S+ +operator +\* .* valid$", row)
    token_id = row.split()[0]
    revoked = await say(service, "token", "revoke", token_id)
    assert (revoked.code, revoked.out) == (0, "")
    await client.call("GET", "commands/", status=401, headers=by(secret))
    assert (await say(service, "token", "list")).out.splitlines()[1].endswith("revoked")
    assert secret not in listed.out + service.log


async def test_a_sign_in_link_is_good_once(start: Start, service: Service) -> None:
    client = await start(auth="required")
    said = await say(service, "sign-in")
    assert said.code == 0, said
    url, _, ticket = said.out.strip().partition("/#sign-in=")
    assert url == client.service.address
    assert "local:" in said.err
    assert ticket not in said.err
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:
        browser = Client(session, service)
        same_origin = {"Origin": client.service.address}
        body = {"ticket": ticket}
        await browser.call("POST", "session", status=204, json=body, headers=same_origin)
        await browser.call("GET", "commands/", status=200, headers=same_origin)
        await client.call("POST", "session", status=401, json=body, headers=same_origin)
    elsewhere = await say(service, "sign-in", "--url", "https://runs.example.org/tailrun/")
    assert elsewhere.out.startswith("https://runs.example.org/tailrun/#sign-in=")
    assert ticket not in service.log


async def test_a_token_that_is_made_while_anybody_is_let_in_holds_afterwards(
    start: Start, service: Service
) -> None:
    """By the command line, whose user is known; what everybody made is nobody's."""
    client = await start(auth="off")
    secret = await create(service)
    link = await say(service, "sign-in")
    assert (link.code, link.out) == (1, "")
    assert "Nobody signs in here" in link.err
    body = {"name": "everybody's", "role": "admin", "group": "*"}
    everybodys = (await client.call("POST", "tokens/", json=body))["token"]
    assert await service.terminate() == 0
    client = await start(auth="required")
    await client.call("GET", "commands/", status=200, headers=by(secret))
    await client.call("GET", "commands/", status=403, headers=by(everybodys))


async def test_without_a_server_it_says_what_to_do(service: Service, tmp_path: Path) -> None:
    said = await say(service, "token", "list")
    assert said.code == os.EX_UNAVAILABLE
    assert said.err.startswith("tailrun: No server answers at ")
    assert str(service.state_dir) in said.err
    await service.start()
    await service.kill()  # the socket is left behind
    again = await say(service, "sign-in")
    assert again.code == os.EX_UNAVAILABLE
    assert "No server answers at" in again.err
    await service.start()
    elsewhere = await say(service, "token", "list", "--state-dir", str(tmp_path / "other"))
    assert elsewhere.code == os.EX_UNAVAILABLE
    assert (await say(service, "token", "list")).code == 0


async def test_another_user_is_told_whose_it_is(start: Start, service: Service) -> None:
    """Neither by the command line nor by the socket itself; root may, who could become anybody."""
    await start(auth="required")
    copy = service.state_dir.parent
    while copy != copy.parent:  # to the state directory itself anybody may go
        copy.chmod(copy.stat().st_mode | 0o011)
        copy = copy.parent
    said = await say(service, "token", "list", uid=STRANGER, HOME="/nonexistent")
    assert said.code == 1, said
    assert "is closed to user 54321: it is root's" in said.err
    assert "sudo -u" in said.err


async def test_while_the_database_is_away_it_says_so(
    start: Start, service: Service, outage: Outage
) -> None:
    await start(auth="required")
    outage.begin()
    said = await say(service, "token", "create", "ci", "--role", "viewer")
    assert said.code == os.EX_UNAVAILABLE
    assert said.out == ""
    assert said.err.count("The database cannot be reached at the moment.") == 1
    outage.end()


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["token"], "create|list|revoke"),
        (["token", "make"], "invalid choice: 'make'"),
        (["token", "create", "x"], "--role"),
        (["token", "create", "x", "--role", "admin", "--days", "0"], "from 1 to 366"),
        (["token", "create", "x", "--role", "admin", "--days", "99999999999"], "from 1 to 366"),
        (["sign-in", "now"], "unrecognized arguments: now"),
    ],
)
async def test_wrong_words_are_refused_with_what_is_taken(
    service: Service, words: list[str], expected: str
) -> None:
    said = await say(service, *words)
    assert said.code == 2
    assert expected in said.err
    assert said.out == ""


async def test_a_wrong_role_is_refused_with_those_that_there_are(service: Service) -> None:
    said = await say(service, "token", "create", "x", "--role", "root")
    assert said.code == 2
    refusal = said.err.replace("'", "")  # which Python writes around each, or does not
    assert "invalid choice: root (choose from viewer, operator, editor, admin)" in refusal


async def test_what_the_server_refuses_is_told_in_its_words(start: Start, service: Service) -> None:
    await start()
    said = await say(service, "token", "create", "x", "--role", "admin", "--group", "a b")
    assert said.code == 1
    assert said.err.startswith("tailrun: group: It takes * for every group, or 1 to 63 of")
    unknown = await say(service, "token", "revoke", "x")
    assert (unknown.code, unknown.out) == (1, "")
    assert "There is no token 'x'" in unknown.err


async def test_a_reader_that_has_seen_enough_is_no_failure(start: Start, service: Service) -> None:
    await start()
    await create(service)
    process = await asyncio.create_subprocess_shell(
        f"{sys.executable} -m server token list | true; exit ${{PIPESTATUS[0]}}",
        cwd=ROOT,
        env=service.environment,
        stderr=PIPE,
        executable="/bin/bash",
    )
    async with patience():
        _, err = await process.communicate()
    assert (process.returncode in {0, 128 + signal.SIGPIPE}, err) == (True, b"")


@asynccontextmanager
async def standing_in(service: Service) -> AsyncIterator[asyncio.Queue[asyncio.StreamWriter]]:
    """Stand in for a server at its socket; yields whom it is asked by."""
    asked: asyncio.Queue[asyncio.StreamWriter] = asyncio.Queue()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        asked.put_nowait(writer)

    service.state_dir.mkdir()
    server = await asyncio.start_unix_server(serve, service.state_dir / SOCKET_NAME)
    try:
        yield asked
    finally:
        server.close()


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (b"SSH-2.0\r\n", "broke off its answer."),
        (b"HTTP/1.1 502 Bad\r\nContent-Length: 3\r\n\r\nbad", "answered with the status 502."),
    ],
)
async def test_an_answer_that_is_none_is_told_in_a_line(
    service: Service, answer: bytes, expected: str
) -> None:
    async with standing_in(service) as asked:
        saying = asyncio.create_task(say(service, "token", "list"))
        writer = await asked.get()
        writer.write(answer)
        writer.close()
        said = await saying
    assert said.code != 0
    assert expected in said.err
    assert said.err.count("\n") == 1


async def test_an_interrupt_ends_it_without_a_word(service: Service) -> None:
    async with standing_in(service) as asked:
        process = await service.begin("token", "list")
        writer = await asked.get()
        process.send_signal(signal.SIGINT)
        async with patience():
            said, _ = await process.communicate()
        writer.close()
    assert (process.returncode, said) == (130, b"")


async def test_output_comes_over_the_local_socket_as_well(start: Start, service: Service) -> None:
    """`curl --unix-socket` is a client like any other, streams included."""
    client = await start(auth="required")
    secret = await create(service, "--role", "editor")
    assert secret
    connector = aiohttp.UnixConnector(str(service.state_dir / SOCKET_NAME))
    async with aiohttp.ClientSession(connector=connector) as session:
        local = Client(session, service)
        run_id = await local.run("for i in $(seq 1000); do echo line $i; done")
        watched = await local.stream(run_id, format="raw")
        assert b"".join(watched.messages) == b"".join(b"line %d\n" % i for i in range(1, 1001))
        assert watched.code == 1000
        assert await local.output(run_id) == b"".join(watched.messages)
    await client.call("GET", f"runs/{run_id}", status=401)
