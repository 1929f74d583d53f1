"""Real tokens over HTTP: what the table of routes says holds for every role, group and method."""

import itertools
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from server.access import EVERY_GROUP, LEAST, Right, Role
from server.handlers.routes import ROUTES
from tests.support.client import Client
from tests.support.service import Service
from tests.support.waiting import patience

GROUP, OTHER = "web", "mail"
GROUPS = [GROUP, OTHER, EVERY_GROUP]
NOBODY = "00000000-0000-4000-8000-000000000000"
PATIENT = {"signal": "SIGCONT", "grace_seconds": 86400}
BODIES: dict[str, Any] = {"stop": PATIENT, "signal": {"signal": "SIGCONT"}}
"""By a path's last part, so that the run goes on; others get one that lacks what they require."""

REFUSED = {401, 403, 404}


@dataclass
class Site:
    """A command of GROUP with a run that goes on, and a token for each role in each group.

    The command has a schedule.
    """

    client: Client
    command: str
    run: str
    tokens: dict[tuple[Role, str], str]
    schedule: str = ""
    hook: str = ""

    async def make_schedule(self) -> None:
        """Have the command started by a schedule."""
        path = f"commands/{self.command}/schedules"
        self.schedule = (await self.client.call("POST", path, json={"cron": "0 0 1 1 *"}))["id"]

    async def make_hook(self) -> None:
        """Give the command a hook."""
        path, asked = f"commands/{self.command}/hooks", {"name": "push", "scheme": "github"}
        self.hook = (await self.client.call("POST", path, json=asked, status=201))["id"]

    def cells(self) -> Iterator[tuple[str, str, Right, Role, str]]:
        """Iterate over routes, roles and groups: method, path, right, role, group."""
        for (method, path, right, _), role, group in itertools.product(ROUTES, Role, GROUPS):
            yield method, path, right, role, group

    def at(self, path: str) -> str:
        """Return a path with the id of what there is; of other things, of none."""
        ids = {"commands": self.command, "runs": self.run}
        ids |= {"schedules": self.schedule, "hooks": self.hook}
        return path.replace("{id}", ids.get(path.partition("/")[0], NOBODY))

    async def ask(self, method: str, path: str, token: str | None) -> int:
        """Return the status of an answer; of a stream, what its first frame says."""
        headers = {"Via": "1.1 proxy"} if token is None else {"Authorization": f"Bearer {token}"}
        session, url = self.client.session, self.client.url(path)
        if path.endswith(("/ws", "events")):
            query = "?format=json" if path.endswith("/ws") else ""
            async with session.ws_connect(f"{url}{query}", headers=headers) as stream:
                frame = await stream.receive_json()
                if frame["type"] != "refused":
                    return 101
                assert (await stream.receive()).type is aiohttp.WSMsgType.CLOSE
                assert stream.close_code == 4000 + frame["status"]
                return int(frame["status"])
        body: dict[str, Any] = (
            {} if method in {"GET", "HEAD", "DELETE"} or path.endswith("/runs") else {"json": {}}
        )
        if path.rpartition("/")[2] in BODIES:
            body["json"] = BODIES[path.rpartition("/")[2]]
        async with session.request(method, url, headers=headers, **body) as response:
            await response.read()
        if (method, path, response.status) == ("DELETE", f"schedules/{self.schedule}", 204):
            await self.make_schedule()
        if (method, response.status) == ("DELETE", 204) and path == f"hooks/{self.hook}":
            await self.make_hook()
        return response.status


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def site(shared_service: Service) -> AsyncIterator[Site]:
    async with aiohttp.ClientSession() as session:
        client = Client(session, shared_service)
        created = await client.create("exec sleep 1000", group=GROUP)
        await client.call("PATCH", f"commands/{created['id']}", json={"script": "true"})
        tokens = {}
        for role, group in itertools.product(Role, GROUPS):
            asked = {"name": f"{role} of {group}", "role": role, "group": group}
            made = await client.call("POST", "tokens/", json=asked, status=201)
            tokens[role, group] = made["token"]
        site = Site(client, created["id"], created["run"]["id"], tokens)
        await site.make_schedule()
        await site.make_hook()
        yield site


def expected(path: str, right: Right, role: Role, group: str) -> int | None:
    """Return the status that a cell of the table refuses with; None: it does not."""
    if right in {Right.PUBLIC, Right.SIGNED_IN}:
        return None
    if right is Right.GOVERN and group != EVERY_GROUP:
        return 403
    if "{id}" in path and right is not Right.GOVERN and group == OTHER:
        return 404
    return None if role.rank >= LEAST[right].rank else 403


@pytest.mark.asyncio(loop_scope="module")
async def test_a_token_opens_what_its_role_opens_in_its_group(
    site: Site, subtests: pytest.Subtests
) -> None:
    for method, path, right, role, group in site.cells():
        if right in LEAST:
            with subtests.test(f"{method} {path} by {role} of {group}"):
                async with patience():
                    status = await site.ask(method, site.at(path), site.tokens[role, group])
                refused = expected(path, right, role, group)
                if refused is not None:
                    assert status == refused
                else:
                    # 404 of what is none of these things: there is no such grant, say.
                    assert status not in REFUSED or (status, right) == (404, Right.GOVERN)


@pytest.mark.asyncio(loop_scope="module")
async def test_nobody_is_let_in_without_a_token_or_by_one_that_is_revoked(
    site: Site, subtests: pytest.Subtests
) -> None:
    asked = {"name": "revoked", "role": "admin", "group": EVERY_GROUP}
    made = await site.client.call("POST", "tokens/", json=asked, status=201)
    assert await site.ask("GET", "runs/", made["token"]) == 200
    await site.client.call("DELETE", f"tokens/{made['id']}", status=204)
    for path in ["runs/", f"runs/{site.run}/ws"]:
        assert await site.ask("GET", path, made["token"]) == 401
    for method, path, right, _ in ROUTES:
        if right is not Right.PUBLIC:
            with subtests.test(f"{method} {path}"):
                assert await site.ask(method, site.at(path), None) == 401
