"""What a server by itself imports: for what it does not do it pays neither time nor memory."""

import re

import aiohttp

from tests.support.client import Client
from tests.support.service import Service

PACKAGES = {
    *("authlib", "httpx2", "joserfc"),  # of signing in at a provider
    *("cryptography", "nats"),  # of speaking to other hosts
    "apprise",  # of notifications
    *("sqlparse", "yoyo"),  # of starts that migrate a database
    *("tailrun", "yaml"),  # of the client
}
ROLES = {"backup", "doctor", "enrol", "keeping", "nats_config", "worker"}
MEETING = {"server.meeting", "server.services.ledger.wire", "server.services.running.leasing"}

FLEET = {"enrolments", "losses", "suitable", "workers"}
"""Of `server.services.fleet`: what users ask about workers, also where there are none."""

HOSTS = {"hosts", "local", "pools", "roll", "unclaimed"}
"""Of `server.services.hosts`: none that asks other hosts."""


def within(package: str, modules: set[str]) -> set[str]:
    """Return the names of what is imported of a package, without its own."""
    start = f"{package}."
    return {name.removeprefix(start) for name in modules if name.startswith(start)}


async def test_a_server_by_itself_imports_nothing_that_others_need(service: Service) -> None:
    async with aiohttp.ClientSession() as session:
        client = Client(session, await service.start("env", "PYTHONPROFILEIMPORTTIME=1"))
        await client.finished(await client.run("echo hi"))
        assert (await client.call("GET", "workers/"))["items"] == []
    await service.terminate()
    modules = set(re.findall(r"^import time: .*\| +(\S+)$", service.log, re.MULTILINE))

    assert {"aiohttp.web", "server.service", "server.services.running.runner"} <= modules
    assert {name.partition(".")[0] for name in modules} & PACKAGES == set()
    assert modules & {*MEETING, *(f"server.{name}" for name in ROLES)} == set()
    assert within("server.wire", modules) == within("server.services.worker", modules) == set()
    assert within("server.services.fleet", modules) == FLEET
    assert within("server.services.hosts", modules) == HOSTS
