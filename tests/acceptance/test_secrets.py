"""The password to the database: any characters, taken from where nobody else looks."""

import asyncio
import os
import sys
from asyncio.subprocess import PIPE, STDOUT
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import aiohttp
import pytest

from server.repositories.embedded.server import EmbeddedDatabase
from tests.support.client import Client
from tests.support.postgres import execute
from tests.support.service import ROOT, Service
from tests.support.waiting import until

PASSWORD = "p@ss/%?#w:ö'\\$x"  # noqa: S105
START = str(ROOT / "docs" / "start-in-container.sh")
TINI = """\
#!/bin/sh
cat /proc/$$/environ >{environ}
shift
exec "$@"
"""


@pytest.fixture
async def asking(tmp_path: Path) -> AsyncIterator[Path]:
    """Run a PostgreSQL that asks its user tailrun for the password; return its directory."""
    directory = tmp_path / "asking" / "database"
    server = EmbeddedDatabase(directory)
    url = await server.start()
    rules = directory / "pg_hba.conf"
    rules.write_text(f"local all tailrun scram-sha-256\n{rules.read_text()}")
    quoted = PASSWORD.replace("'", "''")
    execute(
        url,
        "SELECT pg_reload_conf()",
        f"CREATE ROLE tailrun LOGIN PASSWORD '{quoted}'",
        "CREATE DATABASE tailrun OWNER tailrun",
    )
    yield directory
    await server.stop()


@pytest.fixture
async def service(
    tmp_path: Path, asking: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Service]:
    """Make a service that finds its database by libpq's variables; it has no password yet."""
    monkeypatch.setenv("PGHOST", str(asking))
    monkeypatch.setenv("PGUSER", "tailrun")
    monkeypatch.setenv("PGDATABASE", "tailrun")
    service = Service(tmp_path / "state", "postgresql://")
    yield service
    await service.kill()
    with suppress(ExceptionGroup, OSError):
        await service.end_keeper()


async def works(service: Service, pid: int, *secrets: str) -> None:
    """Show that the service reaches its database, and that its runs cannot see the secrets."""
    async with aiohttp.ClientSession() as session:
        client = Client(session, service)
        run_id = await client.run(f"env; cat /proc/{pid}/environ /proc/{pid}/cmdline; exit 3")
        assert (await client.finished(run_id))["state"] == "failed"
        output = (await client.output(run_id)).decode("utf-8", "replace")
        assert "TAILRUN_RUN_ID" in output
        for secret in (PASSWORD, *secrets):
            assert secret not in output.partition("\0")[0]  # root's runs may read the rest
    for secret in (PASSWORD, *secrets):
        assert secret not in service.log


async def test_a_password_of_any_characters_comes_in_libpqs_variable(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    await service.start()
    await works(service, service.pid)
    assert await service.terminate() == 0


async def test_a_password_of_any_characters_comes_in_a_file(
    service: Service, tmp_path: Path
) -> None:
    (tmp_path / "password").write_text(f"{PASSWORD}\n")
    service.set(database_password_file=str(tmp_path / "password"))
    await service.start()
    await works(service, service.pid)
    assert await service.terminate() == 0


async def test_a_wrong_password_is_refused_and_not_shown(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGPASSWORD", "hunter2")
    code, said = await service.refused()
    assert code == os.EX_CONFIG
    assert "password authentication failed" in said
    assert "hunter2" not in said


async def test_process_1_of_a_container_holds_no_secret(
    service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What tini is started with is noted here; the server gets the secrets all the same."""
    token, secret = "token-of-the-metrics", "secret of the client"
    service.set(
        metrics_token=token,
        oidc_issuer="http://127.0.0.1:1",
        oidc_client_id="tailrun",
        oidc_client_secret=secret,
    )
    environ, programs = tmp_path / "environ", tmp_path / "programs"
    programs.mkdir()
    for name, script in [
        ("tini", TINI.format(environ=environ)),
        ("tailrun", f'#!/bin/sh\nexec {sys.executable} -m server "$@"\n'),
    ]:
        (programs / name).write_text(script)
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    process = await asyncio.create_subprocess_exec(
        *(START, "--log-level", "debug"),
        cwd=ROOT,
        env=service.environment,
        stdout=PIPE,
        stderr=STDOUT,
    )
    assert process.stdout is not None
    try:
        said = b""
        while b" serves " not in said:
            said = await process.stdout.readline()
            assert said
        service.address = said.decode().partition(" serves ")[2].split("/ ")[0]
        await until(environ.exists)
        assert b"PGUSER=tailrun" in environ.read_bytes()
        assert b"TAILRUN_OIDC_CLIENT_ID=tailrun" in environ.read_bytes()
        for hidden in (b"PGPASSWORD", token.encode(), secret.encode()):
            assert hidden not in environ.read_bytes()
        await works(service, process.pid, token, secret)
        headers = {"Authorization": f"Bearer {token}", "Via": "a stranger"}
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"{service.address}/metrics", headers=headers) as response,
        ):
            assert response.status == 200
    finally:
        process.terminate()
        await process.communicate()
    assert process.returncode == 0
