"""A browser at a server, as far as HTTP goes: its cookies, and the headers of a page's requests."""

from typing import Any

import aiohttp
from aiohttp import hdrs

from server.handlers.http.local_socket import SOCKET_NAME
from tests.support.service import Service

ENDLESS = "echo begin; exec sleep 1000"


class Browser:
    """A browser that has the page open: with its cookies, and the headers of a page's requests."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.jar = aiohttp.CookieJar(unsafe=True)  # also at IP addresses, as browsers do
        any_certificate = aiohttp.TCPConnector(ssl=False)
        self.session = aiohttp.ClientSession(cookie_jar=self.jar, connector=any_certificate)
        self.headers: dict[str, str] = {}

    @property
    def origin(self) -> dict[str, str]:
        return {hdrs.ORIGIN: self.service.address, **self.headers}

    def url(self, path: str) -> str:
        return f"{self.service.address}/api/v1/{path}"

    async def ask(
        self,
        method: str,
        path: str,
        status: int,
        *,
        headers: dict[str, str] | None = None,
        **arguments: Any,
    ) -> Any:
        """Ask as the page does, or with other headers; assert the status and return the JSON."""
        headers = self.origin if headers is None else headers
        async with self.session.request(
            method, self.url(path), headers=headers, **arguments
        ) as response:
            text = await response.text()
            assert response.status == status, f"{method} {path}: {response.status} {text}"
            return await response.json(content_type=None) if text else None

    async def sign_in(self) -> None:
        """Sign in by a link."""
        await self.ask("POST", "session", 204, json={"ticket": await ticket_of(self.service)})

    async def run(self, script: str = ENDLESS) -> str:
        """Store and start a command; return its run's id."""
        made = await self.ask("POST", "commands/", 201, json={"name": "test", "script": script})
        run_id: str = made["run"]["id"]
        return run_id

    def cookies(self) -> dict[str, str]:
        return {morsel.key: morsel.value for morsel in self.jar}


async def ticket_of(service: Service) -> str:
    """Return the ticket of a new sign-in link, asked for as the command line does."""
    connector = aiohttp.UnixConnector(str(service.state_dir / SOCKET_NAME))
    async with (
        aiohttp.ClientSession(connector=connector) as session,
        session.post("http://localhost/api/v1/session/link") as response,
    ):
        link = await response.json()
        assert response.status == 200, link
    assert link["url"] == f"{service.address}{service.environment.get('TAILRUN_BASE_PATH', '')}"
    ticket: str = link["ticket"]
    return ticket
