"""JSON pointers (RFC 6901): where in a body a parameter's value is. Pure."""

import re

MISSING = object()
"""What a pointer leads to that leads nowhere."""

_POINTER = re.compile(r"(?:/(?:[^~/]|~[01])*)*")
_INDEX = re.compile(r"0|[1-9][0-9]{0,9}")


def is_pointer(text: str) -> bool:
    """Return whether a text is one: empty, or parts that each begin with a slash."""
    return _POINTER.fullmatch(text) is not None


def resolve(document: object, pointer: str) -> object:
    """Return what a pointer leads to in a document; MISSING where there is nothing."""
    for part in pointer.split("/")[1:]:
        name = part.replace("~1", "/").replace("~0", "~")
        if isinstance(document, dict):
            document = document.get(name, MISSING)
        elif isinstance(document, list) and _INDEX.fullmatch(name) and int(name) < len(document):
            document = document[int(name)]
        else:
            return MISSING
    return document
