"""The page's files, as they were when the server started: their version, and answers with them.

A file on the disk may become another one while the server runs, by an upgrade: its page would be
mixed of both.
"""

import asyncio
import gzip
import hashlib
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from aiohttp import hdrs, web

from server.handlers.http.negotiation import accepts_gzip, has_it_already
from server.handlers.page.index import MAIN, written
from server.handlers.page.joining import joined
from server.handlers.page.modules import Modules

TYPES = {
    ".html": "text/html",
    ".js": "text/javascript",
    ".css": "text/css",
    ".svg": "image/svg+xml",
}
MOST_BYTES = 1024 * 1024
"""A larger file is none of the page's: it is not held in memory."""

LEAST_COMPRESSED_BYTES, LARGE_BYTES = 512, 64 * 1024
COMPRESSION = 6
INDEX, OPENING = "index.html", "js/opening.js"
LASTING = {"Cache-Control": "public, max-age=31536000, immutable"}

_VERSION = re.compile(r"v-[0-9a-f]{16}")
_IMPORTED = re.compile(r'^@import "([^"]+)";$', re.MULTILINE)


@dataclass(frozen=True)
class PageFile:
    """A file's content, and what is told of it."""

    content: bytes
    content_type: str

    @cached_property
    def tag(self) -> str:
        """What names the content, and none other."""
        return hashlib.sha256(self.content).hexdigest()[:16]

    @cached_property
    def compressed(self) -> bytes:
        """The content, compressed by gzip: once, by who asks for it first."""
        return gzip.compress(self.content, COMPRESSION, mtime=0)

    async def made(self) -> None:
        """Have it compressed, where that takes long: others go on meanwhile."""
        if len(self.content) >= LARGE_BYTES:
            await asyncio.to_thread(lambda: self.compressed)


class PageFiles:
    """The files of the page by their paths below `static/`.

    A path may begin with the version of them all: what is found there never changes.
    """

    def __init__(self, root: Path) -> None:
        paths = sorted(path for path in root.rglob("*") if _is_held(path))
        contents = {path.relative_to(root).as_posix(): path.read_bytes() for path in paths}
        modules = Modules(
            {name: content.decode() for name, content in contents.items() if name.endswith(".js")}
        )
        contents[OPENING] = joined(modules, OPENING).encode()
        contents[MAIN] = joined(modules, MAIN, before=OPENING).encode()
        digest = hashlib.sha256()
        for name, content in contents.items():
            digest.update(b"%s %d\n%s" % (name.encode(), len(content), content))
        self.version = f"v-{digest.hexdigest()[:16]}"
        contents[INDEX] = written(contents[INDEX].decode(), modules, self.version).encode()
        self._files = {
            name: PageFile(_joined(root / name, content), TYPES[Path(name).suffix])
            for name, content in contents.items()
        }

    def names(self, path: str) -> bool:
        """Return whether a path begins with a version, this one or another."""
        return _VERSION.fullmatch(path.partition("/")[0]) is not None

    def find(self, path: str) -> tuple[PageFile, bool] | None:
        """Return a file and whether its path will always lead to the same; None: there is none."""
        version, _, name = path.partition("/")
        lasts = version == self.version
        file = self._files.get(name if lasts else path)
        return None if file is None else (file, lasts)


FILES = web.AppKey("page", PageFiles)


def answer(request: web.Request, file: PageFile, *, lasts: bool = False) -> web.Response:
    """Answer with a file, compressed for whoever takes that; 304 when the client has it.

    A large one is to be `made` before: the largest takes some 30 ms.
    """
    large = len(file.content) >= LEAST_COMPRESSED_BYTES
    zipped = large and accepts_gzip(request.headers.get(hdrs.ACCEPT_ENCODING, ""))
    tag = f'"{file.tag}{"-gzip" if zipped else ""}"'
    headers = {"ETag": tag, "Vary": "Accept-Encoding", **(LASTING if lasts else {})}
    if has_it_already(request.headers.get(hdrs.IF_NONE_MATCH, ""), tag):
        return web.Response(status=304, headers=headers)
    if zipped:
        headers["Content-Encoding"] = "gzip"
    body = file.compressed if zipped else file.content
    return web.Response(body=body, headers=headers, content_type=file.content_type, charset="utf-8")


def _is_held(path: Path) -> bool:
    return path.is_file() and path.suffix in TYPES and path.stat().st_size <= MOST_BYTES


def _joined(path: Path, content: bytes) -> bytes:
    """Return a style sheet with those in it that it imports: one request instead of many."""
    if path.suffix != ".css":
        return content
    text = content.decode()
    return _IMPORTED.sub(lambda found: (path.parent / found[1]).read_text("utf-8"), text).encode()
