"""The version of what can be changed: an ETag made of the time of its last change."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta

from aiohttp import web

from server.handlers.http.operation import Header

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)

IF_MATCH = Header(
    "If-Match",
    "the ETag of the command that is to be changed; 412 when it is another by now",
    errors=(412,),
)


def version_tag(updated_at: datetime) -> dict[str, str]:
    """Return the header with the version of what was last changed at that time."""
    return {"ETag": f'"{(updated_at - EPOCH) // MICROSECOND:x}"'}


def permitted_versions(request: web.Request) -> list[datetime] | None:
    """Return the versions that `If-Match` permits; None when it permits any."""
    tags = request.if_match
    if tags is None or any(tag.value == "*" for tag in tags):
        return None
    versions = []
    for tag in tags:
        if not tag.is_weak:  # a weak one permits no change (RFC 9110, 13.1.1)
            with suppress(ValueError, OverflowError):  # it is none of ours
                versions.append(EPOCH + int(tag.value, 16) * MICROSECOND)
    return versions
