"""Tokens of a server that lets nobody in without a credential: where they do not stand."""

import os
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest

from server.services.access.credentials import new_token
from tests.support.client import Client, Start
from tests.support.outage import Outage
from tests.support.service import Service
from tests.support.signing import Browser
from tests.support.waiting import patience

TELLING = "env; cat /proc/[0-9]*/environ /proc/[0-9]*/cmdline; echo told; exec sleep 1000"


def by(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}


@pytest.fixture
async def admin(start: Start, service: Service) -> Browser:
    """Sign a browser in, at a server that logs all that it can."""
    await start(
        auth="required", log_level="debug", audit_log=str(service.state_dir.parent / "audit.json")
    )
    browser = Browser(service)
    await browser.sign_in()
    return browser


async def make(browser: Browser, **fields: str) -> dict[str, str]:
    """Make a token; return it with its secret."""
    body = {"name": "ci", "role": "editor", **fields}
    made: dict[str, str] = await browser.ask("POST", "tokens/", 201, json=body)
    return made


def processes(service: Service) -> Iterator[bytes]:
    """Iterate over what the kernel shows of this service's processes, and of its runs'."""
    state_dir = os.fsencode(service.state_dir)
    for process in Path("/proc").glob("[0-9]*"):
        try:
            shown = (process / "cmdline").read_bytes() + (process / "environ").read_bytes()
        except OSError:  # it has ended
            continue
        if state_dir in shown:
            yield shown


async def fails(client: Client, method: str, path: str, secret: str) -> None:
    """Ask for what is refused, in words that do not repeat the token."""
    asked = client.session.request(method, client.url(path), headers=by(secret))
    async with asked as answer:
        assert answer.status >= 400
        assert secret not in f"{answer.headers}{await answer.text()}"


async def test_no_token_stands_in_a_log_a_file_a_process_or_a_run(
    admin: Browser, service: Service, outage: Outage
) -> None:
    """Whatever is done with it, right or wrong."""
    made, wrong = await make(admin), new_token()
    secret = made["token"]
    async with aiohttp.ClientSession() as session:
        client = Client(session, service)
        body = {"name": "tells", "script": TELLING}
        created = await client.call("POST", "commands/", json=body, headers=by(secret))
        run_id = created["run"]["id"]
        async with patience(), client.connect(run_id, by(secret), format="json") as stream:
            while "told" not in str(await stream.receive_json()):
                pass
        for method, path in [
            ("GET", f"runs/{run_id}/output?offset=x"),
            ("DELETE", f"commands/{created['id']}"),
            ("PUT", "ping"),
            ("POST", "tokens/"),
            ("GET", f"runs/{run_id}/ws"),
        ]:
            for given in [secret, wrong, f"{secret}\t{secret}"]:
                await fails(client, method, path, given)
        outage.begin()
        await fails(client, "GET", "commands/", wrong)
        outage.end()
    shown = [*processes(service)]
    assert len(shown) >= 2  # server, keeper, run
    await admin.ask("POST", f"runs/{run_id}/stop", 202, json={"grace_seconds": 0})
    files = [path for path in service.state_dir.parent.rglob("*") if path.is_file()]
    contents = {path: path.read_bytes() for path in files}
    assert any(b"told" in content for content in contents.values()), "the run's output is looked at"
    assert any(path.name == "audit.json" for path in contents)
    [cookie] = admin.cookies().values()
    for one in (secret, wrong, cookie):
        assert not any(one.encode() in text for text in shown)
        assert not [path for path, content in contents.items() if one.encode() in content]
    assert "DEBUG" in service.log
    await admin.session.close()
