"""What an unknown path was probably meant to be. Pure."""

import difflib
import re
from collections.abc import Iterable

MAX_CHARACTERS = 200
"""A longer path is not compared: it resembles none, and comparing takes its time."""

MIN_SIMILARITY = 0.8  # a lower one suggests what nobody meant
ID = "{id}"

_IDENTIFIER = re.compile(r"[0-9a-fA-F-]{36}")


def near(path: str, templates: Iterable[str]) -> str | None:
    """Return the path most like `path` of these, which may have an `{id}` in them; None: none is.

    An id in `path` takes the place of `{id}`.
    """
    if len(path) > MAX_CHARACTERS:
        return None
    found = difflib.get_close_matches(
        _IDENTIFIER.sub(ID, path), templates, n=1, cutoff=MIN_SIMILARITY
    )
    if not found:
        return None
    identifier = _IDENTIFIER.search(path)
    return found[0] if identifier is None else found[0].replace(ID, identifier[0])
