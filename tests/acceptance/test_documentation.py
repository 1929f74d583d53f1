"""The API's description tells the truth, and its page needs nobody else."""

import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urljoin
from uuid import uuid4

import pytest

from server.handlers.routes import ROUTES
from tests.support.client import Client, Start

NOBODY = "00000000-0000-4000-8000-000000000000"
JSON = {"Content-Type": "application/json"}
FOREIGN = re.compile(r"""(https?:)?//[a-z0-9]""", re.IGNORECASE)
TYPES: dict[str, type | tuple[type, ...]] = {
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
}


@dataclass(frozen=True, slots=True)
class Operation:
    """One documented way to call the API."""

    method: str
    path: str
    told: dict[str, Any]
    definitions: dict[str, Any]

    @property
    def body(self) -> dict[str, Any] | None:
        """The body that the documentation gives as an example."""
        for parameter in self.told["parameters"]:
            if parameter["in"] == "body":
                properties = self.resolve(parameter["schema"])["properties"]
                return {name: told["example"] for name, told in properties.items()}
        return None

    def resolve(self, schema: dict[str, Any]) -> dict[str, Any]:
        [inner] = schema.get("allOf", [schema])  # a reference that is more, as: it may be null
        reference = inner.get("$ref")
        found: dict[str, Any] = (
            schema if reference is None else self.definitions[reference.rpartition("/")[2]]
        )
        return found

    def path_of(self, identifier: str) -> str:
        return self.path.format(id=identifier).removeprefix("/api/v1/")


async def description(client: Client) -> dict[str, Any]:
    async with client.session.get(client.page_url("/swagger/swagger.json")) as response:
        assert response.status == 200
        told: dict[str, Any] = await response.json()
        return told


@pytest.fixture
async def operations(client: Client) -> list[Operation]:
    told = await description(client)
    return [
        Operation(method.upper(), path, operation, told["definitions"])
        for path, methods in told["paths"].items()
        for method, operation in methods.items()
    ]


def test_every_route_is_documented_and_no_other(operations: list[Operation]) -> None:
    documented = [(operation.method, operation.path) for operation in operations]
    assert sorted(documented) == sorted(
        (method, f"/api/v1/{path}") for method, path, _, _ in ROUTES
    )


def test_every_operation_is_described(
    operations: list[Operation], subtests: pytest.Subtests
) -> None:
    for operation in operations:
        with subtests.test(f"{operation.method} {operation.path}"):
            told = operation.told
            assert told["summary"]
            assert told["tags"]
            assert all(answer["description"] for answer in told["responses"].values())
            assert {"403", "503"} <= set(told["responses"])
            for parameter in told["parameters"]:
                assert parameter.get("description") or parameter["in"] == "body", parameter
            names = {parameter["name"] for parameter in told["parameters"]}
            assert ("id" in names or KEY in names) == ("404" in told["responses"])


async def id_for(client: Client, operation: Operation, script: str = "sleep 1000") -> str:
    """Make a command with a run, and return the id that the operation's path needs."""
    if "/notification-targets/" in operation.path:
        return await add_target(client, f"target {uuid4()}")
    pointed = [{"name": "BRANCH"}] if "hooks" in operation.path else []
    created = await client.create(script, parameters=pointed)
    identifier: str = created["id"] if "/commands/" in operation.path else created["run"]["id"]
    if "/schedules/{id}" in operation.path:
        path = f"commands/{created['id']}/schedules"
        identifier = (await client.call("POST", path, json={"cron": "0 0 1 1 *"}))["id"]
    if "/hooks/{id}" in operation.path:
        path, body = f"commands/{created['id']}/hooks", {"name": "forge", "scheme": "gitlab"}
        identifier = (await client.call("POST", path, json=body))["id"]
    return identifier


async def add_target(client: Client, name: str) -> str:
    """Make a notification target where nobody listens; return its id."""
    body = {"name": name, "url": "http://127.0.0.1:1/"}
    made = await client.call("POST", "notification-targets/", json=body)
    return str(made["id"])


def needed(operation: Operation) -> str:
    """Return a query with what an operation cannot do without."""
    told = operation.told.get("parameters", ())
    names = [one["name"] for one in told if one["in"] == "query" and one["required"]]
    values = {"cron": "0+0+1+1+*"}
    return f"?{'&'.join(f'{name}={values.get(name, 1)}' for name in names)}" if names else ""


async def test_the_examples_are_accepted(
    client: Client, operations: list[Operation], subtests: pytest.Subtests
) -> None:
    for operation in operations:
        if "/workers/" not in operation.path and operation.body is not None:
            with subtests.test(f"{operation.method} {operation.path}"):
                await take_examples_back(client)
                path = operation.path_of(await id_for(client, operation))
                body = operation.body
                if path == "session":  # a ticket is good once
                    body = {"ticket": (await client.call("POST", "session/link"))["ticket"]}
                await client.call(operation.method, path, json=body)


async def take_examples_back(client: Client) -> None:
    """Delete what grants and targets there are: there may be one of each example, and no more."""
    for kind in ("grants", "notification-targets"):
        for one in (await client.call("GET", f"{kind}/"))["items"]:
            await client.call("DELETE", f"{kind}/{one['id']}")


ACCIDENTS = {410, 429, 503}
STREAMS = {"/api/v1/commands/{id}/ws", "/api/v1/runs/{id}/ws"}
TEDIOUS = {
    ("/api/v1/tokens/", 409),
    ("/api/v1/commands/{id}/schedules", 409),
    ("/api/v1/commands/{id}/hooks", 409),
    *((path, 404) for path in STREAMS),
}
"""One takes a thousand tokens (tests/integration/services/access/test_tokens.py), the others
somebody who may not see what there is (test_roles.py)."""
ELSEWHERE = {
    ("POST", "/api/v1/hooks/{id}"),
    ("POST", "/api/v1/workers/tokens"),
    ("POST", "/api/v1/workers/enroll"),
    ("PATCH", "/api/v1/workers/{id}"),
    ("DELETE", "/api/v1/workers/{id}"),
}
"""What is answered to a sender who signs: tests/integration/handlers/test_hooks.py; and where hosts
meet: tests/integration/handlers/test_enrolments.py."""
ABANDON = ("POST", "/api/v1/runs/{id}/abandon")
"""What it answers where a host is away: tests/integration/handlers/test_runs.py."""
KEYED = {"/api/v1/commands/", "/api/v1/commands/{id}"}
"""Where a command gets a key, which may be another's."""
KEY = "Idempotency-Key"
BAD_KEY = {"headers": {KEY: "with blanks"}}


async def provoke(client: Client, operation: Operation, status: int) -> int:
    """Call an operation so that it answers with an error of this status; return the status."""
    known = await id_for(client, operation, "true") if "{id}" in operation.path else NOBODY
    path = operation.path_of(NOBODY if status == 404 else known)
    good: dict[str, Any] = {"json": operation.body} if operation.body is not None else {}
    wrong: dict[int, dict[str, Any]] = {
        400: {"data": b"{", "headers": JSON} if good else {},
        401: {**good, "headers": {"Via": "1.1 proxy"}},  # whoever came through it is not known
        403: {**good, "headers": {"Host": "evil.example"}},
        404: good,
        409: good,
        412: {**good, "headers": {"If-Match": '"0"'}},
        413: {"data": large(), "headers": JSON},
        415: {"data": b"{}", "headers": {"Content-Type": "text/plain"}},
        416: {"headers": {"Range": "bytes=1000000-"}},
        422: {"json": {"colour": "red"}} if good else {"params": {"colour": "red"}, **BAD_KEY},
    }
    if (operation.method, path, status) == ("GET", "session", 401):
        wrong[401] = {"headers": {"Authorization": "Bearer none-of-ours"}}  # else it says: nobody
    if status == 404 and "{id}" not in operation.path:
        wrong[404] = await used_up(client, path, {**good["json"], "start": False})
    if status == 409 and operation.method == "DELETE":
        path = operation.path_of(await id_for(client, operation))
    elif (operation.method, path, status) == ("PUT", "commands/", 409):
        changed = [{"key": f"changed-{uuid4()}", "script": "true"}]
        wrong[409] = {"json": {"commands": changed, "plan": "of another set"}}
    elif status == 409 and operation.path in KEYED:
        key = f"taken-{operation.method.lower()}"
        await client.create("true", start=False, key=key)
        wrong[409] = {"json": {**good["json"], "key": key}}
    elif status == 409 and operation.path.endswith("/runs"):
        refusing = {"concurrency": {"limit": 1, "beyond": "refuse"}}
        path = operation.path_of((await client.create("sleep 1000", **refusing))["id"])
    elif status == 409 and operation.path.endswith("/grants/"):
        await client.call("POST", path, **good)
    elif status == 409 and "/notification-targets/" in operation.path:
        await add_target(client, good["json"]["name"])
    elif status == 409:
        await settle(client, operation, known)
    asked = path if status == 422 else path + needed(operation)
    url = client.url(asked).update_query(wrong[status].pop("params", {}))
    async with client.session.request(operation.method, url, **wrong[status]) as response:
        assert response.content_type == "application/problem+json"
        told = await response.json()
        assert told["status"] == response.status
        described = operation.definitions["Problem"]
        assert set(described["required"]) <= set(told) <= set(described["properties"])
        return response.status


async def used_up(client: Client, path: str, body: dict[str, Any]) -> dict[str, Any]:
    """Make a command with a key, and delete it; return what makes the same request again."""
    request: dict[str, Any] = {"json": body, "headers": {KEY: "used-up"}}
    async with client.session.post(client.url(path), **request) as response:
        created = await response.json()
    await client.call("DELETE", f"commands/{created['id']}")
    return request


async def settle(client: Client, operation: Operation, identifier: str) -> None:
    """Wait until what an id names has no active run."""
    if "/runs/" not in operation.path:
        identifier = (await client.call("GET", f"commands/{identifier}"))["last_run"]["id"]
    await client.finished(identifier)


async def large() -> AsyncIterator[bytes]:
    for _ in range(33):
        yield b" " * 2**15


async def test_the_documented_errors_are_given(
    client: Client, operations: list[Operation], subtests: pytest.Subtests
) -> None:
    """All but those that take an accident, or guesses.

    See test_ledger.py, test_viewers.py, test_outages.py, test_guesses.py.
    """
    for operation in operations:
        if (operation.method, operation.path) in ELSEWHERE:
            continue
        for status in {int(text) for text in operation.told["responses"]} - ACCIDENTS:
            if status >= 400 and (operation.path, status) not in TEDIOUS:
                with subtests.test(f"{operation.method} {operation.path}", status=status):
                    await take_examples_back(client)
                    assert await provoke(client, operation, status) == status


def differences(
    operation: Operation, value: object, schema: dict[str, Any], at: str = "answer"
) -> Iterator[str]:
    """Tell where a JSON value is not as its schema has it."""
    if value is None:
        if not schema.get("x-nullable"):
            yield f"{at} is null"
        return
    schema = operation.resolve(schema)
    kind = schema.get("type")  # without one it is whatever it is
    if kind == "array":
        assert isinstance(value, list)
        for index, item in enumerate(value):
            yield from differences(operation, item, schema["items"], f"{at}[{index}]")
    elif kind == "object":
        assert isinstance(value, dict)
        if "additionalProperties" in schema:  # its names are not the schema's
            return
        if set(value) != set(schema["properties"]):
            yield f"{at} has {sorted(value)}, documented {sorted(schema['properties'])}"
        for name in value.keys() & schema["properties"].keys():
            yield from differences(
                operation, value[name], schema["properties"][name], f"{at}.{name}"
            )
    elif kind is not None and not isinstance(value, TYPES[kind]):
        yield f"{at} is {value!r}, documented {kind}"


IN_FULL = {("GET", "runs/"): "?embed=command"}
"""What is asked for where an answer has some fields only then."""


async def test_answers_are_as_documented(
    client: Client, operations: list[Operation], subtests: pytest.Subtests
) -> None:
    """Every field is documented, and every documented field is there."""
    for operation in operations:
        for status, answer in operation.told["responses"].items():
            if (operation.method, operation.path) in ELSEWHERE | {ABANDON}:
                continue
            if int(status) < 300 and "$ref" in answer.get("schema", {}):
                with subtests.test(f"{operation.method} {operation.path}"):
                    await take_examples_back(client)
                    path = operation.path_of(await id_for(client, operation))
                    path += IN_FULL.get((operation.method, path), "") + needed(operation)
                    told = await client.call(
                        operation.method, path, json=operation.body, status=int(status)
                    )
                    assert not [*differences(operation, told, answer["schema"])]


async def text_of(client: Client, path: str) -> str:
    async with client.session.get(client.page_url(path)) as response:
        assert response.status == 200, path
        return await response.text()


async def test_the_pages_and_their_assets_come_from_here(
    client: Client, subtests: pytest.Subtests
) -> None:
    for page in ["/swagger/index.html", "/swagger", "/swagger/", "/"]:
        with subtests.test(page):
            async with client.session.get(client.page_url(page)) as response:
                html, url = await response.text(), str(response.url)
            assets = [urljoin(url, name) for name in re.findall(r'(?:src|href)="([^"]+)"', html)]
            assert assets
            for asset in assets:
                assert asset.startswith(client.service.address)
                await text_of(client, asset.removeprefix(client.service.address))
    for path in ["/swagger/index.html", "/static/swagger/initializer.js", "/swagger/swagger.json"]:
        with subtests.test(path):
            assert not FOREIGN.findall(await text_of(client, path))
    for path in ["/static/swagger/swagger.css", "/static/vendor/swagger-ui/swagger-ui.css"]:
        with subtests.test(path):
            loaded = re.findall(
                r"""(?:url\(|@import)\s*["']?([^"')]+)""", await text_of(client, path)
            )
            assert not [url for url in loaded if not url.startswith("data:")]


async def test_clients_are_told_the_path_that_a_proxy_puts_before_ours(start: Start) -> None:
    client = await start(base_path="/tools/tailrun")
    base = "/tools/tailrun/api/v1"
    body = {"name": "test", "script": "true"}
    async with client.session.post(client.url("commands/"), json=body) as response:
        created = await response.json()
        assert response.headers["Location"] == f"{base}/commands/{created['id']}"
    run_id, path = created["run"]["id"], f"{base}/runs/{created['run']['id']}"
    links = {
        "self": path,
        "command": f"{base}/commands/{created['id']}",
        "output": f"{path}/output",
        "ws": f"{path}/ws",
    }
    [listed] = (await client.call("GET", "runs/"))["items"]
    told = (await client.stream(run_id, format="json")).messages[0]["run"]
    for run in [created["run"], await client.get_run(run_id), listed, told]:
        assert run["links"] == links
    async with client.session.post(client.url(f"commands/{created['id']}/runs")) as response:
        assert response.headers["Location"] == f"{base}/runs/{(await response.json())['id']}"
    assert (await description(client))["basePath"] == "/tools/tailrun"


async def test_a_relative_redirect_leads_to_the_documentation(
    client: Client, subtests: pytest.Subtests
) -> None:
    """It holds under any path that a proxy puts before ours."""
    for path in ["/swagger", "/swagger/"]:
        with subtests.test(path):
            url = client.page_url(path)
            async with client.session.get(url, allow_redirects=False) as response:
                assert not response.headers["Location"].startswith(("/", "http"))


async def test_a_problems_type_leads_to_what_it_means(client: Client) -> None:
    refused = await client.call("GET", f"runs/{NOBODY}", status=404)
    path, _, slug = refused["type"].partition("#")
    async with client.session.get(client.page_url(path)) as response:
        assert response.content_type == "text/markdown"
        assert f'<a id="{slug}"></a>' in await response.text()
    for name in ["page.png", "nothing.md", "..%2fREADME.md", "..%2fsetup.md"]:
        async with client.session.get(client.page_url(f"/docs/{name}")) as response:
            assert response.status == 404, name
