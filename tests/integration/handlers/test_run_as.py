"""Whom a command's runs are started as: for admins to say, out of a list, and for its script."""

import os
import pwd
from typing import Any

import pytest

from tests.integration.handlers.harness import Api, Claimed, Serve
from tests.integration.handlers.test_access import As, Site

USER = pwd.getpwuid(os.geteuid()).pw_name
"""The one that takes no root: to be him is no change."""

NEW: dict[str, Any] = {"name": "new", "script": "id -un", "group": "web", "start": False}


@pytest.fixture
async def site(serve: Serve) -> Site:
    api: Api = await serve(Claimed(), run_as_users=f"{USER},other")
    return Site(api, "", "")


async def test_an_admin_alone_says_whom_runs_are_started_as(site: Site) -> None:
    admin, editor = As(site, "admin@web,viewer@mail"), As(site, "editor@*,admin@mail")
    for claim in (editor, As(site, "editor@web")):
        refused = await claim("POST", "commands/", 403, **NEW, run_as=USER)
        assert "the role admin in the group web" in refused["detail"]
    plain = await editor("POST", "commands/", 201, **NEW)
    assert plain["run_as"] is None
    path = f"commands/{plain['id']}"
    await editor("PATCH", path, 403, run_as=USER)
    assert (await editor("PATCH", path, run_as=None))["run_as"] is None
    assert (await admin("PATCH", path, run_as=USER))["run_as"] == USER
    assert (await editor("PATCH", path, run_as=USER))["run_as"] == USER
    await editor("PATCH", path, 403, run_as="other")
    await editor("PATCH", path, 403, run_as=None)
    assert (await admin("PUT", path, name="n", script="id"))["run_as"] == USER
    assert (await admin("PATCH", path, run_as=None))["run_as"] is None


async def test_the_script_of_one_that_is_somebodys_is_an_admins_to_change(site: Site) -> None:
    """Whoever may change it acts as that user."""
    admin, editor = As(site, "admin@web"), As(site, "editor@*,admin@mail")
    made = await admin("POST", "commands/", 201, **NEW, run_as=USER)
    path = f"commands/{made['id']}"
    for everybody in (editor, As(site, "editor@web"), As(site, "editor@*")):
        for method, fields in [("PATCH", {}), ("PUT", {"name": "n"})]:
            refused = await everybody(method, path, 403, **fields, script="rm -r ~")
            assert "the role admin in the group web" in refused["detail"]
        assert (await everybody("PATCH", path, name="renamed"))["name"] == "renamed"
        await everybody("PUT", path, name="n", script=NEW["script"], run_as=USER)
    assert (await admin("PATCH", path, script="id"))["script"] == "id"
    await admin("PATCH", path, run_as=None)
    assert (await editor("PATCH", path, script="true"))["script"] == "true"


async def test_only_those_that_the_settings_list_may_be_named(site: Site) -> None:
    admin = As(site, "admin@*")
    made = await admin("POST", "commands/", 201, **NEW)
    for name in ("root-or-so", "", " ", "a\0", 7, ["x"]):
        for method, path, fields in [
            ("POST", "commands/", NEW),
            ("PATCH", f"commands/{made['id']}", {}),
        ]:
            told = await admin(method, path, 422, **fields, run_as=name)
            assert "run_as" in told["errors"]


async def test_the_audit_tells_whom_runs_are_started_as(site: Site) -> None:
    admin = As(site, "admin@*")
    made = await admin("POST", "commands/", 201, **NEW, run_as=USER)
    started = await admin("POST", "commands/", 201, **{**NEW, "start": True}, run_as=USER)
    await admin("PATCH", f"commands/{made['id']}", run_as=None)
    rows = (await admin("GET", "audit/"))["items"]
    told = [(row["act"], row["command_id"], row["details"].get("run_as")) for row in rows]
    assert ("command.create", made["id"], USER) in told
    assert ("command.create", started["id"], USER) in told
    assert ("command.change", made["id"], None) in told
    changed = next(row for row in rows if row["act"] == "command.change")
    assert changed["details"]["fields"] == ["run_as"]


async def test_a_run_is_started_as_its_command_said_then(site: Site) -> None:
    admin = As(site, "admin@*")
    made = await admin("POST", "commands/", 201, **{**NEW, "start": True}, run_as=USER)
    site.api.client.session.headers["As"] = "admin@*"
    run = await site.api.ended(made["run"]["id"])
    assert run["exitcode"] == 0
    assert await site.api.output(run["id"]) == f"{USER}\n".encode()


async def test_a_user_that_is_not_listed_any_more_is_the_runs_reason(serve: Serve) -> None:
    before = Site(await serve(Claimed(), run_as_users="nobody-here"), "", "")
    admin = As(before, "admin@*")
    made = await admin("POST", "commands/", 201, **{**NEW, "start": True}, run_as="nobody-here")
    before.api.client.session.headers["As"] = "admin@*"
    run = await before.api.ended(made["run"]["id"])
    assert (run["state"], run["exitcode"]) == ("failed", None)
    assert "this host has no user 'nobody-here'" in run["reason"]
