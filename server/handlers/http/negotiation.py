"""What a client of an output takes, has already, and shall call it: headers of HTTP. Pure."""

import re
from collections.abc import Iterator
from datetime import datetime
from urllib.parse import quote
from uuid import UUID

NAME_CHARACTERS = 64

_ENTITY_TAG = re.compile(r'(W/)?("[^"\x00-\x20\x7f]*")')
_QUALITY = re.compile(r"(0(\.[0-9]{0,3})?|1(\.0{0,3})?)")
_UNFIT = re.compile(r'[\x00-\x1f\x7f-\x9f/\\:*?"<>|%\u2028-\u202e\u2066-\u2069]+')
_NOT_ASCII = re.compile(r"[^ -~]+")
_ATTRIBUTE_CHARACTERS = "!#$&+-.^_`|~"
"""What RFC 8187 lets stand as it is, besides letters and digits."""


def accepts_zstd(accept_encoding: str) -> bool:
    """Return whether zstd is named, and not ranked below no encoding (RFC 9110, 12.5.3)."""
    return _accepts("zstd", accept_encoding)


def accepts_gzip(accept_encoding: str) -> bool:
    """Return whether gzip is named, and not ranked below no encoding (RFC 9110, 12.5.3)."""
    return _accepts("gzip", accept_encoding)


def accepts_events(accept: str) -> bool:
    """Return whether server-sent events are asked for by name, as an EventSource does."""
    return dict(_qualities(accept)).get("text/event-stream", 0.0) > 0


def accepts_lines(accept: str) -> bool:
    """Return whether lines of JSON are asked for by name."""
    return dict(_qualities(accept)).get("application/x-ndjson", 0.0) > 0


def _accepts(encoding: str, accept_encoding: str) -> bool:
    qualities = dict(_qualities(accept_encoding))
    quality = qualities.get(encoding, 0.0)
    return quality > 0 and quality >= qualities.get("identity", 0.0)


def _qualities(header: str) -> Iterator[tuple[str, float]]:
    """Iterate over what a header lists and its qualities; a quality that is none counts as 0."""
    for one in header.split(","):
        name, *parameters = (part.strip() for part in one.lower().split(";"))
        quality = 1.0
        for parameter in parameters:
            key, _, value = parameter.partition("=")
            if key.strip() == "q":
                value = value.strip()
                quality = float(value) if _QUALITY.fullmatch(value) else 0.0
        if name:
            yield name, quality


def entity_tag(run_id: UUID, size: int, *, zstd: bool) -> str:
    """Return the strong tag of a finished output: it never changes, nor do its stored chunks."""
    return f'"{run_id}-{size}{"-zstd" if zstd else ""}"'


def has_it_already(if_none_match: str, tag: str) -> bool:
    """Return whether `If-None-Match` names the tag, compared weakly (RFC 9110, 13.1.2)."""
    tags = (found[2] for found in _ENTITY_TAG.finditer(if_none_match))
    return if_none_match.strip() == "*" or tag in tags


def range_holds(if_range: str | None, tag: str | None) -> bool:
    """Return whether a range may be sent: without `If-Range`, or when it is the strong tag."""
    return if_range is None or if_range.strip() == tag


def disposition(name: str, started: datetime | None) -> str:
    """Return the Content-Disposition of an output: shown in a browser, and named when it is saved.

    By RFC 6266: with a name in ASCII for those who read no other. What file systems or a header
    cannot have in a name becomes a blank.
    """
    start = "" if started is None else f"{started:%Y-%m-%d %H.%M.%S}"
    ascii_name = f"{_fit(_NOT_ASCII.sub(' ', name))} {start}".strip()
    full_name = f"{_fit(name)} {start}".strip()
    header = f'inline; filename="{ascii_name}.txt"'
    if full_name != ascii_name:
        header += f"; filename*=UTF-8''{quote(full_name + '.txt', safe=_ATTRIBUTE_CHARACTERS)}"
    return header


def _fit(name: str) -> str:
    words = " ".join(_UNFIT.sub(" ", name).split())[:NAME_CHARACTERS].strip(" .")
    return words if any(character.isalnum() for character in words) else "run"
