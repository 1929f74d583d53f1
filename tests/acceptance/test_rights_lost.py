"""What lets somebody watch ends: so do the streams that it opened, each in its way."""

import hashlib
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import aiohttp
import pytest
from aiohttp import hdrs

from tests.support.client import watch
from tests.support.outage import Outage
from tests.support.postgres import execute
from tests.support.service import Service
from tests.support.signing import Browser
from tests.support.waiting import patience

REFUSED = {"type": "refused", "status": 403, "detail": "Your right to watch this run has ended."}
LOUD = "head -c 300000000 /dev/zero"


@pytest.fixture
async def admin(service: Service) -> AsyncIterator[Browser]:
    """Have an admin who is signed in, at a server that knows nobody by the uid."""
    service.set(auth="required")
    await service.start()
    admin = Browser(service)
    await admin.sign_in()
    yield admin
    await admin.session.close()


class Viewers:
    """One viewer of each kind at a run: each has received its beginning, and waits for more."""

    def __init__(self, admin: Browser, run: str) -> None:
        self._url = admin.url(f"runs/{run}")
        self._sockets: dict[str, aiohttp.ClientWebSocketResponse] = {}
        self._responses: dict[str, aiohttp.ClientResponse] = {}

    @asynccontextmanager
    async def watching(
        self, how: dict[str, str], tickets: list[str] | None = None
    ) -> AsyncIterator["Viewers"]:
        """Watch by these headers, or each by a ticket."""
        async with AsyncExitStack() as stack:
            session = await stack.enter_async_context(aiohttp.ClientSession())
            by = iter([] if tickets is None else [f"&ticket={one}" for one in tickets])
            for kind in ("json", "text", "raw"):
                url = f"{self._url}/ws?format={kind}{next(by, '')}"
                socket = await stack.enter_async_context(session.ws_connect(url, headers=how))
                await socket.receive()
                self._sockets[kind] = socket
            for kind, query in (("sse", "format=sse"), ("follow", "follow=true")):
                url = f"{self._url}/output?{query}{next(by, '')}"
                response = await stack.enter_async_context(session.get(url, headers=how))
                assert response.status == 200
                await response.content.readany()
                self._responses[kind] = response
            yield self

    async def refused(self) -> None:
        """Wait until each was refused, in the way in which it can be told."""
        async with patience():
            for kind, socket in self._sockets.items():
                watched = await watch(socket, as_json=kind == "json")
                assert watched.code == 4403, kind
                assert watched.reason == REFUSED["detail"]
                if kind == "json":
                    assert watched.messages[-1] == REFUSED
            events = await self._responses["sse"].content.read()
            last = events.split(b"\n\n")[-2]
            assert last.startswith(b"id: end\ndata: ")
            assert b'"status":403' in last
            with pytest.raises(aiohttp.ClientPayloadError):  # it is cut, and not complete
                await self._responses["follow"].content.read()

    def going_on(self) -> bool:
        """Return whether none has ended."""
        ended = [one.closed for one in self._sockets.values()]
        return not any([*ended, *(one.content.at_eof() for one in self._responses.values())])


async def token_of(admin: Browser, role: str = "viewer", group: str = "*") -> dict[str, Any]:
    """Return a new token."""
    asked = {"name": "test", "role": role, "group": group}
    made: dict[str, Any] = await admin.ask("POST", "tokens/", 201, json=asked)
    return made


def bearer(token: dict[str, Any]) -> dict[str, str]:
    return {hdrs.AUTHORIZATION: f"Bearer {token['token']}"}


def sign_in_as(database_url: str, admin: Browser, principal: str) -> dict[str, str]:
    """Return the headers of a page where somebody is signed in whom no link lets in here."""
    value = f"of {principal}".replace(" ", "-").replace(":", "-")
    hashed = hashlib.sha256(value.encode()).hexdigest()
    execute(
        database_url,
        "INSERT INTO sessions (id, hash, principal, created_at, used_at, expires_at)"  # noqa: S608
        f" VALUES (gen_random_uuid(), '\\x{hashed}', '{principal}', now(), now(),"
        " now() + interval '1 day')",
    )
    name = f"tailrun-{admin.service.address.rpartition(':')[2]}"
    return {hdrs.COOKIE: f"{name}={value}", hdrs.ORIGIN: admin.service.address}


async def test_signing_out_ends_what_the_session_opened(admin: Browser) -> None:
    run = await admin.run()
    other = Browser(admin.service)
    await other.sign_in()
    [(name, value)] = other.cookies().items()
    how = {hdrs.COOKIE: f"{name}={value}", **other.origin}
    async with Viewers(admin, run).watching(how) as viewers:
        await other.ask("DELETE", "session", 204)
        await viewers.refused()
    await other.session.close()
    await admin.ask("GET", f"runs/{run}", 200)  # the run has not noticed, nor the other session


@pytest.mark.parametrize("by_ticket", [False, True])
async def test_revoking_a_token_ends_what_it_opened_also_by_tickets(
    admin: Browser, *, by_ticket: bool
) -> None:
    run, how = await admin.run(), bearer(token := await token_of(admin))
    tickets = None
    if by_ticket:
        ask = ("POST", f"runs/{run}/ticket", 200)
        tickets = [(await admin.ask(*ask, headers=how))["ticket"] for _ in range(5)]
    headers = {} if by_ticket else how
    async with Viewers(admin, run).watching(headers, tickets) as viewers:
        await admin.ask("DELETE", f"tokens/{token['id']}", 204)
        await viewers.refused()
        await admin.ask("GET", f"runs/{run}", 401, headers=how)


async def test_events_end_with_what_let_somebody_listen(admin: Browser, database_url: str) -> None:
    """With the token; and when grants are given or taken, as others are to be seen then."""
    url, token = admin.url("events"), await token_of(admin, group="web")
    session = await admin.session.ws_connect(url, headers=bearer(token))
    assert (await session.receive_json())["type"] == "reset"
    await admin.ask("DELETE", f"tokens/{token['id']}", 204)
    watched = await watch(session, as_json=True)
    assert (watched.code, watched.messages[-1]) == (4403, REFUSED)
    grant = {"principal": "oidc:alice", "role": "viewer", "group": "web"}
    given = await admin.ask("POST", "grants/", 201, json=grant)
    alice = sign_in_as(database_url, admin, "oidc:alice")
    for change in [
        admin.ask("POST", "grants/", 201, json={**grant, "group": "mail"}),
        admin.ask("DELETE", f"grants/{given['id']}", 204),
    ]:
        async with aiohttp.ClientSession() as other:
            listener = await other.ws_connect(url, headers=alice)
            assert (await listener.receive_json())["type"] == "reset"
            await change
            watched = await watch(listener, as_json=True)
            assert watched.code == 4403
            assert "has changed" in watched.messages[-1]["detail"]


async def test_deleting_a_grant_ends_what_it_let_open(admin: Browser, database_url: str) -> None:
    run = await admin.run()
    asked = {"principal": "oidc:carol", "role": "viewer", "group": "default"}
    grant = await admin.ask("POST", "grants/", 201, json=asked)
    how = sign_in_as(database_url, admin, "oidc:carol")
    async with Viewers(admin, run).watching(how) as viewers:
        await admin.ask("DELETE", f"grants/{grant['id']}", 204)
        await viewers.refused()


async def test_moving_a_command_ends_what_those_of_its_former_group_opened(
    admin: Browser,
) -> None:
    run, how = await admin.run(), bearer(await token_of(admin, group="default"))
    command = (await admin.ask("GET", f"runs/{run}", 200))["command_id"]
    everywhere = bearer(await token_of(admin))
    async with (
        Viewers(admin, run).watching(how) as viewers,
        Viewers(admin, run).watching(everywhere) as others,
    ):
        await admin.ask("PATCH", f"commands/{command}", 200, json={"group": "elsewhere"})
        await viewers.refused()
        assert others.going_on()


async def test_output_that_takes_its_time_is_cut_off_in_the_middle(admin: Browser) -> None:
    """Of a run that has ended, and so would be all there."""
    size = 100_000_000
    run = await admin.run(f"head -c {size} /dev/zero")
    token = await token_of(admin)
    async with aiohttp.ClientSession() as session, patience():
        url = admin.url(f"runs/{run}/output?follow=true")
        async with session.get(url, headers=bearer(token)) as whole:
            while await whole.content.readany():
                pass
        async with session.get(admin.url(f"runs/{run}/output"), headers=bearer(token)) as slow:
            await slow.content.readexactly(1000)
            await admin.ask("DELETE", f"tokens/{token['id']}", 204)
            with pytest.raises(aiohttp.ClientPayloadError):
                await slow.content.read()


async def test_a_viewer_that_takes_nothing_is_not_waited_for(admin: Browser) -> None:
    """What it was sent before lies between it and the close frame."""
    run = await admin.run("yes | head -c 100000000; exec sleep 1000")
    token = await token_of(admin)
    async with aiohttp.ClientSession() as session:
        url = admin.url(f"runs/{run}/ws?format=raw")
        async with session.ws_connect(url, headers=bearer(token), max_msg_size=0) as stream:
            await stream.receive()

            async def viewers() -> float:
                page = admin.service.address
                async with admin.session.get(f"{page}/metrics", headers=admin.origin) as response:
                    lines = (await response.text()).splitlines()
                [value] = [one.split()[1] for one in lines if one.startswith("tailrun_viewers ")]
                return float(value)

            assert await viewers() == 1
            await admin.ask("DELETE", f"tokens/{token['id']}", 204)
            async with patience():
                while await viewers():
                    pass


async def test_while_the_database_is_away_streams_go_on(admin: Browser, outage: Outage) -> None:
    run = await admin.run("while sleep 0.1; do echo more; done")
    how = bearer(await token_of(admin))
    async with Viewers(admin, run).watching(how) as viewers:
        outage.begin()
        socket = viewers._sockets["json"]
        async with patience():
            for _ in range(20):
                assert (await socket.receive_json())["type"] in {"run", "output", "alive"}
        assert viewers.going_on()


async def test_a_ticket_opens_one_stream_or_output_of_its_run(admin: Browser) -> None:
    run, other = await admin.run(), await admin.run("echo other")
    how = bearer(await token_of(admin))

    async def ticket() -> str:
        made = await admin.ask("POST", f"runs/{run}/ticket", 200, headers=how)
        assert made["expires_in"] == 30
        value: str = made["ticket"]
        return value

    nobody = Browser(admin.service)
    used = await ticket()
    url = admin.url(f"runs/{run}/ws?ticket={used}")
    async with nobody.session.ws_connect(url) as stream:
        assert (await stream.receive()).data == "begin"
    answers = []
    for run_id, value in ((run, used), (run, "wrong"), (other, await ticket())):
        path = f"runs/{run_id}/output?ticket={value}"
        answers.append(await nobody.ask("GET", path, 401))
    assert answers[0] == answers[1] == answers[2]
    for method, path, status in [
        ("POST", f"runs/{run}/stop", 401),
        ("GET", "commands/", 401),
        ("GET", f"runs/{run}", 401),
        ("POST", f"runs/{run}/ticket", 401),
        ("GET", f"runs/{other}/output", 401),
    ]:
        await nobody.ask(method, f"{path}?ticket={await ticket()}", status)
    await nobody.session.close()
    assert used not in admin.service.log
    url = admin.url(f"runs/{other}/output?ticket=x")
    async with admin.session.get(url, headers=admin.origin) as response:
        assert response.status == 200  # the cookie comes first
