"""Nobody is told from another: whoever asks may do everything."""

from aiohttp import web

from server.access import EVERYBODY, Principal


class Everybody:
    """Takes every request for one of everybody's."""

    async def of(self, _request: web.Request) -> Principal:
        """Return everybody."""
        return EVERYBODY

    def address(self, request: web.Request) -> str:
        """Return the peer's address."""
        return request.remote or ""
