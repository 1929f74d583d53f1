"""Input that is wrong: each is refused with an answer that names it."""

import asyncio
import io
import json
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import pytest

from tests.support.client import Client
from tests.support.waiting import patience, until

JSON = {"Content-Type": "application/json"}
BODIES = {"PUT": {"name": "test", "script": "true"}, "signal": {"signal": "SIGUSR1"}}
NOBODY = "00000000-0000-4000-8000-000000000000"


async def number_of_commands(client: Client) -> int:
    return len((await client.call("GET", "commands/?limit=500"))["items"])


async def test_wrong_fields_are_named(client: Client, subtests: pytest.Subtests) -> None:
    before = await number_of_commands(client)
    cases: list[tuple[object, str, str]] = [
        ({"name": "test"}, "script", "required"),
        ({"script": "true"}, "name", "required"),
        ({"name": "test", "script": "  "}, "script", "empty"),
        ({"name": "", "script": "true"}, "name", "empty"),
        ({"name": "x" * 65, "script": "true"}, "name", "64"),
        ({"name": "test", "script": "true", "colour": 1}, "colour", "Unknown"),
        ({"name": "test", "script": "a\0b"}, "script", "NUL"),
        ({"name": "te\0st", "script": "true"}, "name", "NUL"),
        ({"name": "test", "description": "\0", "script": "true"}, "description", "NUL"),
        ({"name": "test", "script": "\ud800"}, "script", "surrogate"),
        ({"name": 5, "script": "true"}, "name", "string"),
        ({"name": "test", "script": "true", "\ud800": 1}, "\ud800", "Unknown"),
        ({"name": "test", "script": "true", "start": "yes"}, "start", "boolean"),
        ({"name": "test", "script": "true", "start": None}, "start", "null"),
        ([], "body", "Invalid"),
        ("text", "body", "Invalid"),
        (None, "body", "Invalid"),
    ]
    for body, field, text in cases:
        with subtests.test(body=body):
            refused = await client.call(
                "POST", "commands/", data=json.dumps(body), headers=JSON, status=422
            )
            assert text.lower() in " ".join(refused["errors"][field]).lower()
            assert field in refused["detail"]
    assert await number_of_commands(client) == before


async def test_all_wrong_fields_are_named_at_once(client: Client) -> None:
    body = {"name": "x" * 65, "colour": "red"}
    refused = await client.call("POST", "commands/", json=body, status=422)
    assert set(refused["errors"]) == {"name", "script", "colour"}


async def test_of_many_unknown_fields_some_are_named(
    client: Client, subtests: pytest.Subtests
) -> None:
    """In an answer whose size has a bound, whatever was sent."""
    good: dict[str, object] = {"name": "n", "script": "s"}
    long = good | {"x" * 500_000: 1}
    many: dict[str, object] = {f"field {n}": 1 for n in range(50_000)}
    twelve = good | {f"field {n}": 1 for n in range(12)}
    cases: list[tuple[dict[str, object], int, int]] = [
        (many, 10, 49_990),
        (twelve, 10, 2),
        (long, 1, 0),
    ]
    for body, named, more in cases:
        with subtests.test(more=more):
            url = client.url("commands/")
            async with client.session.post(url, json=body) as response:
                assert response.status == 422
                told = await response.read()
            refused = json.loads(told)
            assert len(told) < 5_000
            assert len(refused["errors"]) == named
            assert all("Unknown" in str(texts) for texts in refused["errors"].values())
            assert refused["detail"].endswith(f"; and {more} more" if more else "field.")
    query = "&".join(f"a{n}=1" for n in range(500))
    refused = await client.call("GET", f"commands/?{query}", status=422)
    assert refused["detail"].endswith("and 490 more")


async def test_a_body_of_very_many_lists_is_refused(
    client: Client, subtests: pytest.Subtests
) -> None:
    """What stands in a text is none of them."""
    for value in ["[]," * 1000, "[" * 100_000, '{"a":' * 5000, '"[",' + "[]," * 1000]:
        with subtests.test(value[:5]):
            body = f'{{"name": [{value} 1], "script": "x"}}'.encode()
            refused = await client.call("POST", "commands/", data=body, headers=JSON, status=422)
            assert "more than 1000 lists and objects" in refused["detail"]
    script = 'echo "[{\\" \n' * 1000
    assert (await client.create(script, start=False))["script"] == script


async def test_a_number_without_end_is_refused(client: Client) -> None:
    for body, status in [(b'{"grace_seconds": 1%s}' % (b"0" * 5000), 400), (b'{"x": 1e999}', 422)]:
        path = f"commands/{NOBODY}/stop"
        refused = await client.call("POST", path, data=body, headers=JSON, status=status)
        assert "sys." not in refused["detail"]


async def test_a_name_of_64_characters_is_taken(client: Client) -> None:
    created = await client.create("true", name="ü" * 64, start=False)
    assert created["name"] == "ü" * 64


async def test_a_body_that_is_no_json_is_refused(client: Client, subtests: pytest.Subtests) -> None:
    before = await number_of_commands(client)
    for text in ["{", "nonsense", "[" * 1000, '{"name": NaN}', "\udcff", "{'name': 1}", "\0"]:
        with subtests.test(text=text[:20]):
            refused = await client.call(
                "POST",
                "commands/",
                data=text.encode(errors="surrogateescape"),
                headers=JSON,
                status=400,
            )
            assert "JSON" in refused["detail"]
    assert await number_of_commands(client) == before


async def test_an_empty_body_lacks_its_fields(client: Client) -> None:
    refused = await client.call("POST", "commands/", status=422)
    assert set(refused["errors"]) == {"name", "script"}


async def test_a_body_above_the_bound_is_refused(client: Client, subtests: pytest.Subtests) -> None:
    """With its length told, and in chunks."""
    body = json.dumps({"name": "test", "script": "x" * 2 * 1024 * 1024}).encode()

    async def chunks() -> AsyncIterator[bytes]:
        yield body

    for name, data in [("length told", io.BytesIO(body)), ("chunked", chunks())]:
        with subtests.test(name):
            refused = await client.call("POST", "commands/", data=data, headers=JSON, status=413)
            assert "MAX_BODY_BYTES" in refused["detail"]


async def test_a_wrong_id_is_not_found(client: Client, subtests: pytest.Subtests) -> None:
    routes = [
        ("GET", "commands/{}"),
        ("PUT", "commands/{}"),
        ("DELETE", "commands/{}"),
        ("GET", "commands/{}/info"),
        ("POST", "commands/{}/stop"),
        ("POST", "commands/{}/runs"),
        ("GET", "commands/{}/runs"),
        ("GET", "runs/{}"),
        ("POST", "runs/{}/stop"),
        ("POST", "runs/{}/signal"),
        ("GET", "runs/{}/output"),
        ("GET", "runs/{}/marks"),
    ]
    wrong = [NOBODY, "x", "..%2f..%2fetc", "%2e%2e", "%00", f"%7b{NOBODY}%7d", NOBODY[:-1] + "%0a"]
    for method, path in routes:
        for text in wrong:
            with subtests.test(method=method, path=path, text=text):
                body = BODIES.get(path.rpartition("/")[2] if method == "POST" else method)
                refused = await client.call(method, path.format(text), json=body, status=404)
                assert refused["status"] == 404
                assert refused["title"] == "Not Found"


async def test_a_wrong_query_is_refused(client: Client, subtests: pytest.Subtests) -> None:
    for query in ["limit=0", "limit=501", "limit=x", "cursor=nonsense", "cursor=%00", "colour=red"]:
        for path in ["commands/", "runs/"]:
            with subtests.test(query=query, path=path):
                refused = await client.call("GET", f"{path}?{query}", status=422)
                assert query.partition("=")[0] in str(refused)
    for path in [
        "commands/?q=a&q=b",
        "runs/?limit=1&limit=1",
        f"runs/{NOBODY}/output?tail=1&tail=2",
    ]:
        with subtests.test(path=path):
            assert "Give it once." in str(await client.call("GET", path, status=422))
    for path in ["runs/?state=asleep", "runs/?command_id=x", "commands/?q=%00"]:
        with subtests.test(path=path):
            await client.call("GET", path, status=422)


async def test_a_wrong_start_of_the_output_is_refused(
    client: Client, subtests: pytest.Subtests
) -> None:
    run_id = await client.run("true")
    both = ["offset=-1", "offset=x", "tail=-1", "tail=1&offset=1", "colour=red", f"offset={2**64}"]
    output = ["lines=0-1", "lines=2-1", "lines=x", "lines=1-2&follow=true", "lines=1-2&tail=1"]
    stream = ["format=xml", "lines=1-2", "deflate=perhaps"]
    for resource, queries in [("output", both + output), ("ws", both + stream)]:
        for query in queries:
            with subtests.test(resource=resource, query=query):
                path = f"runs/{run_id}/{resource}?{query}"
                refused = await client.call("GET", path, status=422)
                assert query.partition("=")[0] in refused["errors"]


async def test_a_wrong_stop_or_signal_is_refused(client: Client, subtests: pytest.Subtests) -> None:
    run_id = await client.run("sleep 1000")
    cases: list[tuple[str, object, str]] = [
        ("stop", {"signal": "SIGNONE"}, "signal"),
        ("stop", {"signal": 9}, "signal"),
        ("stop", {"grace_seconds": -1}, "grace_seconds"),
        ("stop", {"grace_seconds": 1e9}, "grace_seconds"),
        ("stop", {"grace_seconds": "soon"}, "grace_seconds"),
        ("stop", {"when": "now"}, "when"),
        ("signal", {}, "signal"),
        ("signal", {"signal": "USR1"}, "signal"),
        ("signal", {"signal": "SIGUSR1", "when": "now"}, "when"),
    ]
    for route, body, field in cases:
        with subtests.test(route=route, body=body):
            refused = await client.call("POST", f"runs/{run_id}/{route}", json=body, status=422)
            assert field in refused["errors"]
    run = await client.get_run(run_id)
    assert (run["state"], run["stopping"]) == ("running", False)
    await client.stop(run_id)


async def test_a_method_that_a_route_does_not_take_is_refused(client: Client) -> None:
    refused = await client.call("PATCH", "commands/", status=405)
    assert "PATCH" in refused["detail"]
    assert "POST" in refused["detail"]


async def test_a_path_that_is_none_is_not_found(client: Client) -> None:
    refused = await client.call("GET", "nothing", status=404)
    assert refused["title"] == "Not Found"
    assert refused["type"] == "/docs/api.md#no-such-path"
    refused = await client.call("GET", f"command/{NOBODY}", status=404)
    assert refused["detail"].endswith(f" Did you mean /api/v1/commands/{NOBODY}?")


async def test_files_beside_the_page_are_not_served(
    client: Client, subtests: pytest.Subtests
) -> None:
    for path in [
        "/static/../setup.py",
        "/static/%2e%2e/setup.py",
        "/static/..%2fsetup.py",
        "/static/%2e%2e%2fsetup.py",
        "/static//../setup.py",
        "/static/js/../../setup.py",
        "/static/..%5csetup.py",
        "/static/%00",
        "/static/",
        "/static",
        "/static/js",
        "/static/nothing.js",
        "/static/" + "x" * 300,
        "/../setup.py",
        "/static/../../../../../../etc/passwd",
    ]:
        with subtests.test(path=path):
            async with client.session.get(client.page_url(path)) as response:
                text = await response.text()
                assert response.status in {403, 404}, text
                assert response.content_type == "application/problem+json"
                assert "install_requires" not in text


async def test_what_is_no_http_is_refused_in_one_line_of_the_log(
    client: Client, subtests: pytest.Subtests
) -> None:
    """And nothing of it comes into the log, or into the answer, which a pipeline may log."""
    address = urlsplit(client.service.address)
    for name, data in [
        ("no request line", b"secret\r\n\r\n"),
        ("a header without a colon", b"GET / HTTP/1.1\r\nHost localhost secret\r\n\r\n"),
        ("a long path", b"GET /" + b"secret" * 2000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n"),
        ("a long header", b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"secret" * 2000),
        ("a carriage return", b"GET / HTTP/1.1\r\nAuthorization: Bearer secret\r\r\n\r\n"),
        ("a blank before the colon", b"GET / HTTP/1.1\r\nAuthorization : Bearer secret\r\n\r\n"),
        ("a NUL", b"GET / HTTP/1.1\r\nAuthorization: Bearer secret\0\r\n\r\n"),
        ("two lengths", b"GET / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n"),
    ]:
        with subtests.test(name):
            reader, writer = await asyncio.open_connection(address.hostname, address.port)
            writer.write(data)
            async with patience():
                answer = await reader.read()
            writer.close()
            assert answer.split()[1] == b"400"
            told = json.loads(answer.partition(b"\r\n\r\n")[2])
            assert told["type"] == "/docs/api.md#bad-request"
            assert b"secret" not in answer
    assert await client.call("GET", "ping") == {"status": "ok"}
    await until(lambda: "request refused: it is not HTTP" in client.service.log)
    assert "secret" not in client.service.log
