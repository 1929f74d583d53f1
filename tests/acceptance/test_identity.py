"""Who is let in without a word: the server's own user on this host, and nobody else."""

import os
import pwd
import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest

from server.access import Right
from server.handlers.application import build_app
from server.handlers.http.local_socket import SOCKET_NAME
from server.handlers.http.rules import RULES
from server.settings.groups import Settings
from tests.acceptance.conftest import ended
from tests.support.client import Client, Start
from tests.support.others import AS_ROOT, NOBODY, curl, open_directory, status
from tests.support.proxies import nginx, snippet
from tests.support.service import Service

WS = [
    *("--http1.1", "--no-buffer", "-H", "Connection: Upgrade", "-H", "Upgrade: websocket"),
    *("-H", "Sec-WebSocket-Version: 13", "-H", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="),
]
FORWARDING = [
    "Forwarded: for=192.0.2.1",
    "X-Forwarded-For: 127.0.0.1",
    "X-Forwarded-Host: localhost",
    "X-Forwarded-Proto: http",
    "X-Real-IP: 127.0.0.1",
    "Via: 1.1 proxy",
]


def closed_routes() -> list[tuple[str, str]]:
    """Return the method and path of every route that needs somebody signed in."""
    rules = build_app(Settings())[RULES]
    found = []
    for route, rule in rules.items():
        if rule.right is not Right.PUBLIC and route.resource is not None:
            path = route.resource.canonical
            found.append((route.method, path))
    return found


async def refused(client: Client, *arguments: str, path: str = "commands/", user: int = 0) -> str:
    """Ask as a user (0: our own), be refused with 401, and return the problem's type."""
    url = str(client.url(path))
    own = None if user == 0 else user
    said = (await curl(*arguments, "-i", url, user=own)).decode()
    head, _, body = said.partition("\r\n\r\n")
    assert head.split()[1] == "401", said
    assert re.search(r"^WWW-Authenticate: Bearer", head, re.MULTILINE | re.IGNORECASE)
    found = re.search(r'"type": "/docs/api.md#([a-z-]+)"', body)
    assert found is not None, body
    return found[1]


@AS_ROOT
async def test_another_user_of_the_host_is_nobody_on_every_route(
    client: Client, subtests: pytest.Subtests
) -> None:
    created = await client.create("echo secret; exec sleep 1000")
    routes = closed_routes()
    assert len(routes) > 50
    for method, template in routes:
        run_id, command_id = created["run"]["id"], created["id"]
        thing = run_id if "/runs/{id}" in template else command_id
        url = str(client.page_url(template.replace("{id}", thing)))
        with subtests.test(method=method, path=template):
            if template.rstrip("/").endswith("/ws"):
                said = await curl(*WS, f"{url}?format=json")
                assert b'"type":"refused","status":401' in said
                assert b"secret" not in said
                continue
            how = ["--head"] if method == "HEAD" else ["--request", method]
            body = ["-H", "Content-Type: application/json", "--data", '{"name": "x"}']
            more = body if method in {"POST", "PUT", "PATCH"} else []
            assert await status(url, *how, *more) == 401
    run = await client.get_run(created["run"]["id"])
    assert (run["state"], run["stopping"]) == ("running", False)
    await client.stop(run["id"])


@AS_ROOT
@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
async def test_at_every_loopback_address_the_own_user_is_known_and_no_other(
    start: Start, host: str
) -> None:
    client = await start(host=host)
    url = str(client.url("commands/"))
    assert await status(url, "--globoff", user=None) == 200
    assert await status(url, "--globoff") == 401


@AS_ROOT
async def test_an_ipv4_address_that_is_written_as_ipv6_hides_nobody(client: Client) -> None:
    port = urlsplit(client.service.address).port
    url = f"http://[::ffff:127.0.0.1]:{port}/api/v1/commands/"
    told = ("--globoff", "-H", f"Host: localhost:{port}")
    assert await status(url, *told, user=None) == 200
    assert await status(url, *told) == 401


@AS_ROOT
async def test_whoever_is_not_enough_is_told_why(start: Start) -> None:
    client = await start(allowed_hosts="tailrun.example")
    for user, arguments, why in [
        (NOBODY, [], f"{pwd.getpwuid(NOBODY).pw_name}, a user of this host, is not in TAILRUN_LOC"),
        (None, ["-H", "Via: 1.1 proxy"], "A proxy passed it on"),
        (None, ["-H", "Host: tailrun.example"], "A local user is known at localhost"),
    ]:
        said = (await curl(*arguments, str(client.url("commands/")), user=user)).decode()
        assert "Nobody is signed in: this takes a token, or a session. " + why in said


@pytest.mark.parametrize("header", FORWARDING)
async def test_what_a_proxy_passes_on_is_no_local_users(client: Client, header: str) -> None:
    assert await refused(client, "-H", header) == "not-signed-in"


async def test_a_name_that_leads_here_is_not_enough(start: Start) -> None:
    """A page of another site may have had its name point here (DNS rebinding)."""
    client = await start(allowed_hosts="tailrun.example")
    assert await refused(client, "-H", "Host: tailrun.example") == "not-signed-in"
    said = await status(str(client.url("commands/")), "-H", "Host: evil.example", user=None)
    assert said == 403


async def test_a_wrong_credential_is_refused_though_a_local_user_gives_it(client: Client) -> None:
    token = f"Authorization: Bearer tlr_{'A' * 49}"
    assert await refused(client, "-H", token) == "credential-refused"
    assert await refused(client, "-H", "Authorization: Bearer") == "credential-refused"
    twice = ("-H", "Authorization: Bearer a", "-H", "Authorization: Basic b")
    assert await refused(client, *twice) == "credential-refused"
    port = urlsplit(client.service.address).port
    cookie = ("-H", f"Cookie: tailrun-{port}=wrong", "-H", "Sec-Fetch-Site: same-origin")
    assert await refused(client, *cookie) == "credential-refused"
    assert await refused(client, path="runs/?ticket=wrong") == "credential-refused"


async def test_what_is_meant_for_a_proxy_does_not_matter(client: Client) -> None:
    url = str(client.url("commands/"))
    assert await status(url, "--user", "alice:password", user=None) == 200
    assert await status(url, "-H", "Cookie: other=1; tailrun-1=wrong", user=None) == 200


@AS_ROOT
async def test_too_many_wrong_credentials_are_refused_unseen(start: Start) -> None:
    """And lock out neither our own user, whoever guesses, nor a credential of another user."""
    client = await start()

    async def guess(number: int, user: int | None, come_from: str = "127.0.0.1") -> tuple[int, str]:
        url, token = str(client.url("commands/")), f"Authorization: Bearer wrong{number}"
        asked = ("-i", "--interface", come_from, "-H", token, url)
        said = (await curl(*asked, user=user)).decode()
        return int(said.split()[1]), said

    for number in range(10):
        # From another address each time: a user of this host has all of 127.0.0.0/8.
        assert (await guess(number, NOBODY, f"127.0.1.{number}"))[0] == 401
    code, said = await guess(10, NOBODY)
    assert code == 429
    assert "too-many-guesses" in said
    assert 0 < int(re.findall(r"(?im)^Retry-After: (\d+)", said)[0]) <= 60
    assert (await guess(11, None))[0] == 401
    for number in range(12, 21):
        assert (await guess(number, None))[0] == 401
    assert (await guess(21, None))[0] == 429
    assert await status(str(client.url("commands/")), user=None) == 200
    assert await refused(client, user=NOBODY) == "not-signed-in"


@AS_ROOT
async def test_a_named_user_has_the_role_that_the_settings_give(start: Start) -> None:
    client = await start(local_users=f"{pwd.getpwuid(NOBODY).pw_name}=viewer,1234=admin")
    created = await client.create("true", start=False)
    url = str(client.url(f"commands/{created['id']}"))
    assert await status(url) == 200
    assert await status(url, "--request", "DELETE") == 403
    assert await status(url, "--request", "DELETE", user=1234) == 204
    assert await status(url, user=1235) == 401


@AS_ROOT
async def test_a_named_user_also_has_what_is_granted_until_it_is_taken_back(start: Start) -> None:
    user = pwd.getpwuid(NOBODY).pw_name
    client = await start(local_users=f"{user}=viewer")
    url = str(client.url(f"commands/{(await client.create('true'))['id']}/runs"))
    starting = ("--request", "POST")
    assert await status(url, *starting) == 403
    body = {"principal": f"local:{user}", "role": "operator", "group": "default"}
    grant = await client.call("POST", "grants/", json=body)
    assert await status(url, *starting) == 201
    await client.call("DELETE", f"grants/{grant['id']}")
    assert await status(url, *starting) == 403


async def test_an_odd_local_user_is_named(service: Service) -> None:
    own = pwd.getpwuid(os.getuid()).pw_name
    for users, said in [
        ("no-such-user=viewer", "names no-such-user, and this host has no such user"),
        (f"{own}=viewer", f"names {own}, the user that Tailrun runs as"),
    ]:
        code, told = await service.refused("--local-users", users)
        assert code == os.EX_CONFIG
        assert said in told
        assert not service.state_dir.exists()


@AS_ROOT
async def test_a_proxy_of_another_user_is_nobody_and_passes_tokens_on(
    client: Client,
) -> None:
    """Nginx as it is documented, and one that hides that it is there."""
    hiding = "server { listen 80; location / { proxy_pass http://127.0.0.1:8000; } }"
    for configuration in [hiding, snippet("nginx", 0)]:
        with open_directory() as directory:
            proxy = nginx(directory / "proxy", client.service.address, configuration, user=NOBODY)
            async with proxy as address:
                for user in [None, NOBODY]:
                    assert await status(f"{address}/api/v1/commands/", user=user) == 401
                assert await status(f"{address}/api/v1/ping", user=None) == 200
                assert await status(f"{address}/", user=None) == 200


@AS_ROOT
async def test_a_trusted_proxy_says_where_a_request_comes_from(start: Start) -> None:
    """What a client writes into the header itself is not believed, with and without a proxy."""
    client = await start(trusted_proxies="127.0.0.1", auth="required")
    token = await signed_in(client)
    with open_directory() as directory:
        proxy = nginx(directory / "proxy", client.service.address, snippet("nginx", 0), user=NOBODY)
        async with proxy as address:
            for site, name in [(address, "through"), (client.service.address, "past")]:
                said = await curl(
                    *("--interface", "127.0.0.5", "-H", "X-Forwarded-For: 203.0.113.9"),
                    *("-H", f"Authorization: Bearer {token}", "--json"),
                    *(f'{{"name": "{name}", "script": "true", "start": false}}',),
                    f"{site}/api/v1/commands/",
                )
                assert f'"name":"{name}"'.encode() in said
    audit = await ask_over_socket(client, "GET", "audit/?act=command.create")
    assert [row["address"] for row in audit["items"]] == ["127.0.0.5"] * 2


async def signed_in(client: Client) -> str:
    """Make a token of the server's own user."""
    body = {"name": "test", "role": "admin", "group": "*"}
    made = await ask_over_socket(client, "POST", "tokens/", json=body)
    token: str = made["token"]
    return token


async def ask_over_socket(client: Client, method: str, path: str, **arguments: Any) -> Any:
    """Ask over the socket in the state directory, as the command line does."""
    connector = aiohttp.UnixConnector(str(client.service.state_dir / SOCKET_NAME))
    async with (
        aiohttp.ClientSession(connector=connector) as session,
        session.request(method, f"http://localhost/api/v1/{path}", **arguments) as response,
    ):
        assert response.ok, await response.text()
        return await response.json()


async def test_required_lets_nobody_in_but_over_the_socket_in_the_state_directory(
    start: Start,
) -> None:
    client = await start(auth="required")
    assert await refused(client) == "not-signed-in"
    path = client.service.state_dir / SOCKET_NAME
    assert await over(path) == 200
    assert await over(path, headers={"X-Forwarded-For": "192.0.2.1"}) == 401


async def over(path: Path, **arguments: Any) -> int:
    """Ask for the commands over a socket; return the status."""
    connector = aiohttp.UnixConnector(str(path))
    async with (
        aiohttp.ClientSession(connector=connector) as session,
        session.get("http://localhost/api/v1/commands/", **arguments) as response,
    ):
        return response.status


async def test_the_socket_is_our_own_and_taken_over(start: Start, service: Service) -> None:
    """Whatever is in its place, and however long its path is."""
    service.state_dir.mkdir(mode=0o700)
    path = service.state_dir / SOCKET_NAME
    path.touch(mode=0o666)
    client = await start()
    assert path.stat().st_mode & 0o777 == 0o600
    assert await over(path) == 200
    await client.service.kill()
    await client.service.start()
    assert await over(path) == 200


async def test_without_the_socket_all_else_works(start: Start, service: Service) -> None:
    path = service.state_dir / SOCKET_NAME
    path.mkdir(parents=True)
    service.state_dir.chmod(0o700)
    client = await start()
    assert (await client.call("GET", "commands/"))["items"] == []
    assert f"{path} cannot be listened on" in client.service.log


async def test_a_long_path_leads_to_the_socket(tmp_path: Path, database_url: str) -> None:
    state_dir = tmp_path / ("x" * 120)
    async with ended(Service(state_dir, database_url)) as service:
        await service.start()
        handle = os.open(state_dir, os.O_PATH)
        try:
            assert await over(Path(f"/proc/self/fd/{handle}/{SOCKET_NAME}")) == 200
        finally:
            os.close(handle)


@AS_ROOT
async def test_off_lets_everybody_in_and_says_so(start: Start) -> None:
    client = await start(auth="off")
    url = str(client.url("commands/"))
    for more in [[], ["-H", "Authorization: Bearer wrong"], ["-H", "X-Forwarded-For: 192.0.2.1"]]:
        assert await status(url, *more) == 200
    said = [line for line in client.service.log.splitlines() if "authentication is off" in line]
    assert len(said) == 1
    assert client.service.address.removeprefix("http://").replace(":", " port ") in said[0]


async def test_no_word_of_it_where_somebody_is_asked_for(start: Start) -> None:
    client = await start()
    assert "authentication" not in client.service.log
    assert "no-auth" not in client.service.log
