"""How a setting is declared: its default, what it takes, and what it is for."""

from collections.abc import Callable
from dataclasses import field
from typing import Any

from server.settings.values import (
    Parser,
    none_if_zero,
)


def setting(default: Any, parse: Parser, description: str, *, none: str = "none") -> Any:
    """Declare a setting; `none` is how a default of None is shown."""
    metadata = {"parse": parse, "description": description, "none": none}
    if callable(default):
        return field(default_factory=default, metadata=metadata)
    return field(default=default, metadata=metadata)


def secret(parse: Parser, description: str) -> Any:
    """Declare what is, or may hold, a secret, none by default: it is never shown.

    The setting after it, of the same name and `_file`, names a file that holds it.
    """
    return field(
        default=None,
        metadata={"parse": parse, "description": description, "none": "none", "secret": True},
    )


def bound(parse: Parser, description: str) -> Any:
    """Declare a limit that is off by default: 0 is read as None."""
    return setting(None, none_if_zero(parse), description, none="0")


def group(kind: Callable[[], Any], prefix: str = "") -> Any:
    """Declare a group of settings, whose names begin with its prefix."""
    return field(default_factory=kind, metadata={"prefix": prefix})
