"""The domain's values in messages: plain JSON by their types, and bytes as blobs. Pure.

A dataclass is an object of its fields, a named tuple and every other collection a list, a moment
ISO 8601 with its zone. Bytes, and long texts of a dataclass's fields, stand beside the head; in it
there is the number of their blob. What has a stored form of its own (`as_json` and `of`, such as a
command's options) is written in that.
A field that a reader does not know is ignored; one that a writer did not know has its default.
"""

import math
import types
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import MISSING, fields, is_dataclass
from datetime import datetime
from enum import Enum
from functools import cache, partial
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints
from uuid import UUID

from server.errors import WireError
from server.wire.codec import Parts

T = TypeVar("T")
MAX_ITEMS = 20_000
"""In all lists and mappings of a message. No host of ours says so much at once: to read more would
keep all others waiting."""


class Blobs(dict[int, bytes]):
    """What stands beside a head, by numbers, and how much is still read of the head.

    Each blob is taken once, so that a value is never larger than its message.
    """

    def __init__(self, blobs: Iterable[bytes]) -> None:
        super().__init__(enumerate(blobs))
        self._left = MAX_ITEMS

    def items_of(self, kind: Any, given: Any) -> Any:
        """Return a list or mapping, once it is known that it may be read.

        Raises:
            ValueError: it is none, or too much was read before.
        """
        self._left -= len(_is(kind, given))
        if self._left < 0:
            raise ValueError(f"it has more than {MAX_ITEMS} items")
        return given


Write = Callable[[Any, list[bytes]], Any]
"""Makes of a value what stands in a head, and adds what stands beside it."""

Read = Callable[[Any, Blobs], Any]
"""Makes a value of what stands in a head, with the blobs beside it; ValueError: it is none."""

SHORT_CHARACTERS = 1024
"""A text of more stands beside the head: as JSON a script would be a tenth longer, or six times."""

SCALARS = (str, bool, int, float)
AS_THEY_ARE = frozenset((types.NoneType, bool, int, UUID, datetime))
"""What JSON is written of as it is."""


def parts_of(message: object) -> Parts:
    """Return the parts of a message, which is a dataclass."""
    blobs: list[bytes] = []
    head = _plain(message, blobs)
    return Parts(head, tuple(blobs))


def value_of(kind: type[T], parts: Parts) -> T:
    """Read a message of this kind.

    Raises:
        WireError: it is none.
    """
    hashable: Any = kind
    try:
        found: T = _object(hashable)(parts.head, Blobs(parts.blobs))
    except (ValueError, OverflowError, AssertionError) as error:  # it may check itself
        raise WireError(f"A message is no {kind.__name__}: {error}") from error
    return found


def _plain(value: Any, blobs: list[bytes]) -> Any:
    kind: Any = type(value)
    return _writer(kind)(value, blobs)


@cache
def _writer(kind: Any) -> Write:
    """Return what writes values of a type."""
    if issubclass(kind, (*SCALARS, types.NoneType, UUID, datetime)):
        return _scalar(kind)
    if issubclass(kind, bytes):
        return _beside
    if issubclass(kind, Mapping):
        return lambda value, blobs: {str(name): _plain(one, blobs) for name, one in value.items()}
    if issubclass(kind, (AbstractSet, tuple, list)):
        return lambda value, blobs: [_plain(one, blobs) for one in value]
    if hasattr(kind, "as_json"):
        return lambda value, _: value.as_json()
    return partial(_fields, [one.name for one in fields(kind)])


def _fields(names: Sequence[str], value: Any, blobs: list[bytes]) -> dict[str, Any]:
    head = {}
    for name in names:
        one = getattr(value, name)
        if type(one) is str and len(one) > SHORT_CHARACTERS:
            one = _beside(one.encode("utf-8", "replace"), blobs)
        elif type(one) not in AS_THEY_ARE:  # as most are
            one = _plain(one, blobs)
        head[name] = one
    return head


def _beside(value: bytes, blobs: list[bytes]) -> int:
    blobs.append(value)
    return len(blobs) - 1


def _scalar(kind: Any) -> Write:
    """Return what writes such values as JSON takes them."""
    if issubclass(kind, Enum):
        return lambda value, _: value.value
    if issubclass(kind, float):
        return lambda value, _: _finite(value)
    if issubclass(kind, str):
        # It has no lone surrogates then.
        return lambda value, _: (
            value if value.isascii() else value.encode("utf-8", "replace").decode()
        )
    return lambda value, _: value


def _finite(value: float) -> float:
    """Return a number that JSON has.

    Raises:
        WireError: it is none.
    """
    if not math.isfinite(value):
        raise WireError(f"{value} cannot be written into a message: JSON has no such number.")
    return value


@cache
def _reader(kind: Any) -> Read:
    """Return what reads values of a type."""
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in {Union, types.UnionType}:
        return _union(arguments)
    if origin is not None:
        return _collection(origin, arguments)
    if kind in _PLAIN:
        return _PLAIN[kind]
    if issubclass(kind, Enum):
        return lambda given, _: kind(given)
    if hasattr(kind, "as_json"):
        return lambda given, _: kind.of(given)
    some: Any = kind
    return _object(some) if is_dataclass(kind) else _named(some)


def _union(kinds: Sequence[Any]) -> Read:
    """Read a value that may be None, or one of JSON's scalars."""
    some = [kind for kind in kinds if kind is not types.NoneType]
    if len(some) > 1:
        assert set(some) <= {*SCALARS}, f"what tells {some} from each other?"

        def read_scalar(given: Any, _: Blobs) -> Any:
            if type(given) not in some and not (given is None and len(some) < len(kinds)):
                raise ValueError(f"{_shown(given)} is none of {some}")
            return given

        return read_scalar
    read = _reader(some[0])
    return lambda given, blobs: None if given is None else read(given, blobs)


def _collection(origin: Any, arguments: Sequence[Any]) -> Read:
    if issubclass(origin, Mapping):
        read_name, read = _NAMES.get(arguments[0], _NAMES[str]), _reader(arguments[1])
        return lambda given, blobs: {
            read_name(name): read(one, blobs) for name, one in blobs.items_of(dict, given).items()
        }
    if issubclass(origin, tuple) and arguments[-1] is not Ellipsis:
        readers = [_reader(one) for one in arguments]
        return lambda given, blobs: tuple(
            read(one, blobs) for read, one in zip(readers, _is(list, given), strict=True)
        )
    read, make = _reader(arguments[0]), frozenset if issubclass(origin, AbstractSet) else tuple
    return lambda given, blobs: make(read(one, blobs) for one in blobs.items_of(list, given))


@cache
def _object(kind: Any) -> Read:
    hints = get_type_hints(kind)
    readers = {one.name: _reader(hints[one.name]) for one in fields(kind)}
    needed = {
        one.name
        for one in fields(kind)
        if one.default is MISSING and one.default_factory is MISSING
    }

    def read(given: Any, blobs: Blobs) -> Any:
        if not needed <= _is(dict, given).keys():
            raise ValueError(f"it has no {', '.join(sorted(needed - given.keys()))}")
        found = {}
        for name, read_field in readers.items():
            if name in given:
                try:
                    found[name] = read_field(given[name], blobs)
                except (ValueError, OverflowError) as error:
                    raise ValueError(f"{name}: {error}") from error
        return kind(**found)

    return read


def _named(kind: Any) -> Read:
    """Read a named tuple."""
    hints = get_type_hints(kind)
    readers = [_reader(hints[name]) for name in kind._fields]

    def read(given: Any, blobs: Blobs) -> Any:
        return kind(
            *(one(each, blobs) for one, each in zip(readers, _is(list, given), strict=True))
        )

    return read


def _is(kind: Any, given: Any) -> Any:
    """Return what is given, of this type exactly for a scalar.

    Raises:
        ValueError: it is of another one.
    """
    if type(given) is not kind and not (kind in _COLLECTIONS and isinstance(given, kind)):
        raise ValueError(f"{_shown(given)} is no {kind.__name__}")
    return given


def _exactly(kind: Any) -> Read:
    return lambda given, _: given if type(given) is kind else _is(kind, given)


def _number(given: Any, _: Blobs) -> float:
    return float(given if type(given) is int else _is(float, given))


def _moment(given: Any, _: Blobs) -> datetime:
    moment = datetime.fromisoformat(_is(str, given))
    if moment.tzinfo is None:
        raise ValueError(f"{_shown(given)} has no zone")
    return moment


def _blob(given: Any, blobs: Blobs) -> bytes:
    blob = blobs.pop(_is(int, given), None)
    if blob is None:
        raise ValueError(f"there is no blob {given}, or it was taken before")
    return blob


def _text(given: Any, blobs: Blobs) -> str:
    return _blob(given, blobs).decode() if type(given) is int else str(_is(str, given))


def _shown(given: object) -> str:
    return repr(given)[:80]


_COLLECTIONS: Collection[Any] = (Mapping, dict, list)
_NAMES: Mapping[Any, Callable[[str], Any]] = {str: str, UUID: UUID}
_PLAIN: Mapping[Any, Read] = {
    str: _text,
    bool: _exactly(bool),
    int: _exactly(int),
    float: _number,
    bytes: _blob,
    UUID: lambda given, _: UUID(_is(str, given)),
    datetime: _moment,
}
