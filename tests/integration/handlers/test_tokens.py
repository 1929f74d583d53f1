"""Tokens and grants over HTTP: the tests ask as the server's own user, and by tokens."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from server.handlers.http import keys
from server.services.access.credentials import new_token
from tests.integration.handlers.harness import Api
from tests.support.outage import Outage
from tests.support.postgres import execute

NEW = {"name": "nightly build", "role": "operator", "group": "*"}
NOBODY = "00000000-0000-4000-8000-000000000000"


async def make(api: Api, **fields: object) -> dict[str, Any]:
    """Make a token."""
    made: dict[str, Any] = await api.call("POST", "tokens/", status=201, json={**NEW, **fields})
    return made


def by(token: dict[str, Any] | str) -> dict[str, str]:
    """Return the header of a request by a token."""
    secret = token if isinstance(token, str) else token["token"]
    return {"Authorization": f"Bearer {secret}"}


async def test_the_secret_is_shown_once(api: Api) -> None:
    made = await make(api)
    assert made["token"].startswith("tlr_")
    told = {name: value for name, value in made.items() if name != "token"}
    page = await api.call("GET", "tokens/", status=200)
    assert page == {"items": [told], "next": None}
    assert told["owner"].startswith("local:")
    assert (told["revoked_at"], told["last_used_at"]) == (None, None)
    left = datetime.fromisoformat(told["expires_at"]) - datetime.now(UTC)
    assert timedelta(days=89) < left < timedelta(days=91)


async def test_a_token_may_do_what_its_role_may_and_no_more(api: Api) -> None:
    command = (await api.create("true"))["id"]
    viewer, operator = await make(api, role="viewer"), await make(api)
    await api.call("GET", f"commands/{command}", status=200, headers=by(viewer))
    refused = await api.problem(
        "POST", f"commands/{command}/runs", 403, "not-permitted", headers=by(viewer)
    )
    # Not its owner: local users may do everything.
    assert f"the token {viewer['name']!r} of local:" in refused["detail"]
    await api.call("POST", f"commands/{command}/runs", status=201, headers=by(operator))
    await api.problem("DELETE", f"commands/{command}", 403, "not-permitted", headers=by(operator))
    elsewhere = await make(api, role="admin", group="elsewhere")
    await api.problem("GET", f"commands/{command}", 404, "command-not-found", headers=by(elsewhere))


async def test_all_that_is_no_valid_token_is_answered_alike(api: Api, database_url: str) -> None:
    revoked, expired = await make(api), await make(api)
    await api.call("DELETE", f"tokens/{revoked['id']}", status=204)
    past = f"UPDATE tokens SET expires_at = now() WHERE id = '{expired['id']}'"  # noqa: S608
    execute(database_url, past)
    told = [
        await api.problem("GET", "commands/", 401, "credential-refused", headers=by(secret))
        for secret in [
            revoked["token"],
            expired["token"],
            new_token(),
            revoked["token"][:-1] + "!",
            "x",
        ]
    ]
    assert all(one == told[0] for one in told)
    assert "tlr_" not in str(told)


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"name": " "}, "name"),
        ({"name": "x" * 65}, "name"),
        ({"name": "a\nb"}, "name"),
        ({"role": "root"}, "role"),
        ({"role": None}, "role"),
        ({"group": ""}, "group"),
        ({"group": "a b"}, "group"),
        ({"group": "**"}, "group"),
        ({"expires_at": "tomorrow"}, "expires_at"),
        ({"expires_at": "2999-01-01T00:00:00+00:00"}, "expires_at"),
        ({"expires_at": "2020-01-01T00:00:00+00:00"}, "expires_at"),
        ({"expires_at": "2999-01-01T00:00:00"}, "expires_at"),
        ({"owner": "oidc:alice"}, "owner"),
    ],
)
async def test_wrong_fields_are_named(api: Api, fields: dict[str, object], field: str) -> None:
    told = await api.problem("POST", "tokens/", 422, "invalid-input", json={**NEW, **fields})
    assert [*told["errors"]] == [field]


async def test_the_longest_life_is_366_days(api: Api) -> None:
    now = datetime.now(UTC)
    at_most = (now + timedelta(days=366, seconds=-1)).isoformat()
    assert (await make(api, expires_at=at_most))["expires_at"] == at_most
    beyond = (now + timedelta(days=366, minutes=10)).isoformat()
    body = {**NEW, "expires_at": beyond}
    told = await api.problem("POST", "tokens/", 422, "invalid-input", json=body)
    assert "366 days" in told["errors"]["expires_at"][0]


async def test_a_token_makes_none_with_more_than_itself(api: Api) -> None:
    viewer = await make(api, role="viewer")
    for more in [{"role": "operator"}, {"role": "admin"}]:
        body = {**NEW, **more}
        told = await api.problem(
            "POST", "tokens/", 403, "not-permitted", json=body, headers=by(viewer)
        )
        assert "at most the role" in told["detail"]
    body = {**NEW, "role": "viewer", "group": "default"}
    await api.call("POST", "tokens/", status=201, json=body, headers=by(viewer))


async def test_who_is_no_admin_sees_his_own_tokens_and_no_grants(api: Api) -> None:
    """A token of a low role sees those of its owner, and may revoke itself alone."""
    viewer, other = await make(api, role="viewer"), await make(api)
    page = await api.call("GET", "tokens/", status=200, headers=by(viewer))
    assert {one["id"] for one in page["items"]} == {viewer["id"], other["id"]}
    await api.problem("GET", "grants/", 403, "not-permitted", headers=by(viewer))
    await api.problem("DELETE", f"tokens/{other['id']}", 403, "not-permitted", headers=by(viewer))
    await api.call("DELETE", f"tokens/{viewer['id']}", status=204, headers=by(viewer))
    await api.problem("GET", "tokens/", 401, "credential-refused", headers=by(viewer))


@pytest.mark.parametrize("thing", ["token", "grant"])
@pytest.mark.parametrize("identifier", [NOBODY, "x", f"urn:uuid:{NOBODY}"])
async def test_what_does_not_exist_is_not_found(api: Api, thing: str, identifier: str) -> None:
    await api.problem("DELETE", f"{thing}s/{identifier}", 404, f"{thing}-not-found")


async def test_grants_are_given_listed_and_taken_back(api: Api) -> None:
    body = {"principal": "oidc:alice", "role": "editor", "group": "web"}
    given = await api.call("POST", "grants/", status=201, json=body)
    assert {name: given[name] for name in body} == body
    assert given["created_by"].startswith("local:")
    assert await api.call("GET", "grants/", status=200) == {"items": [given], "next": None}
    told = await api.problem("POST", "grants/", 409, "conflict", json={**body, "role": "viewer"})
    assert "Delete that one first" in told["detail"]
    other = await api.call("POST", "grants/", status=201, json={**body, "group": "mail"})
    page = await api.call("GET", "grants/?limit=1", status=200)
    assert page["items"] == [other]
    rest = await api.call("GET", f"grants/?limit=1&cursor={page['next']}", status=200)
    assert rest == {"items": [given], "next": None}
    await api.call("DELETE", f"grants/{given['id']}", status=204)
    of_alice = await api.call("GET", "grants/?principal=oidc:alice", status=200)
    assert of_alice["items"] == [other]
    assert (await api.call("GET", "grants/?principal=oidc:bob", status=200))["items"] == []


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"principal": "alice"}, "principal"),
        ({"principal": "everybody"}, "principal"),
        ({"principal": "anonymous"}, "principal"),
        ({"principal": "oidc:"}, "principal"),
        ({"principal": "oidc:a\nb"}, "principal"),
        ({"principal": "oidc:" + "x" * 300}, "principal"),
        ({"role": "owner"}, "role"),
        ({"group": "-x"}, "group"),
        ({"note": "x"}, "note"),
    ],
)
async def test_wrong_fields_of_grants_are_named(
    api: Api, fields: dict[str, object], field: str
) -> None:
    body = {"principal": "oidc:alice", "role": "viewer", "group": "web", **fields}
    told = await api.problem("POST", "grants/", 422, "invalid-input", json=body)
    assert [*told["errors"]] == [field]


async def test_without_a_group_it_is_the_default_one(api: Api) -> None:
    made = await api.call("POST", "tokens/", status=201, json={"name": "x", "role": "viewer"})
    assert made["group"] == "default"
    body = {"principal": "local:bob", "role": "viewer"}
    assert (await api.call("POST", "grants/", status=201, json=body))["group"] == "default"


async def test_while_the_database_is_away_who_was_valid_reads_and_does_nothing_else(
    api: Api, outage: Outage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run can be stopped without the database, but not by one who may be revoked by now."""
    run = await api.run("sleep 1000")
    made, other = await make(api, role="admin"), await make(api)
    await api.call("GET", f"runs/{run}", status=200, headers=by(made))
    outage.begin()
    app = api.client.app
    assert app is not None
    monkeypatch.setattr(app[keys.TOKENS]._known, "_fresh_seconds", 0)
    await api.call("GET", f"runs/{run}", status=200, headers=by(made))
    stop = {"grace_seconds": 0}
    for headers in [by(made), by(other)]:
        await api.problem(
            "POST", f"runs/{run}/stop", 503, "database-unavailable", headers=headers, json=stop
        )
    outage.end()
    await api.call("POST", f"runs/{run}/stop", status=202, json=stop)


async def test_no_secret_gets_into_a_log_or_an_error(
    api: Api, caplog: pytest.LogCaptureFixture, outage: Outage
) -> None:
    """Whatever is wrong with the request, or with the server."""
    caplog.set_level("DEBUG")
    made = await make(api)
    secret, wrong = made["token"], new_token()
    told = []
    for headers in [by(secret), by(wrong), {"Authorization": secret}, by(f"{secret} {wrong}")]:
        for method, path in [
            ("GET", "commands/"),
            ("GET", "commands/x"),
            ("PUT", "commands/"),
            ("POST", "tokens/"),
            ("GET", "nothing/at/all"),
        ]:
            async with api.client.request(
                method, f"/api/v1/{path}", headers=headers, json={"name": secret, "x": 1}
            ) as response:
                told.append(f"{response.headers} {await response.text()}")
    outage.begin()
    async with api.client.request("GET", "/api/v1/commands/", headers=by(wrong)) as response:
        told.append(await response.text())
    for one in (secret, secret[4:47], wrong, wrong[4:47]):
        assert one not in caplog.text
        assert not any(one in text for text in told)
