"""The Python client: it speaks to a real server, through connections that break."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing
from pathlib import Path

import pytest

from server.handlers.http.local_socket import SOCKET_NAME
from tailrun import errors
from tailrun.client import Client as Tailrun
from tailrun.values import Run
from tests.support.client import Client, Start
from tests.support.numbered import Numbered
from tests.support.relay import Relay
from tests.support.service import Service
from tests.support.waiting import patience, until

UNKNOWN = str(uuid.UUID(int=7))


@pytest.fixture
async def tailrun(client: Client) -> AsyncIterator[Tailrun]:
    async with Tailrun(client.service.address) as tailrun:
        yield tailrun


async def read(tailrun: Tailrun, run_id: str, offset: int = 0) -> bytes:
    async with patience():
        return b"".join([chunk async for chunk in tailrun.output(run_id, offset=offset)])


async def test_a_command_is_started_by_its_name_followed_and_waited_for(
    client: Client, tailrun: Tailrun
) -> None:
    name = f"greet {uuid.uuid4()}"
    created = await client.create("echo hello; exit 3", name=name)
    run = await tailrun.run(name)
    assert await read(tailrun, run.id) == b"hello\n"
    assert await read(tailrun, run.id, offset=2) == b"llo\n"
    ended = await tailrun.wait(run.id)
    assert (ended.state, ended.exitcode, ended.output_bytes) == ("failed", 3, 6)
    assert ended.end_time is not None
    by_id = await tailrun.command(created["id"])
    assert (by_id.name, by_id.last_run and by_id.last_run.id) == (name, run.id)
    assert [one.id async for one in tailrun.commands(q=name)] == [created["id"]]
    listed = [one.id async for one in tailrun.runs(command_id=created["id"], limit="1")]
    assert listed == [run.id, created["run"]["id"]]


async def test_what_the_server_refuses_is_raised_by_its_name(
    client: Client, tailrun: Tailrun
) -> None:
    created = await client.create("true", name=f"one of two {uuid.uuid4()}")
    await client.create("true", name=created["name"])
    await client.finished(created["run"]["id"])
    with pytest.raises(errors.AmbiguousError, match="by its key or its id"):
        await tailrun.run(created["name"])
    with pytest.raises(errors.NotFoundError, match="There is no command 'none such'"):
        await tailrun.run("none such")
    with pytest.raises(errors.NotFoundError) as found:
        await tailrun.get(UNKNOWN)
    assert (found.value.status, found.value.kind) == (404, "run-not-found")
    with pytest.raises(errors.NotFoundError):
        await read(tailrun, UNKNOWN)
    with pytest.raises(errors.ConflictError) as conflict:
        await tailrun.stop(created["run"]["id"])
    assert conflict.value.kind == "no-active-run"
    with pytest.raises(errors.InvalidError) as invalid:
        await tailrun.ask("GET", "runs/", query={"state": "done", "colour": "red"})
    assert {*invalid.value.fields} == {"state", "colour"}
    async with Tailrun(client.service.address, "tlr_wrong") as stranger:
        with pytest.raises(errors.NotSignedInError):
            await stranger.get(UNKNOWN)


async def test_a_run_is_stopped_with_the_grace_that_is_given(
    client: Client, tailrun: Tailrun
) -> None:
    run_id = await client.run("trap '' TERM; echo ready; while :; do sleep 1; done")
    output = tailrun.output(run_id)
    async with aclosing(aiter(output)) as chunks, patience():
        assert await anext(chunks) == b"ready\n"
        assert (await tailrun.stop(run_id, grace_seconds=0)).stopping
        assert [chunk async for chunk in chunks] == []
    assert output.run is not None
    assert (output.run.state, output.run.signal) == ("stopped", "SIGKILL")


async def test_output_that_is_not_followed_ends_where_it_is(
    client: Client, tailrun: Tailrun
) -> None:
    run_id = await client.run("echo one; echo two; sleep 1000")
    async with patience():
        while (await tailrun.get(run_id)).output_bytes < 8:  # noqa: ASYNC110  the test's event
            await asyncio.sleep(0.01)
    output = tailrun.output(run_id, follow=False)
    assert b"".join([chunk async for chunk in output]) == b"one\ntwo\n"
    assert output.run is None
    assert await tailrun.offset_of_last(run_id, 1) == 4
    await client.stop(run_id, signal="SIGKILL")


def relayed(service: Service, cut_after_bytes: int | None = None) -> Relay:
    return Relay(service.state_dir / SOCKET_NAME, cut_after_bytes=cut_after_bytes)


async def test_output_is_exact_through_twenty_cuts_and_a_kill_of_the_server(
    start: Start, service: Service, tmp_path: Path
) -> None:
    client = await start()
    numbered = Numbered(tmp_path, seed=5, exitcode=9)
    async with relayed(service, cut_after_bytes=50_000) as relay:
        run_id = await client.run(numbered.script)
        async with Tailrun(f"http://127.0.0.1:{relay.port}") as tailrun, patience():
            output, parts = tailrun.output(run_id), []

            async def collect() -> None:
                async for chunk in output:
                    parts.append(chunk)
                    assert output.offset == sum(map(len, parts))

            collecting = asyncio.create_task(collect())
            await until(lambda: relay.cuts >= 10 or collecting.done())
            await service.kill()
            await service.start()
            await until(lambda: relay.cuts >= 21 or collecting.done())
            numbered.end()
            await collecting
    assert b"".join(parts) == numbered.output
    assert output.run is not None
    assert (output.run.state, output.run.exitcode) == ("failed", 9)


async def test_a_start_whose_answers_are_lost_starts_once(start: Start, service: Service) -> None:
    client = await start()
    created = await client.create("true", start=False)
    told: list[str] = []
    async with relayed(service) as relay:
        url = f"http://127.0.0.1:{relay.port}"
        async with Tailrun(url, tell=lambda error: told.append(str(error))) as tailrun, patience():
            await tailrun.command(created["id"])
            relay.lose_answers = 3
            run = await tailrun.start(created["id"])
    assert relay.lose_answers == 0
    assert 1 <= len(told) <= 3  # of a connection that was kept alive the library tries another
    runs = await client.call("GET", f"commands/{created['id']}/runs")
    assert [one["id"] for one in runs["items"]] == [run.id]


async def test_a_server_that_is_away_is_waited_for_as_long_as_it_is_said(
    start: Start, service: Service
) -> None:
    """One that never answered is not waited for at all."""
    await start()
    async with relayed(service) as relay:
        url = f"http://127.0.0.1:{relay.port}"
        async with (
            Tailrun(url, patience_seconds=0.5) as hasty,
            Tailrun(url) as patient,
            Tailrun(url) as late,
        ):
            await hasty.ask("GET", "ping")
            await patient.ask("GET", "ping")
            assert await service.terminate() == 0
            with pytest.raises(errors.AwayError):
                await hasty.ask("GET", "ping")
            with pytest.raises(errors.AwayError):
                await late.ask("GET", "ping")
            asked = asyncio.create_task(patient.ask("GET", "ping"))
            await service.start()
            async with patience():
                assert await asked == {"status": "ok"}


@pytest.mark.parametrize(
    ("url", "error"),
    [
        ("http://127.0.0.1:1", errors.AwayError),
        ("ftp://127.0.0.1", errors.AddressError),
        ("localhost:8000", errors.AddressError),
    ],
)
async def test_an_address_at_which_there_is_no_server_is_named(
    url: str, error: type[errors.ClientError]
) -> None:
    async with Tailrun(url) as tailrun:
        with pytest.raises(error, match=url):
            await tailrun.ask("GET", "ping")


ANSWERS: Mapping[str, tuple[bytes, type[errors.ClientError], str]] = {
    "a page": (
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n<html",
        errors.AddressError,
        "no Tail",
    ),
    "elsewhere": (
        b"HTTP/1.1 302 Found\r\nLocation: https://x/\r\nContent-Length: 0\r\n\r\n",
        errors.AddressError,
        "leads elsewhere: https://x/",
    ),
    "a proxy's own": (
        b"HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\nnone",
        errors.AddressError,
        "is no Tailrun: it has no such path",
    ),
    "no HTTP": (b"SSH-2.0\r\n", errors.AwayError, "broke off its answer"),
    "a proxy without its server": (
        b"HTTP/1.1 502 Bad Gateway\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n",
        errors.AwayError,
        "status 502",
    ),
}


@pytest.mark.parametrize("kind", ANSWERS)
async def test_what_answers_in_a_servers_place_is_told(kind: str) -> None:
    answer, error, expected = ANSWERS[kind]

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, Tailrun(f"http://127.0.0.1:{port}", patience_seconds=0.2) as tailrun:
        with pytest.raises(error, match=expected):
            await tailrun.ask("GET", "ping")


async def test_the_server_of_this_host_is_found_by_its_state_directory(
    start: Start, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where nobody but that socket's users is let in without a token."""
    client = await start(auth="required")
    for name, value in service.environment.items():
        if name.startswith("TAILRUN_"):
            monkeypatch.setenv(name, value)
    async with Tailrun() as tailrun:
        assert tailrun.place.directory == service.state_dir
        session = await tailrun.ask("GET", "session")
        assert (session["role"], session["known_by"]) == ("admin", "local")
    assert await service.terminate() == 0
    monkeypatch.setenv("TAILRUN_PORT", "1")
    assert Tailrun().place.url == "http://127.0.0.1:1"
    monkeypatch.setenv("TAILRUN_URL", client.service.address + "/")
    assert Tailrun().place.url == client.service.address


def test_a_run_keeps_what_a_newer_server_says_of_it() -> None:
    data = {
        "id": "1",
        "command_id": "2",
        "state": "queued",
        "stopping": False,
        "paused": False,
        "created_at": "2026-01-02T03:04:05+00:00",
        "start_time": None,
        "end_time": None,
        "exitcode": None,
        "signal": None,
        "reason": None,
        "output_bytes": 0,
        "colour": "red",
    }
    run = Run.of(data)
    assert not run.ended
    assert run.data["colour"] == "red"
