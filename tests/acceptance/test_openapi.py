"""The descriptions of the API: valid, and good enough for others to make clients from them."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.client import Client, watch
from tests.support.programs import program, say

NOBODY = "00000000-0000-4000-8000-000000000000"
DOCUMENTS = ["openapi.json", "swagger.json"]

VALIDATE = """
import json, sys
from openapi_schema_validator import OAS31Validator

components, values = json.load(sys.stdin)
schema = {"$ref": f"#/components/schemas/{sys.argv[1]}", "components": components}
for value in values:
    OAS31Validator(schema).validate(value)
"""

CLIENT = """
import asyncio, sys
from generated import Client
from generated.api.commands import create_command
from generated.api.runs import get_output, get_run, stop_run
from generated.models import NewCommandBody, StopBody, StopBodySignal

async def main():
    client = Client(sys.argv[1], timeout=100, raise_on_unexpected_status=True)
    body = NewCommandBody(name="generated", script="echo up; exec sleep 1000")
    run = (await create_command.asyncio(client=client, body=body)).run
    following = asyncio.create_task(get_output.asyncio(run.id, client=client, follow=True))
    while not (await get_run.asyncio(run.id, client=client)).output_bytes:
        await asyncio.sleep(0.01)
    stop = StopBody(signal=StopBodySignal.SIGINT)
    stopping = await stop_run.asyncio(run.id, client=client, body=stop)
    assert stopping.stopping
    output = await following
    ended = await get_run.asyncio(run.id, client=client)
    while ended.state in {"queued", "running"}:
        ended = await get_run.asyncio(run.id, client=client)
    print(repr(output), ended.state, ended.signal, ended.exitcode)

asyncio.run(main())
"""


def in_tools() -> str:
    """Return the Python that has the tools' libraries."""
    return str(Path(program("openapi-python-client")).resolve().with_name("python"))


async def document(client: Client, name: str) -> dict[str, Any]:
    async with client.session.get(client.page_url(f"/swagger/{name}")) as response:
        assert (response.status, response.content_type) == (200, "application/json")
        told: dict[str, Any] = await response.json()
        return told


@pytest.fixture
async def openapi(client: Client, tmp_path: Path) -> Path:
    """Keep the description as OpenAPI 3.1 in a file."""
    path = tmp_path / "openapi.json"
    path.write_text(json.dumps(await document(client, path.name)))
    return path


@pytest.mark.parametrize("name", DOCUMENTS)
async def test_a_description_is_valid(client: Client, tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_text(json.dumps(await document(client, name)))
    said = await say(program("openapi-spec-validator"), "--validation-errors=all", str(path))
    assert said.strip() == f"{path}: OK"
    said = await say(program("openapi-generator-cli"), "validate", "-i", str(path))
    assert "error" not in said.lower(), said


@pytest.mark.parametrize("name", DOCUMENTS)
async def test_every_operation_has_a_name_of_its_own(client: Client, name: str) -> None:
    paths = (await document(client, name))["paths"]
    names = [told["operationId"] for methods in paths.values() for told in methods.values()]
    assert len(set(names)) == len(names)


async def test_typescript_types_can_be_made(openapi: Path, tmp_path: Path) -> None:
    types = tmp_path / "api.d.ts"
    await say(program("openapi-typescript"), str(openapi), "--output", str(types))
    assert "OutputFrame" in types.read_text()


@pytest.mark.parametrize("name", DOCUMENTS)
async def test_a_client_can_be_made_by_openapi_generator(
    client: Client, tmp_path: Path, name: str
) -> None:
    path, made = tmp_path / name, tmp_path / "made"
    path.write_text(json.dumps(await document(client, name)))
    generator = program("openapi-generator-cli")
    await say(generator, "generate", "-g", "python", "-i", str(path), "-o", str(made))
    api = (made / "openapi_client" / "api" / "commands_api.py").read_text()
    assert "def create_command(" in api
    await say(in_tools(), "-m", "compileall", "-q", str(made / "openapi_client"))


async def test_a_client_that_was_made_creates_follows_and_stops_a_run(
    client: Client, openapi: Path, tmp_path: Path
) -> None:
    await say(
        program("openapi-python-client"),
        "generate",
        *("--path", str(openapi), "--output-path", str(tmp_path / "generated")),
        *("--meta", "none", "--fail-on-warning"),
    )
    address = client.service.address
    said = await say(in_tools(), "-c", CLIENT, address, PYTHONPATH=str(tmp_path))
    assert said.strip() == "'up\\n' stopped SIGINT None"


async def test_the_streams_frames_are_as_they_are_described(client: Client) -> None:
    """Over WebSocket and as events; every field is described, and every described field comes."""
    run_id = await client.run("echo up; exec sleep 1000")
    frames: list[dict[str, Any]] = []
    async with client.connect(run_id, format="json") as stream:
        while not frames or frames[-1]["type"] != "alive":
            frames.append(await stream.receive_json())
        await client.stop(run_id)
        frames += (await watch(stream, as_json=True)).messages
    async with client.connect(run_id, format="meta") as stream:
        frames += (await watch(stream, as_json=True)).messages
    frames += (await client.stream(NOBODY, format="json")).messages
    events = (await client.output(run_id, "?format=sse")).decode().splitlines()
    frames += [json.loads(line.removeprefix("data: ")) for line in events if line[:5] == "data:"]
    components = (await document(client, "openapi.json"))["components"]
    mapping = components["schemas"]["StreamFrame"]["discriminator"]["mapping"]
    assert {frame["type"] for frame in frames} == set(mapping)
    for frame in frames:
        described = components["schemas"][mapping[frame["type"]].rpartition("/")[2]]
        assert set(frame) == set(described["properties"])
    await say(in_tools(), "-c", VALIDATE, "StreamFrame", given=json.dumps([components, frames]))


async def test_events_are_as_they_are_described(client: Client) -> None:
    """Every field is described, and every described field comes."""
    frames: list[dict[str, Any]] = []

    async def until(kind: str) -> None:
        while not frames or frames[-1]["type"] != kind:
            frames.append(await stream.receive_json())

    async with client.session.ws_connect(client.url("events")) as stream:
        await until("reset")
        created = await client.create("echo up; exec sleep 1000")
        await until("output-bytes")
        await until("alive")
        await client.stop(created["run"]["id"])
        await client.finished(created["run"]["id"])
        await client.call("DELETE", f"runs/{created['run']['id']}")
        await until("run-deleted")
        await client.call("DELETE", f"commands/{created['id']}")
        await until("command-deleted")
    components = (await document(client, "openapi.json"))["components"]
    mapping = components["schemas"]["EventFrame"]["discriminator"]["mapping"]
    assert {frame["type"] for frame in frames} == set(mapping) - {"refused"}
    for frame in frames:
        described = components["schemas"][mapping[frame["type"]].rpartition("/")[2]]
        assert set(frame) == set(described["properties"])
    await say(in_tools(), "-c", VALIDATE, "EventFrame", given=json.dumps([components, frames]))
