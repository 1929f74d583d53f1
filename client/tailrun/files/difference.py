"""What applying files would change, for people to read. Pure."""

import difflib
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

SIGNS = {"created": "+", "changed": "~", "deleted": "-"}
ENDS = {"created": "created", "changed": "changed", "deleted": "deleted", "unchanged": "unchanged"}


def difference(items: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Iterate over lines, without their ends: each command that changes, with what of it does."""
    for item in items:
        if item["outcome"] in SIGNS:
            yield f"{SIGNS[item['outcome']]} {item['key']}: {item['outcome']}"
            for change in item["changes"]:
                yield from _field(change["field"], change["before"], change["after"])


def summary(items: Sequence[Mapping[str, Any]]) -> str:
    """Return how many commands are created, changed, deleted and left as they are."""
    counts = {end: sum(one["outcome"] == end for one in items) for end in ENDS}
    return ", ".join(f"{count} {end}" for end, count in counts.items())


def _field(name: str, before: Any, after: Any) -> Iterator[str]:
    if any(isinstance(one, dict) for one in [*_items(before), *_items(after)]):
        yield f"    {name}:"
        yield from _differing(_items(before), _items(after))
        return
    if isinstance(before or after, str) and "\n" in f"{before or ''}{after or ''}":
        yield f"    {name}:"
        if before is None or after is None:  # new or gone, and not changed: it has no places
            sign, text = ("+", after) if before is None else ("-", before)
            yield from (f"      {sign}{line}" for line in text.splitlines())
            return
        lines = difflib.unified_diff(
            _lines(before), _lines(after), lineterm="", n=2, fromfile="", tofile=""
        )
        yield from (f"      {line}" for line in list(lines)[2:])
        return
    if before is not None:
        yield f"    - {name}: {_shown(before)}"
    if after is not None:
        yield f"    + {name}: {_shown(after)}"


def _items(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _differing(before: Sequence[Any], after: Sequence[Any]) -> Iterator[str]:
    """Iterate over the items that are gone and those that are new, in their order."""
    old, new = [*map(_shown, before)], [*map(_shown, after)]
    yield from (f"      - {one}" for one in old if one not in new)
    yield from (f"      + {one}" for one in new if one not in old)


def _lines(text: str | None) -> list[str]:
    return (text or "").split("\n")


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
