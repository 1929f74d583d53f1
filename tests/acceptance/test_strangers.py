"""Pages of other sites, and names that are not ours, are not let in."""

import asyncio
import gzip
from urllib.parse import urlsplit

import pytest
from aiohttp import WSServerHandshakeError

from tests.support.client import Client, Start

EVIL = "https://evil.example"
PUBLIC = ["/", "/static/js/main.js", "/swagger/index.html", "/swagger/swagger.json"]


async def test_strangers_are_refused(client: Client, subtests: pytest.Subtests) -> None:
    created = await client.create("true", start=False)
    for headers in [
        {"Origin": EVIL},
        {"Origin": "null"},
        {"Host": "evil.example@localhost"},
        {"Host": "localhost:abc"},
        {"Host": "localhost:99999"},
        {"Origin": f"{client.service.address}1"},
        {"Origin": client.service.address.replace("http:", "https:")},
        {"Host": "evil.example"},
        {"Host": "evil.example:8000", "Origin": "http://evil.example:8000"},
        {"Host": "["},
        {"Host": ""},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ]:
        for method, path in [
            ("GET", "commands/"),
            ("DELETE", f"commands/{created['id']}"),
            ("POST", f"commands/{created['id']}/runs"),
            ("GET", "nothing"),
        ]:
            with subtests.test(headers=headers, method=method, path=path):
                refused = await client.call(method, path, headers=headers, status=403)
                assert refused["detail"]
    history = await client.call("GET", f"commands/{created['id']}/runs")
    assert history["items"] == []


async def test_strangers_cannot_watch(client: Client, subtests: pytest.Subtests) -> None:
    run_id = await client.run("echo secret")
    for headers in [{"Origin": EVIL}, {"Host": "evil.example"}]:
        with subtests.test(headers=headers), pytest.raises(WSServerHandshakeError, match="403"):
            async with client.connect(run_id, headers):
                pass


async def test_a_page_and_its_files_do_not_fail_by_their_origin(
    client: Client, subtests: pytest.Subtests
) -> None:
    """A proxy may have rewritten Host: the page must come up to say what is wrong."""
    for path in PUBLIC:
        for headers in [{"Origin": EVIL}, {"Sec-Fetch-Site": "cross-site"}]:
            with subtests.test(path, headers=headers):
                async with client.session.get(client.page_url(path), headers=headers) as answer:
                    assert answer.status == 200
                    assert "Access-Control-Allow-Origin" not in answer.headers
        async with client.session.get(
            client.page_url(path), headers={"Host": "evil.example"}
        ) as no:
            assert no.status == 403


async def test_a_header_that_is_sent_twice_is_refused(
    client: Client, subtests: pytest.Subtests
) -> None:
    address = urlsplit(client.service.address)
    for name, value in [("Host", address.netloc), ("Origin", client.service.address)]:
        with subtests.test(name):
            head = f"GET /api/v1/ping HTTP/1.1\r\nHost: {address.netloc}\r\nConnection: close\r\n"
            twice = f"{name}: {value}\r\n" * (1 if name == "Host" else 2)
            reader, writer = await asyncio.open_connection(address.hostname, address.port)
            writer.write(f"{head}{twice}\r\n".encode())
            answer = await reader.read()
            writer.close()
            assert answer.split()[1] in {b"400", b"403"}


async def test_a_body_that_is_not_sent_as_json_is_refused(
    client: Client, subtests: pytest.Subtests
) -> None:
    for content_type in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "",
    ]:
        with subtests.test(content_type):
            refused = await client.call(
                "POST",
                "commands/",
                data=b'{"name": "sent otherwise", "script": "true"}',
                headers={"Content-Type": content_type},
                status=415,
            )
            assert "application/json" in refused["detail"]
    assert (await client.call("GET", "commands/?q=sent+otherwise"))["items"] == []


async def test_a_compressed_body_is_refused(client: Client, subtests: pytest.Subtests) -> None:
    """A small one may become a very large one."""
    body = gzip.compress(b'{"name": "compressed", "script": "true"}')
    for encoding in ["gzip", "deflate", "br", "zstd", "identity, gzip"]:
        with subtests.test(encoding):
            headers = {"Content-Type": "application/json", "Content-Encoding": encoding}
            refused = await client.call(
                "POST", "commands/", data=body, headers=headers, status=415, compress=False
            )
            assert "Content-Encoding" in refused["detail"]
    assert (await client.call("GET", "commands/?q=compressed"))["items"] == []


async def test_loopback_names_are_ours(client: Client, subtests: pytest.Subtests) -> None:
    for host in ["localhost", "127.0.0.1:80", "[::1]:8000", "LOCALHOST"]:
        with subtests.test(host):
            await client.call("GET", "ping", headers={"Host": host})


async def test_the_own_page_is_let_in(client: Client, subtests: pytest.Subtests) -> None:
    for headers in [
        {"Origin": client.service.address},
        {  # a proxy ends TLS
            "Origin": client.service.address.replace("http:", "https:"),
            "X-Forwarded-Proto": "https",
        },
        {"Sec-Fetch-Site": "same-origin"},
        {"Sec-Fetch-Site": "none"},
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"},
    ]:
        with subtests.test(headers=headers):
            await client.call("GET", "ping", headers=headers)


async def test_a_name_may_be_permitted(start: Start) -> None:
    client = await start(allowed_hosts="runs.example, Other.Example")
    for host in ["runs.example", "other.example:8000"]:
        await client.call("GET", "ping", headers={"Host": host, "Origin": f"http://{host}"})
    await client.call("GET", "ping", headers={"Host": "evil.example"}, status=403)


async def test_the_own_pages_are_confined(client: Client, subtests: pytest.Subtests) -> None:
    for path in ["/", "/swagger/index.html", "/static/js/main.js", "/api/v1/ping", "/nothing"]:
        with subtests.test(path):
            async with client.session.get(client.page_url(path)) as response:
                assert "default-src 'self'" in response.headers["Content-Security-Policy"]
                assert response.headers["X-Content-Type-Options"] == "nosniff"
