"""What is asked for by an id that one may not see is answered as what was never there."""

from dataclasses import dataclass

import pytest

from tests.integration.handlers.harness import Api, Claimed, Serve
from tests.support.waiting import patience

NOBODY = "00000000-0000-4000-8000-000000000000"
VIEWER = "viewer@web"
AGAIN = {"retries": {"limit": 1, "delay_seconds": 1000}}


def claimed(claim: str) -> dict[str, str]:
    """Return the header of a request of somebody who has these roles."""
    return {"As": claim}


@dataclass
class Site:
    """A server with a failed command of each of two groups, each tried again, and two not run."""

    api: Api
    commands: dict[str, str]
    runs: dict[str, str]

    async def list(self, claim: str, path: str) -> tuple[list[str], str | None]:
        """Return the ids in a list and its `next`; HEAD tells as much by its length."""
        headers = claimed(claim)
        listed = await self.api.call("GET", path, status=200, headers=headers)
        lengths = []
        for method in ("GET", "HEAD"):
            async with self.api.client.request(
                method, f"/api/v1/{path}", headers=headers
            ) as response:
                lengths.append((response.status, response.headers["Content-Length"]))
        assert lengths[0] == lengths[1]
        return [one["id"] for one in listed["items"]], listed["next"]

    def asked(self, *names: str) -> str:
        """Return the query that asks for these commands; of one that has no name here, nobody's."""
        return "ids=" + ",".join(self.commands.get(name, NOBODY) for name in names)


async def until_tried_again(api: Api, run: str) -> None:
    """Wait for the run after it: it is made a moment after the end is told."""
    async with patience():
        while not (await api.call("GET", f"runs/?retry_of={run}", status=200))["items"]:
            pass


@pytest.fixture
async def site(serve: Serve) -> Site:
    api = await serve(Claimed())
    api.client.session.headers["As"] = "admin@*"
    site = Site(api, {}, {})
    for group in ("web", "mail"):
        failed = await api.create("exit 3", name=f"{group} failed", group=group, **AGAIN)
        await api.ended(failed["run"]["id"])
        await until_tried_again(api, failed["run"]["id"])
        idle = await api.create("true", name=f"{group} idle", group=group, start=False)
        site.commands |= {f"{group} failed": failed["id"], f"{group} idle": idle["id"]}
        site.runs[group] = failed["run"]["id"]
    del api.client.session.headers["As"]
    return site


async def test_commands_by_their_ids_are_those_that_may_be_seen(site: Site) -> None:
    every = list(reversed(site.commands))
    asked = f"commands/?{site.asked(*every, 'nobody')}"
    for claim, names in [
        ("viewer@*", every),
        ("viewer@web,viewer@mail", every),
        (VIEWER, ["web idle", "web failed"]),
        ("admin@x", []),
    ]:
        found, more = await site.list(claim, asked)
        assert (found, more) == ([site.commands[name] for name in names], None)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", ["web failed"]),
        ("&limit=1", ["web failed"]),
        ("&q=failed", ["web failed"]),
        ("&q=mail", []),
        ("&name=mail%20failed", []),
        ("&group=web", ["web failed"]),
        ("&group=mail", []),
        ("&state=queued", ["web failed"]),
        ("&state=queued&q=mail&group=mail", []),
    ],
)
async def test_a_hidden_command_is_left_out_of_some_as_an_unknown_one_is(
    site: Site, query: str, found: list[str]
) -> None:
    hidden = await site.list(VIEWER, f"commands/?{site.asked('mail failed', 'web failed')}{query}")
    unknown = await site.list(VIEWER, f"commands/?{site.asked('nobody', 'web failed')}{query}")
    assert hidden == unknown == ([site.commands[name] for name in found], None)
    only = await site.list(VIEWER, f"commands/?{site.asked('mail failed')}{query}")
    assert only == ([], None)


async def test_too_many_ids_and_nobodys_are_refused_whatever_they_are(site: Site) -> None:
    hidden = site.commands["mail failed"]
    for method in ("GET", "HEAD"):
        for claim, count, status in [(VIEWER, 50, 200), (VIEWER, 51, 422), ("-", 1, 403)]:
            path = f"/api/v1/commands/?ids={','.join([hidden] * count)}"
            async with site.api.client.request(method, path, headers=claimed(claim)) as response:
                assert response.status == status
                assert hidden not in await response.text()
    await site.api.problem("GET", f"commands/?ids={hidden}", 401, "not-signed-in")


@pytest.mark.parametrize(
    "query", ["", "&group=mail", "&group=web", "&state=failed,queued", "&limit=1", "&q=e"]
)
async def test_the_attempt_after_a_hidden_run_is_not_told(site: Site, query: str) -> None:
    hidden, seen = site.runs["mail"], site.runs["web"]
    command = site.commands["mail failed"]
    for more in (query, f"{query}&command_id={command}"):
        for run in (hidden, NOBODY):
            assert await site.list(VIEWER, f"runs/?retry_of={run}{more}") == ([], None)
    found, _ = await site.list(VIEWER, f"runs/?retry_of={seen}")
    assert len(found) == 1
    found, _ = await site.list("viewer@mail", f"runs/?retry_of={hidden}")
    assert len(found) == 1


async def test_a_ticket_opens_no_list(api: Api) -> None:
    """Not even of its own run or command."""
    made = await api.create("exit 3", **AGAIN)
    run = made["run"]["id"]
    await api.ended(run)
    await until_tried_again(api, run)
    for path in [f"commands/?ids={made['id']}", f"runs/?retry_of={run}"]:
        for method in ("GET", "HEAD"):
            ticket = (await api.call("POST", f"runs/{run}/ticket", status=200))["ticket"]
            url = f"/api/v1/{path}&ticket={ticket}"
            async with api.client.request(method, url) as response:
                assert response.status == 401
                assert made["id"] not in await response.text()
