"""Files as answers."""

from pathlib import Path

from aiohttp import web


def file_answer(
    request: web.Request, path: Path, *, content_type: str | None = None
) -> web.FileResponse:
    """Answer with a file; without a content type its name tells it."""
    answer = web.FileResponse(path, headers={"Content-Type": content_type} if content_type else {})
    if request.secure:
        # It must be read and encrypted: sendfile(2) would be used for what is not compressed.
        answer.enable_compression(web.ContentCoding.identity)
    return answer
