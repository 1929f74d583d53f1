"""Commands as YAML that people read, and `reading` reads back as it was."""

from collections.abc import Mapping
from typing import Any

import yaml

from tailrun.files.reading import PLAIN

HEADER = "commands:\n"
MAX_WIDTH = 2**31 - 1
"""Long lines are not folded: a difference shows what was changed."""


class _Dumper(getattr(yaml, "CSafeDumper", yaml.SafeDumper)):  # type: ignore[misc]
    """Quotes what this reader, or another one of YAML, would not take for a text."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text)
for _tag, (_pattern, _first) in PLAIN.items():
    _Dumper.add_implicit_resolver(_tag, _pattern, [*_first.replace("\0", ""), ""])


def as_yaml(command: Mapping[str, Any]) -> str:
    """Return a command as an item of the list under HEADER."""
    written = yaml.dump(
        [dict(command)],
        Dumper=_Dumper,
        sort_keys=False,
        allow_unicode=True,
        default_flow_style=False,
        width=MAX_WIDTH,
    )
    return str(written)
