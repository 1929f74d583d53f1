"""The description of the routes, as it is made."""

from typing import Any

import pytest

from server.access import Right
from server.handlers.http.answers import API
from server.handlers.http.identity.cookies import SECURE_NAME
from server.handlers.http.openapi import described
from server.handlers.http.openapi31 import translated
from server.handlers.routes import ROUTES

LOOKED_AT = {
    ("get", "/api/v1/session"),
    ("post", "/api/v1/session"),
    ("post", "/api/v1/hooks/{id}"),  # its signature
    ("post", "/api/v1/workers/enroll"),  # its token
}
"""Public routes that look at a credential all the same."""


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    """Describe the routes; nobody changes the description."""
    return described(ROUTES, version="1", prefix=API, base_path="")


def test_a_description_is_whole_each_time() -> None:
    """The library that describes routes changes what it is given."""
    first, second = (
        described(ROUTES, version="1", prefix=API, base_path="/tools") for _ in range(2)
    )
    assert first == second
    assert first["definitions"]["NewCommandBody"]["required"] == ["name", "script"]
    assert len(first["paths"]) > 10


@pytest.mark.parametrize("path", [f"/api/v1/{path}" for _, path, *_ in ROUTES])
def test_each_route_tells_how_it_is_entered(document: dict[str, Any], path: str) -> None:
    """As the table of routes has it: nobody enters by another way than is told."""
    rights = {(method.lower(), f"/api/v1/{path}"): right for method, path, right, _ in ROUTES}
    for method, told in document["paths"][path].items():
        is_public = rights[method, path] is Right.PUBLIC
        assert told["security"] == ([] if is_public else [{"token": []}, {"session": []}, {}])
        # Who asks may be wrong, and to sign in is to show a ticket.
        is_looked_at = not is_public or (method, path) in LOOKED_AT
        assert ("401" in told["responses"]) == ("429" in told["responses"]) == is_looked_at
    assert document["securityDefinitions"].keys() == {"token", "session"}


@pytest.mark.parametrize("path", [f"/api/v1/{path}" for _, path, *_ in ROUTES if "{id}" in path])
def test_each_route_of_a_thing_tells_that_it_may_not_exist(
    document: dict[str, Any], path: str
) -> None:
    """A stream's, too: who may not see its run, and does not shake hands, reads a status."""
    for told in document["paths"][path].values():
        assert "404" in told["responses"]


def test_the_newer_description_knows_bearers_and_cookies(document: dict[str, Any]) -> None:
    newer = translated(document)
    schemes = newer["components"]["securitySchemes"]
    assert (schemes["token"]["type"], schemes["token"]["scheme"]) == ("http", "bearer")
    assert (schemes["session"]["in"], schemes["session"]["name"]) == ("cookie", SECURE_NAME)
    assert newer["paths"]["/api/v1/ping"]["get"]["security"] == []
    assert {"token": []} in newer["paths"]["/api/v1/runs/"]["get"]["security"]
