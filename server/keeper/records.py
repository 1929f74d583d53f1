"""Records on disk: JSON objects that are written whole or not at all, and read with suspicion.

Whoever has the same user can put anything at a record's name: a directory, a pipe that nobody
writes to, a device without an end, values of other types. Nothing of that is a record, and to
look at it never waits.
"""

import errno
import json
import os
import stat
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

MAX_RECORD_BYTES = 64 * 1024

PASSING_ERRORS = frozenset(
    {errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOSPC, errno.EDQUOT, errno.EINTR}
)
"""Errors that tell of a shortage that passes, and nothing of the file."""

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
    """Accept a text that every consumer takes: without NUL, encodable."""
    return lambda value: isinstance(value, str) and _is_plain(value) and len(value) <= max_length


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


def open_regular(path: Path, flags: int = os.O_RDONLY) -> int:
    """Open a file that is a regular one, not a link to one, and never wait for it.

    Raises:
        OSError: it cannot be opened, or is something else.
    """
    descriptor = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK, 0o600)
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return descriptor
    os.close(descriptor)
    raise OSError(errno.EINVAL, "not a regular file", str(path))


def read_object(path: Path) -> dict[str, Any] | None:
    """Return the object in a file; None when there is none, or anything else.

    Raises:
        OSError: it cannot be read now, for a reason that passes.
    """
    try:
        descriptor = open_regular(path)
    except OSError as error:
        if error.errno in PASSING_ERRORS:
            raise
        return None
    try:
        data = os.read(descriptor, MAX_RECORD_BYTES + 1)
    finally:
        os.close(descriptor)
    return _object(data) if len(data) <= MAX_RECORD_BYTES else None


def write_whole(path: Path, data: bytes) -> None:
    """Replace a file by one with these bytes, so that a reader sees all of them or none.

    They are written to the file of the suffix .tmp beside it, which may be there already: space
    that was kept free is used. OSError: it could not be done; both are as they were, or .tmp is
    not of use.
    """
    temporary = path.with_suffix(".tmp")
    descriptor = open_regular(temporary, os.O_WRONLY | os.O_CREAT)
    try:
        if os.fstat(descriptor).st_nlink != 1:
            raise OSError(errno.EMLINK, os.strerror(errno.EMLINK), str(temporary))
        left = memoryview(data)
        while left:
            left = left[os.write(descriptor, left) :]
        os.ftruncate(descriptor, len(data))
    finally:
        os.close(descriptor)
    temporary.replace(path)


def _object(data: bytes) -> dict[str, Any] | None:
    try:
        values = json.loads(data)
    except (ValueError, RecursionError):
        return None
    return values if isinstance(values, dict) else None


def _is_plain(value: str) -> bool:
    return "\0" not in value and not any("\ud800" <= char <= "\udfff" for char in value)
