"""What a target says, without its URL: that may hold what lets others send there. Pure."""

import re
from urllib.parse import unquote

LEAST_CHARACTERS = 8
"""Of a part of a URL that may be a secret."""

LEAST_BEGINNING = 4
"""Of such a part that what was said breaks off in."""

LEFT_OUT = "…"

_SEPARATORS = re.compile(r"[/?&=#:@,;]")


def without_url(said: str, url: str) -> str:
    """Return what was said without the URL, its path and its longer parts.

    Many a server repeats what it was asked for when it refuses, and whoever may see a command sees
    why its notifications fail.
    """
    secret = _secret_parts(url)
    for part in secret:
        said = said.replace(part, LEFT_OUT)
    for part in secret:
        for length in range(len(part) - 1, LEAST_BEGINNING - 1, -1):
            if said.endswith(part[:length]):
                return said[:-length] + LEFT_OUT
    return said


def _secret_parts(url: str) -> list[str]:
    """Return what is not to be told, the longest first."""
    rest = url.partition("://")[2]
    path = "/" + rest.partition("/")[2]
    whole = [text for text in (url, rest, path, path.partition("?")[0]) if len(text) > 1]
    parts = [part for part in _SEPARATORS.split(rest) if len(part) >= LEAST_CHARACTERS]
    found = {*whole, *parts}
    return sorted(found | {unquote(text) for text in found}, key=len, reverse=True)
