"""Behind real proxies: what a browser and curl send through them, and what comes back."""

import asyncio
import copy
import json
import re
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urljoin
from uuid import uuid4

import aiohttp
import pytest
import pytest_asyncio
from aiohttp import WSServerHandshakeError

from tests.acceptance.conftest import ended
from tests.support.client import Client, Start, joined, watch
from tests.support.proxies import caddy, haproxy, nginx, snippet
from tests.support.service import ROOT, Service
from tests.support.waiting import patience

Proxy = Callable[[Path, str, str], AbstractAsyncContextManager[str]]

EVIL = "https://evil.example"
NAME = "runs.example.org"
BASE = "/tools/tailrun"
ASSETS = sorted(path for path in (ROOT / "static").rglob("*") if path.is_file())
CROSS_SITE = [
    {"Origin": EVIL},
    {"Origin": EVIL, "Sec-Fetch-Site": "cross-site"},
    {"Origin": "null"},
    {"Sec-Fetch-Site": "cross-site"},
]

BARE = "server { listen 80; location / { proxy_pass http://127.0.0.1:8000; } }"
HOST_ALONE = BARE.replace("proxy_pass", "proxy_set_header Host $http_host; proxy_pass")


DOCUMENTED: dict[str, tuple[Proxy, str]] = {
    "nginx with TLS": (nginx, snippet("nginx", 0)),
    "HAProxy": (haproxy, snippet("haproxy", 0)),
    "Caddy": (caddy, snippet("caddyfile", 0)),
}
UNDER_A_PATH: dict[str, tuple[Proxy, str]] = {
    "nginx": (nginx, snippet("nginx", 1)),
    "Caddy": (caddy, snippet("caddyfile", 1)),
}


class Site(NamedTuple):
    """Tailrun as it is seen through a proxy: where, and by whom."""

    client: Client
    origin: str
    address: str

    def headers(self, **more: str) -> dict[str, str]:
        """Return what a browser sends from the page that is served here."""
        return {"Origin": self.origin, **more}


@asynccontextmanager
async def behind(
    client: Client, proxy: AbstractAsyncContextManager[str], base: str = ""
) -> AsyncIterator[Site]:
    """Put a proxy before a client's server; certificates are not checked."""
    connector = aiohttp.TCPConnector(ssl=False)
    async with proxy as origin, aiohttp.ClientSession(connector=connector) as session:
        seen = copy.copy(client.service)
        seen.address = origin + base
        yield Site(Client(session, seen), origin, origin + base)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared_service(
    tmp_path_factory: pytest.TempPathFactory, shared_database_url: str
) -> AsyncIterator[Service]:
    """Let everybody in: what comes through a proxy is no local user's."""
    state_dir = tmp_path_factory.mktemp("shared") / "state"
    async with ended(Service(state_dir, shared_database_url, auth="off")) as service:
        yield await service.start()


@pytest.fixture(params=DOCUMENTED)
async def site(
    request: pytest.FixtureRequest, client: Client, tmp_path: Path
) -> AsyncIterator[Site]:
    """Be behind a proxy with a configuration of docs/operations.md."""
    proxy, text = DOCUMENTED[request.param]
    async with behind(client, proxy(tmp_path / "proxy", client.service.address, text)) as site:
        yield site


@pytest.fixture(params=[BARE, HOST_ALONE], ids=["bare", "with Host"])
async def plain(
    request: pytest.FixtureRequest, client: Client, tmp_path: Path
) -> AsyncIterator[Site]:
    """Be behind an nginx that passes no WebSockets."""
    proxy = nginx(tmp_path / "proxy", client.service.address, request.param)
    async with behind(client, proxy) as site:
        yield site


async def assert_page_comes_up(site: Site) -> None:
    """Load the page and every file of it, as a browser asks for modules."""
    async with site.client.session.get(f"{site.address}/") as response:
        html, url = await response.text(), str(response.url)
        assert response.status == 200
    named = [urljoin(url, name) for name in re.findall(r'(?:src|href)="([^"#]+)"', html)]
    assert any(name.endswith("main.js") for name in named)
    files = [f"{site.address}/{path.relative_to(ROOT)}" for path in ASSETS]
    for address in [*named, *files]:
        assert address.startswith(f"{site.address}/")
        async with site.client.session.get(address, headers=site.headers()) as response:
            assert response.status == 200, address


async def gated(client: Client, tmp_path: Path) -> tuple[str, Path]:
    """Start a run that writes a line, and the last one when a file is there."""
    gate = tmp_path / f"gate {uuid4()}"
    script = f"echo first; while ! [ -e '{gate}' ]; do sleep 0.02; done; echo last"
    return await client.run(script), gate


async def assert_followed_line_by_line(site: Site, tmp_path: Path) -> None:
    """Follow a run with curl: its first line comes before the last is written."""
    run_id, gate = await gated(site.client, tmp_path)
    url = site.client.url(f"runs/{run_id}/output?follow=true")
    curl = await asyncio.create_subprocess_exec(
        "curl", "-ksSN", "--http1.1", str(url), stdout=asyncio.subprocess.PIPE
    )
    assert curl.stdout is not None
    try:
        async with patience():
            assert await curl.stdout.readline() == b"first\n"
            gate.touch()
            assert await curl.stdout.read() == b"last\n"
    finally:
        gate.touch()
        if curl.returncode is None:
            curl.terminate()
        await curl.communicate()


class Event(NamedTuple):
    """A server-sent event."""

    id: str | None
    data: dict[str, object]


async def events(response: aiohttp.ClientResponse) -> AsyncIterator[Event]:
    """Read an answer of server-sent events to its end."""
    identifier: str | None = None
    async for line in response.content:
        field, _, value = line.decode().rstrip("\n").partition(": ")
        if field == "id":
            identifier = value
        elif field == "data":
            yield Event(identifier, json.loads(value))


async def assert_events_resume(site: Site, tmp_path: Path) -> None:
    """Be cut, go on where it was, and be told to stay away at the end, as an EventSource is."""
    run_id, gate = await gated(site.client, tmp_path)
    url = site.client.url(f"runs/{run_id}/output?follow=true")
    headers = {"Accept": "text/event-stream", "Sec-Fetch-Site": "same-origin"}
    async with patience(), site.client.session.get(url, headers=headers) as response:
        assert response.content_type == "text/event-stream"
        first = await anext(one async for one in events(response) if one.data["type"] == "output")
        assert first.data["text"] == "first\n"
        response.close()
    gate.touch()
    assert first.id is not None
    headers["Last-Event-ID"] = first.id
    async with patience(), site.client.session.get(url, headers=headers) as response:
        told = [one async for one in events(response)]
    assert "".join(str(one.data.get("text", "")) for one in told) == "last\n"
    assert told[-1].data["type"] == "end"
    headers["Last-Event-ID"] = str(told[-1].id)
    async with site.client.session.get(url, headers=headers) as response:
        assert response.status == 204


async def assert_api_works(site: Site) -> None:
    """Call the API from the page that is served here, and go where it leads."""
    body = {"name": "test", "script": "echo hello"}
    url, headers = site.client.url("commands/"), site.headers()
    async with site.client.session.post(url, json=body, headers=headers) as response:
        created = await response.json()
        assert response.status == 201, created
        location = urljoin(f"{site.origin}/", response.headers["Location"])
    async with site.client.session.get(location, headers=headers) as response:
        assert (await response.json())["script"] == "echo hello"
    links = created["run"]["links"]
    for name in ["self", "command", "output"]:
        async with site.client.session.get(site.origin + links[name]) as response:
            assert response.status == 200
    stream = site.client.session.ws_connect(site.origin + links["ws"], headers=headers)
    async with patience(), stream as websocket:
        assert (await watch(websocket)).messages == ["hello"]
    for path in ["/swagger", "/swagger/"]:
        async with site.client.session.get(f"{site.address}{path}") as response:
            assert str(response.url) == f"{site.address}/swagger/index.html"


async def assert_streamed_line_by_line(site: Site, tmp_path: Path) -> None:
    """Watch a run over a WebSocket: its first line comes before the last is written."""
    run_id, gate = await gated(site.client, tmp_path)
    async with patience(), site.client.connect(run_id, site.headers(), format="json") as stream:
        while (await stream.receive_json())["type"] != "output":
            pass
        gate.touch()
        assert joined((await watch(stream, as_json=True)).messages) == "last\n"


async def assert_other_sites_are_refused(site: Site, run_id: str) -> None:
    body = {"name": "evil", "script": "true"}
    for headers in CROSS_SITE:
        await site.client.call("GET", "commands/", headers=headers, status=403)
        await site.client.call("POST", "commands/", json=body, headers=headers, status=403)
        with pytest.raises(WSServerHandshakeError):
            async with site.client.connect(run_id, headers):
                pass
    assert (await site.client.call("GET", "commands/?q=evil"))["items"] == []


async def test_the_page_comes_up_behind_a_documented_proxy(site: Site) -> None:
    await assert_page_comes_up(site)


async def test_the_api_works_behind_a_documented_proxy(site: Site) -> None:
    await assert_api_works(site)


async def test_a_stream_comes_line_by_line_behind_a_documented_proxy(
    site: Site, tmp_path: Path
) -> None:
    await assert_streamed_line_by_line(site, tmp_path)


async def test_output_is_followed_behind_a_documented_proxy(site: Site, tmp_path: Path) -> None:
    await assert_followed_line_by_line(site, tmp_path)


async def test_events_resume_behind_a_documented_proxy(site: Site, tmp_path: Path) -> None:
    await assert_events_resume(site, tmp_path)


@pytest.mark.parametrize("name", UNDER_A_PATH)
async def test_all_works_under_a_path(name: str, start: Start, tmp_path: Path) -> None:
    client = await start(base_path=BASE, auth="off")
    proxy, text = UNDER_A_PATH[name]
    before = proxy(tmp_path / "proxy", client.service.address, text)
    async with behind(client, before, BASE) as site:
        await assert_page_comes_up(site)
        await assert_api_works(site)
        await assert_streamed_line_by_line(site, tmp_path)
        await assert_followed_line_by_line(site, tmp_path)
        await assert_events_resume(site, tmp_path)


async def test_a_name_is_permitted_behind_a_proxy(start: Start, tmp_path: Path) -> None:
    client = await start(allowed_hosts=NAME, auth="off")
    text = snippet("nginx", 0)
    async with behind(client, nginx(tmp_path / "proxy", client.service.address, text)) as site:
        for origin, status in [(f"https://{NAME}", 200), (f"https://{NAME}:81", 403)]:
            headers = {"Host": NAME, "Origin": origin}
            await site.client.call("GET", "ping", headers=headers, status=status)


async def test_other_sites_are_refused_behind_a_documented_proxy(site: Site) -> None:
    await assert_other_sites_are_refused(site, await site.client.run("true"))


async def test_the_page_comes_up_behind_a_proxy_that_is_set_up_halfway(plain: Site) -> None:
    await assert_page_comes_up(plain)


async def test_output_is_followed_behind_a_proxy_that_is_set_up_halfway(
    plain: Site, tmp_path: Path
) -> None:
    await assert_followed_line_by_line(plain, tmp_path)


async def test_events_resume_behind_a_proxy_that_is_set_up_halfway(
    plain: Site, tmp_path: Path
) -> None:
    await assert_events_resume(plain, tmp_path)


async def test_a_handshake_that_a_proxy_has_undone_is_told_what_is_missing(plain: Site) -> None:
    run_id = await plain.client.run("true")
    headers = plain.headers(Upgrade="websocket") | {"Sec-Fetch-Site": "same-origin"}
    refused = await plain.client.call("GET", f"runs/{run_id}/ws", headers=headers, status=400)
    assert "have it pass on the headers Upgrade and Connection" in refused["detail"]


async def test_other_sites_are_refused_behind_a_proxy_that_is_set_up_halfway(plain: Site) -> None:
    await assert_other_sites_are_refused(plain, await plain.client.run("true"))


async def test_behind_a_proxy_that_rewrites_the_host_a_refusal_says_what_to_set(
    client: Client, tmp_path: Path
) -> None:
    """Where the browser does not say by itself that the page is the site's own."""
    body = {"name": "test", "script": "true"}
    proxy = nginx(tmp_path / "proxy", client.service.address, BARE)
    async with behind(client, proxy) as site:
        headers = site.headers()
        refused = await site.client.call(
            "POST", "commands/", json=body, headers=headers, status=403
        )
        assert refused["type"] == "/docs/api.md#origin-refused"
        assert refused["detail"].startswith(f"Cross-origin request from '{site.origin}' refused")
        assert "proxy_set_header Host $http_host;" in refused["detail"]
        told = site.headers(**{"Sec-Fetch-Site": "same-origin"})
        await site.client.call("POST", "commands/", json=body, headers=told, status=201)


async def test_a_proxy_that_ends_tls_must_say_so(client: Client, tmp_path: Path) -> None:
    silent = snippet("nginx", 0).replace("proxy_set_header X-Forwarded-Proto $scheme;", "")
    proxy = nginx(tmp_path / "proxy", client.service.address, silent)
    async with behind(client, proxy) as site:
        refused = await site.client.call("GET", "ping", headers=site.headers(), status=403)
        assert "X-Forwarded-Proto: https" in refused["detail"]
