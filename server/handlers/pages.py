"""What is served besides the API: the page, the documentation's page and its guides."""

from pathlib import Path

from aiohttp import web

from server.handlers.http.files import file_answer
from server.handlers.page.files import FILES, INDEX, answer
from server.resources import docs_directory, static_directory


async def page(request: web.Request) -> web.Response:
    """Answer the page."""
    found = request.app[FILES].find(INDEX)
    assert found is not None
    return answer(request, found[0])


async def asset(request: web.Request) -> web.StreamResponse:
    """Answer a file of the page or of the documentation's page, and no other."""
    path, files = request.match_info["path"], request.app[FILES]
    found = files.find(path)
    if found is not None:
        await found[0].made()
        return answer(request, found[0], lasts=found[1])
    if files.names(path):
        raise web.HTTPNotFound
    return file_answer(request, _file(static_directory(), path))


async def guide(request: web.Request) -> web.FileResponse:
    """Answer a page of the documentation as it is written; problems' types lead there."""
    path = _file(docs_directory(), f"{request.match_info['name']}.md")
    return file_answer(request, path, content_type="text/markdown; charset=utf-8")


def _file(root: Path, name: str) -> Path:
    try:
        # With links and `..` resolved, or a name could lead out of the directory.
        path = (root / name).resolve()
        found = path.is_relative_to(root) and path.is_file()
    except (OSError, ValueError):  # no name that a file can have
        found = False
    if not found:
        raise web.HTTPNotFound
    return path


async def documentation(request: web.Request) -> web.FileResponse:
    """Answer the documentation's page."""
    return file_answer(request, static_directory() / "swagger" / "index.html")


async def documentation_redirect(request: web.Request) -> web.Response:
    """Lead to the documentation's page, by a relative path: a proxy may stand before ours."""
    raise web.HTTPFound("index.html" if request.path.endswith("/") else "swagger/index.html")
