"""Where a search has come to, as a cursor for clients. Pure."""

import base64
import binascii
import hashlib
import struct

from server.errors import InvalidCursorError
from server.services.search.charsets import UTF8
from server.services.search.pattern import Query
from server.services.search.scan import Place

_LAYOUT = struct.Struct(">qqqq?8s")
_NONE = -1


def encode(place: Place, name: str, query: Query) -> str:
    """Return a place as an opaque cursor of one search, safe in a URL."""
    line_offset = _NONE if place.line_offset is None else place.line_offset
    raw = _LAYOUT.pack(
        place.offset, place.line, place.count, line_offset, place.found, _digest(name, query)
    )
    return base64.urlsafe_b64encode(raw).decode("ascii")


def decode(cursor: str, name: str, query: Query) -> Place:
    """Return the place that a cursor holds.

    Raises:
        InvalidCursorError: it was not made by `encode`, or of another search.
    """
    try:
        raw = base64.b64decode(cursor.encode("ascii"), altchars=b"-_", validate=True)
        offset, line, count, line_offset, found, digest = _LAYOUT.unpack(raw)
    except (UnicodeEncodeError, binascii.Error, struct.error) as error:
        raise InvalidCursorError("The cursor was not made by this service.") from error
    if digest != _digest(name, query) or min(offset, count) < 0 or line < 1:
        raise InvalidCursorError("The cursor is of another search: begin this one without it.")
    return Place(offset, line, count, None if line_offset < 0 else line_offset, found)


def _digest(name: str, query: Query) -> bytes:
    text = repr((name, query.text, query.regex, query.case, query.word))
    if query.encoding != UTF8:  # cursors of versions that knew no other stay valid
        text += query.encoding
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:8]
