"""What a statement is given, and what it returns."""

from collections.abc import Mapping
from typing import Any

Row = tuple[Any, ...]
Parameters = Mapping[str, object]
