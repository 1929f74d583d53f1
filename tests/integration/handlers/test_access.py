"""Who may do what: every route, method, role and group, and strangers."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from server.access import EVERY_GROUP, Role
from server.handlers.http.rules import RULES
from server.repositories import hooks
from server.services.access import guesses
from tests.integration.handlers.harness import Api, Claimed, Serve
from tests.support.waiting import patience

NOBODY = "00000000-0000-4000-8000-000000000000"
GROUP, OTHER = "web", "mail"
GROUPS = [GROUP, OTHER, EVERY_GROUP]
TOKEN = "a-token-for-metrics"  # noqa: S105
VIEWER, OPERATOR, EDITOR, ADMIN = Role
PUBLIC = None
ANYTHING = {"name": "changed", "script": "true", "group": GROUP}
YEARLY = {"cron": "0 0 1 1 *"}
A_HOOK = {"name": "push", "scheme": "github"}
PATIENT = {"signal": "SIGCONT", "grace_seconds": 86400}


@dataclass(frozen=True)
class Row:
    """What a route takes: the least role, and what those get who have it; `body` is sent."""

    role: Role | None
    status: int = 200
    body: Any = None
    governs: bool = False
    """The role counts in every group alone."""
    signed_in: bool = False
    """Whoever is signed in will do, also without a grant: the handler keeps to his own."""
    query: str = ""
    """What is asked for, where something must be."""


# By method and path; without the final slash, which nobody's rights depend on. A command of GROUP
# has a run that does not end: whoever may delete it is told of a conflict.
TABLE = {
    ("GET", "/api/v1/ping"): Row(PUBLIC),
    ("GET", "/api/v1/commands"): Row(VIEWER),
    ("POST", "/api/v1/commands"): Row(EDITOR, 201, {**ANYTHING, "start": False}),
    ("PUT", "/api/v1/commands"): Row(EDITOR, 200, {"commands": []}),
    ("GET", "/api/v1/commands/export"): Row(EDITOR),
    ("GET", "/api/v1/commands/{id}"): Row(VIEWER),
    ("PUT", "/api/v1/commands/{id}"): Row(EDITOR, 200, ANYTHING),
    ("PATCH", "/api/v1/commands/{id}"): Row(EDITOR, 200, {"name": "changed"}),
    ("DELETE", "/api/v1/commands/{id}"): Row(ADMIN, 409),
    ("GET", "/api/v1/commands/{id}/info"): Row(VIEWER),
    ("POST", "/api/v1/commands/{id}/stop"): Row(OPERATOR, 202, PATIENT),
    ("POST", "/api/v1/commands/{id}/runs"): Row(OPERATOR, 201),
    ("GET", "/api/v1/commands/{id}/runs"): Row(VIEWER),
    ("GET", "/api/v1/commands/{id}/ws"): Row(VIEWER, 101),
    ("POST", "/api/v1/commands/{id}/pause"): Row(OPERATOR, 200, {"note": "for a while"}),
    ("POST", "/api/v1/commands/{id}/resume"): Row(OPERATOR),
    ("GET", "/api/v1/commands/{id}/schedules"): Row(VIEWER),
    ("POST", "/api/v1/commands/{id}/schedules"): Row(EDITOR, 201, YEARLY),
    ("GET", "/api/v1/schedules"): Row(VIEWER),
    ("GET", "/api/v1/schedules/preview"): Row(VIEWER, query="?cron=0+0+1+1+*"),
    ("GET", "/api/v1/schedules/{id}"): Row(VIEWER),
    ("PUT", "/api/v1/schedules/{id}"): Row(EDITOR, 200, YEARLY),
    ("PATCH", "/api/v1/schedules/{id}"): Row(EDITOR, 200, {"overlap": "queue"}),
    ("DELETE", "/api/v1/schedules/{id}"): Row(EDITOR, 204),
    ("GET", "/api/v1/schedules/{id}/fires"): Row(VIEWER),
    ("GET", "/api/v1/commands/{id}/hooks"): Row(EDITOR),
    ("POST", "/api/v1/commands/{id}/hooks"): Row(EDITOR, 201, A_HOOK),
    ("PATCH", "/api/v1/hooks/{id}"): Row(EDITOR, 200, {"name": "changed"}),
    ("DELETE", "/api/v1/hooks/{id}"): Row(EDITOR, 204),
    ("POST", "/api/v1/hooks/{id}/secret"): Row(EDITOR),
    ("POST", "/api/v1/hooks/{id}"): Row(PUBLIC, 401, {}),  # it is not signed
    ("POST", "/api/v1/scripts/check"): Row(EDITOR, 200, {"script": "true"}),
    ("GET", "/api/v1/runs"): Row(VIEWER),
    ("POST", "/api/v1/runs/delete"): Row(ADMIN, 200, {"ids": [NOBODY]}),
    ("GET", "/api/v1/runs/{id}"): Row(VIEWER),
    ("DELETE", "/api/v1/runs/{id}"): Row(ADMIN, 409),
    ("POST", "/api/v1/runs/{id}/stop"): Row(OPERATOR, 202, PATIENT),
    ("POST", "/api/v1/runs/{id}/abandon"): Row(OPERATOR, 409),
    ("POST", "/api/v1/runs/{id}/signal"): Row(OPERATOR, 202, {"signal": "SIGCONT"}),
    ("GET", "/api/v1/runs/{id}/output"): Row(VIEWER),
    ("GET", "/api/v1/runs/{id}/marks"): Row(VIEWER),
    ("GET", "/api/v1/runs/{id}/search"): Row(VIEWER, query="?q=a"),
    ("GET", "/api/v1/runs/{id}/script"): Row(OPERATOR),
    ("GET", "/api/v1/runs/{id}/ws"): Row(VIEWER, 101),
    ("GET", "/api/v1/events"): Row(VIEWER, 101),
    ("GET", "/api/v1/audit"): Row(ADMIN, governs=True),
    ("GET", "/api/v1/tokens"): Row(VIEWER, signed_in=True),
    ("POST", "/api/v1/tokens"): Row(VIEWER, 422, {}, signed_in=True),
    ("DELETE", "/api/v1/tokens/{id}"): Row(VIEWER, 404, signed_in=True),
    ("GET", "/api/v1/grants"): Row(ADMIN, governs=True),
    ("POST", "/api/v1/grants"): Row(ADMIN, 422, {}, governs=True),
    ("DELETE", "/api/v1/grants/{id}"): Row(ADMIN, 404, governs=True),
    ("GET", "/api/v1/notification-targets"): Row(EDITOR),
    ("POST", "/api/v1/notification-targets"): Row(ADMIN, 422, {}, governs=True),
    ("PATCH", "/api/v1/notification-targets/{id}"): Row(ADMIN, 422, {}, governs=True),
    ("DELETE", "/api/v1/notification-targets/{id}"): Row(ADMIN, 404, governs=True),
    ("POST", "/api/v1/notification-targets/{id}/test"): Row(ADMIN, 404, governs=True),
    ("GET", "/api/v1/workers"): Row(EDITOR),
    ("POST", "/api/v1/workers/tokens"): Row(ADMIN, 409, {"pools": ["build"]}, governs=True),
    ("POST", "/api/v1/workers/enroll"): Row(PUBLIC, 422, {}),
    ("PATCH", "/api/v1/workers/{id}"): Row(ADMIN, 404, {"state": "draining"}, governs=True),
    ("DELETE", "/api/v1/workers/{id}"): Row(ADMIN, 404, governs=True),
    ("GET", "/api/v1/notifications"): Row(VIEWER),
    ("POST", "/api/v1/runs/{id}/ticket"): Row(VIEWER),
    ("GET", "/api/v1/session"): Row(PUBLIC),
    ("POST", "/api/v1/session"): Row(PUBLIC, 401, {"ticket": "wrong"}),
    ("DELETE", "/api/v1/session"): Row(PUBLIC, 204),
    ("GET", "/api/v1/session/oidc"): Row(PUBLIC),  # to the page, which says that there is none
    ("GET", "/api/v1/session/oidc/callback"): Row(PUBLIC),
    ("POST", "/api/v1/session/link"): Row(VIEWER, 403, signed_in=True),  # not by a token
    ("GET", "/healthz"): Row(PUBLIC),
    ("GET", "/readyz"): Row(PUBLIC),
    ("GET", "/metrics"): Row(ADMIN, governs=True),
    ("GET", ""): Row(PUBLIC),
    ("GET", "/swagger"): Row(PUBLIC),
    ("GET", "/swagger/index.html"): Row(PUBLIC),
    ("GET", "/swagger/doc.json"): Row(PUBLIC),
    ("GET", "/swagger/swagger.json"): Row(PUBLIC),
    ("GET", "/swagger/openapi.json"): Row(PUBLIC),
    ("GET", "/swagger/command.schema.json"): Row(PUBLIC),
    ("GET", "/docs/api.md"): Row(PUBLIC),
    ("GET", "/static/logo.svg"): Row(PUBLIC),
}
NAMED = {"{name}": "api", "{path}": "logo.svg"}
"""What stands for what a path holds; ids differ."""


@dataclass
class Site:
    """A server with a command of GROUP, whose run goes on, with a schedule and a hook."""

    api: Api
    command: str
    run: str
    schedule: str = ""
    hook: str = ""

    async def make_schedule(self) -> None:
        """Have the command started by a schedule."""
        path, admin = f"commands/{self.command}/schedules", {"As": "admin@*"}
        made = await self.api.call("POST", path, json=YEARLY, headers=admin, status=201)
        self.schedule = made["id"]

    async def make_hook(self) -> None:
        """Give the command a hook."""
        path, admin = f"commands/{self.command}/hooks", {"As": "admin@*"}
        made = await self.api.call("POST", path, json=A_HOOK, headers=admin, status=201)
        self.hook = made["id"]

    def routes(self) -> Iterator[tuple[str, str, Row]]:
        """Iterate over all routes that there are, with what is expected of each."""
        server = self.api.client.server
        assert isinstance(server, aiohttp.test_utils.TestServer)
        for route in server.app[RULES]:
            assert isinstance(route.resource, web.Resource)
            path = route.resource.canonical
            for one, text in NAMED.items():
                path = path.replace(one, text)
            key = ("GET" if route.method == "HEAD" else route.method, path.rstrip("/"))
            assert key in TABLE, f"{key} is not in the table: say who may use it"
            yield route.method, path, TABLE[key]

    def at(self, path: str, *, unknown: bool = False) -> str:
        """Return a path with the id of what is there, or of what is not."""
        known = self.command if "/commands/" in path else self.run
        known = self.schedule if "/schedules/{id}" in path else known
        known = self.hook if "/v1/hooks/" in path else known
        return path.replace("{id}", NOBODY if unknown else known)

    async def ask(self, method: str, path: str, row: Row, claim: str | None) -> tuple[int, str]:
        """Return the status of an answer, and what it says; of a stream, of its first frame."""
        headers = {} if claim is None else {"As": claim}
        if row.status == 101:
            return await self._watch(path, headers)
        asked = {} if row.body is None else {"json": row.body}
        async with self.api.client.request(
            method, path + row.query, headers=headers, allow_redirects=True, **asked
        ) as response:
            answer = response.status, await response.text()
        if method == "DELETE" and self.schedule in path and answer[0] == 204:
            await self.make_schedule()
        if method == "DELETE" and self.hook in path and answer[0] == 204:
            await self.make_hook()
        return answer

    async def _watch(self, path: str, headers: dict[str, str]) -> tuple[int, str]:
        query = "" if path.strip("/").endswith("events") else "?format=json"
        async with self.api.client.ws_connect(f"{path}{query}", headers=headers) as stream:
            frame = await stream.receive_json()
            if frame["type"] in {"run", "reset"}:
                return 101, ""
            assert frame["type"] == "refused"
            assert (await stream.receive()).type is aiohttp.WSMsgType.CLOSE
            assert stream.close_code == 4000 + frame["status"]
            return frame["status"], frame["detail"]


@pytest.fixture
async def site(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> Site:
    monkeypatch.setattr(guesses, "MAX_GUESSES", 10**6)  # of signatures of hooks
    monkeypatch.setattr(hooks, "MAX_HOOKS", 10**6)
    api = await serve(Claimed(), metrics_token=TOKEN)
    api.client.session.headers["As"] = "admin@*"
    created = await api.create("exec sleep 1000", group=GROUP)
    await api.call("PATCH", f"commands/{created['id']}", json={"script": "true"}, status=200)
    del api.client.session.headers["As"]
    site = Site(api, created["id"], created["run"]["id"])
    await site.make_schedule()
    await site.make_hook()
    return site


def expected(row: Row, path: str, role: Role, group: str) -> int:
    """Return the status that somebody gets who has one role in one group, by the table."""
    if row.role is PUBLIC or row.signed_in:
        return row.status
    suffices = role.rank >= row.role.rank
    if row.governs:
        return row.status if suffices and group == EVERY_GROUP else 403
    if "{id}" in path and group == OTHER:
        return 404
    if row.status == 201 and group == OTHER:
        return 403  # what is made is of GROUP
    return row.status if suffices else 403


async def test_each_route_lets_in_whom_the_table_names(site: Site) -> None:
    wrong = []
    for (method, path, row), role, group in itertools.product(site.routes(), Role, GROUPS):
        claim = f"{role}@{group}"
        asked = Row(row.role, row.status, row.body, query=row.query)
        status, text = await site.ask(method, site.at(path), asked, claim)
        if status != expected(row, path, role, group):
            wrong.append(f"{method} {path} by {claim}: {status} {text}")
    assert not wrong, "\n".join(wrong)


async def test_strangers_get_no_further_than_what_is_public(
    site: Site, subtests: pytest.Subtests
) -> None:
    for (method, path, row), unknown in itertools.product(site.routes(), [False, True]):
        with subtests.test(f"{method} {path}"):
            status, _ = await site.ask(method, site.at(path, unknown=unknown), row, None)
            assert status == (row.status if row.role is PUBLIC else 401)
    for method, path in [
        ("GET", "/api/v1/nothing"),
        ("GET", "/api/v1"),
        ("PUT", "/api/v1/ping"),
        ("DELETE", "/api/v1/commands/"),
        ("OPTIONS", f"/api/v1/runs/{site.run}"),
        ("GET", f"/api/v1/runs/{site.run}/ws"),  # no handshake
    ]:
        with subtests.test(f"{method} {path}"):
            async with site.api.client.request(method, path) as response:
                told = await response.json(content_type="application/problem+json")
                assert response.status == 401
                assert response.headers["WWW-Authenticate"] == "Bearer"
                assert told["type"].endswith("#not-signed-in")


async def test_who_has_no_grant_is_told_so_and_nothing_else(
    site: Site, subtests: pytest.Subtests
) -> None:
    for method, path, row in site.routes():
        with subtests.test(f"{method} {path}"):
            status, _ = await site.ask(method, site.at(path), row, "-")
            refused = 404 if "{id}" in path and not row.governs else 403
            allowed = row.role is PUBLIC or row.signed_in
            assert status == (row.status if allowed else refused)
    for method, path, status in [("GET", "nothing", 404), ("PUT", "ping", 405)]:
        await site.api.call(method, path, status=status, headers={"As": "-"})


async def test_what_may_not_be_seen_is_answered_as_what_does_not_exist(
    site: Site, subtests: pytest.Subtests
) -> None:
    for method, path, row in site.routes():
        if "{id}" in path and not row.governs and row.role is not PUBLIC:
            with subtests.test(f"{method} {path}"):
                for claim in [f"admin@{OTHER}", "-"]:
                    hidden = await site.ask(method, site.at(path), row, claim)
                    other = await site.ask(method, site.at(path, unknown=True), row, claim)
                    kinds = ("commands", "runs", "schedules", "hooks")
                    ids = [site.at(f"/api/v1/{kind}/{{id}}") for kind in kinds]
                    text = hidden[1]
                    for one in ids:
                        text = text.replace(one.rpartition("/")[2], NOBODY)
                    assert (hidden[0], text) == other == (404, other[1])
                    everywhere = await site.ask(method, site.at(path, unknown=True), row, "admin@*")
                    assert everywhere == other


async def test_a_role_in_every_group_and_one_in_a_group_add_up(site: Site) -> None:
    path = f"commands/{site.command}/runs"
    claims = {f"viewer@*,operator@{GROUP}": 201, f"viewer@*,operator@{OTHER}": 403}
    for claim, status in claims.items():
        await site.api.call("POST", path, headers={"As": claim}, status=status)


async def test_figures_are_for_admins_and_for_the_token_of_metrics(site: Site) -> None:
    statuses = {f"Bearer {TOKEN}": 200, f"bearer  {TOKEN} ": 200, f"Basic {TOKEN}": 401}
    statuses |= {f"Bearer {TOKEN}x": 401, "Bearer": 401}
    for credential, status in statuses.items():
        headers = {"Authorization": credential}
        async with site.api.client.get("/metrics", headers=headers) as response:
            assert response.status == status
    headers = {"Authorization": f"Bearer {TOKEN}"}
    await site.api.call("GET", "runs/", headers=headers, status=401)


async def test_details_of_readiness_are_for_admins(site: Site) -> None:
    for claim, tells in {
        None: False,
        "editor@*": False,
        "admin@web": False,
        "admin@*": True,
    }.items():
        headers = {} if claim is None else {"As": claim}
        async with site.api.client.get("/readyz", headers=headers) as response:
            told = await response.json()
            assert response.status == 200
            assert ("database" in told) == tells
            assert tells or told == {"status": "ok"}


async def test_a_refusal_says_which_role_it_takes(site: Site) -> None:
    for claim, method, path, said in [
        (
            "viewer@web",
            "POST",
            f"commands/{site.command}/runs",
            "the role operator in the group web",
        ),
        ("viewer@web", "POST", "commands/", "the role editor in a group"),
    ]:
        told = await site.api.problem(
            method, path, 403, "not-permitted", headers={"As": claim}, json={}
        )
        assert said in told["detail"]


class As:
    """Calls the API as somebody."""

    def __init__(self, site: Site, claim: str) -> None:
        self._api = site.api
        self._headers = {"As": claim}

    async def __call__(
        self, method: str, path: str, status: int = 200, key: str | None = None, **fields: Any
    ) -> Any:
        headers = self._headers if key is None else {**self._headers, "Idempotency-Key": key}
        asked = {"json": fields} if fields else {}
        return await self._api.call(method, path, status=status, headers=headers, **asked)


async def test_lists_and_searches_hold_what_may_be_seen(site: Site) -> None:
    admin, web, mail = As(site, "admin@*"), As(site, "viewer@web"), As(site, "viewer@mail,viewer@x")
    other = await admin("POST", "commands/", 201, name="other", script="true", group=OTHER)
    for one, commands, runs in [
        (admin, [other["id"], site.command], [other["run"]["id"], site.run]),
        (web, [site.command], [site.run]),
        (mail, [other["id"]], [other["run"]["id"]]),
    ]:
        for query in ["commands/", "commands/?q=t", "commands/?limit=500"]:
            assert [item["id"] for item in (await one("GET", query))["items"]] == commands
        assert [item["id"] for item in (await one("GET", "runs/"))["items"]] == runs
    for one, group, count in [(web, GROUP, 1), (web, OTHER, 0), (admin, OTHER, 1), (admin, "x", 0)]:
        for kind in ["commands", "runs"]:
            assert len((await one("GET", f"{kind}/?group={group}"))["items"]) == count
    assert (await mail("GET", f"runs/?command_id={site.command}"))["items"] == []
    assert len((await web("GET", f"runs/?command_id={site.command}&state=running"))["items"]) == 1
    # A cursor is a place in a list, and nothing that it shows.
    first = await admin("GET", "commands/?limit=1")
    assert (await mail("GET", f"commands/?cursor={first['next']}"))["items"] == []


async def test_a_viewer_sees_no_script(site: Site) -> None:
    for claim, script in [("viewer@web", None), ("viewer@*", None), ("operator@web", "true")]:
        one = As(site, claim)
        for told in [
            await one("GET", f"commands/{site.command}"),
            (await one("GET", "commands/"))["items"][0],
            (await one("GET", "commands/?q=t"))["items"][0],
        ]:
            assert (told["script"], told["group"]) == (script, GROUP)
        for path in [f"runs/{site.run}", f"commands/{site.command}/info", "runs/"]:
            assert "sleep" not in str(await one("GET", path))


async def test_what_may_be_done_is_told_with_each_thing(site: Site) -> None:
    rights = ["see", "operate", "edit", "administer"]
    admin = As(site, "admin@*")
    await admin("POST", "commands/", 201, name="other", script="true", group=OTHER)
    for count, role in enumerate(Role, 1):
        for claim in [f"{role}@web", f"{role}@*", f"viewer@*,{role}@web"]:
            one = As(site, claim)
            for told in [
                command := await one("GET", f"commands/{site.command}"),
                command["last_run"],
                (await one("GET", "commands/"))["items"][-1],
                (await one("GET", "runs/"))["items"][-1],
                (await one("GET", f"commands/{site.command}/runs"))["items"][0],
                await one("GET", f"runs/{site.run}"),
                await one("GET", f"commands/{site.command}/info"),
            ]:
                assert told["may"] == rights[:count]
            path = f"/api/v1/runs/{site.run}/ws?format=json"
            async with site.api.client.ws_connect(path, headers={"As": claim}) as stream:
                assert (await stream.receive_json())["run"]["may"] == rights[:count]
    one = As(site, "viewer@*,editor@web")
    told = {item["group"]: item["may"] for item in (await one("GET", "commands/"))["items"]}
    assert told == {GROUP: rights[:3], OTHER: rights[:1]}
    runs = (await one("GET", "runs/"))["items"]
    assert [run["may"] for run in runs] == [rights[:1], rights[:3]]


async def test_a_command_is_made_in_a_group_where_one_may(site: Site) -> None:
    one = As(site, "editor@web,viewer@mail")
    new: dict[str, Any] = {"name": "new", "script": "true", "start": False}
    assert (await one("POST", "commands/", 201, **new, group=GROUP))["group"] == GROUP
    refused = await one("POST", "commands/", 403, **new)
    assert "editor in the group default" in refused["detail"]
    assert "It is given in web." in refused["detail"]
    await one("POST", "commands/", 403, **new, group=OTHER)
    assert (await As(site, "editor@*")("POST", "commands/", 201, **new))["group"] == "default"


async def test_a_command_is_moved_by_an_admin_of_both_groups(site: Site) -> None:
    path = f"commands/{site.command}"
    whole: dict[str, Any] = {"name": "n", "script": "true"}
    editor, admin = As(site, "editor@*,admin@web"), As(site, "admin@web,admin@mail")
    assert (await editor("PUT", path, **whole))["group"] == GROUP
    assert (await editor("PUT", path, **whole, group=GROUP))["group"] == GROUP
    assert "admin in the group mail" in (await editor("PATCH", path, 403, group=OTHER))["detail"]
    assert (await admin("PATCH", path, group=OTHER))["group"] == OTHER
    assert "admin in the group mail" in (await editor("PATCH", path, 403, group=GROUP))["detail"]
    assert (await admin("PUT", path, **whole))["group"] == OTHER
    await As(site, "admin@web")("GET", path, 404)
    await As(site, "admin@web")("GET", f"runs/{site.run}", 404)
    answered = await admin("GET", path)
    assert (await admin("PUT", path, **{k: v for k, v in answered.items() if v is not None})) == {
        **answered,
        "updated_at": (await admin("GET", path))["updated_at"],
    }


async def test_of_many_runs_those_are_deleted_that_may_be(site: Site) -> None:
    """Each id is looked at by itself: what may not be seen is not there, and nobody is told."""
    admin = As(site, "admin@*")
    ids = []
    for group in [GROUP, OTHER, "secret"]:
        made = await admin("POST", "commands/", 201, name="n", script="exit 1", group=group)
        ids.append(made["run"]["id"])
        async with patience():
            while not (await admin("GET", f"runs/{ids[-1]}"))["end_time"]:
                pass
    listed = await As(site, "viewer@web,admin@mail")("GET", "runs/?embed=command&state=failed")
    assert [(run["command"]["group"], run["may"][-1]) for run in listed["items"]] == [
        (OTHER, "administer"),
        (GROUP, "see"),
    ]
    asked = [*ids, site.run]
    told = await As(site, "editor@web,admin@mail")("POST", "runs/delete", ids=asked)
    assert [one["outcome"] for one in told["items"]] == [
        *("forbidden", "deleted", "not_found", "forbidden")
    ]
    assert "admin in the group web" in told["items"][0]["detail"]
    assert told["items"][2]["detail"] == f"There is no run {ids[2]}."
    left = (await admin("GET", "runs/?state=failed"))["items"]
    assert [run["id"] for run in left] == [ids[2], ids[0]]
    denied = (await until_entered(admin, "act=denied", 2))["items"]
    assert {one["details"]["path"] for one in denied} == {
        f"/api/v1/runs/delete {run_id}" for run_id in [ids[0], site.run]
    }
    told = await As(site, "admin@web")("POST", "runs/delete", ids=asked)
    assert [one["outcome"] for one in told["items"]] == [
        *("deleted", "not_found", "not_found", "active")
    ]
    entered = (await until_entered(admin, "act=run.delete", 3))["items"]
    outcomes = {ids[1]: "done", ids[0]: "done", site.run: "refused"}
    assert {one["run_id"]: one["outcome"] for one in entered} == outcomes


async def until_entered(admin: As, query: str, count: int) -> Any:
    """Return a page of the audit once it has so many entries."""
    async with patience():
        while True:
            page = await admin("GET", f"audit/?{query}")
            if len(page["items"]) >= count:
                return page


async def test_a_key_is_its_owners(site: Site) -> None:
    """Another's key neither shows what was made by it nor is taken."""
    new: dict[str, Any] = {"name": "new", "script": "true", "start": False, "group": GROUP}
    one, other = As(site, "editor@web"), As(site, "editor@web,viewer@mail")
    made = await one("POST", "commands/", 201, key="k", **new)
    assert (await one("POST", "commands/", 201, key="k", **new))["id"] == made["id"]
    assert (await other("POST", "commands/", 201, key="k", **new))["id"] != made["id"]
    await other("POST", "commands/", 201, key="k2", **{**new, "name": "mine"})
    admin = As(site, "admin@*")
    assert (await admin("POST", "commands/", 201, key="k", **new))["id"] != made["id"]
    # It may have been moved to where its maker sees nothing.
    await admin("PATCH", f"commands/{made['id']}", group="secret")
    gone = await one("POST", "commands/", 404, key="k", **new)
    assert gone["detail"] == f"There is no command {made['id']}."


@pytest.mark.parametrize("query", ["?format=sse", "?follow=true"])
async def test_an_event_source_is_told_by_an_event(site: Site, query: str) -> None:
    """As it reads no status; it comes back after that, and is sent away."""
    accepts = {"Accept": "text/event-stream"}
    for claim, status in [({}, 401), ({"As": "viewer@mail"}, 404), ({"As": "-"}, 404)]:
        path, headers = f"/api/v1/runs/{site.run}/output{query}", {**accepts, **claim}
        async with site.api.client.get(path, headers=headers) as response:
            assert (response.status, response.content_type) == (200, "text/event-stream")
            told = await response.text()
        assert told.startswith("id: end\ndata: {")
        assert f'"type":"refused","status":{status}' in told
        again = {**headers, "Last-Event-ID": "end"}
        async with site.api.client.get(path, headers=again) as response:
            assert response.status == 204
        async with site.api.client.head(path, headers=headers) as response:
            assert response.status == status
    path = f"/api/v1/runs/{site.run}/output"
    async with site.api.client.get(path, headers=accepts) as response:
        assert response.status == 401
