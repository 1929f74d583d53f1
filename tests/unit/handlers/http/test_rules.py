"""Each route says which right it asks for, or there is no service."""

import re

import pytest
from aiohttp import web

from server.access import LEAST, OF_THINGS, Right
from server.errors import StartupError
from server.handlers import routes
from server.handlers.application import build_app
from server.handlers.http.rules import RULES, Thing
from server.handlers.routes import ROUTES
from server.resources import docs_directory
from server.settings.groups import Settings


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_route_without_a_right_is_refused_at_the_start(
    monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    async def anything(_request: web.Request) -> web.Response:
        raise AssertionError

    add = routes.add_other_routes

    def add_more(app: web.Application) -> None:
        add(app)
        app.router.add_route(method, "/forgotten/{name}", anything)

    monkeypatch.setattr(routes, "add_other_routes", add_more)
    with pytest.raises(StartupError, match=rf"{method} /forgotten/\{{name\}} names no right"):
        build_app(Settings())


def test_a_path_that_names_a_command_or_a_run_asks_in_its_group() -> None:
    app = build_app(Settings())
    things = {
        route.resource.canonical: rule.thing
        for route, rule in app[RULES].items()
        if route.resource is not None
    }
    assert things["/api/v1/commands/{id}"] is Thing.COMMAND
    assert things["/api/v1/commands/{id}/runs/"] is Thing.COMMAND
    assert things["/api/v1/runs/{id}/output"] is Thing.RUN
    assert things["/api/v1/runs/"] is None
    # The id of a thing is in no path that forgets its group; these are of no group.
    target = "/api/v1/notification-targets/{id}"
    of_none = {
        *("/api/v1/tokens/{id}", "/api/v1/grants/{id}", "/api/v1/workers/{id}"),
        *(target, f"{target}/test"),
    }
    for path, thing in things.items():
        assert (thing is not None) == ("{id}" in path and path.rstrip("/") not in of_none), path


def test_what_is_public_is_what_nobody_can_do_harm_with() -> None:
    app = build_app(Settings())
    public = {
        (route.method, route.resource.canonical.rstrip("/"))
        for route, rule in app[RULES].items()
        if route.resource is not None and rule.right is Right.PUBLIC
    }
    # To sign in, for which one has a link's ticket, and out; what is signed for a hook; and to be
    # enrolled, for which a worker has a token.
    changing = {path for method, path in public if method not in {"GET", "HEAD"}}
    assert changing == {"/api/v1/session", "/api/v1/hooks/{id}", "/api/v1/workers/enroll"}
    assert {path for _, path in public} == {
        "",
        "/api/v1/hooks/{id}",
        "/api/v1/ping",
        "/api/v1/session",
        "/api/v1/session/oidc",
        "/api/v1/session/oidc/callback",
        "/api/v1/workers/enroll",
        "/docs/{name}.md",
        "/healthz",
        "/readyz",
        "/static/{path}",
        "/swagger",
        "/swagger/command.schema.json",
        "/swagger/doc.json",
        "/swagger/index.html",
        "/swagger/openapi.json",
        "/swagger/swagger.json",
    }


TOLD = {
    Right.PUBLIC: "everybody",
    Right.SIGNED_IN: "signed in",
    Right.GOVERN: "`admin` of `*`",
    **{right: f"`{LEAST[right]}`" for right in OF_THINGS},
}


def test_the_documents_tell_who_may_use_each_route() -> None:
    text = (docs_directory() / "api.md").read_text(encoding="utf-8")
    table = text.partition("| route | for | what it does |\n")[2].partition("\n\n")[0]
    told: dict[str, str] = {}
    for row in table.splitlines()[1:]:
        routes, who, _ = row.removeprefix("| ").split(" | ", 2)
        told |= dict.fromkeys(re.findall(r"`([A-Z]+ \S+)`", routes), who)
    assert told == {f"{method} {path}": TOLD[right] for method, path, right, _ in ROUTES}
