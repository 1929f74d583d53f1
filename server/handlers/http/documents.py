"""Documents about the API: each is made when it is first asked for, as few servers are."""

import asyncio
import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

from aiohttp import hdrs, web

from server.access import Right
from server.handlers.http.negotiation import has_it_already
from server.handlers.http.rules import add_route


@dataclass(frozen=True)
class Document:
    """A JSON document, and what makes it."""

    make: Callable[[], Mapping[str, Any]]

    @cached_property
    def body(self) -> bytes:
        """The document's text."""
        return json.dumps(self.make()).encode() + b"\n"

    @cached_property
    def tag(self) -> str:
        """Its version, as an ETag."""
        return f'"{hashlib.sha256(self.body).hexdigest()[:32]}"'

    async def made(self) -> None:
        """Have it made, which takes some 200 ms: others go on meanwhile."""
        await asyncio.to_thread(lambda: self.body)


def add_documents(app: web.Application, documents: Mapping[str, Document]) -> None:
    """Serve documents under /swagger/ to everybody."""
    for name, document in documents.items():
        for method in ["GET", "HEAD"]:
            add_route(app, method, f"/swagger/{name}", partial(_answer, document), Right.PUBLIC)


async def _answer(document: Document, request: web.Request) -> web.Response:
    await document.made()
    headers = {"ETag": document.tag}
    if has_it_already(request.headers.get(hdrs.IF_NONE_MATCH, ""), document.tag):
        return web.Response(status=304, headers=headers)
    return web.Response(
        body=document.body, headers=headers, content_type="application/json", charset="utf-8"
    )
