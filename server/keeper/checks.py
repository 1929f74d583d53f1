"""What the fields of a record or of a message may hold: values of other types are refused.

Whoever has the same user can put anything at a record's name, so that no value of it is taken on
trust.
"""

from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

MAX_RECORD_BYTES = 64 * 1024

MAX_SECONDS = 1e10
"""More than any time or span in a record: three hundred years."""

Check = Callable[[Any], bool]
Checks = Mapping[str, Check]
_Kind = TypeVar("_Kind", bound="DataclassInstance")


def whole(low: int = 0, high: int = 2**63 - 1) -> Check:
    """Accept a whole number within these bounds (True is none)."""
    return lambda value: type(value) is int and low <= value <= high


def seconds(low: float = 0.0) -> Check:
    """Accept a finite number of seconds."""
    return lambda value: type(value) in {int, float} and low <= value <= MAX_SECONDS


def text(max_length: int) -> Check:
    """Accept a text that every consumer takes: without NUL, and without surrogates."""

    def check(value: object) -> bool:
        if not isinstance(value, str) or len(value) > max_length or "\0" in value:
            return False
        return not any("\ud800" <= char <= "\udfff" for char in value)

    return check


def string(value: object) -> bool:
    """Accept any text."""
    return isinstance(value, str)


def one_of(values: Mapping[str, object]) -> Check:
    """Accept one of these names."""
    return lambda value: isinstance(value, str) and value in values


def optional(check: Check) -> Check:
    """Accept None as well."""
    return lambda value: value is None or check(value)


def flag(value: object) -> bool:
    """Accept true and false."""
    return isinstance(value, bool)


def texts(value: object) -> bool:
    """Accept a list of texts."""
    return isinstance(value, list) and all(map(text(MAX_RECORD_BYTES), value))


def mapping(value: object) -> bool:
    """Accept texts by name."""
    if not isinstance(value, dict):
        return False
    return all(isinstance(part, str) for pair in value.items() for part in pair)


def build(kind: type[_Kind], values: Mapping[str, Any], checks: Checks) -> _Kind:
    """Make a value of its fields; those that are not in `checks` are left out.

    Raises:
        ValueError: a field is wrong; or is missing, and has no default.
    """
    required = {
        entry.name
        for entry in fields(kind)
        if entry.default is MISSING and entry.default_factory is MISSING
    }
    return kind(
        **{
            name: value_of(values, name, check)
            for name, check in checks.items()
            if name in values or name in required
        }
    )


def value_of(values: Mapping[str, Any], name: str, check: Check) -> Any:
    """Return a field's value.

    Raises:
        ValueError: it is missing, or wrong.
    """
    if name not in values:
        raise ValueError(f"the field {name!r} is missing")
    if not check(values[name]):
        raise ValueError(f"the field {name!r} has a wrong value")
    return values[name]
