"""Pages of other sites, and names that are not ours, are not let in."""

import pytest
from aiohttp import WSServerHandshakeError

from tests.support.service import Client

EVIL = "https://evil.example"


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": EVIL},
        {"Origin": "null"},
        {"Host": "evil.example"},
        {"Host": "evil.example:8000", "Origin": "http://evil.example:8000"},
        {"Host": "["},
        {"Sec-Fetch-Site": "cross-site"},
    ],
)
async def test_strangers_are_refused(client: Client, headers: dict[str, str]) -> None:
    created = await client.create("true", start=False)
    for method, path in [
        ("GET", "commands/"),
        ("DELETE", f"commands/{created['id']}"),
        ("POST", f"commands/{created['id']}/runs"),
    ]:
        refused = await client.call(method, path, headers=headers, status=403)
        assert refused["detail"]
    history = await client.call("GET", f"commands/{created['id']}/runs")
    assert history["items"] == []


@pytest.mark.parametrize("headers", [{"Origin": EVIL}, {"Host": "evil.example"}])
async def test_strangers_cannot_watch(client: Client, headers: dict[str, str]) -> None:
    run_id = await client.run("echo secret")
    with pytest.raises(WSServerHandshakeError, match="403"):
        async with client.connect(run_id, headers=headers):
            pass


@pytest.mark.parametrize(
    "content_type",
    ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""],
)
async def test_a_body_that_is_not_sent_as_json_is_refused(
    client: Client, content_type: str
) -> None:
    refused = await client.call(
        "POST",
        "commands/",
        data=b'{"name": "test", "script": "true"}',
        headers={"Content-Type": content_type},
        status=415,
    )
    assert "application/json" in refused["detail"]
    assert (await client.call("GET", "commands/"))["items"] == []


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:80", "[::1]:8000", "LOCALHOST"])
async def test_loopback_names_are_ours(client: Client, host: str) -> None:
    await client.call("GET", "ping", headers={"Host": host})


async def test_the_own_page_is_let_in(client: Client) -> None:
    await client.call("GET", "ping", headers={"Origin": client.service.address})


async def test_the_own_pages_are_confined(client: Client) -> None:
    async with client.session.get(f"{client.service.address}/") as response:
        assert response.status == 200
        assert "default-src 'self'" in response.headers["Content-Security-Policy"]
        assert response.headers["X-Content-Type-Options"] == "nosniff"
