"""What a path that is none was probably meant to be. Pure."""

import difflib
import re
from collections.abc import Iterable

MAX_CHARACTERS = 200
"""A longer path is not compared: it resembles none, and comparing takes its time."""

ALIKE = 0.8
ID = "{id}"

_IDENTIFIER = re.compile(r"[0-9a-fA-F-]{36}")


def near(path: str, templates: Iterable[str]) -> str | None:
    """Return the path most like `path` of these, which may have an `{id}` in them; None: none is.

    What stands for the id in `path` stands there again.
    """
    if len(path) > MAX_CHARACTERS:
        return None
    found = difflib.get_close_matches(_IDENTIFIER.sub(ID, path), templates, n=1, cutoff=ALIKE)
    if not found:
        return None
    identifier = _IDENTIFIER.search(path)
    return found[0] if identifier is None else found[0].replace(ID, identifier[0])
