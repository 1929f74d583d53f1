"""`tailrun doctor`, beside a server and without one."""

import json
import os
from pathlib import Path

from server.services.access.credentials import new_token
from tests.support.oidc import CLIENT_ID, Provider, running
from tests.support.postgres import execute
from tests.support.service import Service
from tests.support.waiting import patience

FORGOTTEN = """
    INSERT INTO tokens (id, hash, name, owner, role, group_name, created_at, expires_at)
    VALUES (
        gen_random_uuid(), '\\x00', 'forgotten', 'local:root', 'viewer', '*',
        now() - interval '50 days', now() + interval '9 days'
    )
"""


async def told(service: Service, *arguments: str) -> tuple[int | None, str]:
    """Run the doctor with a service's settings; return its exit code and what it says."""
    process = await service.begin("doctor", *arguments)
    async with patience():
        said, _ = await process.communicate()
    return process.returncode, said.decode()


def of(said: str, check: str) -> list[str]:
    """Return what is told of one thing, with its level before it."""
    lines = [line.split(maxsplit=1) for line in said.splitlines()]
    return [f"{level} {text}" for level, text in lines if text.startswith(f"{check}: ")]


async def test_each_thing_is_told_in_a_line(service: Service, database_url: str) -> None:
    service.state_dir.parent.chmod(0o700)
    await service.start()
    execute(database_url, FORGOTTEN)
    service.set(run_as="nobody")  # of the doctor alone: the server runs already
    code, said = await told(service)
    assert code == 0, said
    assert all(line.split()[0] in {"ok", "warning"} for line in said.splitlines()), said
    [runs] = of(said, "user of runs")
    assert runs.startswith("ok user of runs: nobody; the server is ")
    assert of(said, "address") == ["ok address: 127.0.0.1 is reached from this host alone"]
    [token] = of(said, "tokens")
    assert token.startswith("warning tokens: 'forgotten' of local:root was used never, and is 50")


async def test_a_problem_is_told_by_the_exit_code_too(service: Service) -> None:
    await service.start()
    (service.state_dir / "server.lock").chmod(0o644)
    service.set(auth="off")
    code, said = await told(service)
    assert code == 1, said
    assert any("server.lock has the mode 0644" in line for line in of(said, "state directory"))
    [found] = of(said, "authentication")
    assert found.startswith("problem authentication: it is off: every user of this host")


async def test_programs_read_it_as_json(service: Service) -> None:
    service.set(host="0.0.0.0")  # noqa: S104  nothing is bound to it: no server is started
    code, said = await told(service, "--json")
    assert code == 1
    found = {(one["check"], one["level"]) for one in json.loads(said)}
    assert {("address", "problem"), ("TLS", "ok"), ("state directory", "warning")} <= found


async def test_a_database_that_does_not_answer_is_told(tmp_path: Path) -> None:
    service = Service(tmp_path / "state", None)
    _, said = await told(service)
    [found] = of(said, "tokens")
    assert found.startswith("warning tokens: not looked at, as the database does not answer: ")
    assert not service.state_dir.exists()  # it makes nothing


async def test_a_provider_is_asked(service: Service) -> None:
    async with running(Provider()) as provider:
        service.set(oidc_issuer=provider.issuer, oidc_client_id=CLIENT_ID, oidc_grants="*=admin@*")
        _, said = await told(service)
        answers, grants = of(said, "OpenID Connect")
        assert answers == "ok OpenID Connect: the provider answers"
        assert "makes everybody whom" in grants
    _, said = await told(service)
    [answers, _] = of(said, "OpenID Connect")
    assert answers.startswith("problem OpenID Connect: the provider cannot be reached")


async def test_no_secret_is_shown(service: Service, tmp_path: Path) -> None:
    secret = new_token()
    (tmp_path / "secret").write_text(secret)
    service.set(
        oidc_issuer="http://127.0.0.1:1",
        oidc_client_id="x",
        oidc_client_secret=secret,
        metrics_token_file=str(tmp_path / "secret"),
    )
    (tmp_path / "secret").chmod(0o644)
    code, said = await told(service)
    assert code == 1
    assert "TAILRUN_OIDC_CLIENT_SECRET holds one" in said
    assert "(TAILRUN_METRICS_TOKEN_FILE) has the mode 0644" in said
    assert secret not in said


async def test_wrong_settings_are_refused_as_at_the_start(service: Service) -> None:
    service.set(port="many")
    code, said = await told(service)
    assert code == os.EX_CONFIG
    assert said.startswith("tailrun: TAILRUN_PORT is 'many'; it takes")
