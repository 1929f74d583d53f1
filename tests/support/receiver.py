"""A webhook's receiver: takes what is sent to it, and answers as the path asks for."""

import asyncio
import base64
import gzip
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.support.waiting import patience


@dataclass(frozen=True)
class Heard:
    """A request that came."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def told(self) -> dict[str, Any]:
        """The body's JSON."""
        told: dict[str, Any] = json.loads(self.body)
        return told

    def is_signed_by(self, secret: str) -> bool:
        """Return whether the signature is as Standard Webhooks says, reckoned by hand."""
        key = base64.b64decode(secret.split("_", 1)[1])
        signed = b".".join(
            [
                self.headers["webhook-id"].encode(),
                self.headers["webhook-timestamp"].encode(),
                self.body,
            ]
        )
        digest = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
        return self.headers["webhook-signature"] == f"v1,{digest}"


@dataclass
class Receiver:
    """What came, in order; `/ok`, `/fails`, `/moved`, `/hangs` and `/twice` answer as they say."""

    url: str = ""
    heard: list[Heard] = field(default_factory=list)
    came: asyncio.Condition = field(default_factory=asyncio.Condition)
    released: asyncio.Event = field(default_factory=asyncio.Event)

    def at(self, path: str) -> list[Heard]:
        """Return what came to a path."""
        return [one for one in self.heard if one.path == path]

    async def wait_for(self, path: str, count: int = 1) -> list[Heard]:
        """Wait until so many requests came to a path; return them."""
        async with patience(), self.came:
            await self.came.wait_for(lambda: len(self.at(path)) >= count)
        return self.at(path)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Note a request, and answer it."""
        path = request.path
        headers = {name.lower(): value for name, value in request.headers.items()}
        async with self.came:
            self.heard.append(Heard(path, headers, await request.read()))
            self.came.notify_all()
        if path == "/fails":
            return web.Response(status=500, text="the chat\nis full")
        if path.startswith("/unknown/"):
            return web.Response(status=404, text=f"Cannot \x1b[2JPOST {request.path_qs}")
        if path == "/packed":
            packed = {"Content-Encoding": "gzip"}
            return web.Response(status=500, body=gzip.compress(b"0" * 10_000_000), headers=packed)
        if path == "/moved":
            return web.Response(status=307, headers={"Location": f"{self.url}/stolen"})
        if path == "/hangs":
            await self.released.wait()
        if path == "/twice" and len(self.at(path)) == 1:
            return web.Response(status=503)
        return web.Response(text="thanks")


@asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    """Listen on a free port of this host."""
    receiver = Receiver()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", receiver.answer)
    async with TestServer(app) as server:
        receiver.url = str(server.make_url("")).rstrip("/")
        try:
            yield receiver
        finally:
            receiver.released.set()
